"""Runs as the runtime sees them: the adapter for `ports.Processes`, over `host.process` and the engines.

Knows which run has a container. Refuses to know why a run starts or ends, and how either of the two works.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from zoosup.core.memory.gpu_env import COUNTED, without_contradicting
from zoosup.core.state.runs import Exit
from zoosup.host.container.api_engine import ApiEngine
from zoosup.host.container.engine import ContainerState, EngineRefusedError, EngineUnreachableError
from zoosup.host.ports.host import Ended, Ladder, RecordedRun, SpawnError
from zoosup.host.ports.launch import ContainerLaunch, Launch
from zoosup.host.process.processes import OnExit, Processes
from zoosup.host.process.stop.grace import LEAST_GRACE
from zoosup.host.runs.container_end import GIVE_UP, ContainerEnding, as_it_ended, remove_remains
from zoosup.host.runs.container_start import config_of, labels_of, start_container
from zoosup.host.runs.engines import Engines, client_run, leading
from zoosup.host.runs.exits import exit_of_client, exit_of_container
from zoosup.host.runs.follow import Following
from zoosup.host.runs.takeover import Takeover
from zoosup.host.runs.tie import Kept, Tie, TieFiles
from zoosup.host.system.threads import in_own_thread
from zoosup.spec.engine.run import EngineRun, with_additions

_ADOPTION_WORD = 3.0  # seconds that engines have to say who is in the containers of adopted runs
_EXIT_WORD = 5.0  # seconds that an engine has to say how a container has ended
_LAST_WORDS = 2.0  # seconds in which what a container has printed last is copied
_USAGE_WORD = 3.0  # seconds that an engine has to say what a container holds


class Runs:
    """`make_processes` is handed the one who hears of each leader's exit; `directory` is where ties are kept."""

    def __init__(
        self,
        make_processes: Callable[[OnExit], Processes],
        engines: Engines,
        directory: Path,
        on_exit: OnExit,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._processes = make_processes(self._leader_exited)
        self._engines = engines
        self._files = TieFiles(directory)
        self._following = Following(self._processes, self._files, self._ended_apart)
        self._on_exit = on_exit
        self._wall = wall
        self._mark = self._place = ""
        self._ties: dict[str, Tie] = {}
        self._starts: dict[str, asyncio.Task[int]] = {}
        self._endings: dict[str, tuple[ContainerEnding, asyncio.Task[Ended]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def spawn(self, launch: Launch) -> int:
        """Start the process or the container and return its pid, 0 where none can be seen; SpawnError."""
        client = client_run(launch)
        if launch.container is not None:
            start = self._start_container(launch, launch.container)
        elif client is not None:
            start = self._start_client(launch, client)
        else:
            return await self._processes.spawn(launch)
        # As with a process, a cancelled call doesn't cancel the start: `terminate` waits for it.
        starting = self._starts[launch.run_id] = asyncio.create_task(start)
        starting.add_done_callback(lambda _: self._starts.pop(launch.run_id, None))
        return await asyncio.shield(starting)

    async def terminate(self, run_id: str, ladder: Ladder) -> Ended:
        """Take the run down the ladder, its container first; a second call meanwhile waits for the same end."""
        if (starting := self._starts.get(run_id)) is not None:
            await asyncio.wait((starting,), timeout=ladder.grace + GIVE_UP)
            if not starting.done():
                return Ended("a container that its engine is still starting", None)
        tie = self._ties.get(run_id)
        if tie is None:
            return await self._processes.terminate(run_id, ladder)
        if run_id not in self._endings:
            ending = ContainerEnding(tie, ladder, self._processes.lives)
            task = asyncio.create_task(self._end(tie, ending, ladder))
            self._endings[run_id] = ending, task
            task.add_done_callback(lambda _: self._endings.pop(run_id, None))
        return await asyncio.shield(self._endings[run_id][1])

    def hasten(self, run_id: str, grace: float) -> None:
        """Let SIGKILL come at most `grace` seconds from now, if a ladder is under way."""
        if run_id in self._endings:
            self._endings[run_id][0].hasten(grace)
        self._processes.hasten(run_id, grace)

    def identity(self, run_id: str) -> str | None:
        """Who the run's leader is; None where the run or its processes can't be seen."""
        return self._processes.identity(run_id)

    async def adopt(self, recorded_runs: Mapping[str, RecordedRun], mark: str) -> Mapping[str, int]:
        """Find runs of an earlier zoosup again; OSError when the process table can't be read."""
        self._mark = mark
        takeover = await in_own_thread(partial(Takeover, self._engines, self._files))
        self._place, ties = takeover.place, takeover.ties(recorded_runs)
        containers = {run_id: tie.ids for run_id, tie in ties.items() if tie.container_id}
        found = dict(await self._processes.adopt(recorded_runs, mark, containers))
        unseen = [tie for run_id, tie in ties.items() if run_id not in found]
        running = await asyncio.gather(*(takeover.still_runs(tie) for tie in unseen))
        for tie, pid in zip(unseen, running, strict=True):
            if pid is not None:
                tie.apart = not (pid and self._processes.follow(tie.launch, pid, tie.ids))
                found[tie.run_id] = pid
        self._ties = {run_id: tie for run_id, tie in ties.items() if run_id in found}
        for tie in self._ties.values():
            self._watch(tie)
        await self._following.known(self._ties.values(), _ADOPTION_WORD)  # what they hold is measured next
        self._begin(takeover.sweep(mark, self._ties, tuple(ties.values())))
        return found

    async def usage(self) -> Mapping[str, int]:
        """Bytes of RAM by run; of one whose processes can't be seen by its engine's word, or left out without that."""
        held = dict(await self._processes.usage())
        apart = [tie for tie in self._ties.values() if tie.apart and tie.container_id]
        amounts = await asyncio.gather(*map(self._held_apart, apart))
        return held | {
            tie.run_id: amount for tie, amount in zip(apart, amounts, strict=True) if amount is not None
        }

    def mapped(self, run_id: str) -> int | None:
        """Bytes of files that the run's tree had mapped and in RAM when `usage` was last asked; None: not known."""
        return self._processes.mapped(run_id)

    async def bytes_read(self, run_id: str) -> int | None:
        """Bytes that the run's tree has read since it began, or mapped; None where none of it can be seen."""
        return await self._processes.bytes_read(run_id)

    def members(self, run_id: str) -> frozenset[int]:
        """The pids last seen to belong to the run."""
        return self._processes.members(run_id)

    def watch(self, run_id: str, pid: int) -> str:
        """Follow a process that is none of ours; who it is, "" where it isn't there."""
        return self._processes.watch(run_id, pid)

    def unwatch(self, run_id: str) -> None:
        """Follow it no longer."""
        self._processes.unwatch(run_id)

    async def collect_orphans(self) -> None:
        """As pid 1: collect, for ever, what others have left."""
        await self._processes.collect_orphans()

    async def close(self) -> None:
        """Stop watching; whoever lives goes on."""
        tasks = [*self._tasks, *self._starts.values(), *(task for _, task in self._endings.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for tie in self._ties.values():
            await self._following.stop(tie)
        await self._processes.close()
        await self._engines.close()

    # A start

    async def _start_container(self, launch: Launch, container: ContainerLaunch) -> int:
        engine = self._engines.by_api(container.engine)
        tie = Tie(launch, engine, led_by_client=False)
        await self._keep(tie, Kept(address=engine.address or container.engine))
        self._ties[launch.run_id] = tie
        try:
            config = config_of(launch, container, self._mark, self._place)
            state = await start_container(engine, config, partial(setattr, tie, "container_id"))
        except SpawnError as error:
            return await self._taken_back(tie, error)
        tie.apart = state.pid is None or not self._processes.follow(launch, state.pid, tie.ids)
        await self._keep(tie, Kept(address=engine.address, container_id=tie.container_id, apart=tie.apart))
        self._watch(tie)
        return state.pid or 0

    async def _start_client(self, launch: Launch, client: EngineRun) -> int:
        tie = Tie(launch, self._engines.by_client(client.prefix, launch.env), led_by_client=True)
        prepared = with_additions(
            launch.argv,
            cidfile=str(await in_own_thread(partial(self._files.cidfile, launch.run_id))),
            labels=labels_of(launch, self._mark, self._place),
            env=_shown(launch, client),
        )
        cidfile = Path(launch.cwd or ".", prepared.cidfile)
        await in_own_thread(partial(self._files.clear, cidfile))
        await self._keep(tie, Kept(client=client.prefix, env=leading(launch.env)))
        self._ties[launch.run_id] = tie
        try:
            pid = await self._processes.spawn(replace(launch, argv=prepared.words))
        except BaseException:
            del self._ties[launch.run_id]
            self._files.forget(launch.run_id)
            raise
        self._following.learn_id(tie, cidfile)
        return pid

    async def _taken_back(self, tie: Tie, error: SpawnError) -> int:
        """Raise the error once nothing of the start is left; where the engine doesn't say so, the run has ended."""
        tie.exit = Exit(error.reason, self._wall(), message=str(error))
        if not await self._clear_away(tie):
            raise error
        self._on_exit(tie.run_id, tie.exit)  # so that it is terminated, until it is gone
        return 0

    async def _keep(self, tie: Tie, kept: Kept) -> None:
        await in_own_thread(partial(self._files.keep, tie.run_id, kept))

    def _watch(self, tie: Tie) -> None:
        """What goes on beside it from now on."""
        engine = tie.engine
        if isinstance(engine, ApiEngine) and tie.container_id:
            self._following.copy_log(tie, engine)
            if tie.apart:
                self._following.await_end(tie, engine)
        elif tie.led_by_client:
            self._following.learn_id(tie, self._files.cid_path(tie.run_id))

    # An end

    async def _end(self, tie: Tie, ending: ContainerEnding, ladder: Ladder) -> Ended:
        command = (
            None
            if ladder.command is None
            else partial(self._processes.run_beside, tie.launch, ladder.command)
        )
        trouble = await ending.go(command)
        if tie.apart and trouble:
            return Ended(trouble, tie.exit)
        # The client ends by itself after its container; where the engine did not help, all are told.
        grace = ending.left if trouble else LEAST_GRACE
        ended = await self._processes.terminate(tie.run_id, Ladder(ladder.signal, grace))
        if ended.survivors:
            return Ended(", ".join(filter(None, (ended.survivors, trouble))), tie.exit or ended.exit)
        await self._following.settle(tie, _LAST_WORDS)
        left = await self._clear_away(tie)
        return Ended(left, tie.exit or ended.exit)

    async def _clear_away(self, tie: Tie) -> str:
        """Why something of it may be left in the engine, for people; with "" it is forgotten."""
        left = await remove_remains(tie, self._wall())
        if not left:
            self._ties.pop(tie.run_id, None)
            if not tie.may_come_late:  # else the next zoosup looks once more
                await in_own_thread(partial(self._files.forget, tie.run_id))
        return left

    def _leader_exited(self, run_id: str, ended: Exit) -> None:
        tie = self._ties.get(run_id)
        if tie is None:
            self._on_exit(run_id, ended)
        else:
            self._begin(self._tell(tie, ended))

    def _ended_apart(self, tie: Tie) -> None:
        self._begin(self._tell(tie, None))

    async def _tell(self, tie: Tie, leader: Exit | None) -> None:
        """How it ended, by the engine's word; without it by the client's, or nobody's."""
        state: ContainerState | None = None
        with suppress(EngineUnreachableError, EngineRefusedError, TimeoutError):
            async with asyncio.timeout(_EXIT_WORD):
                state = await tie.engine.inspect(tie.container_id) if tie.container_id else None
                if not tie.led_by_client or (state is not None and not state.running):
                    state = await as_it_ended(tie, state)
        if tie.exit is None:
            led = tie.led_by_client and leader is not None
            tie.exit = (
                exit_of_client(leader, state) if led and leader else exit_of_container(state, self._wall())
            )
        self._on_exit(tie.run_id, tie.exit)

    async def _held_apart(self, tie: Tie) -> int | None:
        engine = tie.engine
        if isinstance(engine, ApiEngine):
            with suppress(EngineUnreachableError, EngineRefusedError, TimeoutError):
                async with asyncio.timeout(_USAGE_WORD):
                    return await engine.memory(tie.container_id)
        return None

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _shown(launch: Launch, client: EngineRun) -> Mapping[str, str]:
    """The variables by which a client's container is shown its GPUs: those that mean the same inside, and no others."""
    ours = without_contradicting(launch.gpu_env, client.env)
    return {name: value for name, value in ours.items() if not launch.gpus or name not in COUNTED}

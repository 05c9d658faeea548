"""Model processes as runs: started, watched, weighed and ended as whole trees.

Knows which run has which leader, and keeps that leader unreaped until nobody of its run is left, so that its
pid and its group's id stay its own for as long as signals may go there. Refuses to know why a run starts or
ends.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from zoosup.core.state.phases import ExitReason
from zoosup.core.state.runs import Exit
from zoosup.host.ports.host import Ended, Ladder, RecordedRun, SpawnError
from zoosup.host.ports.launch import Launch
from zoosup.host.process.adoption import look_for, unknown_launch
from zoosup.host.process.exit_watcher import Cancel, host_watcher
from zoosup.host.process.leader import identify
from zoosup.host.process.orphans import collect
from zoosup.host.process.spawn import let_children_hear_signals, start
from zoosup.host.process.stop.stop_command import run_command
from zoosup.host.process.stop.termination import Instruments, Termination
from zoosup.host.process.table.background_looks import BackgroundLooks
from zoosup.host.process.table.identity import Identity, boot_session
from zoosup.host.process.table.membership import RunMembers
from zoosup.host.process.table.proc_table import Table, host_table
from zoosup.host.process.table.scanner import ProcessScanner
from zoosup.host.process.wait_status import describe, peek, reap
from zoosup.host.system.threads import in_own_thread

GIVE_UP = 10.0
"""Seconds after SIGKILL after which a run counts as stuck."""

OnExit = Callable[[str, Exit], None]


@dataclass(slots=True)
class _Run:
    """One run from its spawn until nobody of it is left."""

    launch: Launch
    tree: RunMembers
    since: float  # monotonic
    unwatch: Cancel
    exit: Exit | None = None
    exited_at: float | None = None  # monotonic: when it was noticed
    termination: Termination | None = None
    ending: asyncio.Task[Ended] | None = None


class Processes:
    """The adapter for `ports.Processes`; to be made on the running loop, in the main thread.

    `on_exit` is called on the loop when a run's leader has exited, asked for or not; others of the run may
    still live, and only `terminate` says when they don't. `logs` is the directory of all runs' output.
    """

    def __init__(  # noqa: PLR0913 - what a host can have other than usual
        self,
        on_exit: OnExit,
        *,
        logs: Path | None = None,
        clock: Callable[[], float] = time.time,
        table: Table | None = None,
        give_up: float = GIVE_UP,
        prepare: Callable[[int], None] = lambda _: None,
    ) -> None:
        """`prepare` is called, in a thread, with the pid of each process that has just been started."""
        let_children_hear_signals()
        self._on_exit = on_exit
        self._logs = logs
        self._prepare = prepare
        self._clock = clock
        self._table = host_table() if table is None else table
        self._scanner = ProcessScanner(self._table)
        self._watcher = host_watcher(asyncio.get_running_loop(), self._table)
        self._instruments = Instruments(self._table, self._scanner, self._watcher, give_up)
        self._spawns: dict[str, asyncio.Task[int]] = {}
        self._runs: dict[str, _Run] = {}
        self._looks = BackgroundLooks(self._scanner)

    async def spawn(self, launch: Launch) -> int:
        """Start the process and return its pid; raises SpawnError.

        A cancelled call doesn't cancel the spawn: fork may have happened, and `terminate` then finds the run.
        """
        if launch.run_id in self._spawns or launch.run_id in self._runs:
            raise ValueError(f"internal error: run {launch.run_id} is spawned twice")
        spawning = asyncio.create_task(self._spawn(launch))
        self._spawns[launch.run_id] = spawning
        return await asyncio.shield(spawning)

    def follow(self, launch: Launch, pid: int, containers: frozenset[str]) -> bool:
        """Take a process that somebody else has started for the run as its leader; False where it isn't there.

        It is no child of ours: its exit is noticed, and how it ended is for others to say.
        """
        row = self._table.look(pid)
        if row is None or not row.living:
            return False
        self._register(launch, Identity(pid, row.start, boot_session()))
        self.contain(launch.run_id, containers)
        return True

    def watch(self, run_id: str, pid: int) -> str:
        """Follow a process that is none of ours, by the same means; who it is, "" where it isn't there."""
        if not self.follow(unknown_launch(run_id), pid, frozenset()):
            return ""
        self.contain(run_id, frozenset(), pid)  # it need not lead a group or a session of its own
        return self.identity(run_id) or ""

    def unwatch(self, run_id: str) -> None:
        """Follow it no longer: nobody is signalled, and nothing of it is collected."""
        if (run := self._runs.pop(run_id, None)) is not None:
            run.unwatch()
            del self._scanner.trees[run_id]

    def contain(self, run_id: str, containers: frozenset[str], pid: int | None = None) -> None:
        """From now on, whoever lives in these containers belongs to the run, and `pid` with all that descends from it.

        An engine that may make no cgroups (rootless, cgroups v1) leaves no other trace of who is in a container.
        """
        if (run := self._runs.get(run_id)) is not None:
            run.tree.containers = containers
            if pid is not None and (row := self._table.look(pid)) is not None:
                run.tree.roots |= {(pid, row.start)}
            self._looks.soon(0.0)

    def lives(self, pid: int) -> bool:
        """Whether there is such a process, here and now."""
        row = self._table.look(pid)
        return row is not None and row.living

    async def run_beside(self, launch: Launch, argv: tuple[str, ...]) -> None:
        """Run a program to its end in a run's surroundings, known as part of it; cancelled, it is killed."""
        await run_command(replace(launch, argv=argv), self._watcher, self._table, self._prepare)

    def identity(self, run_id: str) -> str | None:
        """Who the run's leader is, as `adopt` of a later zoosup reads it."""
        run = self._runs.get(run_id)
        return None if run is None else str(run.tree.leader)

    async def adopt(
        self,
        recorded_runs: Mapping[str, RecordedRun],
        mark: str,
        containers: Mapping[str, frozenset[str]] = MappingProxyType({}),
    ) -> Mapping[str, int]:
        """Find runs of an earlier zoosup again; OSError when the process table can't be read.

        `containers` are the ids of those that a run is known to have. Leaders are children of init now, so that their
        exit is noticed, and their exit code is not known.
        """
        search = partial(look_for, self._table, dict(recorded_runs), mark, self._logs, containers)
        found = await in_own_thread(search)
        for run_id, run in found.items():
            trace = recorded_runs.get(run_id)
            launch = trace.launch if trace is not None else unknown_launch(run_id)
            self._register(launch, run.leader)
            tree = self._runs[run_id].tree
            tree.members, tree.containers = run.members, containers.get(run_id, frozenset())
            if not run.leader_lives or not self._still(run.leader):
                self._runs[run_id].unwatch()
                asyncio.get_running_loop().call_soon(self._exited, run_id)
        return {run_id: run.leader.pid for run_id, run in found.items()}

    def _still(self, leader: Identity) -> bool:
        """Asked once it is watched: between the look and the watch its pid may have been given away."""
        row = self._table.look(leader.pid)
        return row is not None and row.start == leader.start

    async def terminate(self, run_id: str, ladder: Ladder) -> Ended:
        """Take the run down the ladder; a second call meanwhile waits for the same end.

        An unknown run has ended already. After survivors the run stays known, and a later call tries again.
        """
        if (spawning := self._spawns.get(run_id)) is not None:
            await asyncio.wait((spawning,), timeout=ladder.grace + self._instruments.give_up)
            if not spawning.done():
                return Ended("a process whose program is still being loaded: exec hangs", None)
        run = self._runs.get(run_id)
        if run is None:
            return Ended("", None)
        if run.ending is None or run.ending.done():
            # Made here and not in the task: it can be hastened before the task has had its first turn.
            run.termination = Termination(run.tree, ladder, self._instruments, run.exited_at)
            run.ending = asyncio.create_task(self._end(run, run.termination, ladder))
        return await asyncio.shield(run.ending)

    def hasten(self, run_id: str, grace: float) -> None:
        """Let SIGKILL come at most `grace` seconds from now, if a ladder is under way."""
        run = self._runs.get(run_id)
        if run is not None and run.termination is not None:
            run.termination.hasten(grace)

    async def usage(self) -> Mapping[str, int]:
        """Bytes of RAM by run, over the whole tree; see `proc_table` for what is counted.

        OSError when the process table can't be read: unknown is never 0.
        """
        return await self._scanner.memory()

    def mapped(self, run_id: str) -> int | None:
        """Bytes of files that the run's tree had mapped and in RAM when `usage` was last asked; None: not known."""
        return self._scanner.mapped.get(run_id)

    async def bytes_read(self, run_id: str) -> int | None:
        """Bytes that the run's tree has read since it began, or mapped; None where nobody can tell."""
        return await self._scanner.bytes_read(run_id)

    def members(self, run_id: str) -> frozenset[int]:
        """The pids last seen to belong to the run; asking has them looked at again soon.

        At most every 2 % of the run's age (50 ms to 2 s): whoever asks often is waiting for a server to come
        up. Once its leader has exited, `terminate` looks for itself, and a look under way would only hold that up.
        """
        run = self._runs.get(run_id)
        if run is None:
            return frozenset()
        if run.exit is not None:
            return frozenset(run.tree.members)
        age = time.monotonic() - run.since
        self._looks.soon(min(max(age * 0.02, 0.05), 2.0))
        return frozenset((*run.tree.members, run.tree.leader.pid))

    async def collect_orphans(self) -> None:
        """As pid 1: collect, for ever, what others have left; the leaders of runs stay until their run is gone."""
        await collect(self._table, self._leaders)

    def _leaders(self) -> frozenset[int] | None:
        """None while one is being spawned, whose pid is not known yet."""
        return None if self._spawns else frozenset(run.tree.leader.pid for run in self._runs.values())

    async def close(self) -> None:
        """Stop watching and collect the dead; whoever lives goes on."""
        endings = [run.ending for run in self._runs.values() if run.ending is not None]
        tasks = [*self._spawns.values(), *endings, *self._looks.close()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for run in self._runs.values():
            run.unwatch()
            reap(run.tree.leader.pid)
        self._runs.clear()
        self._watcher.close()
        self._scanner.close()

    async def _spawn(self, launch: Launch) -> int:
        try:
            pid = await in_own_thread(partial(start, launch, self._prepare))
        except RuntimeError as error:  # can't start new thread
            raise SpawnError(ExitReason.ERROR, f"can't run {launch.argv[0]}: {error}") from error
        finally:
            del self._spawns[launch.run_id]
        self._register(launch, identify(pid, self._table, self._watcher))
        self._looks.after_a_spawn()
        return pid

    def _register(self, launch: Launch, leader: Identity) -> None:
        tree = RunMembers(launch.run_id, leader)
        self._scanner.trees[launch.run_id] = tree
        unwatch = self._watcher.watch(leader.pid, partial(self._exited, launch.run_id))
        self._runs[launch.run_id] = _Run(launch, tree, time.monotonic(), unwatch)

    def _exited(self, run_id: str, status: int | None = None) -> None:
        run = self._runs[run_id]
        if run.exit is None:
            run.exit = describe(peek(run.tree.leader.pid, status), self._clock())
            run.exited_at = time.monotonic()
            if run.termination is None:
                self._looks.soon(0.0)  # who it has left is asked next, and the next run waits for the answer
            self._on_exit(run_id, run.exit)

    async def _end(self, run: _Run, termination: Termination, ladder: Ladder) -> Ended:
        command = None if ladder.command is None else partial(self.run_beside, run.launch, ladder.command)
        try:
            survivors = await termination.go(command)
        finally:
            run.termination = None
        if not survivors:
            self._forget(run)
        return Ended(survivors, run.exit)

    def _forget(self, run: _Run) -> None:
        """Nobody is left: only now may the leader's pid be given away."""
        self._exited(run.tree.run_id)  # its notice may still be on its way
        run.unwatch()
        reap(run.tree.leader.pid)
        del self._runs[run.tree.run_id]
        del self._scanner.trees[run.tree.run_id]

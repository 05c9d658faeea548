"""Model processes as runs: started, watched, weighed and ended as whole trees.

Knows which run has which leader, and keeps that leader unreaped until nobody of its run is left, so that its
pid and its group's id stay its own for as long as signals may go there. Refuses to know why a run starts or
ends.
"""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from zoosup.core.state.phases import ExitReason
from zoosup.core.state.runs import Exit
from zoosup.host.ports import Ended, Ladder, Launch, RecordedRun, SpawnError
from zoosup.host.process.adoption import Found, environments, find, recorded, unrecorded
from zoosup.host.process.exit_watcher import Cancel, host_watcher
from zoosup.host.process.identity import Identity, boot_session
from zoosup.host.process.log_writers import write_below, writers
from zoosup.host.process.membership import RunMembers
from zoosup.host.process.orphans import EVERY as ORPHANS_EVERY, Orphans, needed as orphans_come_to_us
from zoosup.host.process.proc_table import Table, host_table
from zoosup.host.process.scanner import ProcessScanner
from zoosup.host.process.spawn import let_children_hear_signals, start
from zoosup.host.process.stop_command import run_command
from zoosup.host.process.termination import Instruments, Termination
from zoosup.host.process.wait_status import describe, peek, reap
from zoosup.host.threads import in_own_thread

_log = logging.getLogger(__name__)

GIVE_UP = 10.0
"""Seconds after SIGKILL after which a run counts as stuck."""

_EARLY_LOOKS = (0.05, 0.25, 1.0)
"""Seconds after a spawn: a child that leaves its session and clears its environment has to be seen while its
parent lives."""

_SAME_LOOK = 0.02  # runs spawned together share their early looks

OnExit = Callable[[str, Exit], None]


@dataclass(slots=True)
class _Run:
    """One run from its spawn until nobody of it is left."""

    launch: Launch
    tree: RunMembers
    since: float  # monotonic
    unwatch: Cancel
    exit: Exit | None = None
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
        self._look: asyncio.Task[None] | None = None
        self._closed = False

    async def spawn(self, launch: Launch) -> int:
        """Start the process and return its pid; raises SpawnError.

        A cancelled call doesn't cancel the spawn: fork may have happened, and `terminate` then finds the run.
        """
        if launch.run_id in self._spawns or launch.run_id in self._runs:
            raise ValueError(f"internal error: run {launch.run_id} is spawned twice")
        spawning = asyncio.create_task(self._spawn(launch))
        self._spawns[launch.run_id] = spawning
        return await asyncio.shield(spawning)

    def identity(self, run_id: str) -> str | None:
        """Who the run's leader is, as `adopt` of a later zoosup reads it."""
        run = self._runs.get(run_id)
        return None if run is None else str(run.tree.leader)

    async def adopt(self, recorded_runs: Mapping[str, RecordedRun], mark: str) -> Mapping[str, int]:
        """Find runs of an earlier zoosup again; OSError when the process table can't be read.

        Their leaders are children of init now, so that their exit is noticed, and their exit code is not known.
        """
        found = await in_own_thread(partial(self._search, dict(recorded_runs), mark))
        for run_id, run in found.items():
            trace = recorded_runs.get(run_id)
            launch = trace.launch if trace is not None else _unknown_launch(run_id)
            self._register(launch, run.leader)
            self._runs[run_id].tree.members = run.members
            if not run.leader_lives or not self._still(run.leader):
                self._runs[run_id].unwatch()
                asyncio.get_running_loop().call_soon(self._exited, run_id)
        return {run_id: run.leader.pid for run_id, run in found.items()}

    def _search(self, recorded_runs: Mapping[str, RecordedRun], mark: str) -> Mapping[str, Found]:
        leaders = {run_id: recorded(trace.identity) for run_id, trace in recorded_runs.items()}
        rows = self._table.scan()
        heirs = writers(rows, {trace.launch.log: run_id for run_id, trace in recorded_runs.items()})
        run_ids = heirs | environments(rows, self._table.run_id)
        return find(leaders, rows, run_ids, self._proved(unrecorded(leaders, mark, run_ids)))

    def _proved(self, strays: Mapping[str, set[int]]) -> set[str]:
        """Those that are ours though there is no record of them; the others are left alone, and said."""
        proved = set()
        for run_id, pids in strays.items():
            if self._logs is not None and write_below(pids, self._logs):
                proved.add(run_id)
            else:
                who = ", ".join(map(str, sorted(pids)))
                _log.warning("pid %s: bears the id of run %s, which nobody knows; left alone", who, run_id)
        return proved

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
            run.termination = Termination(run.tree, ladder, self._instruments)
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

    def members(self, run_id: str) -> frozenset[int]:
        """The pids last seen to belong to the run; asking has them looked at again soon.

        At most every 2 % of the run's age (50 ms to 2 s): whoever asks often is waiting for a server to come
        up.
        """
        run = self._runs.get(run_id)
        if run is None:
            return frozenset()
        age = time.monotonic() - run.since
        self._look_soon(min(max(age * 0.02, 0.05), 2.0))
        leader = () if run.exit is not None else (run.tree.leader.pid,)
        return frozenset((*run.tree.members, *leader))

    async def collect_orphans(self) -> None:
        """As pid 1: collect, for ever, what others have left; the leaders of runs stay until their run is gone."""
        orphans = Orphans(self._table)
        while orphans_come_to_us():
            await asyncio.sleep(ORPHANS_EVERY)
            leaders = frozenset(run.tree.leader.pid for run in self._runs.values())
            if not self._spawns:  # the pid of one that is being spawned is not known yet
                with suppress(OSError):
                    await in_own_thread(partial(orphans.reap, leaders))

    async def close(self) -> None:
        """Stop watching and collect the dead; whoever lives goes on."""
        self._closed = True
        endings = [run.ending for run in self._runs.values() if run.ending is not None]
        tasks = [*self._spawns.values(), *endings, *([self._look] if self._look else [])]
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
        self._register(launch, self._identify(pid))
        for delay in _EARLY_LOOKS:
            asyncio.get_running_loop().call_later(delay, self._look_soon, _SAME_LOOK)
        return pid

    def _identify(self, pid: int) -> Identity:
        """An exited child is there too; one that can't be seen could never be ended safely."""
        try:
            row, trouble = self._table.look(pid), "it is not there"
        except OSError as error:
            row, trouble = None, str(error)
        if row is not None:
            return Identity(pid, row.start, boot_session())
        os.kill(pid, signal.SIGKILL)  # unreaped, so the pid is still our child's
        self._watcher.watch(pid, partial(_collect, pid))
        message = f"pid {pid} was started, and ended at once: no look at the process table ({trouble})"
        raise SpawnError(ExitReason.ERROR, message)

    def _register(self, launch: Launch, leader: Identity) -> None:
        tree = RunMembers(launch.run_id, leader)
        self._scanner.trees[launch.run_id] = tree
        unwatch = self._watcher.watch(leader.pid, partial(self._exited, launch.run_id))
        self._runs[launch.run_id] = _Run(launch, tree, time.monotonic(), unwatch)

    def _exited(self, run_id: str, status: int | None = None) -> None:
        run = self._runs[run_id]
        if run.exit is None:
            run.exit = describe(peek(run.tree.leader.pid, status), self._clock())
            self._on_exit(run_id, run.exit)

    async def _end(self, run: _Run, termination: Termination, ladder: Ladder) -> Ended:
        command = None
        if ladder.command is not None:
            launch = replace(run.launch, argv=ladder.command)
            command = partial(run_command, launch, self._watcher, self._table, self._prepare)
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

    def _look_soon(self, age: float) -> None:
        """Look in the background, unless a look is under way or the last is no older than `age` seconds."""
        if not self._closed and (self._look is None or self._look.done()):
            self._look = asyncio.create_task(self._try_to_look(time.monotonic() - age))

    async def _try_to_look(self, since: float) -> None:
        with suppress(OSError):  # the next look will tell
            await self._scanner.look(since)


def _unknown_launch(run_id: str) -> Launch:
    """A run that nothing but its mark is known of: it can be ended, and that is all that will be done with it."""
    return Launch(run_id, "", (), {}, None, Path(os.devnull))


def _collect(pid: int, _: int | None) -> None:
    reap(pid)

"""One look at the process table for everybody who needs one at the same time.

Knows the trees of all runs and keeps them current. A hundred ladders at work together share their looks: a
look serves everyone who asked before it began. Refuses to signal anybody.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple, TypeAlias

from zoosup.host.process.table.membership import MembersSnapshot, RunMembers, assign
from zoosup.host.process.table.proc_table import Row, Rows, Table
from zoosup.host.system.threads import DaemonThreads

_CACHED_ENVIRONMENTS = 20_000
_ASKED_FOR_A_CONTAINER = 5

_LONGEST_EXEC = 60.0
"""Seconds after which one that shows no environment counts as one that has none."""

_Found: TypeAlias = tuple[Mapping[str, Mapping[int, Row]], bool | None]
"""Members by run id and pid, and whether nobody can have been missed."""

_begun = attrgetter("begun")


class _Look(NamedTuple):
    begun: float
    whole: bool | None = None  # whether nobody can have been missed; None where nothing tells


class ProcessScanner:
    """The trees by run id, brought up to date by `look`."""

    def __init__(self, table: Table) -> None:
        self.trees: dict[str, RunMembers] = {}
        self.mapped: Mapping[str, int] = {}
        """Bytes of files that each tree's members had in RAM when `memory` was last asked."""
        self._table = table
        self._thread = DaemonThreads("zoosup-scanner", ready=1, most=1)
        self._rows: Rows = {}  # of the last complete look, and whom the looks again after it have found; the thread's
        self._last = dict.fromkeys((False, True), _Look(float("-inf")))  # of each kind
        self._looking: asyncio.Task[tuple[float, OSError | None]] | None = None
        # These four are touched by the thread only.
        self._open = False  # whether its look has met somebody whose environment can't be known yet
        self._in_exec: dict[tuple[int, int, str], float] = {}  # since when somebody has shown no environment
        self._run_ids: dict[tuple[int, int, str], str | None] = {}
        self._containers: dict[tuple[int, int, str], tuple[frozenset[str], int]] = {}

    async def look(self, since: float | None = None, *, again: bool = False) -> bool | None:
        """Bring all trees up to a look begun no earlier than `since` (`time.monotonic()`; None: now).

        `again`: after a complete look that has ended, to see who was forked in its course; whoever it has seen counts
        as it was then. A fifth of the price, and as good as a second complete one: a run grows by forks alone, and by
        its container's cgroup, which is read anew; and no pid is given away twice in so short a time.

        Whether it can have missed nobody: no environment was left open, and nobody was forked on this host in its
        course, whose parent was listed and gone when it was read. None where nothing tells of forks.

        OSError when the table can't be read; what was known then stays as it was. A look that had begun before
        `since` does not serve this caller, and its failure is not told to this caller either.
        """
        since = time.monotonic() if since is None else since
        while (served := max(self._last[False], self._last[again], key=_begun)).begun < since:
            begun, error = await asyncio.shield(self._begin(again=again))
            if error is not None and begun >= since:
                raise error
        return served.whole

    def _begin(self, *, again: bool = False) -> asyncio.Task[tuple[float, OSError | None]]:
        """The look that is under way, of either kind, or one that begins here: when it began, and why it has failed.

        One at a time: what the one finds out about who belongs to whom, the next has to know.
        """
        if self._looking is None or self._looking.done():
            # Handed to its thread at once: it looks while the loop is still at what it was about to do.
            begun, snapshots = time.monotonic(), [MembersSnapshot.of(tree) for tree in self.trees.values()]
            found = asyncio.get_running_loop().run_in_executor(self._thread, self._assign, snapshots, again)
            self._looking = asyncio.create_task(self._take_in(found, begun, again))
        return self._looking

    async def memory(self) -> Mapping[str, int]:
        """Look, and return the bytes that each tree's members hold together."""
        await self.look()
        members = {run_id: tuple(tree.members) for run_id, tree in self.trees.items()}
        loop = asyncio.get_running_loop()
        held, self.mapped = await loop.run_in_executor(self._thread, self._measure, members)
        return held

    async def bytes_read(self, run_id: str) -> int | None:
        """Bytes that the tree's members, as they were last seen, have read or mapped: whichever way it was more."""
        tree = self.trees.get(run_id)
        if tree is None:
            return None
        pids = {*tree.members, tree.leader.pid}
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._read, pids)

    def close(self) -> None:
        """Let the thread go once it has finished what it does."""
        if self._looking is not None:
            self._looking.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _take_in(
        self, looking: Awaitable[_Found], begun: float, again: bool
    ) -> tuple[float, OSError | None]:
        try:
            found, whole = await looking
        except OSError as error:
            return begun, error
        for run_id, members in found.items():
            if run_id in self.trees:  # it may have been forgotten meanwhile
                self.trees[run_id].members = members
        self._last[again] = _Look(begun, whole)
        return begun, None

    def _assign(self, snapshots: Sequence[MembersSnapshot], again: bool) -> _Found:
        before, self._open = self._table.forks(), False
        self._rows = self._table.scan(self._rows) if again else self._table.scan()
        found = assign(snapshots, self._rows, self._run_id_of, os.getpid(), self._containers_of)
        # Asked last: who ended before it could be asked whose it is may have left somebody, too.
        whole = None if before is None else before == self._table.forks()
        return found, whole and not self._open

    def _run_id_of(self, row: Row) -> str | None:
        """Ask once for each program a process executes: exec changes the environment, and mostly the name."""
        key = (row.pid, row.start, row.name)
        if key not in self._run_ids:
            for cache in (self._run_ids, self._in_exec):
                if len(cache) >= _CACHED_ENVIRONMENTS:
                    cache.clear()
            found = self._table.run_id(row.pid, wait=key not in self._in_exec)
            if found is not None and not found:
                since = self._in_exec.setdefault(key, time.monotonic())
                if time.monotonic() - since < _LONGEST_EXEC:
                    self._open = True
                    return None
            elif found is None and row.ppid == os.getpid():
                return None  # maybe not itself yet: until its exec, one of ours has our name and environment
            self._in_exec.pop(key, None)
            self._run_ids[key] = found or None
        return self._run_ids[key]

    def _containers_of(self, row: Row) -> frozenset[str]:
        """Asked a few times of each that is in none: an engine moves a process after it has been forked."""
        key = (row.pid, row.start, row.name)
        found, asked = self._containers.get(key, (frozenset[str](), 0))
        if not found and asked < _ASKED_FOR_A_CONTAINER:
            if len(self._containers) >= _CACHED_ENVIRONMENTS:
                self._containers.clear()
            found = self._table.containers(row.pid)
            self._containers[key] = found, asked + 1
        return found

    def _read(self, pids: Iterable[int]) -> int | None:
        """A mapped file is in no count of reads where it was in memory already: its pages are counted as they come."""
        reads = [self._table.reads(pid) for pid in pids]
        mapped = sum(self._table.memory(pid).mapped for pid in pids)
        return max(sum(each.asked for each in reads), sum(each.fetched for each in reads), mapped) or None

    def _measure(self, members: Mapping[str, Iterable[int]]) -> tuple[Mapping[str, int], Mapping[str, int]]:
        found = {run_id: [self._table.memory(pid) for pid in pids] for run_id, pids in members.items()}
        held = {run_id: sum(each.held for each in processes) for run_id, processes in found.items()}
        return held, {run_id: sum(each.mapped for each in processes) for run_id, processes in found.items()}

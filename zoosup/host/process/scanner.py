"""One look at the process table for everybody who needs one at the same time.

Knows the trees of all runs and keeps them current. A hundred ladders at work together share their looks: a
look serves everyone who asked before it began. Refuses to signal anybody.
"""

import asyncio
import os
import time
from collections.abc import Iterable, Mapping, Sequence

from zoosup.host.process.membership import MembersSnapshot, RunMembers, assign
from zoosup.host.process.proc_table import Row, Table
from zoosup.host.threads import DaemonThreads

_CACHED_ENVIRONMENTS = 20_000


class ProcessScanner:
    """The trees by run id, brought up to date by `look`."""

    def __init__(self, table: Table) -> None:
        self.trees: dict[str, RunMembers] = {}
        self.mapped: Mapping[str, int] = {}
        """Bytes of files that each tree's members had in RAM when `memory` was last asked."""
        self._table = table
        self._thread = DaemonThreads("zoosup-scanner", ready=1, most=1)
        self._begun = float("-inf")  # when the last complete look began
        self._looking: asyncio.Task[None] | None = None
        self._run_ids: dict[tuple[int, int, str], str | None] = {}  # touched by the thread only

    async def look(self, since: float | None = None) -> None:
        """Bring all trees up to a look begun no earlier than `since` (`time.monotonic()`; None: now).

        OSError when the table can't be read; what was known then stays as it was.
        """
        since = time.monotonic() if since is None else since
        while self._begun < since:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._scan())
            await asyncio.shield(self._looking)

    async def memory(self) -> Mapping[str, int]:
        """Look, and return the bytes that each tree's members hold together."""
        await self.look()
        members = {run_id: tuple(tree.members) for run_id, tree in self.trees.items()}
        loop = asyncio.get_running_loop()
        held, self.mapped = await loop.run_in_executor(self._thread, self._measure, members)
        return held

    def close(self) -> None:
        """Let the thread go once it has finished what it does."""
        if self._looking is not None:
            self._looking.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _scan(self) -> None:
        begun = time.monotonic()
        snapshots = [MembersSnapshot.of(tree) for tree in self.trees.values()]
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._thread, self._assign, snapshots)
        for run_id, members in found.items():
            if run_id in self.trees:  # it may have been forgotten meanwhile
                self.trees[run_id].members = members
        self._begun = begun

    def _assign(self, snapshots: Sequence[MembersSnapshot]) -> Mapping[str, Mapping[int, Row]]:
        return assign(snapshots, self._table.scan(), self._run_id_of, os.getpid())

    def _run_id_of(self, row: Row) -> str | None:
        """Ask once for each program a process executes: exec changes the environment, and mostly the name."""
        key = (row.pid, row.start, row.name)
        if key not in self._run_ids:
            if len(self._run_ids) >= _CACHED_ENVIRONMENTS:
                self._run_ids.clear()
            self._run_ids[key] = self._table.run_id(row.pid)
        return self._run_ids[key]

    def _measure(self, members: Mapping[str, Iterable[int]]) -> tuple[Mapping[str, int], Mapping[str, int]]:
        held = {run_id: sum(map(self._table.memory, pids)) for run_id, pids in members.items()}
        return held, {run_id: sum(map(self._table.mapped, pids)) for run_id, pids in members.items()}

"""The way down for one run: ask, wait until nobody of it is left, insist, and look twice.

Knows the order of the rungs and their times, seconds of `time.monotonic()`. Refuses to take a leader's exit
for the end of a run: signalling the group and waiting for the leader left orphans in 7 of 9 cases elsewhere.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from zoosup.host.ports.host import Ladder
from zoosup.host.process.exit_watcher import Cancel, Watcher
from zoosup.host.process.stop.grace import Grace, StopCommand
from zoosup.host.process.stop.signals import send, send_group
from zoosup.host.process.table.identity import Identity
from zoosup.host.process.table.membership import RunMembers
from zoosup.host.process.table.proc_table import Row, Table
from zoosup.host.process.table.scanner import ProcessScanner

_LEADERS_SHARE = 0.25  # of the grace, in which the leader alone has been asked
_LEADERS_TIME = 5.0  # seconds of it at most
_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 0.2
_LOOK_BOUND = 5.0  # a look takes milliseconds, unless the kernel hangs
_EMPTY = 2  # looks in a row that have to find nobody
_EMPTY_AT_MOST = 20  # the same where others fork all the while; all but the first take half a millisecond
_MOST_WATCHED = 8  # descriptors for one ladder; the looks notice the others

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Instruments:
    """What all ladders share. `give_up` is how many seconds after SIGKILL a run counts as stuck."""

    table: Table
    scanner: ProcessScanner
    watcher: Watcher
    give_up: float


class Termination:
    """One ladder at work on one tree."""

    def __init__(
        self, tree: RunMembers, ladder: Ladder, instruments: Instruments, since: float | None = None
    ) -> None:
        """`since`: how old the first look may be; None: not yet begun."""
        self._tree = tree
        self._since = time.monotonic() if since is None else since
        self._grace = Grace(ladder.grace)
        self._signum = signal.Signals[f"SIG{ladder.signal}"]
        self._table = instruments.table
        self._scanner = instruments.scanner
        self._watcher = instruments.watcher
        self._give_up = instruments.give_up
        self._stirred = asyncio.Event()  # something has happened that makes a look worth its while
        self._rest_at = float("inf")  # when those besides the leader are asked, while it lives
        self._killed_at: float | None = None
        self._asked: set[tuple[int, int]] = set()  # pid and start of whoever has had the signal
        self._watched: dict[tuple[int, int], Cancel] = {}
        self._trouble = ""  # why the last look told nothing

    async def go(self, command: StopCommand | None) -> str:
        """Descend, and return who survived SIGKILL, for people; "" once nobody is left."""
        try:
            if command is not None:
                await self._run(command)
            return await self._until_empty()
        finally:
            for cancel in self._watched.values():
                cancel()

    def hasten(self, grace: float) -> None:
        """Let SIGKILL come at most `grace` seconds from now; also ends a stop command by then."""
        self._grace.hasten(grace)
        self._rest_at = (
            min(self._rest_at, time.monotonic() + grace * _LEADERS_SHARE) if self._asked else self._rest_at
        )
        self._stirred.set()

    async def _run(self, command: StopCommand) -> None:
        """The command spends of the grace; a run that is gone already needs none."""
        await self._look(time.monotonic())  # who lives now is remembered, should the command orphan them
        if self._tree.members or self._trouble:
            await self._grace.spend(command)

    async def _until_empty(self) -> str:
        """Look, act and pause, until two looks have found nobody, and nobody was forked in the course of the second.

        Whoever ends between being listed and being read may have forked one that is not listed. Where others fork all
        the while, many looks have to do.
        """
        since, pause, empty = self._since, _FIRST_PAUSE, 0
        while True:
            self._stirred.clear()
            whole = await self._look(since, again=empty > 0)
            if not (self._tree.members or self._trouble):
                empty += 1
                if (empty >= _EMPTY and whole is not False) or empty == _EMPTY_AT_MOST:
                    return ""
                since = time.monotonic()
                continue
            empty = 0
            if self._grace.left > 0:
                self._ask()
            elif self._kill():
                return self._survivors()
            since = await self._pause(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    async def _look(self, since: float, *, again: bool = False) -> bool | None:
        """A table that can't be read is no empty table: until it can be, nobody counts as gone."""
        self._trouble = ""
        try:
            async with asyncio.timeout(_LOOK_BOUND):
                return await self._scanner.look(since, again=again)
        except OSError as error:
            self._trouble = f"no look at the process table: {str(error) or 'it hangs'}"
            _log.warning("%s", self._trouble)
            await asyncio.sleep(_LONGEST_PAUSE)
        return None

    def _survivors(self) -> str:
        living = [f"pid {row.pid} ({row.name}), state {row.state}" for row in self._living()]
        return ", ".join([*living, *([self._trouble] if self._trouble else [])])

    def _living(self) -> Iterable[Row]:
        return self._tree.members.values()

    def _ask(self) -> None:
        """Send the signal once to each, and SIGCONT: a stopped process must be able to obey.

        The leader comes first, alone: a server that ends its own workers must not see them die under its clients. The
        others follow once it is gone, or after a share of the grace. Whoever is forked later is left alone while the
        leader lives, since the leader may be using it to end in good order; afterwards it is asked as well.
        """
        strangers = [row for row in self._living() if (row.pid, row.start) not in self._asked]
        now, leader = time.monotonic(), self._tree.members.get(self._tree.leader.pid)
        if leader is None:
            self._ask_each(strangers)
        elif not self._asked:
            self._rest_at = now + min(self._grace.left * _LEADERS_SHARE, _LEADERS_TIME)
            self._ask_each([leader])
            self._send(strangers, signal.SIGCONT, as_group=True)
        elif now >= self._rest_at:
            self._rest_at = float("inf")
            self._ask_each(strangers)

    def _ask_each(self, rows: list[Row]) -> None:
        self._asked.update((row.pid, row.start) for row in rows)
        for signum in (self._signum, signal.SIGCONT):
            self._send(rows, signum, as_group=False)

    def _kill(self) -> bool:
        """Send SIGKILL to all, each time anew since they may have forked; True when it is time to give up."""
        now = time.monotonic()
        if self._killed_at is None:
            self._killed_at = now
        self._send(self._living(), signal.SIGKILL, as_group=True)
        return now - self._killed_at >= self._give_up

    def _send(self, rows: Iterable[Row], signum: signal.Signals, *, as_group: bool) -> None:
        """The group is signalled at once, which no fork escapes; the others one by one."""
        leader = self._tree.leader
        grouped = as_group and send_group(self._table, leader, signum)
        for row in rows:
            if not (grouped and row.pgid == leader.pid):
                send(self._table, Identity(row.pid, row.start, leader.boot), signum)

    async def _pause(self, longest: float) -> float:
        """Wait for an exit, or for a while; return how old a look may be that serves the next step.

        After an exit it has to be new; after a pause any other ladder's recent one will do, so that a hundred
        ladders together don't read the table a hundred times as often.
        """
        self._watch()
        due = self._grace.ends_at if self._killed_at is None else float("inf")
        with suppress(TimeoutError):
            async with asyncio.timeout(min(longest, max(0.0, due - time.monotonic()))):
                await self._stirred.wait()
        now = time.monotonic()
        return now if self._stirred.is_set() or now >= due else now - longest / 2

    def _watch(self) -> None:
        for row in self._living():
            key = (row.pid, row.start)
            if key not in self._watched and len(self._watched) < _MOST_WATCHED:
                self._watched[key] = self._watcher.watch(row.pid, lambda _: self._stirred.set())

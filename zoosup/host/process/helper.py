"""A process beside zoosup that is no model: begun, known again by a later zoosup, ended as a tree.

It and all that it starts bear a mark in their environment, by which they are found whoever began them, so that nothing
has to be written down. What it prints goes to a file that is kept small. Refuses to know what it is for; every call may
take its time, and belongs in a thread.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import psutil

from zoosup.host.process.stop.signals import send
from zoosup.host.process.table.identity import Identity, boot_session
from zoosup.host.process.table.proc_table import host_table

MARK = "ZOOSUP_HELPER"
LOG_LIMIT = 256 * 1024
"""Bytes of output that are kept, and as many of the life before."""

_LOOK = 0.05
_KILLED = 2.0


class Helper:
    """One of them, by name; of each name there is one for each state directory."""

    def __init__(self, owner: str, name: str, log: Path) -> None:
        """`owner` tells this state directory's from others'."""
        self._bears = f"{owner}-{name}="
        self._log = log
        self._table = host_table()
        self._process: subprocess.Popen[bytes] | None = None
        self._leader: Identity | None = None
        self._sessions: set[int] = set()  # no number of one is given away while anybody is in it

    def is_running(self) -> bool:
        """Whether its first process lives."""
        if self._process is not None and self._process.poll() is not None:
            return False
        return self._leader is not None and self._lives(self._leader)

    @property
    def last_words(self) -> str:
        """The end of what it has printed."""
        try:
            with self._log.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - 4096))
                return log.read().decode("utf-8", "replace")
        except OSError:
            return ""

    def adopt(self, what: str) -> bool:
        """Find one that an earlier zoosup has begun as `what`; one that was begun as anything else is ended."""
        found = self._marked()
        leaders = [i for i, mark in found.items() if mark == f"{self._bears}{what}" and self._leads(i)]
        if len(leaders) == 1:
            self._leader, self._sessions = leaders[0], {leaders[0].pid}
        else:
            self.end(0.0)
        return self.is_running()

    def begin(self, what: str, command: Sequence[str], env: Mapping[str, str]) -> None:
        """Begin one, known as `what`; OSError where it can't be."""
        self._log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            self._log.replace(self._log.with_suffix(".log.1"))
        marked = {**env, MARK: f"{self._bears}{what}"}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own
                command,
                env=marked,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
            )
        self._sessions = {self._process.pid}
        row = self._table.look(self._process.pid)
        self._leader = None if row is None else Identity(row.pid, row.start, boot_session())

    def end(self, grace: float) -> None:
        """SIGTERM to its first process, and SIGKILL to all that is left of it after `grace` seconds."""
        tree = self._tree()
        if grace and self._leader is not None and send(self._table, self._leader, signal.SIGTERM):
            until = time.monotonic() + grace
            while self.is_running() and time.monotonic() < until:
                time.sleep(_LOOK)
        self._kill({**tree, **self._tree()})
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1.0)
        self._process = self._leader = None
        self._sessions = set()

    def _kill(self, tree: Iterable[Identity]) -> None:
        """SIGKILL, and wait until they are gone, as long as the kernel may take."""
        left, until = list(tree), time.monotonic() + _KILLED
        for each in left:
            send(self._table, each, signal.SIGKILL)
        while (left := [each for each in left if self._lives(each)]) and time.monotonic() < until:
            time.sleep(_LOOK)

    def bound_log(self) -> None:
        """Keep what it has printed small: the file is emptied once it is full."""
        with contextlib.suppress(OSError):
            if self._log.stat().st_size > LOG_LIMIT:
                os.truncate(self._log, 0)

    def _tree(self) -> dict[Identity, None]:
        """Those that bear the mark, and all of their sessions: who gives itself a title hides its environment."""
        found, rows = dict.fromkeys(self._marked()), self._table.scan()
        sessions = {rows[each.pid].sid for each in found if each.pid in rows} | self._sessions
        for row in rows.values():
            if row.sid in sessions - {os.getsid(0)} and row.living:
                found[Identity(row.pid, row.start, boot_session())] = None
        return found

    def _marked(self) -> dict[Identity, str]:
        found = {}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                mark = process.environ().get(MARK, "")
                row = self._table.look(process.pid)
                if mark.startswith(self._bears) and row is not None and row.state != "Z":
                    found[Identity(row.pid, row.start, boot_session())] = mark
        return found

    def _leads(self, each: Identity) -> bool:
        """Whether it is the first of its tree: the only one whose parent does not bear the mark."""
        row = self._table.look(each.pid)
        if row is None or row.sid != row.pid:
            return False
        with contextlib.suppress(psutil.Error, OSError):
            return not psutil.Process(row.ppid).environ().get(MARK, "").startswith(self._bears)
        return True

    def _lives(self, each: Identity) -> bool:
        row = self._table.look(each.pid)
        return row is not None and row.start == each.start and row.state != "Z" and each.of_this_boot()

"""Who has just been started, and what becomes of one that can't be seen."""

import os
import signal
from types import SimpleNamespace

import pytest

from zoosup.core.state.phases import ExitReason
from zoosup.host.ports.host import SpawnError
from zoosup.host.process import leader
from zoosup.host.process.table.identity import Identity, boot_session


class Table:
    """A process table that says so of whoever is asked for."""

    def __init__(self, row):
        self.row = row

    def look(self, _pid):
        if isinstance(self.row, OSError):
            raise self.row
        return self.row


class Watcher:
    def __init__(self):
        self.watched = []

    def watch(self, pid, notify):
        self.watched.append((pid, notify))


def test_it_is_known_by_its_pid_its_start_and_the_boot():
    table, watcher = Table(SimpleNamespace(start=42)), Watcher()
    assert Identity(7, 42, boot_session()) == leader.identify(7, table, watcher)
    assert [] == watcher.watched


@pytest.mark.parametrize(
    ("row", "why"), [(None, "it is not there"), (OSError(24, "Too many open files"), "Too many open files")]
)
def test_one_that_can_not_be_seen_is_killed_and_collected(monkeypatch, row, why):
    killed, reaped, watcher = [], [], Watcher()
    monkeypatch.setattr(os, "kill", lambda *given: killed.append(given))
    monkeypatch.setattr(leader, "reap", reaped.append)
    with pytest.raises(SpawnError, match=why) as caught:
        leader.identify(7, Table(row), watcher)
    assert (ExitReason.ERROR, [(7, signal.SIGKILL)], []) == (caught.value.reason, killed, reaped)
    ((pid, notify),) = watcher.watched
    notify(None)
    assert (7, [7]) == (pid, reaped)

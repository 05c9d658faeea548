"""Signals reach whom they are meant for, or nobody."""

import os
import signal
import subprocess
import sys
import time

import pytest

from zoosup.host.process.stop import signals
from zoosup.host.process.stop.signals import send, send_group
from zoosup.host.process.table.identity import Identity, boot_session
from zoosup.host.process.table.proc_table import host_table


@pytest.fixture
def child():
    process = subprocess.Popen(["/bin/sleep", "600"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def identity(pid):
    return Identity(pid, host_table().look(pid).start, boot_session())


def eventually_ended(known, within=90.0):
    """Whether the process ends; the bound is a guard."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        row = host_table().look(known.pid)
        if row is None or row.start != known.start or not row.living:
            return True
        time.sleep(0.005)
    return False


@pytest.fixture(params=["pidfd", "kill"])
def way(request, monkeypatch):
    """Both ways to signal a process: Linux's and everybody's."""
    if request.param == "kill":
        monkeypatch.setattr(signals, "_pidfd", lambda _: None)
    elif sys.platform != "linux":
        pytest.skip("no pidfd")


@pytest.mark.usefixtures("way")
def test_the_process_meant_is_reached(child):
    assert send(host_table(), identity(child.pid), signal.SIGTERM)
    assert -signal.SIGTERM == child.wait()


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("strange", [{"start": 1}, {"boot": "another boot"}])
@pytest.mark.parametrize("how", [send, send_group])
def test_somebody_else_is_not(child, strange, how):
    known = identity(child.pid)
    fields = {"pid": known.pid, "start": known.start, "boot": known.boot} | strange
    assert not how(host_table(), Identity(**fields), signal.SIGKILL)
    assert None is child.poll()


@pytest.mark.usefixtures("way")
def test_who_is_gone_is_not_an_error(child):
    gone = identity(child.pid)
    child.kill()
    child.wait()
    assert not send(host_table(), gone, signal.SIGTERM)
    assert not send_group(host_table(), gone, signal.SIGTERM)


@pytest.mark.parametrize("how", [send, send_group])
@pytest.mark.parametrize("pid", [-1, 0, 1, os.getpid()], ids=["everybody", "our group", "init", "ourselves"])
def test_init_ourselves_and_everybody_are_refused(how, pid):
    with pytest.raises(ValueError, match="internal error"):
        how(host_table(), Identity(pid, 1, boot_session()), signal.SIGCONT)


def test_our_own_group_is_refused(child, monkeypatch):
    monkeypatch.setattr(os, "getpgrp", lambda: child.pid)
    assert not send_group(host_table(), identity(child.pid), signal.SIGKILL)
    assert None is child.poll()


def test_a_group_is_reached_through_a_dead_leader():
    leader = subprocess.Popen(
        ["sh", "-c", "sleep 600 & echo $!"], start_new_session=True, stdout=subprocess.PIPE
    )
    member = int(leader.stdout.readline())
    os.waitid(os.P_PID, leader.pid, os.WEXITED | os.WNOWAIT)
    known = identity(member)
    assert send_group(host_table(), identity(leader.pid), signal.SIGKILL)
    leader.communicate()  # ends when the member has closed its end of the pipe, which is before it is dead
    assert eventually_ended(known)


def test_a_refusal_by_the_system_is_logged(child, monkeypatch, caplog):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(signals, "_pidfd", lambda _: None)
    monkeypatch.setattr(os, "kill", refuse)
    assert not send(host_table(), identity(child.pid), signal.SIGTERM)
    assert f"can't send SIGTERM to pid {child.pid}" in caplog.text


@pytest.mark.skipif(sys.platform != "linux", reason="pidfds are Linux's")
def test_a_kernel_that_refuses_signals_by_pidfd_has_them_sent_by_pid(child, monkeypatch):
    def refuse(*_):
        raise PermissionError("seccomp")

    monkeypatch.setattr(signal, "pidfd_send_signal", refuse)
    known = identity(child.pid)
    assert send(host_table(), known, signal.SIGKILL)
    assert eventually_ended(known)

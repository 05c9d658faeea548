import logging
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from zoosup.host.system import sd_notify
from zoosup.host.system.sd_notify import MOST_STATUS, InitSystem, without_init_variables

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="systemd's protocol")
FULL_QUEUE = 10_000  # more datagrams than any kernel keeps


class Manager:
    """The other end: a real datagram socket, bound as systemd's is."""

    def __init__(self, named: str) -> None:
        self.named = named
        self.address = "\0" + named[1:] if named.startswith("@") else named
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.address)
        self.socket.setblocking(False)

    def heard(self) -> list[dict[str, str]]:
        """Every message so far, read as systemd reads it."""
        messages = []
        while True:
            try:
                data = self.socket.recv(4096)
            except BlockingIOError:
                return messages
            messages.append(dict(line.split("=", 1) for line in data.decode().splitlines()))

    def deafen(self) -> None:
        """Fill the queue, so that nothing more is taken."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as shouting:
            shouting.setblocking(False)
            for _ in range(FULL_QUEUE):
                try:
                    shouting.sendto(b"X=1", self.address)
                except BlockingIOError:
                    return
        pytest.fail("the queue never fills")


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    named = f"@zoosup-test-{uuid.uuid4()}" if request.param == "abstract" else str(tmp_path / "notify")
    if request.param == "abstract" and sys.platform != "linux":
        pytest.skip("Linux alone has abstract names")
    made = Manager(named)
    yield made
    made.socket.close()


@pytest.fixture
def init(manager: Manager) -> Iterator[InitSystem]:
    made = InitSystem({"NOTIFY_SOCKET": manager.named})
    yield made
    made.close()


def watched(environ: dict[str, str], place: Path) -> float | None:
    init = InitSystem({"NOTIFY_SOCKET": str(place / "nobody")} | environ)
    init.close()
    return init.watchdog_every


@linux_only
def test_every_word_of_the_protocol_arrives_as_its_own_message(init, manager):
    init.ready()
    init.status("3 of 4 models ready")
    init.watchdog()
    init.extend_timeout(1.5)
    init.stopping()

    expected = [
        {"READY": "1"},
        {"STATUS": "3 of 4 models ready"},
        {"WATCHDOG": "1"},
        {"EXTEND_TIMEOUT_USEC": "1500000"},
        {"STOPPING": "1"},
    ]
    assert expected == manager.heard()


@linux_only
def test_a_reload_says_when_it_began_on_the_kernels_monotonic_clock(init, manager):
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    init.reloading()
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000

    [message] = manager.heard()
    assert message["RELOADING"] == "1"
    assert before <= int(message["MONOTONIC_USEC"]) <= after


@linux_only
def test_a_status_is_one_clean_line(init, manager):
    init.status("gemma waits\nREADY=1\0\udcff for\tmemory ")

    assert [{"STATUS": "gemma waits READY=1 for memory"}] == manager.heard()


@linux_only
def test_a_long_status_is_cut_between_characters(init, manager):
    init.status("a" + "ü" * MOST_STATUS)

    assert [{"STATUS": "a" + "ü" * (MOST_STATUS // 2 - 1)}] == manager.heard()


@linux_only
def test_the_same_status_is_told_once(init, manager):
    init.status("all ready")
    init.status("all ready")
    init.status("none ready")

    assert [{"STATUS": "all ready"}, {"STATUS": "none ready"}] == manager.heard()


@linux_only
@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.0, 1000), (-5.0, 1000), (float("nan"), 1000), (float("inf"), 604800000000)]
)
def test_an_absurd_time_is_bounded(init, manager, seconds, expected):
    init.extend_timeout(seconds)

    assert [{"EXTEND_TIMEOUT_USEC": str(expected)}] == manager.heard()


@linux_only
def test_what_a_full_queue_refuses_is_said_with_the_next_message(init, manager):
    manager.deafen()
    init.ready()
    init.status("all ready")
    manager.heard()
    init.watchdog()

    assert [{"READY": "1", "STATUS": "all ready", "WATCHDOG": "1"}] == manager.heard()


@linux_only
def test_of_two_states_that_were_refused_only_the_later_is_said(init, manager):
    manager.deafen()
    init.reloading()
    init.ready()
    manager.heard()
    init.watchdog()

    assert [{"READY": "1", "WATCHDOG": "1"}] == manager.heard()


@linux_only
def test_what_was_delivered_is_not_said_again(init, manager):
    init.ready()
    manager.heard()
    init.watchdog()

    assert [{"WATCHDOG": "1"}] == manager.heard()


@linux_only
def test_a_manager_that_binds_its_socket_anew_is_found_again(tmp_path):
    place = str(tmp_path / "notify")
    first = Manager(place)
    init = InitSystem({"NOTIFY_SOCKET": place})
    init.ready()
    first.socket.close()
    Path(place).unlink()
    init.stopping()

    second = Manager(place)
    init.watchdog()

    assert [{"STOPPING": "1", "WATCHDOG": "1"}] == second.heard()
    second.socket.close()
    init.close()


@linux_only
@pytest.mark.parametrize("named", ["/nowhere/notify", "@zoosup-nobody", "/" + "x" * 200])
def test_a_socket_that_nobody_reads_costs_nothing_but_one_line_at_debug(named, caplog):
    init = InitSystem({"NOTIFY_SOCKET": named})
    with caplog.at_level(logging.DEBUG, logger=sd_notify.__name__):
        init.ready()
        init.watchdog()
        init.stopping()

    assert [(logging.DEBUG, sd_notify.__name__)] == [(r.levelno, r.name) for r in caplog.records]
    init.close()


@pytest.mark.parametrize("named", ["", "@", "relative/path", "vsock:2:1234"])
def test_without_a_usable_socket_nothing_is_opened_and_nothing_fails(named, monkeypatch):
    monkeypatch.setattr(socket, "socket", lambda *_: pytest.fail("a socket was opened"))
    init = InitSystem({"NOTIFY_SOCKET": named, "WATCHDOG_USEC": "30000000"})
    init.ready()
    init.reloading()
    init.status("all ready")
    init.watchdog()
    init.extend_timeout(10)
    init.stopping()
    init.close()

    assert init.watchdog_every is None


def test_on_macos_nothing_is_told(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(socket, "socket", lambda *_: pytest.fail("a socket was opened"))
    init = InitSystem({"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "30000000"})
    init.ready()

    assert init.watchdog_every is None


@linux_only
def test_without_a_free_file_descriptor_the_start_goes_on(monkeypatch):
    def refuse(*_):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(socket, "socket", refuse)
    init = InitSystem({"NOTIFY_SOCKET": "/run/notify"})
    init.ready()


@linux_only
def test_after_close_nothing_is_said(init, manager):
    init.close()
    init.stopping()

    assert [] == manager.heard()


@linux_only
def test_children_do_not_inherit_the_socket(init):
    fd = init._socket.fileno()
    child = subprocess.run(
        [sys.executable, "-c", f"import os; os.fstat({fd})"],
        close_fds=False,
        check=False,
        capture_output=True,
        text=True,
    )

    assert "Bad file descriptor" in child.stderr


@linux_only
def test_the_watchdog_is_fed_at_half_its_period(tmp_path):
    assert watched({"WATCHDOG_USEC": "30000000"}, tmp_path) == 15.0
    assert watched({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, tmp_path) == 15.0


@linux_only
@pytest.mark.parametrize("period", ["", "0", "-1", "soon", "1e6", "٣", "9" * 5000])
def test_no_period_and_one_that_is_none_mean_no_watchdog(period, tmp_path):
    assert watched({"WATCHDOG_USEC": period}, tmp_path) is None


@linux_only
def test_a_watchdog_over_somebody_else_is_not_ours_to_feed(tmp_path):
    assert watched({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, tmp_path) is None


def test_children_inherit_their_environment_but_not_the_init_systems_words_to_us():
    kept = {
        "PATH": "/usr/bin",
        "CREDENTIALS_DIRECTORY": "/run/credentials/zoosup.service",
        "LISTEN_ADDRESS": "a model's own",
        "MY_NOTIFY_SOCKET": "too",
    }
    removed = [
        "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES",
        "JOURNAL_STREAM", "INVOCATION_ID", "SYSTEMD_EXEC_PID", "MAINPID", "MANAGERPID", "STATE_DIRECTORY",
        "MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE", "FDSTORE",
    ]  # fmt: skip

    assert kept == without_init_variables(kept | dict.fromkeys(removed, "1"))


def test_the_environment_that_was_given_stays_as_it_is():
    environ = {"NOTIFY_SOCKET": "/run/notify"}
    without_init_variables(environ)

    assert environ == {"NOTIFY_SOCKET": "/run/notify"}


@linux_only
@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.0015, 1500), (90.0, 90_000_000), (604_800.0, 604_800_000_000)]
)
def test_a_time_of_some_use_is_asked_for_as_it_is(init, manager, seconds, expected):
    init.extend_timeout(seconds)

    assert [{"EXTEND_TIMEOUT_USEC": str(expected)}] == manager.heard()

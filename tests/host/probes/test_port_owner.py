import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from zoosup.host.probes.port_owner import Ownership, holder, listening_sockets, ownership

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

NOBODY = 1 << 23  # a pid that no process of any kernel has

LISTENER = """
import os, socket, sys, time
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
listener = socket.socket(family, socket.SOCK_STREAM)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
listener.bind((sys.argv[1], int(sys.argv[2])))
listener.listen()
how = sys.argv[3]
if how == "setsid":
    if os.fork():
        listener.close()
        time.sleep(300)
    os.setsid()
if how == "forked" and os.fork():
    listener.close()
    time.sleep(300)
print(listener.getsockname()[1], flush=True)
time.sleep(300)
"""


@contextmanager
def listening(host: str = "127.0.0.1", port: int = 0, how: str = "plain") -> Iterator[tuple[int, int]]:
    """A process that listens, in a session of its own; its pid (the leader's) and port."""
    with subprocess.Popen(
        [sys.executable, "-c", LISTENER, host, str(port), how], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.pid, int(process.stdout.readline())
        finally:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            process.kill()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1", "::ffff:0.0.0.0"])
def test_a_listener_on_any_address_that_the_connection_reaches_is_ours(host: str) -> None:
    with listening(host) as (pid, port):
        assert Ownership(True) == ownership("127.0.0.1", port, frozenset({pid}))


@linux_only
def test_a_listener_on_an_address_that_the_connection_does_not_reach_is_not_it() -> None:
    with listening("::1") as (pid, port):
        assert Ownership(False, "no process of this host") == ownership("127.0.0.1", port, frozenset({pid}))
        assert Ownership(True) == ownership("::1", port, frozenset({pid}))


def test_a_stranger_is_named() -> None:
    with listening() as (pid, port):
        name = psutil.Process(pid).name()
        assert Ownership(False, f"pid {pid} ({name})") == ownership("127.0.0.1", port, frozenset({NOBODY}))
        assert f"pid {pid} ({name})" == holder("127.0.0.1", port)


@pytest.mark.parametrize("how", ["forked", "setsid"])
def test_a_worker_forked_since_the_members_were_listed_is_ours(how: str) -> None:
    with listening(how=how) as (leader, port):
        assert Ownership(True) == ownership("127.0.0.1", port, frozenset({leader}))


def test_an_orphan_in_the_session_of_a_member_is_ours() -> None:
    script = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {LISTENER!r}, '127.0.0.1', '0', ''])"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True
    ) as leader:
        assert leader.stdout is not None
        port = int(leader.stdout.readline())
        (orphan,) = [p for p in psutil.pids() if p != leader.pid and os.getsid(p) == leader.pid]
        try:
            assert Ownership(True) == ownership("127.0.0.1", port, frozenset({leader.pid}))
        finally:
            os.kill(orphan, 9)


@linux_only
def test_a_stranger_on_the_very_address_gets_the_connections_before_us_on_all() -> None:
    with listening("0.0.0.0") as (ours, port), listening("127.0.0.1", port) as (stranger, _):
        assert ownership("127.0.0.1", port, frozenset({ours})).ours is False
        assert Ownership(True) == ownership("127.0.0.1", port, frozenset({stranger}))


@linux_only
def test_a_stranger_who_shares_our_address_makes_it_not_ours() -> None:
    with listening() as (ours, port), listening(port=port) as (stranger, _):
        found = ownership("127.0.0.1", port, frozenset({ours}))
        assert found.ours is False
        assert f"pid {stranger} " in found.holder
        assert Ownership(True) == ownership("127.0.0.1", port, frozenset({ours, stranger}))


@linux_only
def test_a_port_that_nobody_listens_on_is_not_ours() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        assert Ownership(False, "no process of this host") == ownership(
            "127.0.0.1", port, frozenset({os.getpid()})
        )
        assert "" == holder("127.0.0.1", port)


@linux_only
def test_a_connection_from_the_port_is_not_a_listener() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        assert frozenset() == listening_sockets("127.0.0.1", client.getsockname()[1])


ROW = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100 0\n"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A /proc in which a socket listens on 127.0.0.1:8080; nobody holds it yet."""
    (tmp_path / "net").mkdir()
    (tmp_path / "net/tcp").write_text("  sl  local_address rem_address\n" + ROW)
    return tmp_path


def hold(proc: Path, pid: int, *, parent: int = 1) -> None:
    (proc / str(pid) / "fd").mkdir(parents=True)
    (proc / str(pid) / "fd" / "3").symlink_to("socket:[4711]")
    (proc / str(pid) / "stat").write_text(f"{pid} (a (odd) name) S {parent} {pid} {pid} 0")
    (proc / str(pid) / "comm").write_text("nginx\n")


def shut(monkeypatch: pytest.MonkeyPatch, proc: Path, *pids: int) -> None:
    """Make the descriptors of some processes unreadable, as those of another user are."""
    real = Path.iterdir

    def iterdir(path: Path) -> Iterator[Path]:
        if path in {proc / str(pid) / "fd" for pid in pids}:
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)


@pytest.fixture
def linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")


@pytest.mark.usefixtures("linux")
def test_without_ipv6_the_other_table_is_enough(proc: Path) -> None:
    hold(proc, 10)
    assert Ownership(True) == ownership("127.0.0.1", 8080, frozenset({10}), proc)


@pytest.mark.usefixtures("linux")
def test_a_child_of_a_member_with_an_odd_name_is_ours(proc: Path) -> None:
    hold(proc, 11, parent=10)
    assert Ownership(True) == ownership("127.0.0.1", 8080, frozenset({10}), proc)


@pytest.mark.usefixtures("linux")
def test_a_member_that_may_not_be_looked_into_makes_it_untold(
    proc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(proc, 10)
    shut(monkeypatch, proc, 10)
    assert Ownership(None) == ownership("127.0.0.1", 8080, frozenset({10}), proc)


@pytest.mark.usefixtures("linux")
def test_a_stranger_that_may_not_be_looked_into_is_still_a_stranger(
    proc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(proc, 12)
    shut(monkeypatch, proc, 12)
    assert Ownership(False, "another process") == ownership("127.0.0.1", 8080, frozenset({10}), proc)
    assert "another process" == holder("127.0.0.1", 8080, proc)


@pytest.mark.usefixtures("linux")
def test_without_a_table_of_sockets_nothing_can_be_told(tmp_path: Path) -> None:
    assert Ownership(None) == ownership("127.0.0.1", 8080, frozenset({10}), tmp_path)


@pytest.fixture
def macos(monkeypatch: pytest.MonkeyPatch) -> None:
    """The portable way, on whatever system this is: psutil asks each process, and there is no /proc."""
    monkeypatch.setattr(sys, "platform", "darwin")


@pytest.mark.usefixtures("macos")
def test_on_macos_the_members_are_asked_one_by_one(tmp_path: Path) -> None:
    with listening() as (pid, port):
        assert Ownership(True) == ownership("127.0.0.1", port, frozenset({NOBODY, pid}), tmp_path)


@pytest.mark.usefixtures("macos")
def test_on_macos_a_stranger_is_named(tmp_path: Path) -> None:
    with listening() as (pid, port):
        found = ownership("127.0.0.1", port, frozenset({NOBODY}), tmp_path)
        assert Ownership(False, f"pid {pid} ({psutil.Process(pid).name()})") == found
        assert f"pid {pid} ({psutil.Process(pid).name()})" == holder("127.0.0.1", port, tmp_path)


@pytest.mark.usefixtures("macos")
def test_on_macos_a_worker_forked_since_is_ours(tmp_path: Path) -> None:
    with listening(how="setsid") as (leader, port):
        assert Ownership(True) == ownership("127.0.0.1", port, frozenset({leader}), tmp_path)


@pytest.mark.usefixtures("macos")
def test_on_macos_a_member_that_may_not_be_looked_into_makes_it_untold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(process: psutil.Process, kind: str) -> list[object]:
        raise psutil.AccessDenied(process.pid)

    monkeypatch.setattr(psutil.Process, "net_connections", denied)
    assert Ownership(None) == ownership("127.0.0.1", 8080, frozenset({os.getpid()}), tmp_path)
    assert "another process" == holder("127.0.0.1", 8080, tmp_path)


def table(proc: Path, *rows: tuple[str, int, str, int], version: str = "tcp") -> None:
    """The kernel's table with these: address, port, state, inode."""
    lines = (f"  0: {at}:{port:04X} 0:0 {state} 0 0 0 0 0 {inode} 1\n" for at, port, state, inode in rows)
    (proc / "net" / version).write_text("  sl  local_address rem_address\n" + "".join(lines))


HERE, ANYWHERE = "0100007F", "00000000"


@pytest.mark.usefixtures("linux")
def test_all_that_listen_on_a_port_are_found_and_what_follows_is_not_read(proc: Path) -> None:
    table(
        proc,
        (HERE, 8081, "0A", 1),
        (HERE, 8080, "0A", 2),
        (HERE, 9090, "0A", 3),
        (HERE, 8080, "0A", 4),
        (HERE, 8080, "01", 5),
        (HERE, 8080, "0A", 6),
    )
    assert frozenset({2, 4}) == listening_sockets("127.0.0.1", 8080, proc)


@pytest.mark.usefixtures("linux")
def test_connections_do_not_hide_who_listens(proc: Path) -> None:
    table(proc, (HERE, 9090, "01", 1), (HERE, 8080, "01", 2), (ANYWHERE, 8080, "0A", 3))
    assert frozenset({3}) == listening_sockets("127.0.0.1", 8080, proc)


@pytest.mark.usefixtures("linux")
@pytest.mark.parametrize(
    ("four", "six", "found"),
    [
        ([(HERE, 1), (ANYWHERE, 2)], [], {1}),
        ([(ANYWHERE, 2)], [("0000000000000000FFFF00000100007F", 3)], {3}),
        ([(ANYWHERE, 2)], [("0" * 32, 4)], {2}),
        ([], [("0000000000000000FFFF000000000000", 5), ("0" * 32, 4)], {5}),
        ([], [("0" * 32, 4)], {4}),
        ([], [("00000000000000000000000001000000", 6)], set()),
    ],
)
def test_the_most_special_address_gets_the_connection(
    proc: Path, four: list[tuple[str, int]], six: list[tuple[str, int]], found: set[int]
) -> None:
    table(proc, *((at, 8080, "0A", inode) for at, inode in four))
    table(proc, *((at, 8080, "0A", inode) for at, inode in six), version="tcp6")
    assert found == listening_sockets("127.0.0.1", 8080, proc)


@pytest.mark.usefixtures("linux")
def test_a_worker_many_generations_away_is_ours_and_one_whose_parents_are_gone_is_not(proc: Path) -> None:
    for pid in range(101, 130):
        hold(proc, pid, parent=pid - 1)
        if pid < 129:
            (proc / str(pid) / "fd/3").unlink()
    assert Ownership(True) == ownership("127.0.0.1", 8080, frozenset({100}), proc)
    assert Ownership(False, "pid 129 (nginx)") == ownership("127.0.0.1", 8080, frozenset({99}), proc)


@pytest.mark.usefixtures("linux")
def test_what_is_known_of_a_stranger_is_told(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hold(proc, NOBODY)
    assert f"pid {NOBODY} (nginx)" == holder("127.0.0.1", 8080, proc)
    (proc / str(NOBODY) / "comm").unlink()
    assert f"pid {NOBODY}" == holder("127.0.0.1", 8080, proc)
    monkeypatch.setattr(psutil, "Process", lambda _: SimpleNamespace(name=lambda: "asked"))
    assert f"pid {NOBODY} (asked)" == holder("127.0.0.1", 8080, proc)


@pytest.mark.usefixtures("linux")
def test_other_descriptors_than_sockets_are_none(proc: Path) -> None:
    hold(proc, 10)
    (proc / "10/fd/3").unlink()
    (proc / "10/fd/4").symlink_to("pipe:[4711]")
    assert Ownership(False, "another process") == ownership("127.0.0.1", 8080, frozenset({10}), proc)

"""Real sockets, handed over at the numbers that sd_listen_fds(3) names, by a process that becomes another."""

import json
import os
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest

from zoosup.host.system import listen_fds
from zoosup.host.system.listen_fds import FIRST, OURS, HandedSockets

NOTHING = HandedSockets({})

RECEIVER = """
import json, os, socket, sys
from zoosup.host.system.listen_fds import HandedSockets

environ = {**os.environ, "LISTEN_PID": str(os.getpid())} if os.environ.get("FOR_ME") else os.environ
handed = HandedSockets(environ)
told = {"taken": [], "inheritable": []}
for port in sys.argv[1:]:
    for _ in range(2):
        taken = handed.take(socket.AF_INET, ("127.0.0.1", int(port)))
        told["taken"].append(taken and taken.getsockname()[1])
        told["inheritable"].append(bool(taken) and taken.get_inheritable())
told["left"] = handed.settle()
print(json.dumps(told))
"""


def listening() -> tuple[socket.socket, int]:
    sock = socket.create_server(("127.0.0.1", 0))
    return sock, sock.getsockname()[1]


def received(sockets: list[socket.socket], *ports: int, **variables: str) -> dict:
    """What a process says that finds these at 3, 4, …"""
    code = (
        "import fcntl, os, sys\n"
        "given = [int(each) for each in sys.argv[1].split(',')]\n"
        "high = [fcntl.fcntl(each, fcntl.F_DUPFD, 50) for each in given]\n"
        f"for at, each in enumerate(high): os.dup2(each, {FIRST} + at, inheritable=True)\n"
        "os.execv(sys.executable, [sys.executable, '-c', *sys.argv[2:]])\n"
    )
    numbers = ",".join(str(each.fileno()) for each in sockets)
    done = subprocess.run(
        [sys.executable, "-c", code, numbers, RECEIVER, *map(str, ports)],
        env={**os.environ, "LISTEN_FDS": str(len(sockets)), "FOR_ME": "yes", **variables},
        pass_fds=[each.fileno() for each in sockets],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout) | {"said": done.stderr}


def test_without_the_variables_there_is_nothing():
    assert NOTHING.take(socket.AF_INET, ("127.0.0.1", 80)) is None
    assert [] == NOTHING.settle()
    assert {} == NOTHING.hand_on()


def test_variables_that_are_meant_for_a_parent_are_none_of_ours():
    sock, port = listening()
    with sock:
        assert [None, None] == received([sock], port, FOR_ME="", LISTEN_PID="1")["taken"]


def test_a_socket_of_the_init_system_can_be_taken_again_and_again_and_no_child_inherits_it():
    sock, port = listening()
    with sock:
        told = received([sock], port)
    assert [port, port] == told["taken"]
    assert [False, False] == told["inheritable"]
    assert [] == told["left"]


def test_one_of_the_init_system_that_nobody_wants_is_named():
    (one, port), (other, unwanted) = listening(), listening()
    with one, other:
        assert [f"127.0.0.1:{unwanted}"] == received([one, other], port)["left"]


def test_what_is_no_listening_socket_is_said_and_left_out():
    sock, port = listening()
    with sock, socket.socket() as idle:
        told = received([idle, sock], port)
    assert [port, port] == told["taken"]
    assert "descriptor 3 is no TCP socket that listens" in told["said"]


def test_our_own_is_taken_once_and_closed_where_nobody_takes_it():
    (one, port), (other, unwanted) = listening(), listening()
    with one, other:
        told = received([one, other], port, LISTEN_FDNAMES=f"{OURS}:{OURS}")
    assert [port, None] == told["taken"]
    assert [] == told["left"]
    assert unwanted


def test_what_is_kept_goes_on_listening_and_is_handed_to_the_program_that_takes_over():
    sock, port = listening()
    code = (
        "import os, sys\n"
        "from zoosup.host.system.listen_fds import HandedSockets\n"
        "handed = HandedSockets({})\n"
        "handed.keep([int(sys.argv[1])])\n"
        "os.close(int(sys.argv[1]))\n"
        "environ = {**os.environ, **handed.hand_on()}\n"
        "os.execve(sys.executable, [sys.executable, '-c', *sys.argv[2:]], environ)\n"
    )
    number = sock.fileno()
    with sock:
        done = subprocess.run(
            [sys.executable, "-c", code, str(number), RECEIVER, str(port)],
            pass_fds=[number],
            capture_output=True,
            text=True,
            check=True,
        )
    assert [port, None] == json.loads(done.stdout)["taken"]


def handed(monkeypatch, *sockets, **variables):
    """One that was handed these, at the numbers that they have."""
    first = min(each.fileno() for each in sockets)
    assert [first + at for at in range(len(sockets))] == [each.fileno() for each in sockets]
    monkeypatch.setattr(listen_fds, "FIRST", first)
    given = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(sockets))} | variables
    return HandedSockets(given)


def in_a_row(count):
    """Listening sockets with numbers that follow each other, which nobody else closes."""
    made = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    places = [each.getsockname() for each in made]
    base = 200
    for at, each in enumerate(made):
        os.dup2(each.fileno(), base + at)
        each.close()
    return [SimpleNamespace(fileno=lambda at=at: base + at) for at in range(count)], places


def test_what_is_ours_by_name_is_closed_where_nobody_wants_it_and_the_others_are_named(monkeypatch):
    numbers, places = in_a_row(3)
    found = handed(monkeypatch, *numbers, LISTEN_FDNAMES=f"web:{OURS}")
    assert [f"127.0.0.1:{port}" for _, port in sorted([places[0], places[2]])] == found.settle()
    assert found.take(socket.AF_INET, places[1]) is None
    for place in (places[0], places[2]):
        with found.take(socket.AF_INET, place) as taken:
            assert place == taken.getsockname()
            assert not taken.get_inheritable()
    assert [] == found.settle()
    assert found.take(socket.AF_INET6, places[0]) is None
    for each in found._theirs.values():
        each.close()


def test_what_is_handed_on_stands_in_the_environment_theirs_first(monkeypatch):
    numbers, _ = in_a_row(2)
    found = handed(monkeypatch, *numbers, LISTEN_FDNAMES=f"{OURS}:web")
    put = []
    monkeypatch.setattr(listen_fds.os, "dup2", lambda *given, **more: put.append((given[1], more)))
    said = found.hand_on()
    assert {
        "LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": f"theirs:{OURS}"
    } == said  # fmt: skip
    assert [(listen_fds.FIRST + at, {"inheritable": True}) for at in (0, 1)] == put
    for each in (*found._theirs.values(), *found._ours.values()):
        each.close()


def test_what_is_known_already_is_kept_once():
    sock, _ = listening()
    with sock:
        found = HandedSockets({})
        found.keep([sock.fileno(), sock.fileno()])
        (kept,) = found._ours.values()
        assert kept.fileno() != sock.fileno()
        assert [] == found.settle()
        assert -1 == kept.fileno()


@pytest.mark.parametrize(
    ("variables", "count"),
    [
        ({"LISTEN_PID": "ours", "LISTEN_FDS": "2"}, 2),
        ({"LISTEN_PID": "ours", "LISTEN_FDS": "-1"}, 0),
        ({"LISTEN_PID": "ours", "LISTEN_FDS": "x"}, 0),
        ({"LISTEN_PID": "ours"}, 0),
        ({"LISTEN_PID": "1", "LISTEN_FDS": "2"}, 0),
        ({"LISTEN_FDS": "2"}, 0),
        ({}, 0),
    ],
)
def test_only_what_is_for_this_process_counts(variables, count):
    assert count == listen_fds._count({k: v.replace("ours", str(os.getpid())) for k, v in variables.items()})


def test_what_is_no_socket_is_said(monkeypatch, tmp_path, caplog):
    with (tmp_path / "file").open("w") as file:
        handed(monkeypatch, file)
    assert "is no socket: Socket operation on non-socket" in caplog.text


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_tcp_of_either_kind_listens_and_nothing_else(family, tmp_path):
    host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
    with socket.create_server((host, 0), family=family) as tcp:
        assert listen_fds._listens(tcp)
    with socket.socket(family, socket.SOCK_STREAM) as idle, socket.socket(family, socket.SOCK_DGRAM) as udp:
        assert [False, False] == [listen_fds._listens(idle), listen_fds._listens(udp)]
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "s"))
        unix.listen()
        assert not listen_fds._listens(unix)

"""Real sockets, handed over at the numbers that sd_listen_fds(3) names, by a process that becomes another."""

import json
import os
import socket
import subprocess
import sys

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

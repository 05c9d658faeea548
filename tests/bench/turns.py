"""Models that fit one at a time, asked for in turns: what a turn costs above its models' own stop and load.

    python tests/bench/run.py turns

Beside llama-swap where it is on PATH, with the same models. Both are left at their defaults: the files say what there
is and that one fits, no more. Judges by the clients' clock and by the diaries of the models.
"""

import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import MappingProxyType

from tests.bench.child_log import command, ms, read, spawn_floor, wait_note
from tests.bench.figures import Figure
from tests.bench.proxies.contestants import process
from tests.e2e.driver import Zoosup, free_ports, listens, poll

LOAD, STOP, RAM = 300, 100, 64
"""Of each model: milliseconds from its start to its first 200 and from SIGTERM to its exit, and MiB."""
PATIENCE = 60.0
"""Seconds after which an answer is given up; nobody needs a tenth of it."""

Program = Callable[[Path, Mapping[str, list[str]]], AbstractContextManager[int]]
"""Runs models by their commands, none of them yet, until the block ends; yields the port that clients ask on."""

ZOO = """\
active: []
budget: {{ram: 128MiB, ram_reserve: 64MiB}}
gateway: {{listen: "127.0.0.1:{gateway}"}}
status: {{listen: "127.0.0.1:{status}"}}
models:
"""
MODEL = """\
  {name}:
    command: [{words}]
    memory: {{ram: 96MiB}}
    on_demand: true
"""
SWAPPED = """\
  {name}:
    cmd: {words}
"""


def turns(short: bool, folder: Path) -> Iterator[Figure]:
    """One client and two models; nine requests for three, sent at once."""
    rounds = 4 if short else 20
    programs: dict[str, Program] = {"zoosup": _zoosup, "llama-swap": llama_swap}
    if not shutil.which("llama-swap"):
        print("llama-swap is not on PATH, and left out", file=sys.stderr)  # noqa: T201  the bench's own reader
        del programs["llama-swap"]
    took, added, nine, starts = ({who: [] for who in programs} for _ in range(4))
    for who, program in programs.items():
        for each in _alternating(program, folder / f"two-{who}", rounds):
            took[who].append(each[0])
            added[who].append(each[1])
        for number in range(1 if short else 5):
            seconds, count = _interleaved(program, folder / f"nine-{who}-{number}")
            nine[who].append(seconds)
            starts[who].append(count)
    own = {"the models' own stop and load": [STOP + LOAD]}
    yield _figure("a turn between two models", "ms", took, None, own)
    yield _figure(
        "a turn, above stop and load", "ms", added, 150, {"bare fork and exec": spawn_floor(folder, 5)}
    )
    yield _figure("nine requests over three models", "s", nine, 2)
    yield _figure("nine requests over three models", "starts", starts, 3)


def _figure(
    name: str,
    unit: str,
    samples: dict[str, list[float]],
    goal: float | None,
    beside: Mapping[str, Sequence[float]] = MappingProxyType({}),
) -> Figure:
    return Figure(name, unit, samples.pop("zoosup"), goal, {**samples, **beside})


def _alternating(program: Program, folder: Path, rounds: int) -> Iterator[tuple[float, float]]:
    """Of each turn of one client: the milliseconds it took, and those not spent in the models' own stop and load."""
    with _run(program, folder, ("a", "b")) as (port, diaries):
        old, new = "a", "b"
        _answers(_ask(port, old))  # the first load displaces nobody, and is no turn
        for _ in range(rounds):
            sent = time.monotonic_ns()
            _answers(_ask(port, new))
            took = ms(sent, time.monotonic_ns())
            term, gone = (wait_note(diaries[old], event, sent).at for event in ("term", "exit"))
            start, ready = (wait_note(diaries[new], event, sent).at for event in ("start", "ready"))
            yield took, took - ms(term, gone) - ms(start, ready)
            old, new = new, old


def _interleaved(program: Program, folder: Path) -> tuple[float, int]:
    """Seconds until nine requests of one moment, in turns over three models, are answered, and starts of models."""
    names = ("a", "b", "c")
    with _run(program, folder, names) as (port, diaries):
        began = time.monotonic()
        waiting = [_ask(port, name) for name in names * 3]
        for connection in waiting:
            _answers(connection)
        took = time.monotonic() - began
        return took, sum(note.event == "start" for diary in diaries.values() for note in read(diary))


@contextmanager
def _run(program: Program, folder: Path, names: Sequence[str]) -> Iterator[tuple[int, dict[str, Path]]]:
    """(the port, the diaries by model)."""
    folder.mkdir()
    diaries = {name: folder / f"diary-{name}" for name in names}
    models = {name: command(diary, "${PORT}", LOAD, STOP, RAM) for name, diary in diaries.items()}
    with program(folder, models) as port:
        yield port, diaries


@contextmanager
def _zoosup(folder: Path, models: Mapping[str, list[str]]) -> Iterator[int]:
    gateway, status = free_ports(2)
    text = ZOO.format(gateway=gateway, status=status)
    for name, words in models.items():
        text += MODEL.format(name=name, words=", ".join(f'"{word}"' for word in words))
    zoo = Zoosup(folder, text, status)
    zoo.start()
    try:
        zoo.gateway()
        poll(lambda: listens(gateway), "the gateway to listen")
        yield gateway
        zoo.terminate()
    finally:
        zoo.clean_up()


@contextmanager
def llama_swap(folder: Path, models: Mapping[str, list[str]]) -> Iterator[int]:
    """Run them behind llama-swap; see Program."""
    [port] = free_ports(1)
    file = folder / "config.yaml"
    file.write_text(
        "models:\n" + "".join(SWAPPED.format(name=n, words=" ".join(w)) for n, w in models.items())
    )
    with process(["llama-swap", "-config", file, "-listen", f"127.0.0.1:{port}"], folder / "log", [port]):
        yield port


def _ask(port: int, model: str) -> socket.socket:
    """A request under way, on a connection of its own."""
    body = f'{{"model": "{model}", "messages": []}}'
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    connection = socket.create_connection(("127.0.0.1", port), PATIENCE)
    connection.sendall((head + body).encode())
    return connection


def _answers(connection: socket.socket) -> None:
    """Wait for the answer; RuntimeError unless it is a good one."""
    with connection:
        said = connection.recv(65536)
    if not said.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(f"not answered: {said!r}")

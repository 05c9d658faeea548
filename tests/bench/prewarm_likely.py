"""What keeping likely weights in memory saves of a switch: the first answer of a model, by the client's clock.

    python tests/bench/run.py likely

Two models that fit one at a time and read a file of their own as they load. B's weights are dropped from the page cache
while A serves; then zoosup has the time that it needs to read them, and B is asked for. Beside `prewarm: false` with a
cold cache and with a warm one. zoosup's own word is heard only for when to begin. Linux alone; a disk of a virtual
machine may be in its host's memory, so that cold means no colder than that.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

from tests.bench.figures import Figure
from tests.bench.prewarm import SHORT_SIZE, SIZE, read
from tests.bench.weight_files import ANSWERING, MIB, forget, write
from tests.e2e.driver import Zoosup, free_ports

SERVER = """
import os, sys
path, port = sys.argv[sys.argv.index("-m") + 1], int(sys.argv[sys.argv.index("--port") + 1])
buffer, file = bytearray(1 << 20), os.open(path, os.O_RDONLY)
while os.readv(file, [buffer]):
    pass
"""
ZOO = """\
active: []
budget: {{ram: 256MiB, ram_reserve: 64MiB}}
gateway: {{listen: "127.0.0.1:{gateway}", prewarm: {prewarm}}}
status: {{listen: "127.0.0.1:{status}"}}
defaults: {{on_demand: true, memory: {{ram: 160MiB}}, stop: {{grace: 2s}}}}
models:
  a: {{command: [{python}, {server}, -m, {folder}/a.gguf, --port, "${{PORT}}"]}}
  b: {{command: [{python}, {server}, -m, {folder}/b.gguf, --port, "${{PORT}}"]}}
"""


def likely(short: bool, folder: Path) -> Iterator[Figure]:
    """The first answer after a switch: read ahead, beside cold and beside warm with nothing done."""
    if sys.platform != "linux":
        return
    size, rounds = (SHORT_SIZE, 1) if short else (SIZE, 5)
    (folder / "server.py").write_text(SERVER + ANSWERING)
    ways = {"likely": ("likely", True), "cold": ("false", True), "warm": ("false", False)}
    with ExitStack() as running:
        asked = {}
        for name, (prewarm, cold) in ways.items():
            (place := folder / name).mkdir()
            write(place / "a.gguf", MIB)
            write(place / "b.gguf", size)
            zoo = running.enter_context(_zoo(place, folder / "server.py", prewarm))
            asked[name] = (zoo, place / "b.gguf", cold)
        # One after the other, so that what else the machine does falls on all alike.
        took = [{name: _switch(*each) for name, each in asked.items()} for _ in range(rounds)]
    ahead, cold, warm = ([each[name] for each in took] for name in ways)
    yield Figure(
        f"first answer of a model of {size // MIB} MiB that was likely", "ms", ahead, sorted(cold)[rounds // 2],
        {"prewarm: false, cold": cold, "prewarm: false, warm": warm},
    )  # fmt: skip


def _switch(zoo: Zoosup, weights: Path, cold: bool) -> float:
    """From a to b, and back: milliseconds until b has answered."""
    for name in "aba":  # so that it is known who comes after a
        _ask(zoo, name)
    (forget if cold else read)(weights)
    if "prewarm: likely" in zoo.file.read_text():
        _edit_back_and_forth(zoo)
    return _ask(zoo, "b")


def _edit_back_and_forth(zoo: Zoosup) -> None:
    """Have it forget what it has read: it looks again by itself only every ten minutes."""
    zoo.edit(("prewarm: likely", "prewarm: false"))
    zoo.wait(lambda s: s["models"]["b"]["warm"] is None, "b to be forgotten")
    zoo.edit(("prewarm: false", "prewarm: likely"))
    zoo.wait(lambda s: (w := s["models"]["b"]["warm"]) and not w["reading"], "b to be read ahead")


def _ask(zoo: Zoosup, model: str) -> float:
    """Milliseconds until it has answered."""
    body = f'{{"model": "{model}", "messages": []}}'.encode()
    request = Request(f"{zoo.gateway()}/v1/chat/completions", body, {"Content-Type": "application/json"})
    began = time.perf_counter()
    with urlopen(request, timeout=60) as answer:
        answer.read()
    return (time.perf_counter() - began) * 1000


@contextmanager
def _zoo(folder: Path, server: Path, prewarm: str) -> Iterator[Zoosup]:
    gateway, status = free_ports(2)
    places = {"python": sys.executable, "server": server, "folder": folder}
    zoo = Zoosup(folder, ZOO.format(gateway=gateway, status=status, prewarm=prewarm, **places), status)
    zoo.start()
    try:
        yield zoo
        zoo.terminate()
    finally:
        zoo.clean_up()

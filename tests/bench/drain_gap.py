"""A switch while the old model still answers: from its last byte to the new one's first token, by parts.

    python tests/bench/drain_gap.py [--rounds N] [--short]

Real llama-servers with random weights, one at a time: `active` changes in the middle of a long answer, and a client
asks the new model at once. Its weights are out of memory when that begins; with prewarm they are read while the old one
drains. Beside it the same server started by itself with its weights in memory, which is the least that a switch that
waits for the old one can take. The parts are by zoosup's own events. Linux alone. Needs the dependency group e2e.
"""

# ruff: noqa: T201  it reports to a person

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from urllib.error import URLError
from urllib.request import Request, urlopen

sys.path.insert(0, str(Path(__file__).parents[2]))  # a script, so that the repository is no package path yet

from tests.bench.random_gguf import Shape, write
from tests.bench.weight_files import forget
from tests.e2e.driver import Zoosup, free_ports, poll
from tests.e2e.llama import llama_server

SHAPE, SHORT = Shape(width=1024, feed=4096, layers=12, heads=16, kv_heads=4), Shape(layers=2)
ANSWER, SHORT_ANSWER = 32, 2000
"""Tokens of the old model's answer: for longer than the edit of the file takes to be seen, on a fast machine too."""

ZOO = """\
active: [a]
budget: {{ram: 5GiB, ram_reserve: 64MiB}}
switch: {{strategy: replace}}
status: {{listen: "127.0.0.1:{status}"}}
gateway: {{listen: "127.0.0.1:{gateway}", prewarm: {prewarm}}}
defaults: {{memory: {{ram: 3GiB}}}}
models:
  a: {{command: {a}}}
  b: {{command: {b}}}
"""
WORDS = "--host 127.0.0.1 --port ${PORT} -c 4096 -np 1 --cache-ram 0 --no-webui --fit off"
PARTS = ("last byte → gone", "gone → start", "start → ready", "ready → first token")
PATIENCE = 300.0


def main() -> int:
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="zoosup-drain-") as name:
        folder = Path(name)
        shape = SHORT if arguments.short else SHAPE
        files = {each: write(folder / f"{each}.gguf", shape) for each in ("a", "b")}
        print(
            f"weights of {files['b'].stat().st_size / 2**20:.0f} MiB, {arguments.rounds} rounds, medians in seconds"
        )
        print(f"{'':16} {'gap':>7}  " + "  ".join(f"{part:>19}" for part in PARTS))
        for prewarm in (True, False):
            rounds = [
                _round(folder / f"{prewarm}-{n}", files, prewarm, SHORT_ANSWER if arguments.short else ANSWER)
                for n in range(arguments.rounds)
            ]
            gap, *parts = [median(column) for column in zip(*rounds, strict=True)]
            what = "prewarm" if prewarm else "no prewarm"
            print(f"{what:16} {gap:7.2f}  " + "  ".join(f"{part:19.2f}" for part in parts))
        alone = median(_alone(files["b"]) for _ in range(arguments.rounds))
    print(f"{'b by itself':16} {alone:7.2f}  its weights in memory, from its spawn to its first token")
    return 0


def _round(home: Path, files: dict[str, Path], prewarm: bool, tokens: int) -> list[float]:
    """Seconds of the gap, and of its parts."""
    status, gateway = free_ports(2)
    commands = {
        name: json.dumps([str(llama_server()), "-m", str(path), *WORDS.split()])
        for name, path in files.items()
    }
    home.mkdir()
    text = ZOO.format(status=status, gateway=gateway, prewarm=str(prewarm).lower(), **commands)
    zoo = Zoosup(home, text, status)
    zoo.start()
    try:
        zoo.wait_phase("a", "ready")
        url, times = zoo.gateway(), {}
        old = threading.Thread(target=_answer, args=(url, "a", tokens, times))
        old.start()
        poll(lambda: "a first" in times, "a's answer to begin")
        forget(files["b"])
        zoo.edit(("active: [a]", "active: [b]"))
        zoo.wait(lambda status: status["models"]["a"]["phase"] != "ready", "a to leave")
        if "a last" in times:
            raise RuntimeError("a's answer was over before a was told to leave: nothing drained")
        _answer(url, "b", 2, times)
        old.join()
        events = [json.loads(line) for line in zoo.cli("events", "--json").stdout.splitlines()]
        zoo.terminate()
    finally:
        zoo.clean_up()
    stations = [times["a last"], *_stations(events), times["b first"]]
    gaps = [later - earlier for earlier, later in pairwise(stations)]
    return [stations[-1] - stations[0], *gaps]


def _stations(events: list[dict[str, object]]) -> Iterator[float]:
    """When a was gone, b was started and b was ready, on the wall clock."""
    for model, phase in (("a", "stopped"), ("b", "starting"), ("b", "ready")):
        yield max(
            float(str(each["at"]))
            for each in events
            if (each["type"], each["model"], each["reason"]) == ("Phase", model, phase)
        )


def _answer(url: str, model: str, tokens: int, times: dict[str, float]) -> None:
    body = {
        "model": model,
        "prompt": list(range(1000, 1008)),
        "max_tokens": tokens,
        "stream": True,
        "ignore_eos": True,
    }
    asked = Request(f"{url}/v1/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urlopen(asked, timeout=PATIENCE) as answer:
        for line in answer:
            if line.startswith(b"data: {"):
                times.setdefault(f"{model} first", time.time())
    times[f"{model} last"] = time.time()


def _alone(weights: Path) -> float:
    weights.read_bytes()
    [port] = free_ports(1)
    words = [word.replace("${PORT}", str(port)) for word in WORDS.split()]
    began, times = time.time(), {}
    with subprocess.Popen(
        [llama_server(), "-m", weights, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            poll(lambda: _is_ready(port), "the server to be ready")
            _answer(f"http://127.0.0.1:{port}", "b", 2, times)
        finally:
            server.kill()
    return times["b first"] - began


def _is_ready(port: int) -> bool:
    try:
        return bool(urlopen(f"http://127.0.0.1:{port}/health", timeout=5).status == 200)
    except (URLError, OSError):
        return False


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--short", action="store_true", help="small models: that it works, not what it costs")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())

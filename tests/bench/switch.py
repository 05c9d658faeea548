"""An agent that alternates between two models with a conversation that grows: the time to the first token of each turn.

    python tests/bench/switch.py [--short] [--tokens N] [--turns N] [--architecture llama|gemma3] [--plot FILE.svg]

Real llama-servers with random weights, one at a time, each turn through a gateway: zoosup with sessions kept and
weights read ahead, zoosup without both, and llama-swap where it is on PATH. `reused` is what the server itself says of
the prompt. A turn has the time of the switch in it. Needs the dependency group e2e. ZOOSUP_TEST_LLAMA_SERVER names the
server; without it one is built.
"""

# ruff: noqa: T201  it reports to a person

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.request import Request, urlopen

sys.path.insert(0, str(Path(__file__).parents[2]))  # a script, so that the repository is no package path yet

from tests.bench.plot import Plot
from tests.bench.random_gguf import Shape, write
from tests.bench.turns import Program, llama_swap
from tests.e2e.driver import Zoosup, free_ports
from tests.e2e.llama import llama_server

SHAPES = {
    "llama": Shape(width=256, feed=768, layers=4, heads=4, kv_heads=2),
    "gemma3": Shape("gemma3", 256, 768, 6, 4, 2, 32_000, 512, head=64),
}
ZOO = """\
active: []
budget: {{ram: 3GiB, ram_reserve: 64MiB}}
status: {{listen: "127.0.0.1:{status}"}}
gateway: {{listen: "127.0.0.1:{gateway}", prewarm: {on}}}
defaults:
  memory: {{ram: 2GiB}}
  on_demand: true
  sessions: {{keep: {on}}}
models:
"""
WORDS = "--host 127.0.0.1 --port ${PORT} -c %d -np 1 --cache-ram 0 --no-webui --fit off"
PATIENCE = 900.0
WITH, WITHOUT, PEER = "zoosup", "zoosup without sessions and prewarm", "llama-swap"


@dataclass(frozen=True)
class Turn:
    """One turn's tokens, those of them that the server reused, and seconds to its first token."""

    tokens: int
    reused: int
    seconds: float


def main() -> int:
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="zoosup-switch-") as name:
        measured = measure(Path(name), arguments.tokens, arguments.turns, SHAPES[arguments.architecture])
    print(table(measured))
    if arguments.plot:
        arguments.plot.write_text(picture(measured), "utf-8")
    return 0


def measure(folder: Path, tokens: int, turns: int, shape: Shape) -> dict[str, list[Turn]]:
    """By program its turns, the last of which asks for so many tokens.

    All run, and each turn is asked of one after the other: what else the machine does falls on all alike.
    """
    words = WORDS % (tokens + 1024)
    models = {
        name: [str(llama_server()), "-m", str(write(folder / f"{name}.gguf", shape)), *words.split()]
        for name in ("a", "b")
    }
    programs: dict[str, Program] = {WITH: partial(_zoosup, on=True), WITHOUT: partial(_zoosup, on=False)}
    if shutil.which("llama-swap"):
        programs[PEER] = llama_swap
    else:
        print("llama-swap is not on PATH, and left out", file=sys.stderr)
    with ExitStack() as running:
        ports = {}
        for number, (who, program) in enumerate(programs.items()):
            (place := folder / f"of-{number}").mkdir()
            ports[who] = running.enter_context(program(place, models))
        return _turns(ports, tokens, turns)


@contextmanager
def _zoosup(folder: Path, models: Mapping[str, list[str]], *, on: bool) -> Iterator[int]:
    status, gateway = free_ports(2)
    text = ZOO.format(status=status, gateway=gateway, on=str(on).lower())
    zoo = Zoosup(
        folder, text + "".join(f"  {n}: {{command: {json.dumps(w)}}}\n" for n, w in models.items()), status
    )
    zoo.start()
    try:
        zoo.gateway()
        yield gateway
        zoo.terminate()
    finally:
        zoo.clean_up()


def _turns(ports: Mapping[str, int], tokens: int, turns: int) -> dict[str, list[Turn]]:
    found: dict[str, list[Turn]] = {who: [] for who in ports}
    for turn in range(turns):
        prompt = [1000 + each * 7919 % 20_000 for each in range(tokens * (turn + 1) // turns)]
        for who, port in ports.items():
            found[who].append(_ask(f"http://127.0.0.1:{port}", "ab"[turn % 2], prompt))
            print(f"… {turn + 1} of {turns}, {who}: {found[who][-1]}", file=sys.stderr, flush=True)
    return found


def _ask(url: str, model: str, prompt: list[int]) -> Turn:
    body = {"model": model, "prompt": prompt, "max_tokens": 2, "stream": True}
    headers = {"Content-Type": "application/json"}
    asked, first, reused = time.monotonic(), 0.0, 0
    with urlopen(
        Request(f"{url}/v1/completions", json.dumps(body).encode(), headers), timeout=PATIENCE
    ) as answer:
        for line in answer:
            if not line.startswith(b"data: {"):
                continue
            first = first or time.monotonic() - asked
            reused = json.loads(line[len(b"data: ") :]).get("timings", {}).get("cache_n", reused)
    return Turn(len(prompt), reused, first)


def table(measured: Mapping[str, list[Turn]]) -> str:
    """In Markdown, a line for each turn."""
    lines = [
        "turn | model | tokens | " + " | ".join(measured),
        " | ".join(["---:", "---", *["---:"] * (1 + len(measured))]),
    ]
    for number, turns in enumerate(zip(*measured.values(), strict=True)):
        cells = (f"{turn.seconds:.1f} s, {turn.reused:,} reused" for turn in turns)
        lines.append(f"{number + 1} | {'ab'[number % 2]} | {turns[0].tokens:,} | " + " | ".join(cells))
    return "\n".join(f"| {line} |" for line in lines)


def picture(measured: Mapping[str, list[Turn]]) -> str:
    """The same as an SVG."""
    plot = Plot(
        "Time to the first token of each turn, two models in turns", "tokens in the conversation", "seconds"
    )
    for who, turns in measured.items():
        plot.add(who, [(turn.tokens, turn.seconds) for turn in turns])
    return plot.svg()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="few tokens: that it works, not what it costs")
    parser.add_argument("--tokens", type=int, help="tokens of the last turn; 20000, and 1600 with --short")
    parser.add_argument("--turns", type=int, help="8, and 4 with --short")
    parser.add_argument("--architecture", choices=SHAPES, default="llama")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw it as well")
    given = parser.parse_args()
    given.tokens = given.tokens or (1600 if given.short else 20_000)
    given.turns = given.turns or (4 if given.short else 8)
    return given


if __name__ == "__main__":
    raise SystemExit(main())

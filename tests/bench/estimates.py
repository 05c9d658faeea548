"""Predicted against measured: what llama-server really takes, of models with random weights, term sums beside it.

    python tests/bench/estimates.py [--short] [--json] [NAME…]

Each server answers prompts in all of its slots before it is measured. Predicted is the steady part: without margin,
prompt cache and checkpoints not yet made. Measured is RssAnon + RssShmem + RssFile at its highest, less the file pages
of weights that llama.cpp has repacked into memory of its own. Promised is the whole need as derived from the headers,
fitted the same by the word of the llama-fit-params beside the server (0: there is none), learned what it is once three
such runs have been healthy: none may ever be below the truth. Exits 1 when an estimate misses by more than is
allowed. ZOOSUP_TEST_LLAMA_SERVER names the server; without it one is built.
"""

# ruff: noqa: T201  it reports to a person

import argparse
import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # a script, so that the repository is no package path yet

from tests.bench.random_gguf import Q4_0, Q8_0, Shape, write
from tests.e2e.llama import llama_server
from tests.host.preflight.inspectors import host_inspector
from zoosup.core.estimation import learned as learning
from zoosup.core.estimation.need import need
from zoosup.core.state.usage import Learned, RunPeaks
from zoosup.core.state.weights import FIT_PARAMS, UNASKED
from zoosup.spec.model.model import ModelSpec

MIB = 2**20
LEAST, MOST = -0.05, 0.10
"""How far below and above the truth a prediction may be."""

NOT_STEADY = frozenset({"margin", "prompt cache", "checkpoints"})
PROMPT = 600
"""Tokens: more than the usual batch of 512, so that a whole one is worked on."""

PATIENCE = 180.0

_PLAIN = ("--cache-ram", "0", "--log-verbosity", "5")
_BIG = Shape(width=2048, feed=6144, layers=16, heads=16, kv_heads=4, vocabulary=64_000)
_FOURS = Shape(width=2048, feed=6144, layers=16, heads=16, kv_heads=4, kind=Q4_0)
_HUGE = Shape(width=2560, feed=8192, layers=24, heads=20, kv_heads=4, vocabulary=64_000, kind=Q8_0)


@dataclass(frozen=True)
class Case:
    """A model and the options that it is served with."""

    shape: Shape
    options: tuple[str, ...]
    big: bool = False
    prompt: int = PROMPT


_MID = Shape(width=768, feed=2048, layers=8, heads=12, kv_heads=4)
_GEMMA3 = Shape("gemma3", 768, 2048, 12, 8, 4, 48_000, 512, head=128)
_GEMMA2 = Shape("gemma2", 768, 2048, 10, 8, 4, 48_000, 1024, head=128)

CASES = {
    "gqa": Case(_MID, ("-c", "16384", "-np", "1")),
    "default slots": Case(_MID, ("-c", "32768")),
    "four slots": Case(_MID, ("-c", "32768", "-np", "4")),
    "many heads": Case(Shape(width=768, feed=2048, layers=8, heads=12, kv_heads=12), ("-c", "16384", "-np", "1")),
    "gemma3 window": Case(_GEMMA3, ("-c", "32768", "-ctxcp", "0", "-np", "2")),
    "gemma2 window": Case(_GEMMA2, ("-c", "16384", "-ctxcp", "0")),
    "swa full": Case(_GEMMA3, ("-c", "16384", "--swa-full")),
    "q8_0 cache": Case(_MID, ("-c", "32768", "-np", "2", "-ctk", "q8_0", "-ctv", "q8_0")),
    "no flash": Case(_MID, ("-c", "4096", "-np", "1", "-fa", "off"), prompt=3900),
    "large batch": Case(_MID, ("-c", "4096", "-np", "1", "-b", "4096", "-ub", "2048"), prompt=3900),
    "big vocabulary": Case(Shape(vocabulary=150_000, width=1024, feed=3072), ("-c", "8192", "-np", "1")),
    "1.9 GB mapped": Case(_BIG, ("-c", "8192", "-np", "1"), big=True),
    "1.9 GB read": Case(_BIG, ("-c", "8192", "-np", "1", "NOMMAP"), big=True),
    "q4_0 repacked": Case(_FOURS, ("-c", "8192", "-np", "1")),
    "2.2 GB q8_0": Case(_HUGE, ("-c", "8192", "-np", "1", "NOMMAP"), big=True),
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One case's figures, in bytes."""

    name: str
    predicted: int
    promised: int
    measured: int
    anonymous: int
    file: int
    repacked: int
    learned: int
    fitted: int = 0

    @property
    def off(self) -> float:
        return self.predicted / self.measured - 1

    @property
    def met(self) -> bool:
        promises = min(self.promised, self.learned, self.fitted or self.promised)
        return LEAST <= self.off <= MOST and promises >= self.measured


def main() -> int:
    arguments = _arguments()
    server, rows = llama_server(), list[Row]()
    unmapped = _unmapped(server)
    names = arguments.names or [n for n, case in CASES.items() if not (arguments.short and case.big)]
    with tempfile.TemporaryDirectory(prefix="zoosup-estimates-") as folder:
        for name in names:
            print(f"… {name}", file=sys.stderr, flush=True)
            case = CASES[name]
            weights = Path(folder) / f"{abs(hash(case.shape))}.gguf"
            if not weights.exists():
                write(weights, case.shape)
            rows.append(_measure(name, server, weights, case, [*_options(case, unmapped), *_PLAIN]))
    if arguments.json:
        print(json.dumps([asdict(row) | {"off": row.off, "met": row.met} for row in rows], indent=2))
    else:
        print(table(rows))
    return 0 if all(row.met for row in rows) else 1


def _options(case: Case, unmapped: tuple[str, ...]) -> list[str]:
    return [word for option in case.options for word in (unmapped if option == "NOMMAP" else (option,))]


def _unmapped(server: Path) -> tuple[str, ...]:
    """Newer servers have --load-mode in the place of --no-mmap."""
    said = subprocess.run([server, "--help"], capture_output=True, text=True, check=True).stdout
    return ("--load-mode", "none") if "--load-mode" in said else ("--no-mmap",)


def table(rows: list[Row]) -> str:
    """The rows for people; MiB."""
    names = f"{'':16}{'predicted':>10}{'measured':>10}{'off':>8}{'anon':>8}{'file':>8}{'repack':>8}"
    lines = [f"{names}{'promised':>10}{'learned':>9}{'fitted':>8}"]
    for row in rows:
        figures = (
            f"{row.predicted // MIB:>10}{row.measured // MIB:>10}{row.off:>8.1%}{row.anonymous // MIB:>8}"
        )
        figures += (
            f"{row.file // MIB:>8}{row.repacked // MIB:>8}{row.promised // MIB:>10}{row.learned // MIB:>9}"
        )
        figures += f"{row.fitted // MIB:>8}"
        lines.append(f"{row.name:16}{figures}{'' if row.met else '  MISSED'}")
    return "\n".join(lines)


def _measure(name: str, server: Path, weights: Path, case: Case, options: list[str]) -> Row:
    spec = ModelSpec(command=(str(server), "-m", str(weights), *options))
    found = asyncio.run(host_inspector().weights(spec, os.environ))
    facts = replace(found, fitted=UNASKED)
    predicted, fitted = need(spec, facts), need(spec, found)
    steady = sum(term.amount for term in predicted.terms if term.name not in NOT_STEADY)
    port = host_inspector().free_port(frozenset())
    log = weights.with_suffix(".log")
    with log.open("wb") as out, _run([*spec.command, "--port", str(port)], out) as process:
        watch = _Watch(process.pid)
        _await(port, process)
        slots = len(_ask(port, "/slots"))
        with ThreadPoolExecutor(slots) as all_at_once:
            list(all_at_once.map(lambda i: _complete(port, i, case.prompt), range(slots)))
        watch.end()
    repacked = _repacked(log.read_text(errors="replace"))
    file = max(0, watch.file - repacked)
    return Row(
        name,
        steady,
        predicted.amounts["ram"],
        watch.anonymous + file,
        watch.anonymous,
        watch.file,
        repacked,
        need(spec, facts, _lessons(watch.anonymous, watch.file)).amounts["ram"],
        fitted.amounts["ram"] if fitted.source == FIT_PARAMS else 0,
    )


def _lessons(anonymous: int, file: int) -> Learned:
    """What three healthy runs with these peaks teach."""
    runs = (RunPeaks(str(number), anonymous, file, 0, 0, healthy=True) for number in range(learning.ENOUGH))
    return Learned(runs=tuple(runs))


class _run(subprocess.Popen):  # noqa: N801  a context that ends what it starts
    def __init__(self, command: list[str], out) -> None:
        super().__init__(command, stdout=out, stderr=out)

    def __exit__(self, *_: object) -> None:
        self.send_signal(signal.SIGKILL)
        self.wait()


class _Watch:
    """The highest figures of /proc/PID/status, looked at every 20 ms."""

    def __init__(self, pid: int) -> None:
        self.anonymous = self.file = 0
        self._status = Path(f"/proc/{pid}/status")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.02):
            with suppress(OSError):
                found = dict(re.findall(r"(Rss\w+):\s+(\d+) kB", self._status.read_text()))
                if found:
                    anonymous = int(found["RssAnon"]) + int(found["RssShmem"])
                    self.anonymous = max(self.anonymous, anonymous * 1024)
                    self.file = max(self.file, int(found["RssFile"]) * 1024)


def _await(port: int, process: subprocess.Popen) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with suppress(OSError):
            _ask(port, "/health")
            return
        if process.poll() is not None:
            raise RuntimeError(f"llama-server has ended with {process.returncode}")
        time.sleep(0.05)
    raise TimeoutError("llama-server is not ready")


def _complete(port: int, number: int, length: int) -> None:
    prompt = [3 + (number * 7 + i) % 250 for i in range(length)]
    _ask(port, "/completion", {"prompt": prompt, "n_predict": 4})


def _ask(port: int, path: str, body: object = None):
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", data, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:
        return json.load(answer)


def _repacked(log: str) -> int:
    """Bytes of weights that the CPU backend copied into its own order; their file pages are cold from then on."""
    sizes = re.findall(r"REPACK model buffer size =\s+([\d.]+) MiB", log)
    return int(max(map(float, sizes), default=0.0) * MIB)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*CASES, []], help=", ".join(CASES))
    parser.add_argument("--short", action="store_true", help="without the big models")
    parser.add_argument("--json", action="store_true", help="for programs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

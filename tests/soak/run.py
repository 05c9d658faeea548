"""Starts, stops, crashes and edits models of a real zoosup thousands of times, and shows that nothing grows by it.

    python tests/soak/run.py [--cycles 10000] [--short]

A cycle is one run of a model, from its spawn to the proof that it is gone. Exits 1 when descriptors, zombies,
threads, tasks, records, logs or memory grow with the cycles, or a model that nobody meant was touched.
"""

# ruff: noqa: T201  it reports to a person

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # a script, so that the repository is no package path yet

from tests.soak import sampler, trends
from tests.soak.sampler import Sample
from tests.soak.zoo import soaked

COLUMNS = (
    "cycles", "events", "descriptors", "threads", "tasks", "zombies", "children", "records", "logs", "rss", "allocated",
    "objects", "state",
)  # fmt: skip
SAMPLES = 40
SAMPLES_SHORT = 12
SHORT = 300
"""Cycles of the short form: that nothing leaks by the hundred; memory needs the long one."""


def main() -> int:
    arguments = _arguments()
    cycles = min(arguments.cycles, SHORT) if arguments.short else arguments.cycles
    with tempfile.TemporaryDirectory(prefix="zoosup-soak-", ignore_cleanup_errors=True) as name:
        samples, models = soak(
            Path(name), cycles, arguments.models, SAMPLES_SHORT if arguments.short else SAMPLES
        )
    findings = trends.judge(samples, models)
    print()
    for each in findings:
        print(f"{'?' if each.bad is None else 'BAD' if each.bad else 'ok':4} {each.figure:12} {each.text}")
    if any(each.bad for each in findings):
        for kind, more in trends.grown(samples).items():
            print(f"     {more:+} {kind}")
    return 1 if any(each.bad for each in findings) else 0


def soak(folder: Path, cycles: int, light: int, looks: int) -> tuple[list[Sample], int]:
    """Do so many cycles, look so many times at equal distances; the samples, and how many models ran at each."""
    print(" ".join(f"{column:>11}" for column in ("seconds", *COLUMNS)))
    began, samples = time.monotonic(), []
    with soaked(folder, light) as zoo:
        turn = 0
        while zoo.cycles < cycles:
            turn += 1
            zoo.turn(turn)
            if zoo.cycles >= cycles * (len(samples) + 1) / looks:
                zoo.settle()
                samples.append(sampler.take(zoo.zoo, zoo.cycles))
                _show(time.monotonic() - began, samples[-1])
        return samples, zoo.models


def _show(seconds: float, sample: Sample) -> None:
    figures = (getattr(sample, column) for column in COLUMNS)
    cells = (f"{figure:11.1f}" if isinstance(figure, float) else f"{figure!s:>11}" for figure in figures)
    print(f"{seconds:11.0f} {' '.join(cells)}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cycles", type=int, default=10_000, metavar="N", help="runs of models")
    parser.add_argument("--models", type=int, default=8, metavar="N", help="light models in each of two sets")
    parser.add_argument("--short", action="store_true", help=f"{SHORT} cycles: under a minute, for CI")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

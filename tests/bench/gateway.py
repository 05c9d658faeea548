"""The gateway beside a direct connection, nginx, haproxy and llama-swap: one worker each, one run, the same models.

    python tests/bench/gateway.py [--short] [--alone] [--json] [--without NAME]

Those that are not on PATH are left out, and it is said. --alone measures the gateway without the rest of zoosup.
Goals are ratios against nginx (issue 5), so that they mean the same on every machine.
"""

# ruff: noqa: T201  it reports to a person

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[2]))  # a script, so that the repository is no package path yet

from tests.bench.figures import Figure
from tests.bench.proxies import contestants, measures
from tests.bench.proxies.contestants import Contestant
from tests.bench.proxies.measures import Effort
from tests.e2e.driver import free_ports

BUSY = 0.2
"""The share of the processors that others may use before it is said."""

DIRECT, PEER, OURS = "direct", "nginx", "zoosup"

Results = dict[str, dict[str, list[float]]]
"""Samples by figure and contestant."""


class BrokenError(Exception):
    """Something could not be measured; `results` has what could."""

    def __init__(self, results: Results, errors: Sequence[str]) -> None:
        super().__init__("; ".join(errors))
        self.results = results


@dataclass(frozen=True)
class Row:
    """One figure. `goal` is the most that ours may be (`least`: the least) of nginx's, or in its own unit (`own`)."""

    key: str
    name: str
    goal: float | None = None
    least: bool = False
    own: bool = False
    added: bool = False  # what is more than a direct connection takes in the same round; of the calmest round

    def value(self, results: Results, who: str) -> float | None:
        samples = results.get(self.key, {}).get(who)
        if samples and self.added:
            direct = results[self.key].get(DIRECT, [])
            # Whoever else runs for one tick is in the 99th percentile of a round; a stall of ours is in all rounds.
            return min((sample - bare for sample, bare in zip(samples, direct, strict=False)), default=None)
        return median(samples) if samples else None

    def ratio(self, results: Results) -> float | None:
        ours, theirs = self.value(results, OURS), self.value(results, PEER)
        return ours / theirs if ours is not None and theirs is not None and theirs > 0 else None

    def met(self, results: Results) -> bool | None:
        """None where there is no goal, or nothing to compare with."""
        found = self.value(results, OURS) if self.own else self.ratio(results)
        if found is None or self.goal is None:
            return None
        return found >= self.goal if self.least else found <= self.goal

    def goal_text(self) -> str:
        if self.goal is None:
            return ""
        bound = f"{self.goal:g}" if self.own else f"{self.goal:g} x nginx"
        return f"{'>=' if self.least else '<='} {bound}"


ROWS = (
    Row("rate at 32", "requests/s at 32 connections", 0.65, least=True),
    Row("rate at 256", "requests/s at 256 connections", 0.65, least=True),
    Row("cpu at 32", "CPU a request at 32 connections, us"),
    Row("cpu at 256", "CPU a request at 256 connections, us"),
    Row("p50 at 1", "p50 at 1 connection, us", 1.25),
    Row("p50 on one", "p50 at 1, all on one processor, us"),
    Row("cpu per request", "CPU a request at 200/s, us"),
    Row("held", "private memory at 256 connections, MiB", 60, own=True),
    Row("cpu per token", "CPU a token at 128 streams, us", 1.3),
    Row("p99 of a token", "p99 added to a token, us", 1.5, added=True),
    Row("10 MB body", "a 10 MB body, ms", 3),
    Row("kept", "private memory kept 15 s after many at once, MiB", 8, own=True),
    Row("1 GiB answer", "a 1 GiB answer, ms"),
    Row("grown by", "private memory grown by meanwhile, MiB", 16, own=True),
    Row("delay", "p99 of /livez while saturated, ms", 50, own=True),
    Row("calm", "p99 of /livez at rest, ms"),
)


def figures(short: bool, folder: Path) -> Iterator[Figure]:
    """For run.py: ours beside the others', what must not be small as its inverse."""
    results = run(measures.SHORT if short else Effort(), folder)
    for row in ROWS:
        values = {who: value for who in results[row.key] if (value := row.value(results, who)) is not None}
        if row.least:
            values = {who: 1e6 / value for who, value in values.items()}
        theirs, goal = values.get(PEER), row.goal
        if goal is not None and not row.own:
            known = theirs is not None and theirs > 0
            goal = (theirs / goal if row.least else theirs * goal) if known else None
        name = row.name.replace("requests/s", "a request") if row.least else row.name
        name, _, unit = name.partition(", ")
        beside = {who: [value] for who, value in values.items() if who != OURS}
        yield Figure(f"gateway: {name}", unit or "us", [values[OURS]], goal, beside)


def run(effort: Effort, folder: Path, *, alone: bool = False, without: Sequence[str] = ()) -> Results:
    """All measures of all contestants, in turns, so that a slow minute of the machine is everybody's.

    BrokenError when one could not be made; the others are made all the same.
    """
    results: Results = {row.key: {} for row in ROWS}
    errors: list[str] = []

    load, most = os.getloadavg()[0], BUSY * (os.cpu_count() or 1)
    if load > most:
        print(f"the machine is busy (load {load:.1f}): others take from the figures", file=sys.stderr)
    with _all(folder, alone=alone, without=without) as field:
        for number in range(effort.rounds):
            for measure in measures.MEASURES:
                print(f"… {measure.__name__} {number + 1}/{effort.rounds}", file=sys.stderr, flush=True)
                for who in field:
                    try:
                        found = measure(who, effort, folder)
                    except (RuntimeError, OSError) as error:
                        errors.append(f"{measure.__name__} of {who.name}: {error}")
                        continue
                    for key, value in found.items():
                        results[key].setdefault(who.name, []).append(value)
    if errors:
        raise BrokenError(results, errors)
    return results


@contextmanager
def _all(folder: Path, *, alone: bool, without: Sequence[str]) -> Iterator[list[Contestant]]:
    models = dict(zip(contestants.MODELS, free_ports(2), strict=True))
    commands = contestants.model_commands(folder, models)
    with ExitStack() as stack:

        def enter(start: Callable[..., object], name: str, *more: object) -> Contestant:
            place = folder / name
            place.mkdir()
            who = stack.enter_context(start(place, models, *more))
            if trouble := contestants.answers(who):
                raise RuntimeError(f"{name} does not pass requests on: {trouble}")
            return who

        ours = enter(contestants.alone if alone else contestants.zoosup, OURS, commands)
        field = [Contestant(DIRECT, models, None, models=ours.models)]
        for name, start in contestants.OTHERS.items():
            if name in without:
                continue
            if shutil.which(name) is None:
                print(f"{name} is not on PATH and is left out", file=sys.stderr)
            else:
                field.append(replace(enter(start, name), models=ours.models))
        yield [*field, ours]


def table(results: Results) -> str:
    names = list(dict.fromkeys(who for by_name in results.values() for who in by_name))
    lines = [
        f"by {platform.python_implementation()} {platform.python_version()} ({platform.python_compiler()})",
        "",
    ]
    lines += [f"{'':36}" + "".join(f"{name:>12}" for name in names) + f"{'of nginx':>10}  goal"]
    for row in ROWS:
        values = [row.value(results, who) for who in names]
        cells = "".join(f"{'' if value is None else format(value, ',.1f'):>12}" for value in values)
        ratio, met = row.ratio(results), row.met(results)
        mark = {True: "  met", False: "  MISSED", None: ""}[met]
        lines.append(
            f"{row.name:36}{cells}{'' if ratio is None else f'{ratio:.2f}':>10}  {row.goal_text()}{mark}"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--short", action="store_true", help="a few seconds: that it works, not what it costs"
    )
    parser.add_argument("--alone", "--standalone", action="store_true", help="the gateway without zoosup")
    parser.add_argument("--json", action="store_true", help="all samples, for programs")
    parser.add_argument("--strict", action="store_true", help="a missed goal is a failure")
    parser.add_argument("--without", action="append", default=[], metavar="NAME", help="leave one out")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="zoosup-bench-") as folder:
        effort = measures.SHORT if arguments.short else Effort()
        try:
            results, broken = (
                run(effort, Path(folder), alone=arguments.alone, without=arguments.without),
                False,
            )
        except BrokenError as error:
            print(error, file=sys.stderr)
            results, broken = error.results, True
    print(json.dumps(results, indent=1) if arguments.json else table(results))
    missed = any(row.met(results) is False for row in ROWS)
    return 1 if broken or (arguments.strict and missed) else 0


if __name__ == "__main__":
    sys.exit(main())

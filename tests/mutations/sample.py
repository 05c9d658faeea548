"""Draws small changes of zoosup's judgement, runtime, file format and host at random, and shows which go unnoticed.

    python tests/mutations/sample.py [--seed S] [--count 150] [--list] [--jobs N] [--reach MAP] [FILE…]

The everyday suite is run once, to see which tests run which line. For each change those that run its line are run then,
the nearest first, until one fails. Exits 1 when one is noticed by none and is not in `judged.toml`. The same seed draws
the same from the same sources, which are only read.
"""

# ruff: noqa: T201  it reports to a person

import argparse
import fcntl
import multiprocessing
import os
import random
import secrets
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # a script, so that the repository is no package path yet

from tests.mutations import cage, mutants, reach, trial
from tests.mutations.mutants import Change
from tests.mutations.planted import ROOT
from tests.mutations.reach import Reach

AREAS = ("core", "runtime", "spec", "host")
JUDGED = Path(__file__).with_name("judged.toml")
MOST_JOBS = 4
LIMIT = 1800.0
"""Seconds for the tests of one stage; a change that makes one hang is met by pytest's own limit."""


@dataclass(frozen=True)
class Mutant:
    """A change of one file of the package."""

    file: str
    change: Change
    text: str  # of its line

    def plant(self, root: Path) -> None:
        """Make it in the copy of the sources at `root`."""
        path = root / self.file
        path.write_text(self.change.made(path.read_text()))

    def __str__(self) -> str:
        return f"{self.file}:{self.change.line}  {self.change.kind}: {self.change}"


@dataclass(frozen=True)
class Judgement:
    """What became of one: `killer` noticed it, or `excuse` says why nobody can, or `doubt` why it proves nothing."""

    mutant: Mutant
    seconds: float = 0.0
    killer: str = ""
    excuse: str = ""
    doubt: str = ""

    @property
    def unnoticed(self) -> bool:
        """Whether somebody should have noticed it, and nobody did."""
        return not (self.killer or self.excuse or self.doubt)

    def __str__(self) -> str:
        excuse = self.excuse and f"judged: {self.excuse}"
        doubt = self.doubt and f"PROVES NOTHING: {self.doubt}"
        return f"{self.seconds:6.0f} s  {self.mutant}  {self.killer or excuse or doubt or 'UNNOTICED'}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw, try, report; 1 when one goes unnoticed."""
    given = _arguments(arguments)
    seed = secrets.randbits(32) if given.seed is None else given.seed
    drawn = draw(seed, given.count, given.files or modules())
    print(f"seed {seed}: {len(drawn)} changes", flush=True)
    if given.list:
        print(*drawn, sep="\n")
        return 0
    with tempfile.TemporaryDirectory(prefix="zoosup-mutants-") as folder:
        pristine = Path(folder, "pristine")
        trial.copy(ROOT, pristine)
        database = given.reach or Path(folder, "reach")
        if not database.exists():
            reach.learn(pristine, database, given.jobs)
        judgements = []
        for each in try_all(drawn, pristine, Reach(database, pristine), given.jobs):
            print(each, flush=True)
            judgements.append(each)
    return _report(judgements)


def _report(judgements: Sequence[Judgement]) -> int:
    unnoticed = [each for each in judgements if each.unnoticed]
    matter = [each for each in judgements if each.killer or each.unnoticed]
    share = 100 * (len(matter) - len(unnoticed)) / len(matter) if matter else 0.0
    print(
        f"\n{len(judgements)} changes, {len(matter)} that matter, {len(unnoticed)} unnoticed: {share:.1f} % noticed"
    )
    for each in unnoticed:
        print(f"unnoticed: {each.mutant}\n           {each.mutant.text}")
    doubtful = [each for each in judgements if each.doubt]
    for each in doubtful:
        print(f"proves nothing: {each.mutant}: {each.doubt}")
    return 1 if unnoticed or doubtful else 0


# who is drawn


def modules() -> list[str]:
    """The files that may be changed, in order; who ends processes only where nobody else can be met by mistake."""
    areas = AREAS if cage.apart() else [each for each in AREAS if each != "host"]
    found = (path for area in areas for path in Path(ROOT, "zoosup", area).rglob("*.py"))
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def draw(seed: int, count: int, files: Sequence[str], root: Path = ROOT) -> list[Mutant]:
    """So many lines, each as likely as any other that can be changed, and of each one change."""
    lines = [
        [Mutant(file, change, source.splitlines()[line - 1].strip()) for change in found]
        for file in files
        for source in ((root / file).read_text(),)
        for line, found in mutants.by_line(source)
    ]
    chance = random.Random(seed)
    return [chance.choice(line) for line in chance.sample(lines, min(count, len(lines)))]


def judged(path: Path = JUDGED) -> dict[tuple[str, str, str], str]:
    """File, line and change of those that a person has judged, and the reason."""
    tables = tomllib.loads(path.read_text()).get("mutant", [])
    return {(each["file"], each["line"], each["change"]): each["why"] for each in tables}


# what becomes of them


def try_all(drawn: Sequence[Mutant], pristine: Path, near: Reach, jobs: int) -> Iterator[Judgement]:
    """The judgements as they come, so many tried at once."""
    known = judged()
    excuses = {each: known.get((each.file, each.text, str(each.change)), "") for each in drawn}
    yield from (Judgement(each, excuse=excuse) for each, excuse in excuses.items() if excuse)
    # Each in a process of its own: whoever runs a trial becomes the parent of all orphans below it.
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as workers:
        running = [
            workers.submit(judge, each, near.stages(each.file, each.change.line), pristine)
            for each, excuse in excuses.items()
            if not excuse
        ]
        for done in as_completed(running):
            yield done.result()


def judge(mutant: Mutant, stages: Sequence[Sequence[str]], pristine: Path) -> Judgement:
    """Run what should notice it, stage by stage, until something fails that passes without it."""
    began = time.monotonic()
    killer, doubt = "", ""
    for tests in stages:
        killer, doubt = _ask(tests, mutant, pristine)
        if killer or doubt:
            break
    return Judgement(mutant, time.monotonic() - began, killer, doubt=doubt)


def _ask(tests: Sequence[str], mutant: Mutant, pristine: Path, *, again: bool = False) -> tuple[str, str]:
    """Who noticed it, and what makes that doubtful: it has to fail once more alone, and to pass without the change."""
    try:
        killer = _run(tests, pristine, mutant)
    except trial.NoEndError as error:
        return "", str(error)
    except trial.ProvesNothingError as error:
        return (f"nothing runs: {error}", "") if _is_sound(tests, pristine) else ("", str(error))
    alone = (killer.partition("[")[0],)
    if killer and _run(alone, pristine):
        return "", f"{killer} fails anyway"
    if killer and not _run(alone, pristine, mutant):
        # Whatever else the machine did has failed it.
        return ("", f"{killer} fails now and then") if again else _ask(tests, mutant, pristine, again=True)
    return killer, ""


def _run(tests: Sequence[str], pristine: Path, mutant: Mutant | None = None) -> str:
    place = pristine.parent / f"trial-{os.getpid()}"
    alone = _alone(pristine.parent / "lock") if reach.is_of_the_whole_machine(tests) else nullcontext()
    with alone:
        return trial.run(
            ("-m", "not e2e", *tests),
            pristine,
            place,
            mutant.plant if mutant is not None else None,
            limit=LIMIT,
        ).failed


def _is_sound(tests: Sequence[str], pristine: Path) -> bool:
    """Whether the unchanged sources can at least be tested."""
    try:
        _run(("--co", *tests), pristine)
    except trial.ProvesNothingError:
        return False
    return True


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="only of these, zoosup/…")
    parser.add_argument("--seed", type=int, metavar="S", help="of the draw; another one each time without it")
    parser.add_argument("--count", type=int, default=150, metavar="N", help="so many changes")
    parser.add_argument("--list", action="store_true", help="show what would be drawn, run nothing")
    parser.add_argument(
        "--reach", type=Path, metavar="MAP", help="who runs which line, as written there by a run before"
    )
    cores = min(os.cpu_count() or 1, MOST_JOBS)
    parser.add_argument("--jobs", type=int, default=cores, metavar="N", help="tried at once")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())

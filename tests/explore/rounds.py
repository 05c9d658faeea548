"""One round of exploration: every test that draws at random, once, from one seed; what it tried and what it found.

Knows how pytest is asked and what it answers. Refuses to know how many rounds there are.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

TESTS = ("tests/core", "tests/runtime", "tests/spec")
"""Where the worlds, histories and laws are; only what is marked `hypothesis` in them is run."""

_TRIED = re.compile(r"^ *- .*?(\d+) passing\D+?(\d+) failing\D+?(\d+) invalid", re.MULTILINE)
_FOUND = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
_STATISTICS = re.compile(r"^=+ Hypothesis Statistics =+$.*?(?=^=+ )", re.MULTILINE | re.DOTALL)
_PASSED, _FAILED = 0, 1  # pytest.ExitCode; the others mean that no test has had its say


@dataclass(frozen=True)
class Round:
    """How one ended. `tried` counts examples, `found` names the tests that failed, `output` is what pytest said."""

    seed: int
    seconds: float
    tried: int
    found: tuple[str, ...]
    output: str
    complete: bool

    @property
    def clean(self) -> bool:
        """Whether everything was tried and nothing was found."""
        return self.complete and not self.found


def play(seed: int, tests: Sequence[str], profile: str) -> Round:
    """Run the tests from this seed, in a process of its own; the same seed, tests and sources try the same."""
    began = time.monotonic()
    done = subprocess.run(
        _command(seed, tests), cwd=ROOT, env=_environment(seed, profile),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, check=False,
    )  # fmt: skip
    return judge(seed, time.monotonic() - began, done.returncode, done.stdout)


def judge(seed: int, seconds: float, status: int, output: str) -> Round:
    """What pytest's exit status and output say about a round."""
    tried = sum(int(n) for counts in _TRIED.findall(output) for n in counts)
    found = tuple(dict.fromkeys(_FOUND.findall(output)))
    complete = tried > 0 and (status == _PASSED or (status == _FAILED and bool(found)))
    return Round(seed, seconds, tried, found, _STATISTICS.sub("", output).strip(), complete)


def _command(seed: int, tests: Sequence[str]) -> list[str]:
    # A find takes up to five minutes to be made short; a round of its own has no other end.
    options = ["-n", "0", "-q", "--tb=short", "-p", "no:cacheprovider", "--timeout=3600"]
    explored = ["-m", "hypothesis", f"--hypothesis-seed={seed}", "--hypothesis-show-statistics"]
    return [sys.executable, "-m", "pytest", *options, *explored, *tests]


def _environment(seed: int, profile: str) -> dict[str, str]:
    # The order of sets is chance too: another one for each seed, and the same one again.
    return os.environ | {"HYPOTHESIS_PROFILE": profile, "PYTHONHASHSEED": str(seed % 2**32)}

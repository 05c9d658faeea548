"""Injects every fault into a real zoosup, and prints what it did, which invariant that keeps, and whether it held.

    python tests/faults/run.py [--short] [--markdown] [-k EXPRESSION]

Takes some nine minutes, --short two: the same faults, which last as long as in the everyday suite. A fault that this
machine can't make is skipped with the reason. Exits 1 when an invariant did not hold.
"""

# ruff: noqa: T201  it reports to a person

import argparse
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # a script, so that the repository is no package path yet

from tests.faults import table

FOLDER = Path(__file__).parent
PATIENCE = 600
"""Seconds for one test: the longest faults last two minutes."""

RANK = ("held", "skipped", "BROKEN")
"""From good to bad: of a fault with several tests the worst is told."""


class Gatherer:
    """A plugin of pytest that notes what came of each fault, in the order in which they were tried."""

    def __init__(self) -> None:
        self.results: dict[table.Fault, str] = {}
        self._faults: dict[str, table.Fault] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            fault = getattr(getattr(item, "function", None), "fault", None)
            if fault is not None:
                self._faults[item.nodeid] = fault

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        fault = self._faults.get(report.nodeid)
        if fault is None or (report.when != "call" and report.passed):
            return
        result = "held" if report.passed else "BROKEN" if report.failed else f"skipped: {_reason(report)}"
        self.results[fault] = max(self.results.get(fault, result), result, key=_rank)


def _rank(result: str) -> int:
    return RANK.index(result.partition(":")[0])


def _reason(report: pytest.TestReport) -> str:
    said = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return said.removeprefix("Skipped: ")


def main() -> int:
    arguments = _arguments()
    if not arguments.short:
        os.environ["FAULTS_LONG"] = "1"
    gatherer = Gatherer()
    words = [str(FOLDER), "-q", f"--timeout={PATIENCE}", "-p", "no:cacheprovider"]
    if arguments.expression:
        words += ["-k", arguments.expression]
    code = pytest.main(words, plugins=[gatherer])
    rows = table.rows(gatherer.results.items())
    print("\n" + (table.markdown if arguments.markdown else table.plain)(rows))
    return int(code != pytest.ExitCode.OK)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true", help="faults last seconds, not minutes")
    parser.add_argument("--markdown", action="store_true", help="for the README")
    parser.add_argument("-k", dest="expression", metavar="EXPRESSION", help="only some, as pytest has it")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

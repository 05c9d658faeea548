"""The table tells the truth: a fault that broke something, or was never tried, does not look like one that held."""

import importlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.faults import table
from tests.faults.run import Gatherer
from tests.faults.table import Fault, fault

ROW = Fault("a fault", "does something", (4, 16))


def report(outcome, when="call", longrepr=None):
    return SimpleNamespace(
        nodeid="test", when=when, longrepr=longrepr,
        passed=outcome == "passed", failed=outcome == "failed", skipped=outcome == "skipped",
    )  # fmt: skip


def gathered(*reports):
    gatherer = Gatherer()
    gatherer.pytest_collection_modifyitems(
        [SimpleNamespace(nodeid="test", function=SimpleNamespace(fault=ROW))]
    )
    for each in reports:
        gatherer.pytest_runtest_logreport(each)
    return gatherer.results


def test_a_fault_that_broke_one_of_its_tests_is_broken():
    assert {ROW: "BROKEN"} == gathered(report("passed"), report("failed"), report("passed"))


def test_a_fault_whose_house_is_found_harmed_afterwards_is_broken():
    assert {ROW: "BROKEN"} == gathered(report("passed"), report("failed", when="teardown"))


def test_a_fault_that_could_not_be_made_is_skipped_with_the_reason():
    assert {ROW: "skipped: no root"} == gathered(report("skipped", "setup", ("f", 1, "Skipped: no root")))


def test_a_fault_that_was_set_up_only_is_not_told():
    assert {} == gathered(report("passed", when="setup"))


def test_the_markdown_names_the_invariants():
    line = table.markdown(table.rows([(ROW, "held")])).splitlines()[-1]
    kept = "4 after “stopped” no member lives; 16 no process is touched without need"
    assert f"| a fault | does something | {kept} | held |" == line


def test_an_invariant_that_the_design_lacks_is_refused():
    with pytest.raises(ValueError, match="99"):
        fault("a fault", "does something", 99)


def test_the_readme_has_every_fault_and_no_other():
    here, root = Path(__file__).parent, Path(__file__).parents[2]
    modules = [importlib.import_module(f"tests.faults.{each.stem}") for each in here.glob("test_*.py")]
    marks = (getattr(each, "fault", None) for module in modules for each in vars(module).values())
    expected = {row[:3] for row in table.rows((mark, "") for mark in marks if isinstance(mark, Fault))}
    _, _, section = (root / "README.md").read_text().partition("\n## Faults it was tried with\n")
    lines = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    assert expected == {tuple(line[2:].split(" | ")[:3]) for line in lines[2:]}

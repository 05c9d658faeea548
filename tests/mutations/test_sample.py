"""Random mutants: what is changed and what left alone, who is drawn, who should notice it, and how it is told."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutations import mutants, reach, sample
from tests.mutations.mutants import Change
from tests.mutations.planted import LISTS, ROOT

HERE = Path(__file__).parent


def told(source):
    """The changes of a text, each as `old → new`."""
    return [str(each) for each in mutants.changes(source)]


@pytest.mark.parametrize(
    ("source", "new"),
    [
        ("x = a + b", "x = a - b"),
        ("x = a < b", "x = a <= b"),
        ("x = a not in b", "x = a in b"),
        ("x = a and b", "x = a or b"),
        ("x = not a", "x = a"),
        ("x = -a", "x = +a"),
        ("x = 7", "x = 8"),
        ("x = 0.0", "x = 1.0"),
        ("x = True", "x = False"),
        ("x['ram']", "x['ramx']"),
        ("def f(x=2): pass", "def f(x=3): pass"),
        ("class A:\n    x: int = 2", "class A:\n    x: int = 3"),
        ("x += y", "x -= y"),
        ("x += y", "pass"),
        ("x.y = z", "pass"),
        ("f(x)", "pass"),
        ("raise E", "pass"),
        ("for x in y:\n    break", "for x in y:\n    pass"),
        ("if a: b = c", "if (not (a)): b = c"),
        ("x = [a for a in b if a]", "x = [a for a in b if (not (a))]"),
        ("é = (a  # + b\n  + c)", "é = (a  # + b\n  - c)"),
    ],
)
def test_what_is_changed(source, new):
    made = {ast.dump(ast.parse(each.made(source))) for each in mutants.changes(source)}
    assert ast.dump(ast.parse(new)) in made


@pytest.mark.parametrize(
    "source",
    [
        '"""A docstring."""',
        "def f(x: Literal['a', 2]) -> Literal[3]: ...",
        "x: Literal['a']",
        "_log.info('a', 1)",
        "self._log.warning('a', 1)",
        "x = 'a message'",
        "x = f'{a + b}'",
        "def __repr__(self): return 1 + 2",
        "assert x == 1",
        "raise RuntimeError('internal error: x')",
        "__slots__ = ('a', 'b')",
        "x = None",
        "X = A | B",
        "@dataclass(frozen=True)\nclass A: ...",
    ],
)
def test_what_is_left_alone(source):
    assert [] == told(source)


def test_every_change_of_the_package_is_another_program_and_leaves_the_rest_of_the_text():
    for file in sample.modules()[::21]:
        source = (ROOT / file).read_text()
        before = ast.dump(ast.parse(source))
        for each in mutants.changes(source):
            made = each.made(source)
            assert before != ast.dump(ast.parse(made)), f"{file}: {each}"
            assert len(source) - len(made) == len(each.old) - len(each.new)


def test_a_text_that_is_another_by_now_is_refused():
    [change] = mutants.changes("x = a + b")
    with pytest.raises(ValueError, match="line 1 is another"):
        change.made("x = a - b")


def test_the_same_seed_draws_the_same_and_another_one_others():
    files = sample.modules()[::9]
    first = sample.draw(7, 20, files)
    assert first == sample.draw(7, 20, files)
    assert first != sample.draw(8, 20, files)
    assert 20 == len({(each.file, each.change.line) for each in first})


@pytest.mark.parametrize(("file", "line", "change"), sample.judged())
def test_what_was_judged_can_still_be_drawn(file, line, change):
    source = (ROOT / file).read_text()
    lines = source.splitlines()
    found = {(lines[each.line - 1].strip(), str(each)) for each in mutants.changes(source)}
    assert (line, change) in found


def test_who_runs_the_least_is_the_nearest_and_a_statement_is_all_its_lines(checkout, tmp_path):
    (checkout / "zoosup/core/sums.py").write_text(
        "SIZE = 7\n\n\n" + SOURCE.replace("a + b", "(\n    a\n    + b)")
    )
    (checkout / "tests/core/test_all.py").write_text(
        "from zoosup.core.sums import add, square\n\n\ndef test_all():\n    assert square(1) == add(0, 1)\n"
    )
    reach.learn(checkout, tmp_path / "map", 0)
    seen = reach.Reach(tmp_path / "map", checkout)
    narrow, broad = "tests/core/test_sums.py::test_sum", "tests/core/test_all.py::test_all"
    assert [[narrow, broad]] == seen.stages("zoosup/core/sums.py", 7)  # the second line of a statement
    assert [[narrow, broad]] == seen.stages("zoosup/core/sums.py", 4)  # a function's head
    assert [[broad]] == seen.stages("zoosup/core/sums.py", 11)
    files = ["tests/core/test_sums.py", "tests/core/test_all.py"]
    assert [[*files, narrow, broad]] == seen.stages("zoosup/core/sums.py", 15)  # run by nobody
    assert [[*files, narrow, broad]] == seen.stages("zoosup/core/sums.py", 1)  # run as it is imported


ADD = "def add(a, b):\n    return a + b\n"
SOURCE = ADD + "\n\ndef square(a):\n    return a * a\n\n\ndef nought(a):\n    return a - a\n"
TESTS = "from zoosup.core.sums import add\n\n\ndef test_sum():\n    assert 3 == add(1, 2)\n"
JUDGED = """
[[mutant]]
file = "zoosup/core/sums.py"
line = "return a - a"
change = "- → +"
why = "nobody asks"
"""


@pytest.fixture
def checkout(tmp_path):
    """A checkout with two functions, of which the tests know one."""
    root = tmp_path / "checkout"
    shutil.copytree(HERE, root / "tests/mutations", ignore=shutil.ignore_patterns("test_*", "*.toml", "__*"))
    (root / "tests/mutations" / LISTS.name).mkdir(exist_ok=True)
    (root / "tests/mutations/judged.toml").write_text(JUDGED)
    for folder in ("zoosup/core", "examples", "schemas", "tests/core", "tests/runtime"):
        (root / folder).mkdir(parents=True)
    for file in ("zoosup/__init__.py", "README.md", "pyproject.toml"):
        (root / file).touch()
    (root / "zoosup/core/sums.py").write_text(SOURCE)
    (root / "tests/core/test_sums.py").write_text(TESTS)
    return root


def run(root, *arguments):
    """In a process of its own: its workers make themselves the parents of all orphans below them."""
    command = [sys.executable, "tests/mutations/sample.py", "--seed", "1", "--jobs", "1", *arguments]
    done = subprocess.run(
        command, cwd=root, env={"TMPDIR": str(root)}, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_what_nobody_notices_is_told_with_its_line_and_what_was_judged_is_not_counted(checkout):
    status, said = run(checkout)
    assert 1 == status, said
    told = {line.partition(" s  ")[2] for line in said.splitlines()}
    assert "zoosup/core/sums.py:2  operator: + → -  tests/core/test_sums.py::test_sum" in told
    assert "zoosup/core/sums.py:6  operator: * → +  UNNOTICED" in told
    assert "zoosup/core/sums.py:10  operator: - → +  judged: nobody asks" in told
    assert "3 changes, 2 that matter, 1 unnoticed: 50.0 % noticed" in said
    assert said.endswith("unnoticed: zoosup/core/sums.py:6  operator: * → +\n           return a * a\n")
    assert SOURCE == (checkout / "zoosup/core/sums.py").read_text()


def test_a_sample_in_which_all_is_noticed_is_0(checkout):
    (checkout / "zoosup/core/sums.py").write_text(ADD)
    status, said = run(checkout, "zoosup/core/sums.py")
    assert 0 == status, said
    assert "1 changes, 1 that matter, 0 unnoticed: 100.0 % noticed" in said


def test_tests_that_fail_anyway_notice_nothing(checkout):
    (checkout / "zoosup/core/sums.py").write_text(ADD)
    (checkout / "tests/core/test_sums.py").write_text(TESTS.replace("3 ==", "4 =="))
    status, said = run(checkout)
    assert 1 == status, said
    assert "1 changes, 0 that matter" in said
    assert "test_sum fails anyway" in said


def test_a_change_that_lets_nothing_run_is_noticed(checkout):
    (checkout / "zoosup/core/sums.py").write_text('SIZE = int("12")\n\n\n' + ADD)
    status, said = run(checkout)
    assert 0 == status, said
    assert "sums.py:1  constant: \"12\" → '12x'  nothing runs" in said


def test_changes_are_told_in_one_line():
    assert "f( x) → pass" == str(Change(1, 0, "f(\n    x)", "pass", "statement"))
    assert "not → (nothing)" == str(Change(1, 0, "not ", "", "operator"))

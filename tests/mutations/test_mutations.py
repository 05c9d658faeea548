"""The list of planted bugs stays in step with the sources and the tests; running it is `run.py`'s business."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.mutations import cage
from tests.mutations.planted import LISTS, ROOT, DoesNotApplyError, Mutation, planted

EVERY = planted()
HERE = Path(__file__).parent

SOURCE = "def add(a, b):\n    return a + b\n"
TESTS = """
import os
import subprocess
import sys

from zoosup.sum import add


def test_sum():
    assert 3 == add(1, 2)


def test_nothing():
    seconds = str(600 + int.from_bytes(os.urandom(4)))  # by which it is known in any namespace
    orphan = subprocess.Popen(["sleep", seconds], start_new_session=True, env={})
    with open("../../orphan", "w") as file:
        file.write(seconds)
    orphan.returncode = 0
"""

LITTLE_LIST = """
[killed]
file = "zoosup/sum.py"
old = "a + b"
new = "a - b"
breaks = "sums"
tests = ["tests/test_sum.py"]

[surviving]
file = "zoosup/sum.py"
old = "a + b"
new = "a - b"
breaks = "sums"
tests = ["tests/test_sum.py::test_nothing"]

[stale]
file = "zoosup/sum.py"
old = "a * b"
new = "a / b"
breaks = "nothing"
tests = ["tests/test_sum.py"]

[senseless]
file = "zoosup/sum.py"
old = "a + b"
new = "("
breaks = "Python"
tests = ["tests/test_sum.py"]
"""


@pytest.mark.parametrize("name", EVERY)
def test_a_mutation_can_still_be_planted(name, tmp_path):
    mutation = EVERY[name]
    copy = tmp_path / mutation.file
    copy.parent.mkdir(parents=True)
    shutil.copy(ROOT / mutation.file, copy)
    mutation.plant(tmp_path)
    assert (ROOT / mutation.file).read_text() != copy.read_text()
    ast.parse(copy.read_text())


@pytest.mark.parametrize("name", EVERY)
def test_who_must_notice_a_mutation_exists(name):
    assert EVERY[name].tests
    for test in EVERY[name].tests:
        path, _, function = test.partition("::")
        defined = f"def {function.rpartition('::')[2].partition('[')[0]}"
        assert defined in (ROOT / path).read_text()


def test_a_text_that_is_not_there_exactly_once_is_refused(tmp_path):
    (tmp_path / "file.py").write_text("one one\n")
    for old in ("one", "two"):
        with pytest.raises(DoesNotApplyError, match=r"found \d times in file\.py"):
            Mutation("bug", "file.py", old, "three", "", ()).plant(tmp_path)
    with pytest.raises(DoesNotApplyError, match="the file is gone"):
        Mutation("bug", "gone.py", "one", "three", "", ()).plant(tmp_path)
    assert "one one\n" == (tmp_path / "file.py").read_text()


@pytest.fixture
def checkout(tmp_path):
    """A checkout with one function, two tests, this tool, and a list of its own."""
    root = tmp_path / "checkout"
    shutil.copytree(HERE, root / "tests/mutations", ignore=shutil.ignore_patterns("test_*", "*.toml", "__*"))
    (root / "tests/mutations" / LISTS.name / "little.toml").write_text(LITTLE_LIST)
    (root / "tests/test_sum.py").write_text(TESTS)
    for directory in ("zoosup", "examples", "schemas"):
        (root / directory).mkdir()
    for file in ("zoosup/__init__.py", "README.md", "pyproject.toml"):
        (root / file).touch()
    (root / "zoosup/sum.py").write_text(SOURCE)
    return root


def run(root, *arguments):
    """In a process of its own: it makes itself the parent of all orphans below it."""
    command = [sys.executable, "tests/mutations/run.py", *arguments]
    done = subprocess.run(
        command, cwd=root, env={"TMPDIR": str(root)}, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_a_bug_that_the_tests_notice_is_killed_and_the_checkout_is_only_read(checkout):
    status, said = run(checkout, "killed")
    assert 0 == status, said
    assert "test_sum" in said
    assert "1 of 1 mutants killed" in said
    assert SOURCE == (checkout / "zoosup/sum.py").read_text()


def test_anything_but_a_kill_is_1_and_told_at_the_end(checkout):
    status, said = run(checkout)
    assert 1 == status
    assert "1 of 4 mutants killed" in said
    for name, why in (
        ("surviving", "SURVIVES"),
        ("stale", "CAN'T BE PLANTED"),
        ("senseless", "PROVES NOTHING"),
    ):
        assert any(line.startswith(name) and why in line for line in said.splitlines())
        assert f"not killed: {name} " in said


@pytest.mark.skipif(sys.platform != "linux", reason="no other system hands us the orphans below us")
def test_no_orphan_of_a_mutant_lives_on(checkout):
    run(checkout, "surviving")
    left = ["sleep", (checkout / "orphan").read_text()]
    assert left not in [each.info["cmdline"] for each in psutil.process_iter(["cmdline"])]


MURDER = """
import psutil


def test_all_are_killed():
    for each in psutil.process_iter(["cmdline"]):
        if each.info["cmdline"] == ["sleep", "%s"]:
            each.kill()
    raise AssertionError
"""


@pytest.mark.skipif(sys.platform != "linux", reason="no other system has namespaces of pids")
def test_a_mutant_that_kills_all_it_sees_meets_nobody_outside(checkout):
    if not cage.apart():
        pytest.skip("this system gives us no namespace of pids")
    seconds = str(600 + int.from_bytes(os.urandom(4)))
    (checkout / "tests/test_murder.py").write_text(MURDER % seconds)
    bystander = subprocess.Popen(["sleep", seconds])
    _, said = run(checkout, "senseless", "--by", "tests/test_murder.py")
    assert "fail already: test_all_are_killed" in said
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def test_tests_that_fail_anyway_prove_nothing(checkout):
    (checkout / "zoosup/sum.py").write_text(SOURCE.replace("a + b", "a + b + 1"))
    status, said = run(checkout, "senseless")
    assert 1 == status
    assert "the unchanged sources fail already: test_sum" in said


def test_other_tests_can_be_asked(checkout):
    status, said = run(checkout, "killed", "--by", "tests/test_sum.py::test_nothing")
    assert 1 == status
    assert "SURVIVES" in said


def test_the_list_names_every_mutation(checkout):
    status, said = run(checkout, "--list")
    assert 0 == status
    assert ["killed", "surviving", "stale", "senseless"] == [line.split()[0] for line in said.splitlines()]


def test_an_unknown_name_is_64(checkout):
    status, said = run(checkout, "no-such-bug")
    assert 64 == status
    assert "no-such-bug" in said

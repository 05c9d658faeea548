"""What is executed in zoosup's place: the same words, and only where they would start."""

import sys

import pytest

from zoosup.host.system import own_program
from zoosup.host.system.programs.bounded_run import Printed


@pytest.fixture
def started_as(monkeypatch, tmp_path):
    def start(script):
        (tmp_path / "zoosup").write_text(script)
        monkeypatch.setattr(sys, "orig_argv", ["python", str(tmp_path / "zoosup"), "run", "zoo.yaml"])
        monkeypatch.setattr(sys, "argv", [str(tmp_path / "zoosup"), "run", "zoo.yaml"])
        return tmp_path / "zoosup"

    return start


def test_one_that_starts_is_no_trouble(started_as):
    script = started_as("import sys; assert ['--version'] == sys.argv[1:]")
    assert [sys.executable, str(script), "run", "zoo.yaml"] == own_program.words()
    assert "" == own_program.trouble()


def test_why_one_does_not_start_is_told(started_as):
    started_as("import nothing_of_this_name")
    assert "ModuleNotFoundError: No module named 'nothing_of_this_name'" == own_program.trouble()


def test_one_that_is_gone_is_told(started_as):
    started_as("").unlink()
    assert "No such file or directory" in own_program.trouble()


def test_an_interpreter_that_is_gone_is_told(started_as, monkeypatch):
    started_as("")
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    assert "/nonexistent/python" in own_program.trouble()


@pytest.mark.parametrize(
    ("tried", "said"),
    [
        (Printed("", "one\ntwo\n", 3), "two"),
        (Printed("", "", 3), "it ends with code 3"),
        (Printed("", "one\n", None, "no answer within 30 s"), "no answer within 30 s"),
        (Printed("", "a warning\n", 0), ""),
    ],
)
def test_why_it_would_not_start_in_words(started_as, monkeypatch, tried, said):
    started_as("")
    monkeypatch.setattr(own_program, "run", lambda *_: tried)
    assert said == own_program.trouble()


def test_one_whose_directory_is_gone_would_not_find_its_file(started_as, monkeypatch, tmp_path):
    started_as("")
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    place.rmdir()
    assert "the directory that it was started in is gone" == own_program.trouble()

"""Who writes to a run's log, told from who reads it, by real processes."""

import os
import subprocess
import sys

import psutil
import pytest

from zoosup.host.process import log_writers
from zoosup.host.process.log_writers import write_below, writers


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "a.log"
    path.touch()
    return path


@pytest.fixture
def sleep():
    made = []

    def start(**options):
        made.append(subprocess.Popen(["/bin/sleep", "600"], start_new_session=True, **options))
        return made[-1].pid

    yield start
    for each in made:
        each.kill()
        each.wait()


def others(log):
    return writers(psutil.pids(), {log: "r1"})


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_whose_output_it_is_has_inherited_it_though_its_environment_be_empty(log, sleep, stream):
    with log.open("ab") as file:
        pid = sleep(env={}, **{stream: file})
    assert {pid: "r1"} == others(log)


def test_the_log_is_known_by_its_true_path(log, sleep, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    with log.open("ab") as file:
        pid = sleep(stdout=file)
    assert {pid: "r1"} == others(tmp_path / "link" / "a.log")


def test_who_reads_it_or_has_it_open_beside_is_a_stranger(log, sleep):
    with log.open("rb") as file:
        sleep(stdin=file)
    with log.open("ab") as file:
        sleep(pass_fds=[file.fileno()])
    assert {} == others(log)


def test_we_are_none_of_them(log):
    script = (
        "import os; from pathlib import Path; from zoosup.host.process.log_writers import writers; "
        f"print(writers([os.getpid()], {{Path({str(log)!r}): 'r1'}}))"
    )
    with log.open("ab") as file:
        subprocess.run([sys.executable, "-c", script], stdout=file, check=True)
    assert "{}\n" == log.read_text()


def test_a_log_that_is_not_there_names_nobody(tmp_path, sleep):
    sleep(stdout=subprocess.DEVNULL)
    assert {} == others(tmp_path / "none.log")


def test_one_that_has_ended_meanwhile_is_left_out(log):
    child = subprocess.Popen(["true"])
    child.wait()
    assert {} == writers([child.pid], {log: "r1"})


def test_on_macos_psutil_is_asked_and_gives_the_same_answer(log, sleep, monkeypatch):
    monkeypatch.setattr(log_writers.sys, "platform", "darwin")
    with log.open("ab") as file:
        pid = sleep(stdout=file)
        sleep(pass_fds=[file.fileno()])
    assert {pid: "r1"} == writers([pid, os.getppid(), 2**22 + 1], {log: "r1"})


def test_who_writes_to_any_file_of_the_directory_is_told_from_who_writes_beside_it(log, sleep, tmp_path):
    beside = tmp_path.with_name(f"{tmp_path.name}-beside")
    beside.mkdir()
    with log.open("ab") as ours, (beside / "a.log").open("ab") as theirs:
        pid, other = sleep(stdout=ours), sleep(stdout=theirs)
    log.rename(tmp_path / "a.log.1")
    assert {pid} == write_below([pid, other, sleep()], tmp_path)

"""The two commands of the README, as far as they can be tried without installing anything."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ["examples/quickstart/run", "tests/run"]


@pytest.fixture(params=SCRIPTS)
def script(request, tmp_path):
    for name in (*SCRIPTS, "examples/venv.sh", "pyproject.toml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tmp_path / name)
    return tmp_path / request.param


def run(script, **environment):
    # Where these tests themselves run in an environment of another name, that one is not to be touched.
    ours = {name: value for name, value in os.environ.items() if name != "VENV"}
    return subprocess.run(
        [script], env=ours | environment, capture_output=True, text=True, check=False, timeout=60
    )


def fake(folder, name, body):
    program = folder / name
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return str(program)


def test_without_a_python_that_is_new_enough_it_says_so_in_one_line(script):
    done = run(script, PYTHON="false no-such-python")
    assert (1, 1) == (done.returncode, len(done.stderr.splitlines()))
    assert "needs Python 3.11 or newer, which is not among: false no-such-python" in done.stderr
    assert not (script.parents[1] / ".venv").exists()


def test_without_the_venv_module_it_says_what_to_install(script, tmp_path):
    python = fake(
        tmp_path, "half-python", f'case $2 in *ensurepip*) exit 1;; esac; exec {sys.executable} "$@"'
    )
    done = run(script, PYTHON=python)
    assert (1, 1) == (done.returncode, len(done.stderr.splitlines()))
    assert "apt install python3-venv" in done.stderr


def test_an_environment_that_somebody_else_made_is_not_removed(script, tmp_path):
    precious = tmp_path / ".venv" / "precious"
    precious.parent.mkdir()
    precious.touch()
    done = run(script, PYTHON=sys.executable)
    assert (1, True) == (done.returncode, precious.exists())
    assert "remove it" in done.stderr


def test_a_failed_installation_is_not_taken_for_done_the_next_time(script, tmp_path):
    venv = tmp_path / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / ".zoosup-root").write_text(str(tmp_path))
    fake(
        venv / "bin",
        "python",
        f'case $3 in --version) exit;; install) exit 1;; esac; exec {sys.executable} "$@"',
    )
    for _ in range(2):
        done = run(script)
        assert 1 == done.returncode
        assert "could not be installed" in done.stderr

"""Limits of open files: raised for zoosup, as they were for its children."""

import resource
import subprocess
import sys

import pytest

from zoosup.host.system import descriptors

PROGRAM = """
import resource, subprocess, sys, time
from pathlib import Path
from zoosup.host.ports.launch import Launch
from zoosup.host.process.spawn import start
from zoosup.host.system import descriptors
resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))
descriptors.raise_limit()
assert 300 == descriptors.allowed()
argv = (sys.executable, "-c", "import time, resource; time.sleep(0.5); print(resource.getrlimit(7))")
pid = start(Launch("r", "m", argv, {}, None, Path(sys.argv[1])), descriptors.limit_child)
import os
os.waitpid(pid, 0)
print(Path(sys.argv[1]).read_text().strip())
descriptors.restore_limit()
print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a limit is set for another process on Linux only")
def test_a_child_has_the_limit_that_we_were_given_and_so_has_what_we_become(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "log")], capture_output=True, text=True, check=True
    )
    assert ["(200, 300)", "(200, 300)"] == done.stdout.splitlines()


@pytest.mark.parametrize(("soft", "wanted"), [(256, [10_240]), (65_536, [])])
def test_where_no_bound_is_refused_it_is_what_macos_takes_and_never_less_than_before(
    monkeypatch, soft, wanted
):
    infinity, taken = resource.RLIM_INFINITY, []

    def refuse(_, limits):
        if limits[0] == infinity:
            raise ValueError("current limit exceeds maximum limit")
        taken.append(limits)

    monkeypatch.setattr(descriptors, "_given", [])
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, infinity))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    descriptors.raise_limit()
    assert [(most, infinity) for most in wanted] == taken
    descriptors.restore_limit()
    assert [(soft, infinity)] * len(wanted) == taken[len(wanted) :]


@pytest.fixture
def limits(monkeypatch):
    """A system with such limits, and what is set."""
    asked = []
    monkeypatch.setattr(descriptors, "_given", [])
    monkeypatch.setattr(descriptors.sys, "platform", "linux")
    monkeypatch.setattr(descriptors.resource, "getrlimit", lambda _: (200, 300))
    monkeypatch.setattr(descriptors.resource, "setrlimit", lambda *given: asked.append(given))
    monkeypatch.setattr(descriptors.resource, "prlimit", lambda *given: asked.append(given), raising=False)
    return asked


FILES = descriptors.resource.RLIMIT_NOFILE


def test_what_was_raised_is_given_to_children_and_restored_once(limits):
    descriptors.limit_child(7)
    descriptors.restore_limit()
    assert [] == limits
    descriptors.raise_limit()
    descriptors.limit_child(7)
    descriptors.restore_limit()
    descriptors.restore_limit()
    assert [(FILES, (300, 300)), (7, FILES, (200, 300)), (FILES, (200, 300))] == limits
    assert 200 == descriptors.allowed()


def test_a_system_that_refuses_is_left_as_it_is(limits, monkeypatch):
    def refused(*_):
        raise ValueError("not allowed")

    monkeypatch.setattr(descriptors.resource, "setrlimit", refused)
    descriptors.raise_limit()
    descriptors.limit_child(7)
    assert [] == limits


def test_elsewhere_no_limit_is_set_for_another_process(limits, monkeypatch):
    descriptors.raise_limit()
    monkeypatch.setattr(descriptors.sys, "platform", "darwin")
    descriptors.limit_child(7)
    assert [(FILES, (300, 300))] == limits

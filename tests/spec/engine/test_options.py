"""The tables, held against the clients that are installed here."""

import re
import shutil
import subprocess

import pytest

from zoosup.spec.engine import options
from zoosup.spec.engine.options import global_name, global_takes_value, run_name, run_takes_value

_LINE = re.compile(r"\s+(?:-(?P<letter>\w), )?--(?P<name>[a-z0-9-]+)(?: (?P<value>\S+))?(?:\s{2,}|$)")


def told(*words):
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed")
    shown = subprocess.run([*words, "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
    return [found for found in map(_LINE.match, shown.splitlines()) if found]


@pytest.mark.parametrize("engine", ["docker", "podman", "nerdctl"])
def test_an_installed_client_says_the_same_of_run(engine):
    found = told(engine, "run")
    assert len(found) > 50
    for each in found:
        assert (each["value"] is not None) is run_takes_value(engine, each["name"]), each["name"]
        if each["letter"]:
            assert each["name"] == run_name(engine, each["letter"])
    assert {each["name"] for each in found} <= options.RUN_FLAGS | options.RUN_VALUES


@pytest.mark.parametrize("engine", ["docker", "podman", "nerdctl"])
def test_an_installed_client_says_the_same_of_its_global_options(engine):
    found = told(engine)
    assert len(found) > 5
    for each in found:
        assert (each["value"] is not None) is global_takes_value(engine, each["name"]), each["name"]
        if each["letter"]:
            assert each["name"] == global_name(engine, each["letter"])
    assert {each["name"] for each in found} <= options.GLOBAL_FLAGS | options.GLOBAL_VALUES


def test_no_option_is_both():
    assert not options.RUN_FLAGS & options.RUN_VALUES
    assert not options.GLOBAL_FLAGS & options.GLOBAL_VALUES
    assert set(options.RUN_LETTERS.values()) <= options.RUN_FLAGS | options.RUN_VALUES
    assert set(options.RUN_ALIASES.values()) <= options.RUN_VALUES


def test_an_option_that_is_not_known_takes_a_value():
    assert run_takes_value("docker", "brand-new")
    assert not run_takes_value("docker", "Z")

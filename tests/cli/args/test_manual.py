"""The manual page is made out of the parser, and man's own programs take it."""

import argparse
import shutil
import subprocess
import sys

import pytest

from zoosup.cli.args.manual import manual
from zoosup.cli.args.tree import parser


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "zoosup.1"
    path.write_text(manual(parser()) + "\n")
    return path


def listed(parser):
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action._choices_actions:
                yield from (action.choices[each.dest], *listed(action.choices[each.dest]))


def test_every_command_and_every_option_stands_in_it(page):
    text = page.read_text().replace("\\-", "-")
    for command in listed(parser()):
        assert f'.SS "{command.prog.removeprefix("zoosup ")}"' in text
        for option in command._option_string_actions:
            assert f"\\fB{option}\\fR" in text
    assert "__models" not in text
    assert ".SH EXIT CODES" in text
    assert ".SH ENVIRONMENT" in text


async def test_the_command_prints_it(shell, page):
    ended = await shell("--print-man")
    assert (0, page.read_text()) == (ended.code, ended.out)


@pytest.mark.skipif(shutil.which("groff") is None, reason="no groff here")
def test_groff_has_nothing_to_say(page):
    command = ["groff", "-man", "-ww", "-Tutf8", str(page)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "" == done.stderr
    assert "keeps them so" in done.stdout


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="no mandoc here")
def test_mandoc_misses_only_a_date(page):
    """A page made anew at every call has none."""
    command = ["mandoc", "-T", "lint", "-W", "warning", str(page)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ["missing date"] == [line.split(": ")[3].split(",")[0] for line in done.stdout.splitlines()]


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("man") is None, reason="no man of man-db here")
def test_man_shows_it(page):
    environ = {"PATH": "/usr/bin:/bin", "MANWIDTH": "80", "LC_ALL": "C.UTF-8"}
    command = ["man", "--warnings", "-l", str(page)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environ)
    assert "" == done.stderr
    assert "ZOOSUP_LOG_LEVEL" in done.stdout

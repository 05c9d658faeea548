"""A forked command against one that starts an interpreter, and what the fork hides."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli import fork_server
from tests.cli.conftest import Shell

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no command is forked")

FILE = "active: [a]\nmodels:\n  a: {command: sleep 1, memory: {ram: ${env.SIZE}}}\n"
EACH_ALONE = """
import os, pkgutil, sys
from importlib import import_module
import aiohttp, pydantic, rich, zoosup.cli.main
from zoosup.cli import commands
for each in pkgutil.iter_modules(commands.__path__, "zoosup.cli.commands."):
    if os.fork() == 0:
        import_module(each.name)
        os._exit(0)
    if os.wait()[1]:
        sys.exit(each.name)
"""


@pytest.mark.parametrize(
    "words",
    [["--version"], [], ["statsu"], ["check"], ["check", "gone.yaml"], ["status"]],
)  # fmt: skip
async def test_it_ends_as_one_that_starts_an_interpreter(shell, words):
    (shell.home / "zoo.yaml").write_text(FILE)
    shell.env["SIZE"] = "1MiB"
    assert await Shell(shell.home, None, shell.env)(*words) == await shell(*words)


async def test_several_run_at_once_and_one_that_is_killed_is_told_as_such(shell, commands, tmp_path):
    with (tmp_path / "out").open("w+b") as out, Path(os.devnull).open("rb") as nothing:
        words = ("run", str(tmp_path / "later.yaml"), "--wait-for-file")
        with fork_server.call(commands, words, tmp_path, shell.environment(), (nothing, out, out)) as report:
            assert 0 == (await shell("--version")).code
            pid = int(await asyncio.to_thread(report.recv, 100))
            os.kill(pid, signal.SIGKILL)
            assert b"-9\n" == await asyncio.to_thread(report.recv, 100)


def test_each_command_can_be_imported_without_the_others():
    subprocess.run([sys.executable, "-c", EACH_ALONE], check=True)

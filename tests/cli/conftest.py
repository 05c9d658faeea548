"""The installed command as a person types it, against a real web server in front of a fake runtime."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cli.fakes import Runtime, snapshot
from zoosup.web.api.server import WebServer

BIN = Path(sys.executable).parent / "zoosup"
GUARD = 60


@dataclass
class Ended:
    code: int
    out: str
    err: str


@dataclass
class Shell:
    """Types commands; `home` is the working directory, and none of this machine's settings reach them."""

    home: Path
    env: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        kept = {
            name: os.environ[name]
            for name in ("PATH", "LANG", "COVERAGE_PROCESS_START")
            if name in os.environ
        }
        ours = {"HOME": str(self.home), "ZOOSUP_STATE_DIR": str(self.home / "state"), "COLUMNS": "80"}
        return kept | ours | self.env

    async def start(self, *words: str, **options) -> asyncio.subprocess.Process:
        pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
        return await asyncio.create_subprocess_exec(
            BIN, *words, cwd=self.home, env=self.environment(), **(pipes | options)
        )

    async def __call__(self, *words: str) -> Ended:
        process = await self.start(*words)
        async with asyncio.timeout(GUARD):
            out, err = await process.communicate()
        return Ended(process.returncode, out.decode(), err.decode())


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def runtime() -> Runtime:
    made = Runtime()
    made.publisher.publish(snapshot())
    return made


@pytest.fixture
async def server(runtime: Runtime, shell: Shell) -> AsyncIterator[WebServer]:
    (shell.home / "state").mkdir(mode=0o700)
    made = WebServer(runtime, control=shell.home / "state" / "control.sock")
    await made.start(None)
    yield made
    await made.stop()

"""The installed command as a person types it, against a real web server in front of a fake runtime."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cli import fork_server
from tests.cli.fakes import Runtime, snapshot
from zoosup.web.api.server import WebServer

BIN = Path(sys.executable).parent / "zoosup"
GUARD = 60
KEPT = ("PATH", "LANG", "COVERAGE_PROCESS_START")
OF_THE_START = ("COVERAGE_", "LANG", "LC_", "PYTHON")
"""How variables begin that an interpreter reads when it starts: with one of them it is started."""


@dataclass
class Ended:
    code: int
    out: str
    err: str


@dataclass
class Shell:
    """Types commands; `home` is the working directory, and none of this machine's settings reach them.

    A command that is called is forked from `server`, where there is one; one that is started starts an interpreter.
    """

    home: Path
    server: socket.socket | None = None
    env: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        ours = {"HOME": str(self.home), "ZOOSUP_STATE_DIR": str(self.home / "state"), "COLUMNS": "80"}
        return kept | ours | self.env

    async def start(self, *words: str, **options) -> asyncio.subprocess.Process:
        pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
        return await asyncio.create_subprocess_exec(
            BIN, *words, cwd=self.home, env=self.environment(), **(pipes | options)
        )

    async def __call__(self, *words: str) -> Ended:
        if self.server is not None and not any(name.startswith(OF_THE_START) for name in self.env):
            return await self._forked(self.server, *words)
        process = await self.start(*words)
        async with asyncio.timeout(GUARD):
            out, err = await process.communicate()
        return Ended(process.returncode, out.decode(), err.decode())

    async def _forked(self, server: socket.socket, *words: str) -> Ended:
        with (
            Path(os.devnull).open("rb") as nothing,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
            fork_server.call(server, words, self.home, self.environment(), (nothing, out, err)) as report,
        ):
            pid, *code = await told(report)
            if not code:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                raise TimeoutError(f"zoosup {' '.join(words)} has not ended in {GUARD} s")
            out.seek(0)
            err.seek(0)
            return Ended(code[0], out.read().decode(), err.read().decode())


async def told(report: socket.socket) -> list[int]:
    """The pid of a forked command and, if it has ended in time, its return code."""
    loop, read = asyncio.get_running_loop(), b""
    report.setblocking(False)
    while not read.endswith(b"\n"):
        read += (more := await loop.sock_recv(report, 100))
        assert more, "nobody waits for the command"
    with suppress(TimeoutError):
        async with asyncio.timeout(GUARD):
            while more := await loop.sock_recv(report, 100):
                read += more
    return [int(each) for each in read.split()]


@pytest.fixture(scope="session")
def commands() -> Iterator[socket.socket | None]:
    """Where commands are forked from. None where that is not safe (macOS) or where their coverage is measured."""
    if sys.platform != "linux" or "COVERAGE_PROCESS_START" in os.environ:
        yield None
        return
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    env = {name: os.environ[name] for name in KEPT if name in os.environ}
    with ours, theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", fork_server.__file__, str(theirs.fileno())],
            env=env,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        theirs.close()
        assert fork_server.READY == ours.recv(100)
        yield ours
    process.wait(GUARD)


@pytest.fixture
def shell(tmp_path: Path, commands: socket.socket | None) -> Shell:
    return Shell(tmp_path, commands)


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

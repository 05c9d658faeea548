"""`zoosup status` in a pipe, for programs, and on a terminal that is given back as it was found."""

import asyncio
import fcntl
import json
import os
import pty
import signal
import struct
import termios

import pytest

from tests.cli.conftest import GUARD
from tests.cli.fakes import healthy, model, snapshot

ENTER, LEAVE, SHOW_CURSOR = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25h"


class Terminal:
    """A pseudo-terminal of 100 by 30 cells, and all that was written to it."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.seen = b""
        self._grew = asyncio.Event()
        asyncio.get_running_loop().add_reader(self.master, self._read)

    def _read(self) -> None:
        try:
            self.seen += os.read(self.master, 65536)
        except OSError:  # nobody has the other end any more
            asyncio.get_running_loop().remove_reader(self.master)
        self._grew.set()

    async def shows(self, text: bytes) -> None:
        async with asyncio.timeout(GUARD):
            while text not in self.seen:
                self._grew.clear()
                await self._grew.wait()

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.master)
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
async def terminal(shell):
    shell.env = {"TERM": "xterm-256color"}
    made = Terminal()
    yield made
    made.close()


async def run_on(terminal, shell, *words):
    return await shell.start(*words, stdin=terminal.slave, stdout=terminal.slave, stderr=terminal.slave)


async def test_in_a_pipe_it_is_plain_text(shell, server):
    ended = await shell("status")
    assert (0, "") == (ended.code, ended.err)
    assert "\x1b" not in ended.out
    assert "a             ready" in ended.out


async def test_for_programs_it_is_the_snapshot(shell, server):
    assert healthy(snapshot()) == json.loads((await shell("status", "--json")).out)
    assert snapshot()["models"]["b"] == json.loads((await shell("status", "b", "--json")).out)


async def test_one_model_is_told_in_detail(shell, server):
    ended = await shell("status", "org/model:8b")
    assert 0 == ended.code
    assert ended.out.startswith("org/model:8b  stopped")


async def test_an_unknown_model_is_4_with_a_guess(shell, server):
    ended = await shell("status", "org/model:8")
    assert (4, "") == (ended.code, ended.out)
    assert "no model 'org/model:8' in /srv/zoo.yaml; did you mean org/model:8b?" in ended.err


async def test_before_the_first_pass_it_is_69_and_says_why(shell, runtime, server):
    runtime.publisher.publish({})
    ended = await shell("status")
    assert (69, "zoosup: zoosup has not looked at anything yet\n") == (ended.code, ended.err)


async def test_on_a_terminal_it_is_in_colour_and_as_wide(shell, server, terminal):
    process = await run_on(terminal, shell, "status")
    async with asyncio.timeout(GUARD):
        assert 0 == await process.wait()
    await terminal.shows(b"org/model:8b")
    assert b"\x1b[32mready" in terminal.seen
    assert "█".encode() in terminal.seen
    assert ENTER not in terminal.seen


@pytest.mark.parametrize("how", ["variable", "option"])
async def test_on_a_terminal_without_colours_there_are_none(shell, server, terminal, how):
    shell.env |= {"NO_COLOR": "1"} if how == "variable" else {}
    process = await run_on(terminal, shell, "status", *(["--no-color"] if how == "option" else []))
    async with asyncio.timeout(GUARD):
        assert 0 == await process.wait()
    await terminal.shows(b"org/model:8b")
    assert b"\x1b[32m" not in terminal.seen


@pytest.mark.parametrize("signals", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_watched_screen_follows_and_is_given_back(server, runtime, shell, terminal, signals):
    end, code = signals
    process = await run_on(terminal, shell, "status", "--watch")
    await terminal.shows(ENTER)
    await terminal.shows(b"stopped")
    runtime.publisher.publish(
        snapshot({"b": model("pending", reason="WaitingForMemory", message="short of it")})
    )
    await terminal.shows(b"waits for memory: short of it")
    process.send_signal(end)
    async with asyncio.timeout(GUARD):
        assert code == await process.wait()
    await terminal.shows(LEAVE)
    assert terminal.seen.rindex(SHOW_CURSOR) > terminal.seen.rindex(ENTER)
    assert b"Traceback" not in terminal.seen


async def test_a_watched_screen_outlives_the_supervisor_and_says_so(shell, server, terminal):
    process = await run_on(terminal, shell, "status", "--watch")
    await terminal.shows(b"stopped")
    await server.stop()
    await terminal.shows(b"This is what it said last:")
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(GUARD):
        await process.wait()


async def test_a_small_screen_counts_what_it_cannot_show(shell, runtime, server, terminal):
    runtime.publisher.publish(snapshot({f"m{n}": model("ready") for n in range(60)}))
    process = await run_on(terminal, shell, "status", "--watch")
    await terminal.shows(b"more models; `zoosup status` shows them")
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(GUARD):
        await process.wait()


async def test_watched_by_a_program_it_is_a_line_for_each_change(shell, runtime, server):
    process = await shell.start("status", "-w", "--json")
    async with asyncio.timeout(GUARD):
        assert healthy(snapshot()) == json.loads(await process.stdout.readline())
        changed = snapshot({"a": model("stopped")})
        runtime.publisher.publish(changed)
        assert healthy(changed) == json.loads(await process.stdout.readline())
    process.kill()
    assert (b"", b"") == await process.communicate()


async def test_a_model_that_is_not_there_is_not_watched_for_ever(server, shell):
    ended = await shell("status", "--watch", "nobody")
    assert (4, "") == (ended.code, ended.out)
    assert "no model 'nobody'" in ended.err

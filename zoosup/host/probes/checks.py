"""One question to one server, over HTTP, by connecting, or by running a program, and the answer in words.

Knows how each kind can fail and whose fault that is. Refuses to know when to ask, how often, or what follows.
"""

import asyncio
import errno
import os
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import aiohttp

from zoosup.host.ports.probes import Endpoint, ProbeResult
from zoosup.host.probes import http_request
from zoosup.host.probes.http_request import BODY_LIMIT, Answer, NotHttpError
from zoosup.host.system.programs.session import end_session, has_ended
from zoosup.host.system.tls import in_words
from zoosup.spec.syntax.addresses import join_address

_OWN_FAULTS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL, errno.EAGAIN}
"""Out of descriptors, memory or local ports: says something about us, nothing about the model."""

REFUSED = "connection refused"
"""What is said where nothing listens."""

_TELLING = 200  # characters of an answer that go into a message
_HELD_UP = 1.0  # seconds beyond its timeout that make a late answer our own fault


async def ask_http(
    endpoint: Endpoint, method: str, path: str, within: float, body: Mapping[str, Any] | None = None
) -> tuple[ProbeResult, int]:
    """One request; the verdict is ok when the status is 200, which is also returned (0: there was none).

    `within`: seconds; `body` is sent as JSON.
    """
    said = f"{method} {path}"
    status = 0

    async def ask() -> ProbeResult:
        nonlocal status
        answer = await http_request.ask(endpoint, method, path, body)
        status = answer.status
        return told(answer, said)

    return await bounded(ask, said, within), status


async def exchange(  # noqa: PLR0913, PLR0917 - a request
    session: aiohttp.ClientSession,
    endpoint: Endpoint,
    method: str,
    path: str,
    body: bytes | None,
    within: float,
) -> tuple[int, bytes]:
    """Status, and at most 64 KiB of the body; OSError where no answer came within so many seconds."""
    headers = {} if body is None else {"Content-Type": "application/json"}
    url = f"http://{join_address(endpoint.host, endpoint.port)}{path}"
    try:
        async with (
            asyncio.timeout(within),
            session.request(method, url, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            return answer.status, await answer.content.read(BODY_LIMIT)
    except aiohttp.ClientError as error:
        raise OSError(str(error) or type(error).__name__) from None


def told(answer: Answer, said: str) -> ProbeResult:
    """What an answer means, in words; `said` is what was asked."""
    status = answer.status
    body = " ".join(answer.body[: 4 * _TELLING].decode(errors="replace").split())[:_TELLING]
    if status == 200:  # noqa: PLR2004 - the number everybody knows
        return ProbeResult(True, f"{said} answered 200")
    if 300 <= status < 400:  # noqa: PLR2004
        target = (answer.location or "nowhere")[:_TELLING]
        return ProbeResult(False, f"{said} answered {status}: redirected to {target}")
    return ProbeResult(False, f"{said} answered {status}{body and ': '}{body}")


async def ask_tcp(endpoint: Endpoint, within: float) -> ProbeResult:
    """Connect and hang up; `within`: seconds."""

    async def ask() -> ProbeResult:
        family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as client:
            client.setblocking(False)
            await asyncio.get_running_loop().sock_connect(client, (endpoint.host, endpoint.port))
            if client.getsockname() == client.getpeername():
                # The kernel gave us the very port we called: we would be talking to ourselves.
                return ProbeResult(False, REFUSED)
        return ProbeResult(True, f"port {endpoint.port} accepts connections")

    return await bounded(ask, f"port {endpoint.port}", within)


async def bounded(ask: Callable[[], Awaitable[ProbeResult]], said: str, within: float) -> ProbeResult:
    """Ask within so many seconds; what fails becomes words."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        async with asyncio.timeout(within):
            return await ask()
    except TimeoutError:
        if loop.time() - began > within + _HELD_UP:
            return ProbeResult(None, f"{said}: zoosup itself was held up")
        return ProbeResult(False, f"{said}: no answer within {within:g} s")
    except (OSError, NotHttpError, aiohttp.ClientError, ValueError) as error:
        return _refused(error, said)


def _refused(error: Exception, said: str) -> ProbeResult:
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", error)
    if isinstance(cause, OSError) and cause.errno in _OWN_FAULTS:
        return ProbeResult(None, f"{said}: zoosup can't ask: {os.strerror(cause.errno)}")
    if isinstance(cause, ConnectionRefusedError):
        return ProbeResult(False, REFUSED)
    if isinstance(cause, ssl.SSLError) or (isinstance(cause, OSError) and cause.filename is not None):
        return ProbeResult(False, f"{said}: {in_words(cause)}")
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError) or isinstance(
        cause, ConnectionResetError | BrokenPipeError
    ):
        return ProbeResult(False, f"{said}: the connection was closed without an answer")
    if isinstance(error, NotHttpError | aiohttp.ClientResponseError):
        return ProbeResult(False, f"{said}: the answer is not HTTP")
    return ProbeResult(False, f"{said}: {' '.join(str(error).split())[:_TELLING] or type(error).__name__}")


@dataclass(frozen=True, slots=True)
class _Child:
    process: "subprocess.Popen[bytes]"
    output: IO[bytes]


async def ask_exec(
    argv: tuple[str, ...], env: Mapping[str, str], within: float, threads: Executor | None = None
) -> ProbeResult:
    """Run a program; exit code 0 is ok. At its end, or after `within` seconds, its whole session is killed.

    `threads` start and clear it, which may hang on a disk; None: the loop's own.

    A program that can't be started is our fault, not the model's: ok is None.
    """
    loop = asyncio.get_running_loop()
    name = Path(argv[0]).name
    spawning = loop.run_in_executor(threads, _spawn, argv, env)
    try:
        child = await asyncio.shield(spawning)
    except OSError as error:
        return ProbeResult(None, f"{argv[0]} can't be run: {error.strerror}")
    except asyncio.CancelledError:
        spawning.add_done_callback(_abandon)
        raise
    try:
        ended = await _ended_within(child.process.pid, within)
    finally:
        # In a thread, and to its end even when this probe is cancelled: what was started is cleared away.
        finishing = loop.run_in_executor(threads, _finish, child)
    code, output = await asyncio.shield(finishing)
    if not ended:
        return ProbeResult(False, f"{name}: no answer within {within:g} s")
    how = f"exited with {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"
    return ProbeResult(code == 0, f"{name} {how}{output and ': '}{output}")


def _spawn(argv: tuple[str, ...], env: Mapping[str, str]) -> _Child:
    # A file, not a pipe: a program that says much must not hang on a reader who waits for its end.
    output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by _finish
    try:
        process = subprocess.Popen(  # noqa: S603 - what zoo.yaml asks for, without a shell
            argv,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except BaseException:
        output.close()
        raise
    return _Child(process, output)


def _abandon(spawning: "asyncio.Future[_Child]") -> None:
    if not spawning.cancelled() and spawning.exception() is None:
        # Not in the loop's executor: the loop may be about to close, and this has to happen all the same.
        threading.Thread(target=_finish, args=(spawning.result(),), daemon=True).start()


async def _ended_within(pid: int, within: float) -> bool:
    """Wait for the end of a child without reaping it, so that its pid and session stay its own until we kill."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            async for _ in _growing_pauses():
                if has_ended(pid):
                    return True
    return False


async def _growing_pauses() -> AsyncIterator[None]:
    pause = 0.002
    while True:
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.05)
        yield


def _finish(child: _Child) -> tuple[int, str]:
    """End the child and its session, and return its exit code and the end of its output."""
    code = end_session(child.process)
    with child.output:
        size = child.output.seek(0, os.SEEK_END)
        child.output.seek(max(0, size - 4 * _TELLING))
        text = " ".join(child.output.read().decode(errors="replace").split())
    return code, text[-_TELLING:]

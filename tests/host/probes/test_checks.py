import asyncio
import errno
import gc
import os
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import psutil
import pytest

from zoosup.host.ports.probes import Endpoint, ProbeResult
from zoosup.host.probes import checks, http_request
from zoosup.host.probes.checks import ask_exec, ask_http, ask_tcp
from zoosup.host.probes.prober import HttpProber

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def endpoint(port: int, host: str = "127.0.0.1") -> Endpoint:
    return Endpoint(host, port, lambda: frozenset({os.getpid()}))


@asynccontextmanager
async def serving(handler: Handler, host: str = "127.0.0.1") -> AsyncIterator[Endpoint]:
    """A server that does to each connection what `handler` says, and then closes it."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, host, 0)
    try:
        yield endpoint(server.sockets[0].getsockname()[1], host)
    finally:
        server.close()


def saying(answer: bytes) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    return handler


async def health(at: Endpoint, within: float = 5.0) -> ProbeResult:
    return (await ask_http(at, "GET", "/health", within))[0]


async def test_a_200_is_ok() -> None:
    async with serving(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) as at:
        assert ProbeResult(True, "GET /health answered 200") == await health(at)


async def test_a_server_on_ipv6_is_reached() -> None:
    async with serving(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), "::1") as at:
        assert (await health(at)).ok
        assert (await ask_tcp(at, 5.0)).ok


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            b"HTTP/1.1 503 No\r\nContent-Length: 14\r\n\r\nloading\n model",
            "GET /health answered 503: loading model",
        ),
        (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "GET /health answered 404"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "GET /health answered 204"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n",
            "GET /health answered 302: redirected to /login",
        ),
        (b"220 mail.example.org ESMTP\r\n\r\n", "GET /health: the answer is not HTTP"),
        (b"\x00\xff\x16\x03\x01 garbage\r\n\r\n", "GET /health: the answer is not HTTP"),
        (b"", "GET /health: the connection was closed without an answer"),
        (b"HTTP/1.1 2", "GET /health: the connection was closed without an answer"),
        (b"HTTP/1.1 500 No\r\n\r\n" + b"x" * 500, "GET /health answered 500: " + "x" * 200),
        (b"HTTP/1.1 500 No\r\n\r\n\xff\xfe", "GET /health answered 500: \ufffd\ufffd"),
    ],
)
async def test_anything_but_a_200_is_not_ok_and_says_what_it_was(answer: bytes, message: str) -> None:
    async with serving(saying(answer)) as at:
        assert ProbeResult(False, message) == await health(at)


async def test_a_redirect_is_not_followed() -> None:
    asked = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 307 Elsewhere\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n")

    async with serving(handler) as at:
        await health(at)
    assert 1 == len(asked)


async def test_nobody_there_is_connection_refused() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        at = endpoint(bound.getsockname()[1])
        assert ProbeResult(False, "connection refused") == await health(at)
        assert ProbeResult(False, "connection refused") == await ask_tcp(at, 5.0)


async def test_a_hanging_server_is_cut_by_the_timeout() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(handler) as at:
        expected = ProbeResult(False, "GET /health: no answer within 0.05 s")
        assert expected == await health(at, within=0.05)


async def test_an_endless_body_after_a_200_is_cut_off_and_is_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 10_000)
            await writer.drain()

    monkeypatch.setattr(http_request, "BODY_PATIENCE", 60.0)
    async with serving(handler) as at:
        assert ProbeResult(True, "GET /health answered 200") == await health(at, within=1.0)


async def test_a_body_that_never_comes_after_a_200_is_ok() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        await reader.read()
        await reader.read()

    async with serving(handler) as at:
        assert (await health(at)).ok


async def test_endless_headers_are_cut_off() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"x: " + b"y" * 10_000)
            await writer.drain()

    async with serving(handler) as at:
        assert (await health(at)).ok is False


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL])
async def test_our_own_shortage_says_nothing_about_the_model(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    async def refuse(*args: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", refuse)
    for verdict in (await health(endpoint(1)), await ask_tcp(endpoint(1), 1.0)):
        assert verdict.ok is None
        assert verdict.message.endswith(f"zoosup can't ask: {os.strerror(number)}")


async def test_a_loop_that_was_held_up_does_not_blame_the_model() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(handler) as at:
        asking_it = asyncio.create_task(health(at, within=0.05))
        await asyncio.sleep(0.01)
        time.sleep(1.2)  # this is the fault under test
        assert ProbeResult(None, "GET /health: zoosup itself was held up") == await asking_it


async def test_no_connection_is_left_behind() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    def connections() -> int:
        gc.collect()
        return len([c for c in psutil.Process().net_connections("tcp") if c.status != psutil.CONN_LISTEN])

    before = connections()
    async with (
        serving(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) as at,
        serving(handler) as slow,
    ):
        for _ in range(20):
            await health(at)
            await health(slow, within=0.005)
            cancelled = asyncio.create_task(health(slow))
            await asyncio.sleep(0.002)
            cancelled.cancel()
        await asyncio.sleep(0.05)
        assert before == connections()


async def test_tcp_is_content_with_a_connection() -> None:
    async with serving(saying(b"")) as at:
        assert ProbeResult(True, f"port {at.port} accepts connections") == await ask_tcp(at, 5.0)


async def test_a_program_that_exits_with_0_is_ok() -> None:
    verdict = await ask_exec(("sh", "-c", 'test "$WORD" = hello'), {"WORD": "hello", **os.environ}, 5.0)
    assert ProbeResult(True, "sh exited with 0") == verdict


async def test_a_program_that_fails_is_not_ok_and_its_last_words_are_told() -> None:
    verdict = await ask_exec(("sh", "-c", "echo out; echo not yet >&2; exit 3"), os.environ, 5.0)
    assert ProbeResult(False, "sh exited with 3: out not yet") == verdict


async def test_a_program_ended_by_a_signal_is_not_ok() -> None:
    verdict = await ask_exec(("sh", "-c", "kill -SEGV $$"), os.environ, 5.0)
    assert ProbeResult(False, "sh was ended by SIGSEGV") == verdict


async def test_a_program_that_says_a_lot_is_not_held_up_by_it() -> None:
    script = "import sys; print('x' * 1_000_000); print('the end'); sys.exit(1)"
    verdict = await ask_exec((sys.executable, "-c", script), os.environ, 10.0)
    assert verdict.message.endswith("the end")
    assert len(verdict.message) < 260


@pytest.mark.parametrize("program", ["no-such-program-anywhere", "/etc/passwd", "/"])
async def test_a_program_that_can_not_be_run_is_not_the_models_fault(program: str) -> None:
    verdict = await ask_exec((program,), os.environ, 5.0)
    assert verdict.ok is None
    assert verdict.message.startswith(f"{program} can't be run: ")


def living(marker: str) -> list[int]:
    """Processes, not yet zombies, that have the marker in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("MARKER") == marker and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


async def until(fact: Callable[[], bool]) -> None:
    for _ in range(1000):
        if fact():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it never came true")


# A program with a child that ignores SIGTERM, a grandchild, and a child in a process group of its own.
FAMILY = """
trap '' TERM
sleep 300 &
(sleep 300) &
"$PYTHON" -c 'import os, time; os.setpgid(0, 0); open(os.environ["MARKER"] + "/up", "w"); time.sleep(300)' &
until [ -e "$MARKER/up" ]; do sleep 0.01; done
{end}
"""


def family(marker: Path) -> dict[str, str]:
    return {**os.environ, "MARKER": str(marker), "PYTHON": sys.executable}


@pytest.mark.parametrize(("end", "within"), [("exit 0", 60.0), ("sleep 300", 1.0)])
async def test_the_whole_session_of_a_program_is_gone_at_its_end(
    tmp_path: Path, end: str, within: float
) -> None:
    verdict = await ask_exec(("sh", "-c", FAMILY.format(end=end)), family(tmp_path), within)
    assert (end == "exit 0") is verdict.ok
    assert (tmp_path / "up").exists()
    await until(lambda: not living(str(tmp_path)))


async def test_a_cancelled_program_is_killed_too(tmp_path: Path) -> None:
    running = asyncio.create_task(
        ask_exec(("sh", "-c", FAMILY.format(end="sleep 300")), family(tmp_path), 300.0)
    )
    await until((tmp_path / "up").exists)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await until(lambda: not living(str(tmp_path)))


async def test_a_program_cancelled_while_it_is_being_started_is_killed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = checks._spawn
    entered, left = threading.Event(), threading.Event()

    def slow(*args: object) -> object:
        entered.set()
        time.sleep(0.2)
        child = real(*args)
        left.set()
        return child

    monkeypatch.setattr(checks, "_spawn", slow)
    environ = {**os.environ, "MARKER": str(tmp_path)}
    running = asyncio.create_task(ask_exec(("sleep", "300"), environ, 300.0))
    await until(entered.is_set)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await until(left.is_set)
    await until(lambda: not living(str(tmp_path)))


async def test_without_waitid_a_zombie_is_told_by_its_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "waitid")
    assert ProbeResult(True, "true exited with 0") == await ask_exec(("true",), os.environ, 5.0)


@pytest.mark.parametrize(
    ("status", "location", "body", "said"),
    [
        (200, "/x", b"words", "answered 200"),
        (299, "/x", b"", "answered 299"),
        (300, "/x", b"words", "answered 300: redirected to /x"),
        (304, "", b"words", "answered 304: redirected to nowhere"),
        (399, "y" * 300, b"", f"answered 399: redirected to {'y' * 200}"),
        (400, "/x", b" a \n b ", "answered 400: a b"),
        (500, "", b"x " * 500, f"answered 500: {'x ' * 100}"),
    ],
)
def test_what_an_answer_means_in_words(status: int, location: str, body: bytes, said: str) -> None:
    answer = http_request.Answer(status, location, body)
    assert ProbeResult(status == 200, f"GET / {said}") == checks.told(answer, "GET /")


@pytest.mark.parametrize(
    ("error", "ok", "said"),
    [
        *(
            (OSError(n, "x"), None, f"GET /: zoosup can't ask: {os.strerror(n)}")
            for n in sorted(checks._OWN_FAULTS)
        ),
        (ConnectionRefusedError(), False, "connection refused"),
        (ConnectionResetError(), False, "GET /: the connection was closed without an answer"),
        (BrokenPipeError(), False, "GET /: the connection was closed without an answer"),
        (aiohttp.ServerDisconnectedError(), False, "GET /: the connection was closed without an answer"),
        (http_request.NotHttpError(), False, "GET /: the answer is not HTTP"),
        (
            OSError(2, "No such file", "/ca"),
            False,
            "GET /: the certificates of /ca can't be used: No such file",
        ),
        (OSError(113, "No route\n to host"), False, "GET /: [Errno 113] No route to host"),
        (ValueError("z" * 300), False, f"GET /: {'z' * 200}"),
        (ValueError(), False, "GET /: ValueError"),
    ],
)
def test_whose_fault_it_is_in_words(error: Exception, ok: bool | None, said: str) -> None:
    assert ProbeResult(ok, said) == checks._refused(error, "GET /")


def test_out_of_what_is_our_own_fault() -> None:
    names = ("EMFILE", "ENFILE", "ENOMEM", "ENOBUFS", "EADDRNOTAVAIL", "EAGAIN")
    assert {getattr(errno, name) for name in names} == checks._OWN_FAULTS


async def test_what_is_exchanged_is_json_where_it_has_a_body_and_bounded() -> None:
    asked = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: /y\r\nContent-Length: 99999\r\n\r\n" + b"x" * 99_999)
        await writer.drain()

    prober = HttpProber()
    async with serving(handler) as at:
        status, body = await prober.exchange(at, "POST", "/x", b"{}", 5.0)
        assert (302, True) == (status, 0 < len(body) <= http_request.BODY_LIMIT)
        await prober.exchange(at, "GET", "/x", None, 5.0)
    with pytest.raises(OSError, match="Cannot connect"):
        await prober.exchange(at, "GET", "/x", None, 5.0)
    await prober.close()
    first, second = (set(each.lower().split(b"\r\n")) for each in asked)
    assert {b"content-type: application/json", b"user-agent: zoosup", b"accept-encoding: identity"} < first
    assert not any(line.startswith(b"content-type") for line in second)

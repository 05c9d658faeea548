"""A demonstration server's start, faults and end; the operating system is asked, not the server."""

import asyncio
import errno
import os
import signal
import socket
import subprocess
import sys
import time

import aiohttp
import psutil
import pytest

MIB = 1024 * 1024
CHAT = {"messages": [{"role": "user", "content": "hello"}], "stream": True}


async def health(demo):
    async with aiohttp.ClientSession() as session, session.get(f"{demo.url}/health") as response:
        return response.status, (await response.json())["status"]


def resident(pid):
    return psutil.Process(pid).memory_info().rss


def poll(condition, deadline=30.0):
    end = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


async def test_while_it_loads_the_port_is_open_and_says_503(start_demo):
    demo = start_demo("--load-time", "1m")
    assert (503, "loading model") == await health(demo)
    async with (
        aiohttp.ClientSession(demo.url) as session,
        session.post("/v1/chat/completions", json=CHAT) as response,
    ):
        assert 503 == response.status


async def test_when_loaded_it_is_healthy(start_demo):
    demo = start_demo()
    demo.wait_ready()
    assert (200, "ok") == await health(demo)


async def test_listening_late_the_port_opens_only_when_loaded(start_demo):
    demo = start_demo("--listen-late", "--load-time", "500ms")
    assert not psutil.Process(demo.pid).net_connections()
    demo.url = demo.line().split()[-1]
    assert (200, "ok") == await health(demo)


def test_it_really_holds_the_memory_it_is_told_to(start_demo):
    small, large = start_demo(), start_demo("--ram", "200MiB")
    small.wait_ready()
    large.wait_ready()
    assert pytest.approx(200, abs=10) == (resident(large.pid) - resident(small.pid)) / MIB


def test_it_takes_memory_gradually_and_gives_it_back_gradually(start_demo):
    demo = start_demo("--ram", "200MiB", "--load-time", "1s", "--stop-time", "1s")
    poll(lambda: 60 * MIB < resident(demo.pid) < 180 * MIB)
    demo.wait_ready()
    full = resident(demo.pid)
    demo.terminate()
    poll(lambda: resident(demo.pid) < full - 50 * MIB)
    assert demo.process.poll() is None
    assert 0 == demo.exit_code()


async def test_sigterm_lets_a_running_stream_end(start_demo):
    demo = start_demo("--token-delay", "50ms")
    demo.wait_ready()
    async with (
        aiohttp.ClientSession(demo.url) as session,
        session.post("/v1/chat/completions", json=CHAT) as response,
    ):
        await response.content.readline()
        demo.terminate()
        assert (await response.text()).endswith("data: [DONE]\n\n")
    assert 0 == await asyncio.to_thread(demo.exit_code)


COMPLETION = b"POST /v1/completions HTTP/1.1\r\nHost: demo\r\nContent-Length: 15\r\n\r\n"
FORM = (
    b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: demo\r\nContent-Length: 99\r\n"
    b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
)
SOCKET = (
    b"GET /ws HTTP/1.1\r\nHost: demo\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.mark.parametrize(
    "request_bytes",
    [COMPLETION + b'{"stream":true}', COMPLETION + b"{", FORM, SOCKET + b"\x81"],
    ids=["stream", "body", "form", "socket"],
)
async def test_a_client_that_goes_away_is_no_fault_of_the_server(start_demo, request_bytes):
    demo = start_demo("--token-delay", "20ms")
    demo.wait_ready()
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", int(demo.url.rpartition(":")[2]))) as connection:
            connection.sendall(request_bytes)
            time.sleep(0.1)
        time.sleep(0.3)
    assert (200, "ok") == await health(demo)
    demo.terminate()
    assert 0 == demo.exit_code()
    assert "Traceback" not in demo.process.stdout.read()


async def test_sigterm_does_not_wait_for_a_connection_without_a_request(start_demo):
    demo = start_demo()
    demo.wait_ready()
    async with aiohttp.ClientSession(demo.url) as session:
        async with session.get("/health") as response:
            await response.read()
        demo.terminate()
        assert 0 == await asyncio.to_thread(demo.exit_code)


def test_sigterm_while_loading_ends_it_at_once(start_demo):
    demo = start_demo("--load-time", "10m", "--ram", "16MiB")
    demo.terminate()
    assert 0 == demo.exit_code()


def test_a_model_that_ignores_sigterm_needs_sigkill(start_demo):
    demo = start_demo("--ignore-term")
    demo.wait_ready()
    demo.terminate()
    assert "SIGTERM ignored" in demo.line()
    demo.process.kill()
    assert -signal.SIGKILL == demo.exit_code()


def test_a_load_that_fails_exits_with_the_code_it_was_given(start_demo):
    demo = start_demo("--fail-load", "--exit-code", "7")
    assert 7 == demo.exit_code()


def test_a_crash_exits_with_the_code_and_leaves_the_workers_behind(start_demo):
    demo = start_demo("--crash-after", "500ms", "--exit-code", "3", "--children", "2")
    workers = psutil.Process(demo.pid).children()
    assert 2 == len(workers)
    assert 3 == demo.exit_code()
    assert [True, True] == [worker.is_running() for worker in workers]


def test_a_stop_takes_the_workers_along(start_demo):
    demo = start_demo("--children", "2")
    demo.wait_ready()
    workers = psutil.Process(demo.pid).children()
    assert 2 == len(workers)
    demo.terminate()
    assert 0 == demo.exit_code()
    assert [False, False] == [worker.is_running() for worker in workers]


async def test_readiness_can_be_lost(start_demo):
    demo = start_demo("--unready-after", "100ms")
    demo.wait_ready()
    answers = [await health(demo)]
    async with asyncio.timeout(30):
        while answers[-1] == (200, "ok"):
            answers.append(await health(demo))
    assert (503, "unwell") == answers[-1]


def test_a_port_that_is_taken_is_one_clear_line(start_demo):
    first = start_demo()
    port = first.url.rpartition(":")[2]
    again = subprocess.run(
        [sys.executable, "-m", "zoosup.demo", "--port", port], capture_output=True, text=True, check=False
    )
    expected = f"cannot listen on 127.0.0.1:{port}: {os.strerror(errno.EADDRINUSE)}"
    assert (1, expected, "") == (again.returncode, again.stdout.strip(), again.stderr)


@pytest.mark.parametrize("option", [("--ram", "200"), ("--load-time", "3"), ("--ram", "1gib")])
def test_a_figure_without_a_unit_is_refused(option):
    refused = subprocess.run(
        [sys.executable, "-m", "zoosup.demo", *option], capture_output=True, text=True, check=False
    )
    assert 2 == refused.returncode
    assert f"got {option[1]!r}, expected" in refused.stderr


def test_starting_it_imports_nothing_that_it_does_not_need():
    code = "import sys, zoosup.demo.__main__, zoosup.demo.server; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    modules = loaded.split()
    libraries = {name.partition(".")[0] for name in modules}
    assert set() == {"pydantic", "msgspec", "yaml", "psutil", "rich", "uvloop"} & libraries
    rooms = {".".join(name.split(".")[:2]) for name in modules if name.startswith("zoosup.")}
    assert {"zoosup.demo", "zoosup.spec"} == rooms


async def test_sigterm_does_not_wait_for_a_web_socket(start_demo):
    demo = start_demo()
    demo.wait_ready()
    async with aiohttp.ClientSession(demo.url) as session, session.ws_connect("/ws") as echo:
        demo.terminate()
        assert aiohttp.WSMsgType.CLOSE == (await echo.receive()).type
    assert 0 == await asyncio.to_thread(demo.exit_code)

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager

import pytest

from zoosup.host.ports.probes import Endpoint, ProbeResult
from zoosup.host.probes import prober as probe
from zoosup.host.probes.port_owner import Ownership
from zoosup.host.probes.prober import HttpProber
from zoosup.spec.model.process.lifetime import LiveSpec, ReadySpec

SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404); self.end_headers()
    def do_POST(self):
        said = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kind = self.headers.get("Content-Type")
        whole = (self.path, kind, said) == ("/free", "application/json", b'{"a": true}')
        self.send_response(202 if self.path == "/drain?now=1" or whole else 500); self.end_headers()
    def log_message(self, *args): pass
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


class Server:
    """A real process that answers GET /health with 200, POST /drain?now=1 and POST /free with a body with 202."""

    def __init__(self, port: int = 0) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", SERVER, str(port)], stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def endpoint(self, *members: int, contained: bool = False) -> Endpoint:
        pids = frozenset(members or {self.process.pid})
        return Endpoint("127.0.0.1", self.port, lambda: pids, contained)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.end()


@pytest.fixture
async def prober() -> AsyncIterator[HttpProber]:
    prober = HttpProber()
    yield prober
    await prober.close()


async def first(verdicts: AsyncIterator[ProbeResult]) -> ProbeResult:
    verdict = await anext(verdicts)
    await verdicts.aclose()  # type: ignore[attr-defined]
    return verdict


STRANGER = 1 << 23  # a pid that no process of any kernel has


@pytest.mark.parametrize("ready", [ReadySpec(http="/health"), ReadySpec(tcp=True)])
async def test_a_server_of_ours_is_ready(prober: HttpProber, server: Server, ready: ReadySpec) -> None:
    assert (await first(prober.readiness(server.endpoint(), ready, {}))).ok


@pytest.mark.parametrize("ready", [ReadySpec(http="/health"), ReadySpec(tcp=True)])
async def test_a_strangers_answer_does_not_count_and_names_it(
    prober: HttpProber, server: Server, ready: ReadySpec
) -> None:
    verdict = await first(prober.readiness(server.endpoint(STRANGER), ready, {}))
    assert verdict.ok is False
    expected = f"port {server.port} is answered by pid {server.process.pid} (python"
    assert verdict.message.startswith(expected)
    assert verdict.message.endswith("), which is not this model")


async def test_a_contained_servers_pid_proves_nothing(prober: HttpProber, server: Server) -> None:
    assert (await first(prober.readiness(server.endpoint(STRANGER, contained=True), ReadySpec(), {}))).ok


async def test_an_owner_that_can_not_be_told_counts_as_ours(
    prober: HttpProber, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "ownership", lambda *_: Ownership(None))
    assert (await first(prober.readiness(server.endpoint(STRANGER), ReadySpec(), {}))).ok


async def test_a_stranger_is_not_searched_for_at_every_answer(
    prober: HttpProber, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched = []
    real = probe.ownership

    def counting(*args: object) -> object:
        searched.append(args)
        return real(*args)

    monkeypatch.setattr(probe, "ownership", counting)
    ready = ReadySpec(interval=0.01)
    async with aclosing(prober.readiness(server.endpoint(STRANGER), ready, {})) as verdicts:
        await anext(verdicts)
        waiting = asyncio.ensure_future(anext(verdicts))
        await asyncio.sleep(0.3)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert 1 == len(searched)


async def test_once_proven_the_owner_is_not_asked_for_again(
    prober: HttpProber, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched = []
    monkeypatch.setattr(probe, "ownership", lambda *_: searched.append(1) or Ownership(True))
    async with aclosing(prober.readiness(server.endpoint(), ReadySpec(interval=0.01), {})) as verdicts:
        await anext(verdicts)
        waiting = asyncio.ensure_future(anext(verdicts))
        await asyncio.sleep(0.2)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert 1 == len(searched)


async def test_members_are_asked_for_anew_so_that_the_model_becomes_ready(
    prober: HttpProber, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "RECHECK", 1000.0)
    members = frozenset({STRANGER})
    endpoint = Endpoint("127.0.0.1", server.port, lambda: members)
    async with aclosing(prober.readiness(endpoint, ReadySpec(interval=0.01), {})) as verdicts:
        assert (await anext(verdicts)).ok is False
        members = frozenset({STRANGER, server.process.pid})
        assert (await anext(verdicts)).ok is True


async def test_a_start_is_followed_from_refused_to_ready_to_gone_to_taken_by_a_stranger(
    prober: HttpProber,
) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    pids: set[int] = set()
    endpoint = Endpoint("127.0.0.1", port, lambda: frozenset(pids))
    async with aclosing(prober.readiness(endpoint, ReadySpec(interval=0.02), {})) as verdicts:
        assert ProbeResult(False, "connection refused") == await anext(verdicts)
        server = Server(port)
        pids.add(server.process.pid)
        assert ProbeResult(True, "GET /health answered 200") == await next_ok(verdicts, ok=True)
        server.end()
        assert (await next_ok(verdicts, ok=False)).ok is False
        stranger = Server(port)
        while "which is not this model" not in (verdict := await anext(verdicts)).message:
            assert verdict.ok is False
        stranger.end()


async def next_ok(verdicts: AsyncIterator[ProbeResult], *, ok: bool) -> ProbeResult:
    async for verdict in verdicts:
        if verdict.ok is ok:
            return verdict
    raise AssertionError("an iterator of verdicts never ends")


async def test_a_flapping_server_is_told_at_each_turn(prober: HttpProber) -> None:
    answers = iter([503, 503, 200, 200, 503, 200, 200, 503])

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {next(answers, 503)} x\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    flapping = await asyncio.start_server(handle, "127.0.0.1", 0)
    endpoint = Endpoint("127.0.0.1", flapping.sockets[0].getsockname()[1], lambda: frozenset({os.getpid()}))
    async with aclosing(prober.readiness(endpoint, ReadySpec(interval=0.01), {})) as verdicts:
        assert [False, True, False, True, False] == [(await anext(verdicts)).ok for _ in range(5)]
    flapping.close()


async def test_readiness_by_a_program(prober: HttpProber, server: Server) -> None:
    ready = ReadySpec(exec=("sh", "-c", 'exit "$CODE"'), interval=0.01)
    assert (await first(prober.readiness(server.endpoint(), ready, {"CODE": "0", **os.environ}))).ok
    assert (await first(prober.readiness(server.endpoint(), ready, {"CODE": "4", **os.environ}))).ok is False


async def test_liveness_fails_after_so_many_failures_and_recovers(prober: HttpProber, server: Server) -> None:
    endpoint = server.endpoint()
    live = LiveSpec(http="/health", period=0.02, failures=3)
    async with aclosing(prober.liveness(endpoint, live, {})) as verdicts:
        assert (await anext(verdicts)).ok
        server.process.send_signal(19)  # SIGSTOP: it lives and does not answer
        hanging = LiveSpec(http="/health", period=0.02, timeout=0.05, failures=3)
        async with aclosing(prober.liveness(endpoint, hanging, {})) as impatient:
            assert ProbeResult(False, "GET /health: no answer within 0.05 s") == await anext(impatient)
            server.process.send_signal(18)
            assert (await anext(impatient)).ok


async def test_cancelling_a_probe_of_a_hanging_server_takes_effect_at_once(
    prober: HttpProber, server: Server
) -> None:
    server.process.send_signal(19)
    verdicts = prober.readiness(server.endpoint(), ReadySpec(timeout=300), {})
    waiting = asyncio.ensure_future(anext(verdicts))
    await asyncio.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(5):
            await waiting


async def test_drain_is_any_2xx(prober: HttpProber, server: Server) -> None:
    verdict = await prober.drain(server.endpoint(), "POST /drain?now=1", 5)
    assert ProbeResult(True, "POST /drain?now=1 answered 202") == verdict
    assert ProbeResult(False, "POST /other answered 500") == await prober.drain(
        server.endpoint(), "POST /other", 5
    )


async def test_a_body_is_sent_as_json(prober: HttpProber, server: Server) -> None:
    assert (await prober.drain(server.endpoint(), "POST /free", 5, {"a": True})).ok
    assert not (await prober.drain(server.endpoint(), "POST /free", 5)).ok


async def test_drain_of_a_server_that_is_gone_is_not_ok(prober: HttpProber, server: Server) -> None:
    server.end()
    assert ProbeResult(False, "connection refused") == await prober.drain(server.endpoint(), "POST /drain", 5)


async def test_a_drain_that_hangs_is_cut(prober: HttpProber, server: Server) -> None:
    server.process.send_signal(19)
    verdict = await prober.drain(server.endpoint(), "POST /drain", 0.05)
    assert ProbeResult(False, "POST /drain: no answer within 0.05 s") == verdict


# a server that listens elsewhere


LISTENER = """
import socket, sys, time
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
listener = socket.create_server((sys.argv[1], int(sys.argv[2])), family=family)
print(listener.getsockname()[1], flush=True)
time.sleep(300)
"""


@contextmanager
def listening(host: str, port: int = 0) -> Iterator[tuple[int, int]]:
    """A real process that listens there; its pid and port."""
    with subprocess.Popen(
        [sys.executable, "-c", LISTENER, host, str(port)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        try:
            yield process.pid, int(process.stdout.readline())
        finally:
            process.kill()


def a_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("host", "same_port"),
    [("127.0.0.1", False), ("0.0.0.0", False), ("::1", True), ("::1", False)],
)
@pytest.mark.parametrize("ready", [ReadySpec(http="/health"), ReadySpec(tcp=True)])
async def test_a_server_that_listens_elsewhere_is_told_where(
    prober: HttpProber, monkeypatch: pytest.MonkeyPatch, host: str, same_port: bool, ready: ReadySpec
) -> None:
    monkeypatch.setattr(probe, "ELSEWHERE", 0.1)
    port = a_free_port()
    with listening(host, port if same_port else 0) as (pid, other):
        endpoint = Endpoint("127.0.0.1", port, lambda: frozenset({pid}))
        async with aclosing(prober.readiness(endpoint, ready, {})) as verdicts:
            assert ProbeResult(False, "connection refused") == await anext(verdicts)
            told = await asyncio.wait_for(anext(verdicts), 20)
    written = f"[{host}]:{other}" if ":" in host else f"{host}:{other}"
    assert (
        ProbeResult(False, f"nothing listens on 127.0.0.1:{port}; its processes listen on {written}") == told
    )


async def test_the_word_on_it_comes_before_the_deadline_and_the_server_may_still_come(
    prober: HttpProber,
) -> None:
    """Once it listens where it is asked it is ready; what it listens on besides was no fault."""
    port = a_free_port()
    with listening("127.0.0.1") as (pid, _):
        members = {pid}
        endpoint = Endpoint("127.0.0.1", port, lambda: frozenset(members))
        ready = ReadySpec(tcp=True, deadline=1.0)
        async with aclosing(prober.readiness(endpoint, ready, {})) as verdicts:
            began = asyncio.get_running_loop().time()
            while "listen on" not in (await asyncio.wait_for(anext(verdicts), 20)).message:
                pass
            assert asyncio.get_running_loop().time() - began < 2.5
            with listening("127.0.0.1", port) as (late, _):
                members.add(late)
                assert (await asyncio.wait_for(anext(verdicts), 20)).ok


async def test_of_one_that_listens_nowhere_nothing_more_is_said(
    prober: HttpProber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "ELSEWHERE", 0.0)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"]) as idle:
        endpoint = Endpoint("127.0.0.1", a_free_port(), lambda: frozenset({idle.pid}))
        async with aclosing(prober.readiness(endpoint, ReadySpec(tcp=True), {})) as verdicts:
            assert ProbeResult(False, "connection refused") == await anext(verdicts)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(verdicts), 1.5)
        idle.kill()


@pytest.mark.parametrize(
    ("asked", "soon"),
    [(ReadySpec(deadline=600), 3.0), (ReadySpec(deadline=4), 2.0), (LiveSpec(), 3.0)],
)
def test_people_want_to_know_more_before_the_deadline(asked: ReadySpec | LiveSpec, soon: float) -> None:
    assert soon == probe._soon(asked)


REFUSED = ProbeResult(False, "connection refused")


@pytest.mark.looptime
async def test_where_it_listens_instead_is_looked_for_after_a_while_and_now_and_then(
    prober: HttpProber, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[float] = []
    loop = asyncio.get_running_loop()
    elsewhere = probe._Elsewhere(Endpoint("127.0.0.1", 80, frozenset), prober._threads, 3.0)

    async def look() -> str:
        looked.append(round(loop.time() - began, 3))
        return f"it is at {len(looked)}"

    monkeypatch.setattr(elsewhere, "_look", look)
    began = loop.time()
    said = []
    for _ in range(10):
        said.append((await elsewhere.explain(REFUSED)).message)
        await asyncio.sleep(1)
    assert ([3.0, 8.0], ["connection refused"] * 3 + ["it is at 1"] * 5 + ["it is at 2"] * 2) == (
        looked,
        said,
    )
    other = ProbeResult(False, "GET /health answered 503")
    assert other is await elsewhere.explain(other)
    assert REFUSED is await elsewhere.explain(REFUSED)


@pytest.mark.looptime
async def test_a_stranger_is_searched_for_again_after_half_a_second(
    prober: HttpProber, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[int] = []

    async def run(_: object) -> Ownership:
        searched.append(1)
        return Ownership(False, "pid 7 (x)")

    monkeypatch.setattr(prober._threads, "run", run)
    owner = probe._Owner(Endpoint("127.0.0.1", 80, lambda: frozenset({1})), prober._threads)
    for pause in (0.25, 0.24, 0.02, 0.0):
        said = await owner.confirm(ProbeResult(True, "ok"))
        assert ProbeResult(False, "port 80 is answered by pid 7 (x), which is not this model") == said
        await asyncio.sleep(pause)
    assert 2 == len(searched)

"""A gateway on real sockets, in front of a scripted server and fake leases; on asyncio's loop and on uvloop's."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop

from tests.web.gateway.backend import Backend, Script, saying
from tests.web.gateway.fake_leasing import FakeLeasing
from zoosup.spec.model.gateway import GatewaySpec as Settings
from zoosup.spec.model.model import ModelSpec
from zoosup.web.gateway.context.limits import Limits
from zoosup.web.gateway.http1 import server_connection
from zoosup.web.gateway.http1.heads import request_head
from zoosup.web.gateway.server import Gateway
from zoosup.web.gateway.telemetry.tracing.setup import Tracing

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
CHAT = b'{"model": "qwen", "messages": []}'
STREAM = b'{"model": "qwen", "messages": [], "stream": true}'


ID = b"x-request-id: the-same\r\n"


def named(answer: bytes) -> bytes:
    """An answer, or a head, as it is with the request's id."""
    return answer.replace(b"\r\n\r\n", b"\r\n" + ID + b"\r\n", 1)


@pytest.fixture(autouse=True)
def _same_ids(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every new id is the same, so that whole answers can be compared; not where the ids are what it is about."""
    if "real_ids" not in request.fixturenames:
        for module in (request_head, server_connection):
            monkeypatch.setattr(module, "new_line", lambda: ID)


@pytest.fixture
def real_ids() -> None:
    """Have the gateway make its ids."""


def post(body: bytes = CHAT, path: str = "/v1/chat/completions", *more: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *more]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


@dataclass
class Wire:
    """A client that sees every byte."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def exactly(self, count: int) -> bytes:
        async with asyncio.timeout(5):
            return await self.reader.readexactly(count)

    async def until(self, mark: bytes) -> bytes:
        async with asyncio.timeout(5):
            return await self.reader.readuntil(mark)

    async def rest(self) -> bytes:
        async with asyncio.timeout(10):
            return await self.reader.read()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """One answer whose length is told."""
        head = (await self.until(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])
        }
        body = await self.exactly(int(headers.get("content-length", "0")))
        return int(head[0].split()[1]), headers, body

    async def hang_up(self) -> None:
        self.writer.transport.abort()
        await asyncio.sleep(0)


@dataclass
class GatewayHarness:
    gateway: Gateway
    leasing: FakeLeasing
    backend: Backend
    wires: list[Wire] = field(default_factory=list)

    async def wire(self) -> Wire:
        host, _, port = str(self.gateway.address).rpartition(":")
        wire = Wire(*await asyncio.open_connection(host, int(port)))
        self.wires.append(wire)
        return wire

    async def ask(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        wire = await self.wire()
        wire.send(request)
        return await wire.answer()

    async def told(self, request: bytes) -> bytes:
        """All that the gateway says to this until it closes the connection."""
        wire = await self.wire()
        wire.send(request)
        return await wire.rest()

    def script(self, script: Script | bytes) -> None:
        self.backend.script = saying(script) if isinstance(script, bytes) else script


async def until(condition: Any, seconds: float = 3.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, Any]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
def limits() -> Limits:
    """Overridden where a test wants tighter ones."""
    return Limits(tick=0.01)


@pytest.fixture
def settings() -> dict[str, Any]:
    return {}


@pytest.fixture
def keys() -> tuple[str, ...]:
    return ()


@pytest.fixture
def models() -> dict[str, ModelSpec]:
    return {"qwen": ModelSpec(command=("x",), aliases=("gpt-4o",)), "absent": ModelSpec(command=("x",))}


@pytest.fixture
def tracing() -> Tracing | None:
    return None


@pytest.fixture
async def harness(
    limits: Limits,
    settings: dict[str, Any],
    keys: tuple[str, ...],
    models: dict[str, ModelSpec],
    tracing: Tracing | None,
) -> AsyncIterator[GatewayHarness]:
    backend = Backend(saying(OK))
    await backend.start()
    leasing = FakeLeasing(models, {"qwen": backend.port})
    gateway = Gateway(leasing, limits=limits, tracing=tracing)
    await gateway.start()
    await gateway.configure(Settings(**{"listen": "127.0.0.1:0"} | settings), keys)
    made = GatewayHarness(gateway, leasing, backend)
    yield made
    for wire in made.wires:
        wire.writer.transport.abort()
    await gateway.stop(0.0)
    await backend.stop()
    await asyncio.sleep(0.01)
    assert leasing.out == [], "a lease was never given back"
    assert all(lease.released == 1 for lease in leasing.given)
    assert gateway.counters.in_flight == 0
    assert gateway.counters.waiting == 0
    assert gateway.counters.connections == 0

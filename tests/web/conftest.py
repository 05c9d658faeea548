"""A real web server on real sockets, in front of a fake runtime."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.web.fakes import Runtime, snapshot
from zoosup.web.api.followers import StreamLimits
from zoosup.web.api.server import WebServer


@dataclass
class ServerHarness:
    runtime: Runtime
    server: WebServer
    control: Path
    tcp: aiohttp.ClientSession
    unix: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"http://{self.server.address}"

    @property
    def port(self) -> int:
        return int(self.server.address.rpartition(":")[2])

    async def get(self, path: str, **options):
        async with self.tcp.get(self.url + path, **options) as answer:
            return answer.status, await answer.read()

    async def json(self, path: str, **options):
        async with self.tcp.get(self.url + path, **options) as answer:
            return answer.status, await answer.json()

    async def post(self, path: str, *, session=None, **options):
        async with (session or self.tcp).post(self.url + path, **options) as answer:
            return answer.status, await answer.json()


@pytest.fixture
def limits() -> StreamLimits:
    """Overridden where a test wants tighter ones."""
    return StreamLimits()


@pytest.fixture
def runtime() -> Runtime:
    made = Runtime()
    made.publisher.publish(snapshot())
    return made


@pytest.fixture
async def harness(runtime: Runtime, tmp_path: Path, limits: StreamLimits) -> AsyncIterator[ServerHarness]:
    control = tmp_path / "control.sock"
    server = WebServer(runtime, control=control, limits=limits)
    await server.start("127.0.0.1:0")
    connector = aiohttp.UnixConnector(path=str(control))
    async with aiohttp.ClientSession() as tcp, aiohttp.ClientSession(connector=connector) as unix:
        yield ServerHarness(runtime, server, control, tcp, unix)
    await server.stop()

"""A model's server that says what its script says, byte for byte, and remembers what it was told."""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field


@dataclass
class Asked:
    """One request as it came: its head with the empty line, and its body as it was framed."""

    head: bytes
    body: bytes

    @property
    def line(self) -> bytes:
        return self.head.partition(b"\r\n")[0]

    @property
    def headers(self) -> dict[str, str]:
        lines = self.head.decode("latin-1").split("\r\n")[1:-2]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


Script = Callable[[Asked, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Backend:
    script: Script
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    hung_up: int = 0
    port: int = 0
    read_bodies: bool = True
    tls: ssl.SSLContext | None = None
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def start(self) -> None:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.tls)
        self.port = self.server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self.server.close()
        for writer in self.writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                try:
                    head = await reader.readuntil(b"\r\n\r\n")
                except asyncio.IncompleteReadError:
                    break
                asked = Asked(head, b"")
                if self.read_bodies:
                    asked.body = await _body(asked, reader)
                self.asked.append(asked)
                await self.script(asked, reader, writer)
                await writer.drain()
                if writer.is_closing():
                    break
        self.hung_up += 1
        writer.close()


async def _body(asked: Asked, reader: asyncio.StreamReader) -> bytes:
    if "content-length" in asked.headers:
        return await reader.readexactly(int(asked.headers["content-length"]))
    if asked.headers.get("transfer-encoding") == "chunked":
        return await reader.readuntil(b"0\r\n\r\n")
    return b""


def saying(answer: bytes) -> Script:
    """The same bytes to whatever is asked."""

    async def script(asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    return script

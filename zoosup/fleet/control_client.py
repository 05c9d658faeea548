"""The link's way to this host's zoosup: one request a connection, on the control socket.

The standard library alone, since the link is a process on every host. ConnectionError where no zoosup answers: the link
then ends, for the next zoosup begins one of its own.
"""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_HEAD = "{method} {path} HTTP/1.1\r\nHost: zoosup\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
_GONE = frozenset({404, 503})


class ControlClient:
    """The two routes of `web.api.fleet`."""

    def __init__(self, control: Path) -> None:
        self._control = str(control)

    async def report(self, after: int, asked: int) -> Mapping[str, Any]:
        """See `exchange.Zoosup`."""
        status, body = await self._ask("GET", f"/fleet/report?after={after}&asked={asked}", b"")
        if status in _GONE:
            return {}
        found: Mapping[str, Any] = json.loads(body)
        return found

    async def bring(self, told: Mapping[str, Any]) -> None:
        """See `exchange.Zoosup`."""
        await self._ask("POST", "/fleet/answer", json.dumps(told).encode())

    async def _ask(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        reader, writer = await asyncio.open_unix_connection(self._control)
        try:
            writer.write(_HEAD.format(method=method, path=path, length=len(body)).encode() + body)
            answer = await reader.read()
        finally:
            writer.close()
        first, _, rest = answer.partition(b"\r\n")
        status = first.split()[1:2]
        if not status:
            raise ConnectionError("zoosup has hung up")
        return int(status[0]), rest.partition(b"\r\n\r\n")[2]

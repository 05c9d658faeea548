"""The link's way to this host's zoosup: one request a connection, on the control socket.

The standard library alone, since the link is a process on every host. ConnectionError where no zoosup answers: the link
then ends, for the next zoosup begins one of its own. RefusedByZoosupError where it does not take what the link brings.
"""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoosup.errors import ZoosupError

_HEAD = "{method} {path} HTTP/1.1\r\nHost: zoosup\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
_GONE = frozenset({404, 503})
_FAILED = 400


class RefusedByZoosupError(ZoosupError):
    """This host's zoosup does not take what the link says; the text has its reason."""


class ControlClient:
    """The two routes of `web.api.fleet`."""

    def __init__(self, control: Path) -> None:
        self._control = str(control)

    async def report(self, after: int, asked: int) -> Mapping[str, Any]:
        """See `exchange.Zoosup`."""
        body = await self._ask("GET", f"/fleet/report?after={after}&asked={asked}", b"")
        found: Mapping[str, Any] = json.loads(body) if body else {}
        return found

    async def bring(self, told: Mapping[str, Any]) -> None:
        """See `exchange.Zoosup`."""
        await self._ask("POST", "/fleet/answer", json.dumps(told).encode())

    async def _ask(self, method: str, path: str, body: bytes) -> bytes:
        """What it says; b"" where zoo.yaml has no fleet any more."""
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
        said = rest.partition(b"\r\n\r\n")[2]
        if (code := int(status[0])) in _GONE:
            return b""
        if code >= _FAILED:
            what = "answer" if method == "POST" else "request"
            raise RefusedByZoosupError(f"zoosup refuses the link's {what}: {code} {_why(said)}")
        return said


def _why(said: bytes) -> str:
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return str(json.loads(said)["error"]["message"])
    return said.decode(errors="replace")[:300]

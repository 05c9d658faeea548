"""One question to a server elsewhere: over HTTP or HTTPS with its own key, or by connecting.

Refuses to know when to ask, and what follows.
"""

import asyncio
from contextlib import suppress

import aiohttp

from zoosup.host.ports.probes import ProbeResult, RemoteEndpoint
from zoosup.host.probes.checks import bounded, told
from zoosup.host.probes.http_request import BODY_LIMIT, BODY_PATIENCE, Answer
from zoosup.host.system.tls import Authorities


async def ask_remote_http(
    session: aiohttp.ClientSession,
    authorities: Authorities,
    endpoint: RemoteEndpoint,
    path: str,
    within: float,
) -> ProbeResult:
    """GET a path as clients of the gateway name it; ok when the status is 200. `within`: seconds.

    Certificates are verified, and redirects not followed: the key is for nobody else.
    """
    url = endpoint.url
    target = url.target(path)
    said = f"GET {target}"

    async def ask() -> ProbeResult:
        context = await authorities.context(endpoint.ca_file) if url.tls else True
        address = f"{'https' if url.tls else 'http'}://{url.authority}{target}"
        headers = dict(endpoint.headers)
        async with session.get(address, headers=headers, ssl=context, allow_redirects=False) as answer:
            body = await _beginning(answer)
            return told(Answer(answer.status, answer.headers.get("Location", ""), body), said)

    return await bounded(ask, said, within)


async def _beginning(answer: aiohttp.ClientResponse) -> bytes:
    """What the answer says first. The rest of a small body is read too, else the server sees a broken pipe."""
    body = b""
    with suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(BODY_PATIENCE):
            async for chunk in answer.content.iter_any():
                body += chunk
                if len(body) > BODY_LIMIT:
                    break
    return body


async def ask_remote_tcp(endpoint: RemoteEndpoint, within: float) -> ProbeResult:
    """Connect and hang up; `within`: seconds."""
    host, port = endpoint.url.host, endpoint.url.port

    async def ask() -> ProbeResult:
        _, writer = await asyncio.open_connection(host, port)
        writer.transport.abort()
        return ProbeResult(True, f"{host}:{port} accepts connections")

    return await bounded(ask, f"{host}:{port}", within)

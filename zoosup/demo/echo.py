"""A WebSocket that says back what it hears, as much as a client needs to see that a proxy lets it through.

Knows who is connected, so that a stop waits for no client; refuses to know what is said.
"""

from aiohttp import WSCloseCode, WSMsgType, web

MAX_MESSAGE = 1024 * 1024
PATIENCE = 1.0
"""Seconds for a client to answer that the connection is closed."""


class Echo:
    """All the WebSockets of one server."""

    def __init__(self) -> None:
        """Begin with none."""
        self._sockets: set[web.WebSocketResponse] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Say back every message until the client or the server closes; 426 for a request that is no handshake."""
        socket = web.WebSocketResponse(timeout=PATIENCE, max_msg_size=MAX_MESSAGE)
        if not socket.can_prepare(request):
            raise web.HTTPUpgradeRequired(text="this is a WebSocket (RFC 6455, version 13)")
        await socket.prepare(request)
        self._sockets.add(socket)
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await socket.send_str(message.data)
                elif message.type is WSMsgType.BINARY:
                    await socket.send_bytes(message.data)
        finally:
            self._sockets.discard(socket)
        return socket

    async def close(self, _: web.Application) -> None:
        """Close what is open."""
        for socket in tuple(self._sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY)

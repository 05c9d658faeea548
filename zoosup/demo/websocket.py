"""A WebSocket that says back what it hears: RFC 6455, as much as a client needs to see that a proxy lets it through.

Knows the handshake and frames, extensions aside; refuses to know what is said.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from http import HTTPStatus
from typing import TYPE_CHECKING

from zoosup.demo.http import HttpError, Request

if TYPE_CHECKING:
    import asyncio

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""Of section 1.3."""

MAX_MESSAGE = 1 << 20
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
GOING_AWAY, PROTOCOL_ERROR, TOO_BIG = 1001, 1002, 1009

_SHORT, _LONG = 126, 127


class _ProtocolError(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def accept(request: Request) -> bytes:
    """The head that answers a handshake; an HttpError of 426 for a request that is none."""
    key = request.headers.get("sec-websocket-key", "")
    upgrades = request.headers.get("upgrade", "").lower() == "websocket"
    if not upgrades or not key or request.headers.get("sec-websocket-version") != "13":
        raise HttpError(HTTPStatus.UPGRADE_REQUIRED, "this is a WebSocket (RFC 6455, version 13)")
    proof = base64.b64encode(hashlib.sha1(key.encode() + GUID, usedforsecurity=False).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + proof + b"\r\n\r\n"
    )


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say back every message until the client closes; asyncio.IncompleteReadError when it just goes."""
    try:
        while (message := await _message(reader, writer)) is not None:
            writer.write(frame(*message))
            await writer.drain()
    except _ProtocolError as error:
        writer.write(frame(CLOSE, struct.pack(">H", error.code)))


async def _message(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[int, bytes] | None:
    """The next message's kind and data, whatever pings come between its frames; None once the client has closed."""
    data, kind, final = bytearray(), TEXT, False
    while not final:
        last, opcode, part = await _frame(reader)
        if opcode == CLOSE:
            writer.write(frame(CLOSE, part))
            return None
        if opcode == PING:
            writer.write(frame(PONG, part))
        elif opcode in {CONTINUATION, TEXT, BINARY}:
            kind, final = opcode or kind, last
            data += part
        if len(data) > MAX_MESSAGE:
            raise _ProtocolError(TOO_BIG)
    return kind, bytes(data)


def frame(opcode: int, data: bytes) -> bytes:
    """A whole message as a server sends it: in one frame, not masked."""
    length = len(data)
    if length < _SHORT:
        head = struct.pack(">BB", 0x80 | opcode, length)
    elif length < 1 << 16:
        head = struct.pack(">BBH", 0x80 | opcode, _SHORT, length)
    else:
        head = struct.pack(">BBQ", 0x80 | opcode, _LONG, length)
    return head + data


async def _frame(reader: asyncio.StreamReader) -> tuple[bool, int, bytes]:
    """(whether it ends a message, opcode, data)."""
    first, second = await reader.readexactly(2)
    length = second & 0x7F
    if length == _SHORT:
        [length] = struct.unpack(">H", await reader.readexactly(2))
    elif length == _LONG:
        [length] = struct.unpack(">Q", await reader.readexactly(8))
    if not second & 0x80:
        raise _ProtocolError(PROTOCOL_ERROR)  # a client masks (section 5.1)
    if length > MAX_MESSAGE:
        raise _ProtocolError(TOO_BIG)
    mask = await reader.readexactly(4)
    data = await reader.readexactly(length)
    return bool(first & 0x80), first & 0x0F, _unmasked(data, mask)


def _unmasked(data: bytes, mask: bytes) -> bytes:
    whole = (mask * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(whole, "big")).to_bytes(len(data), "big")

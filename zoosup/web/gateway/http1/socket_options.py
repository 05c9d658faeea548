"""What the kernel is asked to do with a client's connection: to see that it has vanished, and to reset it.

Refuses to know why.
"""

import asyncio
import contextlib
import socket
import struct

_RESET = struct.pack("ii", 1, 0)
CLIENT, GATEWAY = 60, 9
"""Seconds of silence after which a client is asked whether it is there, and the gateway of another host."""


def have_the_kernel_look(transport: asyncio.Transport, silence: int = CLIENT) -> None:
    """Who has vanished without a word would else keep its lease for ever, or whoever waits for it."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family in {socket.AF_INET, socket.AF_INET6}:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _questions(silence).items():
                if hasattr(socket, name):
                    sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _questions(silence: int) -> dict[str, int]:
    """When they are asked, and how many go unanswered; macOS calls the first TCP_KEEPALIVE."""
    first = dict.fromkeys(("TCP_KEEPIDLE", "TCP_KEEPALIVE"), silence)
    return first | {"TCP_KEEPINTVL": silence // 3, "TCP_KEEPCNT": 3}


def reset(transport: asyncio.Transport) -> None:
    """Close so that nobody takes it for the end of an answer."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()

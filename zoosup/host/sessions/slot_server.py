"""Questions to a llama-server about its slots: what they hold, save one, restore one.

Knows the server's words (tools/server of llama.cpp). Refuses to know which file is whose.
"""

import json
from typing import Any

import aiohttp

from zoosup.core.sessions.slots import Slot, prompts_of, slots_of
from zoosup.host.ports.sessions import SlotServer
from zoosup.spec.model.process.short_forms.base import HOST
from zoosup.spec.syntax.addresses import join_address

_OK, _UNSUPPORTED = 200, 501
_TELLING = 200  # characters of an answer that go into a message


class SlotError(Exception):
    """The server did not do it; the text says why. `unheard`: it has not answered at all, or not in time."""

    def __init__(self, message: str, *, unheard: bool = False) -> None:
        super().__init__(message)
        self.unheard = unheard


async def slots(client: aiohttp.ClientSession, server: SlotServer) -> tuple[Slot, ...]:
    """All of its slots."""
    try:
        return slots_of(await _ask(client, server, "GET", "/slots"))
    except ValueError as error:
        raise SlotError(f"GET /slots: {error}") from None


async def prompts(client: aiohttp.ClientSession, server: SlotServer) -> tuple[float, float]:
    """How many tokens of prompts it has computed since it began, and seconds that took; zeros where it won't say."""
    try:
        return prompts_of((await _text(client, server, "GET", "/metrics")).decode(errors="replace"))
    except SlotError as error:
        if error.unheard:
            raise
        return 0.0, 0.0


async def save(client: aiohttp.ClientSession, server: SlotServer, slot: int, name: str) -> int:
    """Have a slot written to a file of the server's folder; the tokens that it holds."""
    return _count(await _move(client, server, "save", slot, name), "n_saved")


async def restore(client: aiohttp.ClientSession, server: SlotServer, slot: int, name: str) -> int:
    """Have a slot read from a file; its tokens. One that was damaged may be taken for empty."""
    return _count(await _move(client, server, "restore", slot, name), "n_restored")


async def _move(client: aiohttp.ClientSession, server: SlotServer, action: str, slot: int, name: str) -> Any:
    return await _ask(client, server, "POST", f"/slots/{slot}?action={action}", {"filename": name})


async def _ask(
    client: aiohttp.ClientSession, server: SlotServer, method: str, path: str, body: Any = None
) -> Any:
    try:
        return json.loads(await _text(client, server, method, path, body))
    except (ValueError, RecursionError):
        raise SlotError(f"{method} {path}: the answer is no JSON") from None


async def _text(
    client: aiohttp.ClientSession, server: SlotServer, method: str, path: str, body: Any = None
) -> bytes:
    url = f"http://{join_address(HOST, server.port)}{path}"
    try:
        async with client.request(
            method, url, json=body, headers=server.headers, allow_redirects=False
        ) as answer:
            text = await answer.read()
            if answer.status != _OK:
                raise SlotError(f"{method} {path} answered {answer.status}{_reason(answer.status, text)}")
            return text
    except (OSError, aiohttp.ClientError) as error:
        said = " ".join(str(error).split())[:_TELLING] or type(error).__name__
        raise SlotError(f"{method} {path}: {said}", unheard=True) from None


def _reason(status: int, text: bytes) -> str:
    try:
        said = str(json.loads(text)["error"]["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        said = text.decode(errors="replace")
    hint = " (is it started with --no-slots?)" if status == _UNSUPPORTED else ""
    return f": {' '.join(said.split())[:_TELLING]}{hint}"


def _count(answer: Any, name: str) -> int:
    count = answer.get(name) if isinstance(answer, dict) else None
    return count if isinstance(count, int) else 0

"""A server that keeps slots as llama-server's source does (tools/server/server-context.cpp): for what the real one
can't be made to do at will. `tests/e2e/test_sessions.py` holds it against the real one."""

import asyncio
import json
from pathlib import Path

from aiohttp import web

METRICS = """\
# HELP llamacpp:prompt_tokens_total Number of prompt tokens processed, excluding cached tokens
# TYPE llamacpp:prompt_tokens_total counter
llamacpp:prompt_tokens_total {}
# HELP llamacpp:prompt_tokens_cached_total Number of prompt tokens reused from the cache
# TYPE llamacpp:prompt_tokens_cached_total counter
llamacpp:prompt_tokens_cached_total 7
# HELP llamacpp:prompt_seconds_total Total time spent processing prompts
# TYPE llamacpp:prompt_seconds_total counter
llamacpp:prompt_seconds_total {}
"""
NO_ROOM = "Unable to restore slot: No available space in KV cache or invalid slot save file"


class SlotDouble:
    """`held`: tokens by slot, None for one that was never used. `fault`: what goes wrong, by action.

    `prompts`: (tokens, seconds) that its metrics say of what it has computed, None where it has none. `slow`: seconds
    that an action takes.
    """

    def __init__(self, folder, slots=2):
        self.folder = Path(folder)
        self.held = dict.fromkeys(range(slots))
        self.fault = {}
        self.prompts = None
        self.slow = {}
        self.asked = []
        self.key = ""
        self.filler = b"\0"
        self.port = 0
        self._runner = None

    async def start(self):
        app = web.Application()
        app.add_routes([web.get("/slots", self._slots), web.post("/slots/{id}", self._act)])
        app.add_routes([web.get("/metrics", self._metrics)])
        self._runner = web.AppRunner(app, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop_listening(self):
        for site in list(self._runner.sites):
            await site.stop()

    async def stop(self):
        await self._runner.cleanup()

    async def _slots(self, request):
        if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            return _error(401, "Invalid API Key")
        if isinstance(self.fault.get("slots"), tuple):
            status, said = self.fault["slots"]
            return web.Response(status=status, body=said)
        if self.fault.get("slots"):
            return _error(501, "This server does not support slots endpoint. Start it with `--slots`")
        return web.json_response([self._slot(slot, tokens) for slot, tokens in self.held.items()])

    async def _metrics(self, request):
        if self.prompts is None:
            return _error(501, "This server does not support metrics endpoint. Start it with `--metrics`")
        return web.Response(
            text=METRICS.format(*self.prompts), headers={"Content-Type": "text/plain; version=0.0.4"}
        )

    def _slot(self, slot, tokens):
        said = {"id": slot, "n_ctx": 8192, "is_processing": False}
        return said if tokens is None else {**said, "id_task": 1, "n_prompt_tokens": tokens}

    async def _act(self, request):
        slot, action = (
            int(request.match_info["id"]) % len(self.held),
            request.query["action"],
        )  # it wraps around
        path = self.folder / json.loads(await request.text())["filename"]
        self.asked.append((action, slot, path.name))
        await asyncio.sleep(self.slow.get(action, 0))
        fault = self.fault.get(action)
        if fault == "hangs":
            await asyncio.sleep(3600)
        if fault == "dies":
            request.transport.abort()
            return web.Response()
        if fault == "refused":
            return _error(400, NO_ROOM)
        if fault == "empty":
            return web.json_response({"id_slot": slot, "filename": path.name, "n_restored": 0, "n_read": 40})
        return self._save(slot, path) if action == "save" else self._restore(slot, path)

    def _save(self, slot, path):
        if self.fault.get("save") == "full":
            path.write_bytes(b"half")
            return _error(500, "Unable to save slot")
        tokens = self.held[slot] or 0
        path.write_bytes(b"GGSQ" + tokens.to_bytes(4, "little") + self.filler * tokens)
        return web.json_response(
            {"id_slot": slot, "filename": path.name, "n_saved": tokens, "n_written": tokens}
        )

    def _restore(self, slot, path):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return _error(400, NO_ROOM)
        tokens = int.from_bytes(data[4:8], "little")
        if not data.startswith(b"GGSQ") or len(data) < 8 + tokens:
            return _error(400, NO_ROOM)
        self.held[slot] = tokens
        return web.json_response(
            {"id_slot": slot, "filename": path.name, "n_restored": tokens, "n_read": len(data)}
        )


def _error(code, message):
    body = {"error": {"code": code, "message": message, "type": "invalid_request_error"}}
    return web.json_response(body, status=code)

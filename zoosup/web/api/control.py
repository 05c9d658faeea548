"""The routes that change something: on the control socket, and over TCP behind the guard's token.

Each hands a wish to the single writer and answers with what the snapshot says then; none waits for a model.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

from aiohttp import web

from zoosup.runtime.api.commands import Commands
from zoosup.runtime.api.runtime_api import RuntimeApi
from zoosup.spec.parse import decode
from zoosup.web import wire
from zoosup.web.api.errors import RefusalError
from zoosup.web.api.followers import StreamLimits
from zoosup.web.api.hold_body import hold_request

MAX_BODY = 1024 * 1024 + 1
"""Bytes: zoo.yaml's limit and one more, so that a file that is too large is refused as such."""


class ControlRoutes:
    """The handlers of `POST` and `DELETE`."""

    def __init__(self, runtime: RuntimeApi, limits: StreamLimits) -> None:
        self._runtime = runtime
        self._limits = limits

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register every route; a model's name may hold slashes and colons, encoded or not."""
        router.add_post("/models/{model:.+}/{verb:start|stop|restart|unload|auto|estimate}", self.command)
        router.add_post("/holds", self.hold)
        router.add_delete("/holds/{hold}", self.release)
        router.add_post("/reload", self.reload)
        router.add_post("/plan", self.plan)

    async def command(self, request: web.Request) -> web.Response:
        """Start, stop, restart or unload one model by hand, give it back to the file, or ask what it needs."""
        model, verb = request.match_info["model"], request.match_info["verb"]
        commands: Commands = self._runtime.commands
        by_name = {
            "start": commands.start,
            "stop": commands.stop,
            "restart": commands.restart,
            "unload": commands.unload,
            "auto": commands.auto,
            "estimate": commands.estimate,
        }
        return await _answer(by_name[verb](model))

    async def hold(self, request: web.Request) -> web.Response:
        """Ask for room for what is no model."""
        asked = hold_request(await self._body(request))
        return await _answer(self._runtime.commands.hold(asked))

    async def release(self, request: web.Request) -> web.Response:
        """Give it back."""
        return await _answer(self._runtime.commands.release(request.match_info["hold"]))

    async def reload(self, _request: web.Request) -> web.Response:
        """Look at zoo.yaml again."""
        return await _answer(self._runtime.commands.reload())

    async def plan(self, request: web.Request) -> web.Response:
        """What the next pass would do: with the body as zoo.yaml if `path` names it, else with the file."""
        body = await self._body(request)
        if "path" not in request.query and not body:
            config: Mapping[str, Any] = self._runtime.publisher.snapshot.get("config", {})
            return await _answer(self._runtime.commands.plan(None, config.get("path", "zoo.yaml")))
        path = request.query.get("path", "zoo.yaml")
        return await _answer(self._runtime.commands.plan(decode(body, path=path), path))

    async def _body(self, request: web.Request) -> bytes:
        try:
            async with asyncio.timeout(self._limits.body):
                return await request.read()
        except TimeoutError:
            raise RefusalError(408, "body_too_slow", "the body did not arrive in time") from None


async def _answer(wish: Coroutine[Any, Any, Mapping[str, Any]]) -> web.Response:
    # Shielded: a client that hangs up takes back its question, not a wish that is half handed over.
    result = await asyncio.shield(asyncio.ensure_future(wish))
    return web.Response(body=wire.as_json(result), content_type="application/json")

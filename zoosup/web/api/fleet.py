"""The routes of the link, on the control socket alone: this host's reports out, the fleet's answers in.

Knows no fleet; where zoo.yaml has none, both say so.
"""

import json
from typing import Any

from aiohttp import web

from zoosup.runtime.api.fleet import FleetMember
from zoosup.runtime.api.runtime_api import RuntimeApi
from zoosup.web import wire
from zoosup.web.api.errors import RefusalError
from zoosup.web.api.hosts import fleet_of

LARGEST = 32 * 1024 * 1024
"""Bytes: what a hundred hosts say of fifty models each is a few MiB."""


class FleetRoutes:
    """`GET /fleet/report` waits until there is one to give; `POST /fleet/answer` is taken in at once."""

    def __init__(self, runtime: RuntimeApi) -> None:
        self._runtime = runtime

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register both."""
        router.add_get("/fleet/report", self.report)
        router.add_post("/fleet/answer", self.answer)

    async def report(self, request: web.Request) -> web.Response:
        """The report that follows on `after`, and the questions that are open; `asked`: the highest that is known."""
        numbers = (request.query.get(name, "0") for name in ("after", "asked"))
        try:
            after, asked = map(int, numbers)
        except ValueError:
            raise RefusalError(400, "invalid_query", "after and asked: expected numbers") from None
        found = await self._member().report(after, asked)
        return web.Response(body=wire.as_json(found), content_type="application/json")

    async def answer(self, request: web.Request) -> web.Response:
        """What the fleet says: an answer to a report or to a question, or why there is none."""
        try:
            told: Any = json.loads(await request.clone(client_max_size=LARGEST).read())
            self._member().hear(told)
        except (ValueError, TypeError, KeyError) as error:
            raise RefusalError(400, "invalid_body", f"no answer of a fleet: {error!r}") from None
        return web.Response(status=204)

    def _member(self) -> FleetMember:
        return fleet_of(self._runtime)

"""The read-only routes: everything here is read from the last snapshot, the journal or the logs.

Refuses to wait for a model, and to change anything.
"""

import asyncio

from aiohttp import hdrs, web

from zoosup.errors import NoSuchHoldError
from zoosup.runtime.api.runtime_api import RuntimeApi
from zoosup.runtime.events.memory_history import EVERY
from zoosup.web import wire
from zoosup.web.api import feeds, health
from zoosup.web.api.errors import RefusalError
from zoosup.web.api.followers import Followers
from zoosup.web.api.metrics import scrape
from zoosup.web.api.metrics.models import ModelMetrics

EVENT_STREAM = "text/event-stream"
_TEXT = "text/plain; charset=utf-8"
_METRICS_TEXT = "text/plain; version=0.0.4; charset=utf-8"


class StatusRoutes:
    """The handlers of `GET`; on the TCP server and on the control socket alike."""

    def __init__(self, runtime: RuntimeApi, followers: Followers) -> None:
        self._runtime = runtime
        self._followers = followers
        self._registry = scrape.registry(runtime)
        self._scraping = asyncio.Lock()
        self._models = None if runtime.leasing is None else ModelMetrics(runtime.leasing)
        self._asking_models = asyncio.Lock()

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register every route; a model's name may hold slashes and colons, encoded or not."""
        for path, handler in (
            ("/livez", self.livez),
            ("/readyz", self.readyz),
            ("/healthz", self.healthz),
            ("/status", self.status),
            ("/status/{model:.+}", self.one),
            ("/memory", self.memory),
            ("/holds", self.holds),
            ("/holds/{hold}", self.hold),
            ("/metrics", self.metrics),
            ("/metrics/models", self.model_metrics),
        ):
            router.add_get(path, handler)
        # No HEAD for what may never end.
        router.add_get("/events", self.events, allow_head=False)
        router.add_get("/logs/{model:.+}", self.logs, allow_head=False)

    async def livez(self, _request: web.Request) -> web.Response:
        """Whether the single writer still turns; what the models do is no matter here."""
        age = self._runtime.commands.heartbeat()
        if age > health.STALLED_AFTER:
            return web.Response(status=503, text=f"the loop has not turned for {age:.1f} s\n")
        return web.Response(text="ok\n")

    async def readyz(self, request: web.Request) -> web.Response:
        """Whether traffic may come, and what is missing, a line each."""
        found = self._readiness(request)
        return web.Response(status=200 if found.ready else 503, text=found.as_text())

    async def healthz(self, request: web.Request) -> web.Response:
        """Whether all is as zoo.yaml says, and what is not, for programs."""
        wrong = health.troubles(self._runtime.publisher.snapshot)
        body = health.summary(self._runtime.publisher.snapshot, self._readiness(request), wrong)
        return _json(body, 503 if wrong else 200)

    async def status(self, request: web.Request) -> web.Response:
        """Answer with the whole snapshot; with `health=1` also with what `/healthz` says of that very snapshot."""
        snapshot = self._runtime.publisher.snapshot
        if not snapshot:
            return _nothing_yet()
        return _json({**snapshot, **_health(snapshot)} if wire.health_query(request.query) else snapshot)

    async def one(self, request: web.Request) -> web.Response:
        """Answer with one model's part of the snapshot."""
        if not self._runtime.publisher.snapshot:
            return _nothing_yet()
        return _json(health.find_model(self._runtime.publisher.snapshot, request.match_info["model"]))

    async def memory(self, request: web.Request) -> web.Response:
        """What each pool held over the last hour, or `since` a time: points of time, held, promised, others."""
        history = self._runtime.publisher.memory
        return _json({"every": EVERY, "pools": history.since(wire.since_query(request.query))})

    async def holds(self, _request: web.Request) -> web.Response:
        """Answer with all holds, by id."""
        if not self._runtime.publisher.snapshot:
            return _nothing_yet()
        return _json(self._runtime.publisher.snapshot["holds"])

    async def hold(self, request: web.Request) -> web.Response:
        """Answer with one of them."""
        known, asked = self._runtime.publisher.snapshot.get("holds", {}), request.match_info["hold"]
        if asked not in known:
            raise NoSuchHoldError(f"no hold {asked!r}; there are {', '.join(known) or 'none'}")
        return _json(known[asked])

    async def events(self, request: web.Request) -> web.StreamResponse:
        """The journal as JSON, or as server-sent events where the client accepts those."""
        journal = self._runtime.journal
        last_id = request.headers.get("Last-Event-ID")
        query = wire.event_query(request.query, last_id, journal.last)
        if EVENT_STREAM not in request.headers.get(hdrs.ACCEPT, ""):
            found = [event.as_dict() for event in await feeds.select(journal, query)]
            # In a thread: a whole archive asked for at once is megabytes.
            body = await asyncio.to_thread(wire.as_json, {"events": found, "last": journal.last})
            return web.Response(body=body, content_type="application/json")
        headers = {hdrs.CONTENT_TYPE: EVENT_STREAM, "X-Accel-Buffering": "no"}
        feed = feeds.events(journal, query)
        return await self._followers.serve(request, headers, feed, wire.SSE_HEARTBEAT)

    async def logs(self, request: web.Request) -> web.StreamResponse:
        """A model's log: the last lines, and with `follow` those to come."""
        model = request.match_info["model"]
        health.find_model(self._runtime.publisher.snapshot, model)
        query = wire.log_query(request.query)
        if query.follow:
            feed = feeds.log_lines(self._runtime.logs, model, query.lines)
            return await self._followers.serve(request, {hdrs.CONTENT_TYPE: _TEXT}, feed)
        lines = await self._runtime.logs.tail(model, query.lines, previous=query.previous)
        return web.Response(body=feeds.as_text(lines), headers={hdrs.CONTENT_TYPE: _TEXT})

    async def metrics(self, request: web.Request) -> web.Response:
        """Prometheus' text format, or OpenMetrics where the client accepts it."""
        # In a thread, for a thousand models take 60 ms; one at a time, for they would only slow each other down.
        async with self._scraping:
            accept = request.headers.get(hdrs.ACCEPT, "")
            body, kind = await asyncio.to_thread(scrape.exposition, self._registry, accept)
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: kind})

    async def model_metrics(self, _request: web.Request) -> web.Response:
        """The own metrics of all models' servers that run, in one text, each series with its model."""
        async with self._asking_models:
            known = self._runtime.publisher.snapshot.get("models", {})
            running = [
                name for name, model in known.items() if model["phase"] == "ready" and not model["external"]
            ]
            body = b"" if self._models is None else await self._models.gather(running)
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: _METRICS_TEXT})

    def _readiness(self, request: web.Request) -> health.Readiness:
        return health.readiness(self._runtime.publisher.snapshot, wire.names_query(request.query))


def _health(snapshot: health.Snapshot) -> dict[str, object]:
    return {"health": health.summary(snapshot, health.readiness(snapshot), health.troubles(snapshot))}


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=wire.as_json(value), content_type="application/json")


def _nothing_yet() -> web.Response:
    raise RefusalError(503, "starting", "zoosup has not looked at anything yet", {"Retry-After": "1"})

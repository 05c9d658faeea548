"""An engine's API on a unix socket, as moby's api/swagger.yaml has it: for what a real engine can't be made to say.

`test_api_engine.py` holds ApiEngine against real ones.
"""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

ID = "c" * 64
DOCKER = {"ApiVersion": "1.41", "Components": [{"Name": "Engine", "Version": "28.2.2"}]}
PODMAN = {"ApiVersion": "1.41", "Components": [{"Name": "Podman Engine", "Version": "5.4.1"}]}


@dataclass
class Asked:
    """One question, its path without the version of the API in front."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]


@dataclass
class EngineDouble:
    """`answers`: by "METHOD path", each a (status, JSON or bytes), or a list of them in turn, of which the last stays.

    What has none is refused with 404. `late`: seconds that an answer takes, by the same; `hangs` those that never end
    once their first bytes are out. `asked` has every question.
    """

    socket: str
    version: dict[str, Any] = field(default_factory=lambda: DOCKER)
    answers: dict[str, Any] = field(default_factory=dict)
    late: dict[str, float] = field(default_factory=dict)
    hangs: set[str] = field(default_factory=set)
    asked: list[Asked] = field(default_factory=list)
    at_once: int = 0  # questions that are being answered
    most_at_once: int = 0

    async def start(self):
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.UnixSite(self._runner, self.socket).start()

    async def stop(self):
        await self._runner.cleanup()

    @property
    def calls(self):
        """The questions as "METHOD path", but for those about its version."""
        return [f"{each.method} {each.path}" for each in self.asked]

    def has(self, found, container_id=ID):
        """Let it have a container, of which it says this."""
        self.answers[f"GET containers/{container_id}/json"] = 200, found

    async def _answer(self, request):
        path = request.raw_path.partition("?")[0].removeprefix("/")
        if path.startswith("v1."):
            path = path.partition("/")[2]
        call = f"{request.method} {path}"
        if call != "GET version":
            body = await request.text()
            said = json.loads(body) if body else None
            self.asked.append(Asked(request.method, path, dict(request.query), said, dict(request.headers)))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self._answer_to(request, call)
        finally:
            self.at_once -= 1

    async def _answer_to(self, request, call):
        await asyncio.sleep(self.late.get(call, 0))
        if call in {"GET version", "GET _ping"} and call not in self.answers:
            return web.json_response(self.version)
        status, content = self._next(call)
        if call in self.hangs:
            answer = web.StreamResponse(status=status)
            await answer.prepare(request)
            await answer.write(content)
            await asyncio.Event().wait()
        if isinstance(content, bytes):
            return web.Response(status=status, body=content)
        return web.json_response(content, status=status)

    def _next(self, call):
        given = self.answers.get(call, (404, {"message": "No such container"}))
        if isinstance(given, list):
            return given.pop(0) if len(given) > 1 else given[0]
        return given


def container(container_id=ID, *, running=True, **more):
    """What `inspect` says of one."""
    state = {"Status": "running" if running else "exited", "Running": running, "Pid": 7 if running else 0}
    return {"Id": container_id, "Name": "/zoo", "State": state | {"ExitCode": 0}, "Config": {}} | more


def frame(record, stream=1):
    """A record of a log without a terminal."""
    return bytes((stream, 0, 0, 0)) + len(record).to_bytes(4, "big") + record

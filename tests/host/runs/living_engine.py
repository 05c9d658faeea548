"""An engine's API with one container that lives: it is made, started, followed, signalled and removed as moby's is."""

import asyncio
import json
import signal
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.host.container.engine_double import ID, EngineDouble, frame

PRINTED = b"2023-11-14T22:13:20.250000000Z hello\n"
HELD = 300 << 20


@dataclass
class LivingEngine(EngineDouble):
    """`pid` is its init's, 0: on another host. `deaf` to these signals. A call that has an answer does nothing."""

    pid: int = 0
    deaf: tuple[str, ...] = ()
    config: dict[str, Any] | None = None
    running: bool = False
    code: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def labels(self):
        return self.config["Labels"]

    def end(self, code):
        self.running, self.code = False, code
        self.ended.set()

    async def _answer_to(self, request, call):
        await asyncio.sleep(self.late.get(call, 0))
        if call in self.answers or call in {"GET version", "GET _ping"}:
            return await super()._answer_to(request, call)
        match call.replace(ID, "ID"):
            case "POST containers/create":
                self.config = json.loads(await request.text())
                return web.json_response({"Id": ID}, status=201)
            case "GET containers/json":
                wanted = json.loads(request.query["filters"])["label"]
                said = {f"{name}={value}" for name, value in self.labels.items()} if self.config else set()
                return web.json_response([{"Id": ID}] if self.config and set(wanted) <= said else [])
        if self.config is None:
            return web.json_response({"message": "No such container"}, status=404)
        return await self._of_container(request, call.replace(ID, "ID"))

    async def _of_container(self, request, call):
        status, said = 200, {}
        match call:
            case "GET containers/ID/json":
                said = self._inspected()
            case "POST containers/ID/start":
                self.running, status = True, 204
            case "POST containers/ID/kill":
                name, status = request.query["signal"], 204
                if name not in self.deaf and self.running:
                    self.end(128 + signal.Signals[name])
            case "POST containers/ID/wait":
                await self.ended.wait()
                said = {"StatusCode": self.code}
            case "GET containers/ID/stats":
                said = {"memory_stats": {"usage": HELD}}
            case "GET containers/ID/logs":
                return await self._follow(request)
            case "DELETE containers/ID":
                self.end(137)
                self.config, status = None, 204
            case _:
                status, said = 500, {"message": f"what is {call}?"}
        return web.Response(status=204) if status == 204 else web.json_response(said, status=status)

    async def _follow(self, request):
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(frame(PRINTED))
        await self.ended.wait()
        return answer

    def _inspected(self):
        status = "running" if self.running else "exited"
        state = {"Status": status, "Running": self.running, "Pid": self.pid, "ExitCode": self.code}
        return {"Id": ID, "Name": "/zoo", "State": state, "Config": {"Labels": self.labels}}

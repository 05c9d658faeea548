"""The demonstration server's life: load, serve, sleep, misbehave on request, leave gracefully.

Knows the phases and who may be answered in each; refuses to know what is answered (`routes`) and memory (`memory`).
"""

import argparse
import asyncio
import os
import signal
from typing import Literal

from aiohttp import web

from zoosup.demo import openai
from zoosup.demo.echo import Echo
from zoosup.demo.generation import DISCLAIMER
from zoosup.demo.memory import Memory
from zoosup.demo.routes import Handler, api_handlers, json_response

MAX_BODY = 16 * 1024 * 1024
A_DAY = 86400.0

Phase = Literal["loading model", "ok", "unwell", "sleeping", "waking up", "stopping"]

_UNLOADED: frozenset[Phase] = frozenset({"loading model", "sleeping", "waking up"})
"""Phases without a model in memory that could answer."""


class DemoServer:
    """One demonstration model, from its start to its exit code."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Prepare it; nothing happens before `run`."""
        self.options = options
        self.phase: Phase = "loading model"
        self._memory = Memory(options.ram)
        self._turning = asyncio.Lock()  # asleep or awake
        self._apis = api_handlers(options.model_id, options.token_delay)
        # Whoever asks for a stop waits for the answers in progress, or sends SIGKILL.
        self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=A_DAY)

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._answer], client_max_size=MAX_BODY)
        echo = Echo()
        app.on_shutdown.append(echo.close)
        get: dict[str, Handler] = {
            "/": self._info,
            "/props": self._info,
            "/health": self._health,
            "/models": self._models,
            "/ws": echo.handle,
        }
        post = dict(self._apis)
        if self.options.sleep:
            get["/is_sleeping"] = self._is_sleeping
            post |= {"/sleep": self._sleep, "/wake_up": self._wake_up}
        for prefix in ("", "/v1"):
            app.add_routes([web.get(prefix + path, handler) for path, handler in get.items()])
            app.add_routes([web.post(prefix + path, handler) for path, handler in post.items()])
        return app

    async def run(self) -> int:
        """Serve until a signal or a fault asked for on the command line; the exit code."""
        life = asyncio.create_task(self._live())
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, life.cancel)
        loop.add_signal_handler(signal.SIGTERM, self._on_term, life)
        try:
            return await life
        except asyncio.CancelledError:
            await self._leave()
            return 0

    def _on_term(self, life: asyncio.Task[int]) -> None:
        if self.options.ignore_term:
            say("SIGTERM ignored, as --ignore-term says")
        else:
            life.cancel()

    async def _live(self) -> int:
        options = self.options
        if not (options.listen_late or await self._listen()):
            return 1
        await self._memory.load(options.load_time)
        if options.fail_load:
            say("the model could not be loaded, as --fail-load says")
            return int(options.exit_code)
        if options.listen_late and not await self._listen():
            return 1
        self.phase = "ok"
        say(f"{options.model_id} is ready and holds {self._memory.held} bytes")
        asyncio.get_running_loop().call_later(options.unready_after, self._fall_ill)
        await asyncio.sleep(options.crash_after)
        say("crashed, as --crash-after says")
        os._exit(options.exit_code)  # nothing is tidied up, and the workers are left behind

    def _fall_ill(self) -> None:
        if self.phase == "ok":
            self.phase = "unwell"

    async def _leave(self) -> None:
        """Finish what is being answered, take nothing new, give the memory back."""
        say("stopping: finishing the requests in progress")
        self.phase = "stopping"
        await self._runner.cleanup()
        await self._memory.release(self.options.stop_time)
        say("stopped")

    async def _listen(self) -> bool:
        host, port = self.options.host, self.options.port
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
            say(f"cannot listen on {host}:{port}: {why}")
            return False
        port = self._runner.addresses[0][1]
        say(f"demonstration server (not a language model) on http://{host}:{port}")
        return True

    @web.middleware
    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer, or say what is wrong in OpenAI's shape."""
        try:
            if self.phase in _UNLOADED and request.path.removeprefix("/v1") in self._apis:
                response: web.StreamResponse = _error(503, self.phase.capitalize(), "unavailable_error")
            else:
                response = await handler(request)
        except ValueError as error:
            response = _error(400, str(error))
        except (ConnectionError, web.RequestPayloadError):
            response = _error(400, "the client went away")
        except web.HTTPException as error:
            response = _error(error.status, str(error.text))
        if request.method == "POST":
            say(f"{request.method} {request.path} {response.status}")
        return response

    async def _health(self, _: web.Request) -> web.Response:
        return json_response({"status": self.phase}, 200 if self.phase == "ok" else 503)

    async def _info(self, _: web.Request) -> web.Response:
        ram = {"held": self._memory.held, "size": self._memory.size}
        name = {"demonstration": DISCLAIMER, "model": self.options.model_id}
        return json_response({**name, "status": self.phase, "ram_bytes": ram})

    async def _models(self, _: web.Request) -> web.Response:
        return json_response(openai.models(self.options.model_id))

    # sleep: as vLLM's sleep mode, whose first level keeps the weights in RAM; here they are what is given back

    async def _is_sleeping(self, _: web.Request) -> web.Response:
        return json_response({"is_sleeping": self.phase in {"sleeping", "waking up"}})

    async def _sleep(self, request: web.Request) -> web.Response:
        if request.query_string not in {"", "level=1", "level=2"}:
            raise ValueError("level must be 1 or 2")
        async with self._turning:
            if self.phase in {"loading model", "stopping"}:
                raise ValueError(f"it can't sleep while it is {self.phase}")
            self.phase = "sleeping"
            await self._memory.release(self.options.stop_time)
        say("asleep")
        return json_response({"is_sleeping": True})

    async def _wake_up(self, _: web.Request) -> web.Response:
        async with self._turning:
            if self.phase == "sleeping":
                self.phase = "waking up"
                await self._memory.load(self.options.load_time)
                if self.phase == "waking up":
                    self.phase = "ok"
                    say(f"awake, and holds {self._memory.held} bytes")
        return json_response({"is_sleeping": False})


def _error(status: int, message: str, kind: str = "invalid_request_error") -> web.Response:
    return json_response({"error": {"message": message, "type": kind, "code": status, "param": None}}, status)


def say(text: str) -> None:
    """Write a line of the server's log."""
    print(text, flush=True)  # noqa: T201  a server's log is its standard output

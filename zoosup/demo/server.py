"""The demonstration server's life: load, serve, sleep, misbehave on request, leave gracefully.

Knows the phases and who may be answered in each; refuses to know what is answered (`routes`), framing (`http`) and
memory (`ballast`).
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal

from zoosup.demo import answers, websocket
from zoosup.demo.ballast import Ballast
from zoosup.demo.http import (
    HttpError,
    Request,
    Response,
    error_response,
    json_response,
    read_request,
    write_response,
)
from zoosup.demo.routes import Routes

if TYPE_CHECKING:
    from zoosup.demo.routes import Handler

Phase = Literal["loading model", "ok", "unwell", "sleeping", "waking up", "stopping"]

_DEAF: frozenset[Phase] = frozenset({"loading model", "sleeping", "waking up"})
"""Phases without a model in memory that could answer."""


@dataclass(frozen=True, slots=True)
class Options:
    """How the server shall behave; sizes in bytes, times in seconds, None for never."""

    host: str
    port: int
    model_id: str
    ram: int
    load_time: float
    stop_time: float
    token_delay: float
    exit_code: int
    crash_after: float | None
    unready_after: float | None
    fail_load: bool
    ignore_term: bool
    listen_late: bool
    sleep: bool


class DemoServer:
    """One demonstration model, from its start to its exit code."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.phase: Phase = "loading model"
        self._ballast = Ballast(options.ram)
        self._asked_to_stop = asyncio.Event()
        self._busy = 0
        self._all_answered = asyncio.Event()
        self._all_answered.set()
        self._idle: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._created = int(time.time())
        self._turning = asyncio.Lock()  # asleep or awake
        self._states: dict[tuple[str, str], Handler] = {
            ("GET", "/"): self._info,
            ("GET", "/props"): self._info,
            ("GET", "/health"): self._health,
            ("GET", "/models"): self._models,
        }
        if options.sleep:
            self._states |= {
                ("GET", "/is_sleeping"): self._is_sleeping,
                ("POST", "/sleep"): self._sleep,
                ("POST", "/wake_up"): self._wake_up,
            }
        self._routes = self._states | Routes(options.model_id, options.token_delay).table

    async def run(self) -> int:
        """Serve until a signal or a fault asked for on the command line; the exit code."""
        self._handle_signals()
        life = asyncio.create_task(self._live())
        stop = asyncio.create_task(self._asked_to_stop.wait())
        await asyncio.wait({life, stop}, return_when=asyncio.FIRST_COMPLETED)
        if life.done():
            stop.cancel()
            return life.result()
        life.cancel()
        await self._leave()
        return 0

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._asked_to_stop.set)
        loop.add_signal_handler(signal.SIGTERM, self._on_term)

    def _on_term(self) -> None:
        if self.options.ignore_term:
            say("SIGTERM ignored, as --ignore-term says")
        else:
            self._asked_to_stop.set()

    async def _live(self) -> int:
        options = self.options
        if not (options.listen_late or await self._listen()):
            return 1
        await self._ballast.load(options.load_time)
        if options.fail_load:
            say("the model could not be loaded, as --fail-load says")
            return options.exit_code
        if options.listen_late and not await self._listen():
            return 1
        self.phase = "ok"
        say(f"{options.model_id} is ready and holds {self._ballast.held} bytes")
        return await self._misbehave()

    async def _misbehave(self) -> int:
        options = self.options
        if options.unready_after is not None:
            asyncio.get_running_loop().call_later(options.unready_after, self._fall_ill)
        if options.crash_after is None:
            await asyncio.Event().wait()
        else:
            await asyncio.sleep(options.crash_after)
        say("crashed, as --crash-after says")
        return options.exit_code

    def _fall_ill(self) -> None:
        if self.phase == "ok":
            self.phase = "unwell"

    async def _leave(self) -> None:
        """Finish what is being answered, take nothing new, give the memory back."""
        say("stopping: finishing the requests in progress")
        self.phase = "stopping"
        if self._server:
            self._server.close()
        for writer in self._idle:
            writer.close()
        await self._all_answered.wait()
        await self._ballast.release(self.options.stop_time)
        say("stopped")

    async def _listen(self) -> bool:
        host, port = self.options.host, self.options.port
        try:
            self._server = await asyncio.start_server(self._serve, host, port)
        except OSError as error:
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
            say(f"cannot listen on {host}:{port}: {why}")
            return False
        port = self._server.sockets[0].getsockname()[1]
        say(f"demonstration server (not a language model) on http://{host}:{port}")
        return True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._busy += 1
        self._all_answered.clear()
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):  # the client went away
                while await self._exchange(reader, writer):
                    pass
        finally:
            writer.close()
            self._busy -= 1
            if not self._busy:
                self._all_answered.set()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False when the connection is at its end."""
        request = None
        self._idle.add(writer)
        try:
            request = await read_request(reader, writer)
            if request is None:
                return False
            if request.path == "/ws":
                writer.write(websocket.accept(request))
                await websocket.echo(reader, writer)  # idle all the while, so that a stop waits for no client
                return False
            self._idle.discard(writer)
            response = await self._answer(request)
        except HttpError as error:
            response = error_response(error)
        finally:
            self._idle.discard(writer)
        if request and request.method == "POST":
            say(f"{request.method} {request.path} {response.status.value}")
        keep = await write_response(writer, request, response)
        return keep and self.phase != "stopping"

    async def _answer(self, request: Request) -> Response:
        path = request.path.removeprefix("/v1") or "/"
        asked = request.method, path
        handler = self._routes.get(asked)
        if handler is None:
            known = any(route == path for _, route in self._routes)
            status = HTTPStatus.METHOD_NOT_ALLOWED if known else HTTPStatus.NOT_FOUND
            raise HttpError(status, f"no such route: {request.method} {request.path}")
        if asked not in self._states and self.phase in _DEAF:
            raise HttpError(HTTPStatus.SERVICE_UNAVAILABLE, self.phase.capitalize(), "unavailable_error")
        try:
            return await handler(request)
        except ValueError as error:
            raise HttpError(HTTPStatus.BAD_REQUEST, str(error)) from error

    async def _health(self, _: Request) -> Response:
        status = HTTPStatus.OK if self.phase == "ok" else HTTPStatus.SERVICE_UNAVAILABLE
        return json_response({"status": self.phase}, status)

    async def _info(self, _: Request) -> Response:
        ram = {"held": self._ballast.held, "size": self._ballast.size}
        name = {"demonstration": answers.DISCLAIMER, "model": self.options.model_id}
        return json_response({**name, "status": self.phase, "ram_bytes": ram})

    async def _models(self, _: Request) -> Response:
        return json_response(answers.models(self.options.model_id, self._created))

    # sleep: as vLLM's sleep mode, whose first level keeps the weights in RAM; here they are what is given back

    async def _is_sleeping(self, _: Request) -> Response:
        return json_response({"is_sleeping": self.phase in {"sleeping", "waking up"}})

    async def _sleep(self, request: Request) -> Response:
        if request.query not in {"", "level=1", "level=2"}:
            raise ValueError("level must be 1 or 2")
        async with self._turning:
            if self.phase in {"loading model", "stopping"}:
                raise ValueError(f"it can't sleep while it is {self.phase}")
            self.phase = "sleeping"
            await self._ballast.release(self.options.stop_time)
        say("asleep")
        return json_response({"is_sleeping": True})

    async def _wake_up(self, _: Request) -> Response:
        async with self._turning:
            if self.phase == "sleeping":
                self.phase = "waking up"
                await self._ballast.load(self.options.load_time)
                if self.phase == "waking up":
                    self.phase = "ok"
                    say(f"awake, and holds {self._ballast.held} bytes")
        return json_response({"is_sleeping": False})


def say(text: str) -> None:
    """Write a line of the server's log."""
    print(text, flush=True)  # noqa: T201  a server's log is its standard output

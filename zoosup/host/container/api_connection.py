"""One connection to an engine's API: opened when first used, each call within its time, errors in our words.

Streams that may be silent for long (a log, a wait, a pull) have no limit; instead the engine is asked now and then
whether it still answers. Refuses to know what is asked.
"""

import asyncio
import errno
import json
import os
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from zoosup.host.container.discovery import socket_problem
from zoosup.host.container.engine import EngineRefusedError, EngineUnreachableError
from zoosup.host.system.threads import in_own_thread

if TYPE_CHECKING:
    from aiodocker import Docker
    from aiohttp import ClientResponse

SOON = 10.0
"""Seconds for an answer that takes an engine none."""

LATE = 120.0
"""Seconds for what an engine may have to work for: making, starting and removing a container."""

QUIET = 30.0
"""Seconds of silence after which an engine is asked whether it is still there."""

_CANNOT_CONNECT = 900  # aiodocker's own status

_T = TypeVar("_T")


class ApiConnection:
    """To the first of some addresses that answers; kept until `aclose`, tried anew after a failure."""

    def __init__(self, addresses: tuple[str, ...], *, soon: float = SOON, quiet: float = QUIET) -> None:
        self._addresses = addresses
        self._soon = soon
        self._quiet = quiet
        self._opening = asyncio.Lock()
        self._docker: Docker | None = None
        self._heard = 0.0  # when it answered last, by the monotonic clock
        self.address = ""
        self.version: Mapping[str, Any] = {}

    async def ask(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        within: float | None = None,
        body: object = None,
    ) -> Any:
        """The answer's JSON, None where it has none. `within` seconds; EngineUnreachableError, EngineRefusedError."""
        docker = await self.docker()
        limit = within or self._soon
        with self._in_our_words(limit):
            async with asyncio.timeout(limit), AsyncExitStack() as until:
                response = await self._request(
                    docker,
                    until,
                    method,
                    path,
                    params=params,
                    data=None if body is None else json.dumps(body),
                )
                content = await response.read()
        try:
            return json.loads(content) if content.strip() else None
        except ValueError as error:
            raise EngineUnreachableError(
                f"{self.address} is no container engine: {content[:80]!r}"
            ) from error

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, params: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> AsyncIterator["ClientResponse"]:
        """An answer that comes bit by bit, each of which is awaited by `while_it_lives`."""
        docker = await self.docker()
        with self._in_our_words(self._soon):
            async with AsyncExitStack() as until:
                yield await self.while_it_lives(
                    self._request(docker, until, method, path, params=params, headers=headers)
                )

    async def while_it_lives(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Await what may take any time; EngineUnreachableError when the engine no longer answers meanwhile."""
        task = asyncio.ensure_future(work)
        try:
            while not (await asyncio.wait({task}, timeout=self._quiet))[0]:
                if time.monotonic() - self._heard > self._quiet:
                    await self._ping()
            return task.result()
        finally:
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task

    async def _ping(self) -> None:
        """Podman would run three programs to tell its version."""
        docker = await self.docker()
        with self._in_our_words(self._soon):
            async with asyncio.timeout(self._soon), AsyncExitStack() as until:
                await self._request(docker, until, "GET", "_ping", versioned_api=False)

    async def docker(self) -> "Docker":
        """The client, at the first address that answers; EngineUnreachableError tells of each that didn't."""
        async with self._opening:
            if self._docker is None:
                self._docker = await self._first_that_answers()
            return self._docker

    async def aclose(self) -> None:
        """Close it; the next call opens it anew."""
        docker, self._docker = self._docker, None
        if docker is not None:
            await docker.close()

    async def _first_that_answers(self) -> "Docker":
        problems = []
        for address in self._addresses:
            try:
                return await self._opened(address)
            except EngineUnreachableError as error:
                problems.append(str(error))
        raise EngineUnreachableError("; ".join(problems) or "no engine's socket is known")

    async def _opened(self, address: str) -> "Docker":
        if problem := await in_own_thread(lambda: socket_problem(address)):
            raise EngineUnreachableError(problem)
        from aiodocker import Docker  # noqa: PLC0415 - a host without containers pays nothing for it
        from aiodocker.exceptions import DockerError  # noqa: PLC0415

        try:
            docker = Docker(url=address)
        except (ValueError, OSError) as error:
            raise EngineUnreachableError(f"{address}: {error}") from error
        # A container's log holds a connection for as long as it runs; aiohttp would have a hundred, and others wait.
        docker.connector._limit = 0  # noqa: SLF001 - one of our own would have to do without Docker's TLS
        try:
            async with asyncio.timeout(self._soon):
                self.version = await docker.version()
        except TimeoutError as error:
            await docker.close()
            raise EngineUnreachableError(_no_answer(address, self._soon)) from error
        except (DockerError, OSError, ValueError, TypeError) as error:
            await docker.close()
            raise EngineUnreachableError(f"{address}: {_cause(error)}") from error
        except BaseException:
            await docker.close()
            raise
        self.address, self._heard = address, time.monotonic()
        return docker

    async def _request(
        self, docker: "Docker", until: AsyncExitStack, method: str, path: str, **call: Any
    ) -> "ClientResponse":
        """The head of an answer; the answer itself is closed with `until`."""
        from aiohttp import ClientTimeout  # noqa: PLC0415 - it is there by now

        # The one way in aiodocker to an answer's bytes: its own calls decode a log as text.
        limit = ClientTimeout(total=None, sock_connect=self._soon)
        query = docker._query(path, method, timeout=limit, **call)  # noqa: SLF001
        response = await until.enter_async_context(query)
        until.callback(response.close)
        self._heard = time.monotonic()
        return response

    @contextmanager
    def _in_our_words(self, within: float) -> Iterator[None]:
        from aiodocker.exceptions import DockerError  # noqa: PLC0415
        from aiohttp import ClientError  # noqa: PLC0415

        try:
            yield
        except EngineUnreachableError:
            raise
        except TimeoutError as error:
            raise EngineUnreachableError(_no_answer(self.address, within)) from error
        except (DockerError, ClientError, ConnectionError) as error:
            if isinstance(error, DockerError) and error.status != _CANNOT_CONNECT:
                raise EngineRefusedError(error.status, _words(error)) from error
            raise EngineUnreachableError(f"{self.address} is away: {_cause(error)}") from error


def _no_answer(address: str, within: float) -> str:
    return f"{address} has not answered within {within:g} s"


def _cause(error: Exception) -> str:
    """The innermost reason, without the library's wrapping."""
    inner: BaseException = error
    while isinstance(inner.__context__ or inner.__cause__, OSError):
        inner = inner.__cause__ or inner.__context__ or inner
    code = getattr(inner, "errno", None)
    if code == errno.ECONNREFUSED:
        return "nobody listens there: start the engine"
    return os.strerror(code) if isinstance(code, int) and code > 0 else str(error) or type(error).__name__


def _words(error: Any) -> str:
    message = str(error.message).strip()
    with suppress(ValueError, TypeError, KeyError):
        return str(json.loads(message)["message"])
    return message

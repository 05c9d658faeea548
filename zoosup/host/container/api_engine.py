"""An engine over its API, for `container:`. Refuses to know which socket that is, and what a container is for."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

from zoosup.host.container import discovery
from zoosup.host.container.api_connection import LATE, QUIET, SOON, ApiConnection
from zoosup.host.container.create_body import create_body, podman_version
from zoosup.host.container.engine import (
    ContainerConfig,
    ContainerState,
    EngineRefusedError,
    EngineUnreachableError,
    LogPiece,
    PullProgress,
    is_removed,
)
from zoosup.host.container.image_pull import LayerSums, credentials, reference
from zoosup.host.container.inspection import state_of
from zoosup.host.container.log_stream import FramedLog, TerminalLog
from zoosup.host.system.threads import in_own_thread

_GONE, _CONFLICT, _NOT_KEPT = 404, 409, 501
_AT_ONCE = 8  # containers that are inspected at a time
_LOG = {"stdout": "true", "stderr": "true", "timestamps": "true"}


class ApiEngine:
    """The adapter for `Engine` and `LogSource`, and all else that `container:` needs.

    `engine` is `auto`, `docker`, `podman` or an address. The first call opens the connection. Every call raises
    EngineUnreachableError and EngineRefusedError.
    """

    def __init__(
        self,
        engine: str = discovery.AUTO,
        environ: Mapping[str, str] | None = None,
        *,
        soon: float = SOON,
        quiet: float = QUIET,
    ) -> None:
        self._environ = dict(os.environ if environ is None else environ)
        self._api = ApiConnection(discovery.sockets(self._environ, engine), soon=soon, quiet=quiet)

    @property
    def address(self) -> str:
        """Where it has answered; empty before."""
        return self._api.address

    async def find(self, labels: Mapping[str, str]) -> tuple[ContainerState, ...]:
        """All containers that have these labels, running or not."""
        wanted = [f"{name}={value}" for name, value in labels.items()]
        listed = await self._api.ask(
            "GET", "containers/json", {"all": "true", "filters": json.dumps({"label": wanted})}
        )
        turn = asyncio.Semaphore(_AT_ONCE)

        async def look(container_id: str) -> ContainerState | None:
            async with turn:
                return await self.inspect(container_id)

        found = await asyncio.gather(*(look(each["Id"]) for each in listed))
        return tuple(each for each in found if each is not None)

    async def inspect(self, container_id: str) -> ContainerState | None:
        """How one is; None when the engine doesn't have it."""
        try:
            return state_of(await self._inspected(container_id))
        except EngineRefusedError as error:
            if error.status == _GONE:
                return None
            raise
        except ValueError as error:
            raise EngineUnreachableError(f"{self.address} can't be understood: {error}") from error

    async def create(self, config: ContainerConfig) -> str:
        """Make a container; its id. EngineRefusedError: the name is taken, the image is missing, an option is bad."""
        await self._api.docker()
        body = create_body(config, self._api.version)
        made = await self._api.ask("POST", "containers/create", {"name": config.name}, within=LATE, body=body)
        return str(made["Id"])

    async def start(self, container_id: str) -> None:
        """Start it; EngineRefusedError when it can't be: it is left as it was made."""
        await self._api.ask("POST", f"containers/{container_id}/start", within=LATE)

    async def signal(self, container_id: str, signal: str) -> None:
        """Send its init a signal; nothing happens to one that is gone or doesn't run."""
        try:
            await self._api.ask("POST", f"containers/{container_id}/kill", {"signal": f"SIG{signal}"})
        except EngineRefusedError as error:
            state = await self.inspect(container_id) if error.status != _GONE else None
            if state is not None and state.running:
                raise

    async def remove(self, container_id: str) -> None:
        """Kill it if it runs and remove it; returns when the engine no longer has it."""
        await self._api.docker()
        if podman_version(self._api.version) is not None:
            await self.signal(container_id, "KILL")  # else Podman would first wait for it to end by itself
        path = f"containers/{container_id}"
        try:
            await self._api.ask("DELETE", path, {"force": "true", "v": "true"}, within=LATE)
        except EngineRefusedError as error:
            under_way = error.status == _CONFLICT
            if error.status != _GONE and not await is_removed(self, container_id, under_way=under_way):
                raise

    async def wait(self, container_id: str) -> int:
        """Its exit code, once it doesn't run; refused with 404 when it is removed first."""
        async with self._api.stream("POST", f"containers/{container_id}/wait", {}) as response:
            answer = json.loads(await self._api.while_it_lives(response.read()))
        return int(answer["StatusCode"])

    async def memory(self, container_id: str) -> int:
        """Bytes that it uses by the engine's statistics, without what its page cache could give back."""
        path = f"containers/{container_id}/stats"
        answer = await self._api.ask("GET", path, {"stream": "false", "one-shot": "true"})
        figures = answer.get("memory_stats") or {}
        details = figures.get("stats") or {}
        inactive = details.get("total_inactive_file", details.get("inactive_file", 0))  # cgroup v1, v2
        return max(0, int(figures.get("usage") or 0) - int(inactive))

    async def has_image(self, image: str) -> bool:
        """Whether a container could be made of it without a pull."""
        try:
            await self._api.ask("GET", f"images/{quote(image, safe='/:@')}/json")
        except EngineRefusedError as error:
            if error.status == _GONE:
                return False
            raise
        return True

    async def images(self) -> tuple[str, ...]:
        """The names of all images that it has, in order."""
        listed = await self._api.ask("GET", "images/json")
        return tuple(
            sorted({name for each in listed for name in each.get("RepoTags") or () if "<none>" not in name})
        )

    async def pull(self, image: str) -> AsyncIterator[PullProgress]:
        """Fetch an image, telling bytes as they come; EngineRefusedError in the registry's words when it fails."""
        headers = await in_own_thread(lambda: credentials(image, self._environ))
        sums = LayerSums()
        async with self._api.stream("POST", "images/create", reference(image), headers) as response:
            while line := await self._api.while_it_lives(response.content.readline()):
                if line.strip():
                    yield sums.take(json.loads(line))

    async def log_batches(
        self, container_id: str, since: float = 0.0
    ) -> AsyncGenerator[list[LogPiece], None]:
        """What was printed from `since` (epoch seconds; 0: all) and what follows, until the container ends.

        By as many pieces as have come at once. Refused with 501 where they are kept nowhere.
        """
        found = await self._inspected(container_id)
        if _log_driver(found) == "none":
            raise EngineRefusedError(_NOT_KEPT, "its output is kept nowhere (log_driver none)")
        log = self._log_of(found)
        params = _LOG | {"follow": "true"}
        if since > 0:
            params["since"] = f"{since:.9f}"
        async with self._api.stream("GET", f"containers/{container_id}/logs", params) as response:
            while data := await self._api.while_it_lives(response.content.readany()):
                if batch := log.feed(data):
                    yield batch
        if batch := log.end():
            yield batch

    async def last_logged(self, container_id: str) -> float | None:
        """When the last record of its log was printed, in epoch seconds; None where there is none."""
        log = self._log_of(await self._inspected(container_id))
        async with self._api.stream(
            "GET", f"containers/{container_id}/logs", _LOG | {"tail": "1"}
        ) as response:
            found = log.feed(await self._api.while_it_lives(response.content.read()))
        return max((each.at for each in [*found, *log.end()]), default=None)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._api.aclose()

    def _log_of(self, found: Mapping[str, Any]) -> FramedLog | TerminalLog:
        if (found.get("Config") or {}).get("Tty"):
            return TerminalLog()
        docker = podman_version(self._api.version) is None
        return FramedLog(repeats=docker, ends_lost=docker and _log_driver(found) == "local")

    async def _inspected(self, container_id: str) -> dict[str, Any]:
        found: dict[str, Any] = await self._api.ask("GET", f"containers/{container_id}/json")
        return found


def _log_driver(found: Mapping[str, Any]) -> str:
    return str(((found.get("HostConfig") or {}).get("LogConfig") or {}).get("Type"))

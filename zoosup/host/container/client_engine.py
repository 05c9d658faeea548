"""An engine over its own client, for `command: docker run …`: Docker's, Podman's (which needs no daemon), nerdctl's.

Knows the few commands that the three share, and that an answer which can't be read means that nothing is known.
Refuses to parse anything but `inspect`'s JSON, and to start or make containers: that is the command's own business.
"""

import asyncio
import json
import threading
from collections.abc import Mapping
from pathlib import Path
from subprocess import SubprocessError

from zoosup.host.container.engine import (
    REMOVAL,
    ContainerState,
    EngineRefusedError,
    EngineUnreachableError,
    is_removed,
)
from zoosup.host.container.inspection import state_of
from zoosup.host.system.programs.bounded_run import Printed, run
from zoosup.host.system.threads import in_own_thread

WITHIN = 15.0
"""Seconds for a question; a client has to start first."""

_AT_ONCE = 8  # containers in one `inspect`: what a client may print is bounded
_UNKNOWN = ("no such container", "no such object", "no container with name or id")
_BY_CLIENT = 0  # a client has no status of HTTP
_WORDS = 300  # characters of what a client prints
_BEGUN = "already in progress"  # a removal by somebody else, such as the engine's own after --rm


class ClientEngine:
    """The adapter for `Engine` over a client.

    `words` are those before `run`: ("docker",), ("sudo", "-n", "docker", "--context", "x"). They run in `env` and in
    `cwd`, as the command does.
    """

    def __init__(
        self, words: tuple[str, ...], env: Mapping[str, str], cwd: Path = Path("/"), *, within: float = WITHIN
    ) -> None:
        self._words = words
        self._within = within
        self._env = env
        self._cwd = cwd

    async def find(self, labels: Mapping[str, str]) -> tuple[ContainerState, ...]:
        """All containers that have these labels, running or not."""
        filters = [word for name, value in labels.items() for word in ("--filter", f"label={name}={value}")]
        printed = await self._run("ps", "--all", "--quiet", "--no-trunc", *filters)
        if printed.code != 0:
            raise self._unreachable(printed)
        ids = printed.out.split()
        groups = [ids[at : at + _AT_ONCE] for at in range(0, len(ids), _AT_ONCE)]
        return tuple([state for group in groups for state in await self._inspect(group)])

    async def inspect(self, container_id: str) -> ContainerState | None:
        """How one is; None when the engine doesn't have it."""
        return next(iter(await self._inspect([container_id])), None)

    async def signal(self, container_id: str, signal: str) -> None:
        """Send its init a signal; nothing happens to one that is gone or doesn't run."""
        printed = await self._run("kill", "--signal", signal, container_id)
        if printed.code != 0:
            state = await self.inspect(container_id)
            if state is not None and state.running:
                raise EngineRefusedError(_BY_CLIENT, _said(printed))

    async def remove(self, container_id: str) -> None:
        """Kill it if it runs and remove it; returns when the engine no longer has it."""
        await self.signal(container_id, "KILL")  # else Podman would first wait for it to end by itself
        printed = await self._run("rm", "--force", "--volumes", container_id, within=REMOVAL)
        under_way = _BEGUN in printed.err.lower()
        if printed.code != 0 and not await is_removed(self, container_id, under_way=under_way):
            raise EngineRefusedError(_BY_CLIENT, _said(printed))

    async def _inspect(self, ids: list[str]) -> list[ContainerState]:
        """Those of them that there are."""
        printed = await self._run("container", "inspect", *ids)
        if printed.code != 0 and not any(each in printed.err.lower() for each in _UNKNOWN):
            raise self._unreachable(printed)
        try:
            return [state_of(each) for each in json.loads(printed.out.strip() or "[]")]
        except (ValueError, TypeError) as error:
            raise self._unreachable(printed) from error

    async def _run(self, *words: str, within: float | None = None) -> Printed:
        limit = within or self._within
        given_up = threading.Event()
        argv = (*self._words, *words)
        try:
            printed = await in_own_thread(lambda: run(argv, self._env, self._cwd, limit, given_up))
        except asyncio.CancelledError:
            given_up.set()
            raise
        except (OSError, ValueError, SubprocessError, RuntimeError) as error:
            raise EngineUnreachableError(f"{self._client}: {error}") from error
        if printed.problem:
            raise self._unreachable(printed)
        return printed

    @property
    def _client(self) -> str:
        return " ".join(self._words)

    def _unreachable(self, printed: Printed) -> EngineUnreachableError:
        return EngineUnreachableError(f"{self._client}: {_said(printed)}")


def _said(printed: Printed) -> str:
    return (
        printed.problem
        or (printed.err.strip() or printed.out.strip())[:_WORDS]
        or f"exit code {printed.code}"
    )

"""What is asked of a container engine, and what it answers. Refuses to know how it is reached."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

REMOVAL = 120.0
"""Seconds for a removal, ours or one that somebody else has begun."""

_PAUSE = 0.1  # seconds between looks at whether it has come to its end

RUN_LABEL = "zoosup.run"
"""The label that has a run's id."""

PLACE_LABEL = "zoosup.place"
"""The label that has which state directory its run is of: two may have one path, each in a container of its own."""


class EngineUnreachableError(OSError):
    """The engine is away, hangs, or doesn't let us in; the message says what was tried and what to do."""


class EngineRefusedError(Exception):
    """The engine has answered, and said no: in its own words. `status` is that of HTTP."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class ContainerConfig:
    """A container to be made.

    `volumes` are HOST:CONTAINER[:OPTIONS]. `inner_port` is published on `host`:`port`; None leaves the container in
    the host's network. `gpus` are UUIDs of NVIDIA's: None leaves GPUs to the engine, () hides them. `devices` are
    device files, `groups` the numbers of those that may use them. `options` are further words
    of the create call in snake_case, sizes in bytes (`create_body` knows them).
    """

    name: str
    image: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    volumes: tuple[str, ...] = ()
    inner_port: int | None = None
    host: str = "127.0.0.1"
    port: int = 0
    gpus: tuple[str, ...] | None = None
    devices: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ContainerState:
    """What the engine says of a container.

    `pid` is its init's on the host, None where there is none. `exit_code` is None while it runs and before its first
    start. `error` is the engine's reason where a start has failed. `stop_signal` ("INT") is what its image or its
    options say that ends it; "" where they say nothing. `place` as in PLACE_LABEL; "": of an earlier release.
    """

    id: str
    name: str
    run_id: str
    pid: int | None
    running: bool
    exit_code: int | None
    oom_killed: bool
    error: str
    stop_signal: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class PullProgress:
    """Bytes of an image's layers that are here, of those known so far; `message` is the engine's last word."""

    done: int
    total: int
    message: str


@dataclass(frozen=True, slots=True)
class LogPiece:
    """Output of a container: at most a line, as bytes; `at` in epoch seconds, whole ones where Podman says no more."""

    at: float
    data: bytes


class Engine(Protocol):
    """A container engine. Each call ends within its time limit; EngineUnreachableError, EngineRefusedError."""

    async def find(self, labels: Mapping[str, str]) -> tuple[ContainerState, ...]:
        """All containers that have these labels, running or not."""
        ...

    async def inspect(self, container_id: str) -> ContainerState | None:
        """How one is; None when the engine doesn't have it."""
        ...

    async def signal(self, container_id: str, signal: str) -> None:
        """Send its init a signal ("TERM"); nothing happens to one that is gone or doesn't run."""
        ...

    async def remove(self, container_id: str) -> None:
        """Kill it if it runs and remove it with its anonymous volumes; returns when the engine no longer has it."""
        ...


class LogSource(Protocol):
    """An engine whose containers' output can be read again from any time on."""

    def log_batches(self, container_id: str, since: float) -> AsyncGenerator[list[LogPiece], None]:
        """What was printed from `since` (epoch seconds; 0: all) and what follows, until the container ends."""
        ...

    async def last_logged(self, container_id: str) -> float | None:
        """When the last record of its log was printed, in epoch seconds; None where there is none."""
        ...

    async def inspect(self, container_id: str) -> ContainerState | None:
        """How it is; None when the engine doesn't have it."""
        ...


async def is_removed(engine: Engine, container_id: str, *, under_way: bool) -> bool:
    """Whether the engine has it no more; a removal that is `under_way`, by whomever, gets `REMOVAL` for its end."""
    if not under_way:
        return await engine.inspect(container_id) is None
    with suppress(TimeoutError):
        async with asyncio.timeout(REMOVAL):
            while await engine.inspect(container_id) is not None:  # noqa: ASYNC110 - nothing tells it
                await asyncio.sleep(_PAUSE)
            return True
    return False

"""The way to a controller that is a Ray actor; one process has one, and ends with it.

`ray.init` may hang in C++ for minutes, and a driver that has lost its cluster is ended or aborted from there: whoever
needs this keeps it in a process of its own, with somebody beside who kills it. Imports Ray only where it is called.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable
from typing import Any, TypeVar

from zoosup import __version__
from zoosup.core.fleet import wire
from zoosup.core.fleet.words import Answer, Choice, HostReport
from zoosup.fleet.ray_controller import AT_ONCE, NAME, RayController, actor_name
from zoosup.fleet.ray_settings import NAMESPACE
from zoosup.fleet.transport import FleetError
from zoosup.fleet.trouble import is_of_token, wrong_token

_T = TypeVar("_T")

SLACK = 8.0
"""Seconds beyond a poll's own end after which its call counts as lost: a controller that restarts takes a few."""

CALL = 5.0
"""Seconds that any other call may take."""

APPEARS = 10.0
"""Seconds in which the head's own link makes the controller, where there is none."""

LOOK = 0.25


class RayTransport:
    """Calls of one link; made by `connect`."""

    def __init__(self, controller: Any) -> None:
        self._controller = controller

    async def poll(self, report: HostReport, version: int, within: float) -> Answer:
        """See `FleetTransport`."""
        call = self._controller.poll.remote(wire.to_json(report), version, within)
        return wire.from_json(Answer, await _answered(call, within + SLACK))

    async def choose(self, model: str, node: str) -> Choice:
        """See `FleetTransport`."""
        return wire.from_json(Choice, await _answered(self._controller.choose.remote(model, node), CALL))

    async def drain(self, node: str, *, on: bool) -> str:
        """See `FleetTransport`."""
        return str(await _answered(self._controller.drain.remote(node, on), CALL))


def connect(head: str, address: str) -> None:
    """Make this process one of the fleet's cluster; it may hang. FleetError where it is refused."""
    import ray  # noqa: PLC0415 - an extra, and only of the link

    try:
        ray.init(
            address=head,
            namespace=NAMESPACE,
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=False,
            _node_ip_address=address,
        )
    except Exception as error:  # noqa: BLE001 - Ray has many
        raise FleetError(*_refusal(error)) from None


async def controller(*, of_head: bool) -> RayTransport:
    """The way to the controller. The head's own link sees to it that there is one, and that its code is of now."""
    if of_head:
        return RayTransport(await _kept_current())
    for _ in range(int(APPEARS / LOOK)):
        if (found := _named(actor_name())) is not None:
            return RayTransport(found)
        await asyncio.sleep(LOOK)
    others = [name for name in _controllers() if name != actor_name()]
    if others:
        said = f"the head has {', '.join(others)}, and this zoosup speaks with {actor_name()}"
        raise FleetError("OtherProtocol", f"{said}: zoosup is to be upgraded on the older of the two")
    raise FleetError("NoController", "the head has no controller yet: is zoosup running there?")


async def _kept_current() -> Any:
    """The actor that is there, unless its code is of another zoosup; those of other protocols are ended."""
    import ray  # noqa: PLC0415

    for name in _controllers():
        if name != actor_name():
            ray.kill(ray.get_actor(name), no_restart=True)
    found = _named(actor_name())
    if found is not None:
        with contextlib.suppress(FleetError):
            if await _answered(found.version.remote(), CALL) == __version__:
                return found
        ray.kill(found, no_restart=True)
        while _named(actor_name()) is not None:  # noqa: ASYNC110 - Ray tells nobody
            await asyncio.sleep(LOOK)
    options = ray.remote(RayController).options(
        name=actor_name(),
        lifetime="detached",
        max_restarts=-1,
        max_task_retries=0,
        max_concurrency=AT_ONCE,
        num_cpus=0,
        resources={"node:__internal_head__": 0.001},
        get_if_exists=True,
    )
    return options.remote()


def _controllers() -> list[str]:
    """Those that there are, of all protocols."""
    from ray.util import list_named_actors  # noqa: PLC0415

    return [name for name in list_named_actors() if name.startswith(NAME)]


def _named(name: str) -> Any:
    import ray  # noqa: PLC0415

    try:
        return ray.get_actor(name)
    except ValueError:
        return None


async def _answered(call: Awaitable[_T], within: float) -> _T:
    """What a call has brought; FleetError for whatever else becomes of it. It goes on over there all the same."""
    try:
        async with asyncio.timeout(within):
            return await call
    except TimeoutError:
        raise FleetError("NoAnswer", f"the controller has not answered for {within:g} s") from None
    except Exception as error:  # noqa: BLE001 - Ray has many
        raise FleetError("NoAnswer", f"the controller can't be reached: {_line(error)}") from None


def _refusal(error: Exception) -> tuple[str, str]:
    text, said = _line(error), f"{error} {error.__cause__}"
    if is_of_token(said):
        return wrong_token("that of fleet.token_file")
    if "ersion mismatch" in said:
        return "VersionMismatch", f"the head runs another Ray or another Python: {text}"
    return "Refused", text


def _line(error: Exception) -> str:
    """The first line that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines)[:300]}" if lines else type(error).__name__

"""`zoosup link`: one connection of this host to its fleet, in a process of its own.

    Ray is joined -> the controller is found -> words are carried until something fails

Every step that fails is told to zoosup in words, and ends the process: a driver of Ray that has lost its cluster is of
no more use, and may be ended or aborted from C++ at any moment. Never starts a process, for a model least of all.
"""

import asyncio
import contextlib
from pathlib import Path

from zoosup.core.fleet.wire import WireError
from zoosup.errors import ExitCode, ZoosupError
from zoosup.fleet.control_client import ControlClient, RefusedByZoosupError
from zoosup.fleet.exchange import Exchange
from zoosup.fleet.ray_transport import connect, controller
from zoosup.fleet.transport import FleetError

PATIENCE = 12.0
"""Seconds without an answer after which the way to the controller is given up; Ray restarts it within a few."""

AGAIN = 0.5


def run(control: Path, head: str, address: str, *, of_head: bool) -> int:
    """Carry words until something fails; the exit code. What failed is told to zoosup."""
    client = ControlClient(control)
    try:
        connect(head, address)
        asyncio.run(_carry(client, of_head=of_head))
    except FleetError as error:
        return _failed(client, error)
    except (RefusedByZoosupError, WireError) as error:
        return _failed(client, FleetError("AnswerRefused", str(error)))
    except (ConnectionError, FileNotFoundError):
        return ExitCode.UNREACHABLE  # zoosup has ended, or its next life has begun
    return ExitCode.DONE


async def _carry(client: ControlClient, *, of_head: bool) -> None:
    exchange = Exchange(client, await controller(of_head=of_head))
    await carry_through_restarts(exchange)


async def carry_through_restarts(exchange: Exchange) -> None:
    """Carry on while the controller is restarted by Ray: the way to it stays the same. FleetError after `PATIENCE`."""
    loop = asyncio.get_running_loop()
    heard = loop.time()
    while True:
        try:
            return await exchange.run()
        except FleetError:
            heard = loop.time() if exchange.heard else heard
            if loop.time() - heard > PATIENCE:
                raise
            await asyncio.sleep(AGAIN)


def _failed(client: ControlClient, error: FleetError) -> int:
    asyncio.run(_tell(client, error))
    print(f"{error.reason}: {error}", flush=True)  # noqa: T201 - its output is its log
    return ExitCode.FAILED


async def _tell(client: ControlClient, error: FleetError) -> None:
    with contextlib.suppress(OSError, ZoosupError):
        await client.bring({"trouble": {"reason": error.reason, "message": str(error)}})

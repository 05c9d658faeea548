"""Runs of real processes, and the operating system as the oracle of what became of them."""

import asyncio
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from zoosup.host.ports.host import Ladder
from zoosup.host.ports.launch import Launch
from zoosup.host.process.processes import Processes

if TYPE_CHECKING:
    from zoosup.core.state.runs import Exit

# looptime asks for the loop in tests that have none, and asyncio would make one that nobody closes
asyncio.set_event_loop(None)

GUARD = 90.0
"""Seconds after which a wait is given up: below pytest's own limit, and no measure of anything."""

SUITE = uuid.uuid4().hex[:8]
"""In every run id: two suites that run on one host at once must not take each other's processes for their own."""

RUN = f"r1-{SUITE}"

PROGRAMS = Path(__file__).with_name("misbehaving_programs.py")


def lives(pid: int) -> bool:
    """Whether the system knows a process with this pid that is no zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def eventually(condition: Callable[[], bool], *, within: float = GUARD) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)


class ProcessHarness:
    """Processes under test, with the pids that the children say they have."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.exits: list[tuple[str, Exit]] = []
        self.processes = Processes(
            lambda run_id, exit_: self.exits.append((run_id, exit_)), logs=self.place, give_up=GUARD
        )

    def launch(self, run_id: str, *argv: str, **changes: object) -> Launch:
        """A launch with this program's environment and the run's id in it."""
        fields: dict[str, object] = {
            "run_id": run_id,
            "model": "model",
            "argv": argv,
            "env": {"PATH": os.environ["PATH"], "ZOOSUP_RUN_ID": run_id},
            "cwd": None,
            "log": self.place / f"{run_id}.log",
        }
        return Launch(**(fields | changes))  # type: ignore[arg-type]

    async def spawn(self, run_id: str, *argv: str) -> int:
        """Spawn any program."""
        return await self.processes.spawn(self.launch(run_id, *argv))

    async def start(self, case: str, run_id: str = RUN) -> dict[str, int]:
        """Spawn a case of misbehaving_programs.py and return its pids by role once it is ready."""
        place = self.place / run_id
        place.mkdir()
        await self.spawn(run_id, sys.executable, "-IS", str(PROGRAMS), case, str(place))
        await eventually((place / "leader").exists)
        return self.pids(run_id)

    async def exited(self, run_id: str = RUN) -> None:
        """Wait until the leader's exit has been reported."""
        await eventually(lambda: run_id in dict(self.exits))

    async def eventually(self, condition: Callable[[], bool]) -> None:
        """For tests that have no other way to this function."""
        await eventually(condition)

    def log(self, run_id: str = RUN) -> str:
        """What the run has written."""
        return (self.place / f"{run_id}.log").read_text()

    def pids(self, run_id: str = RUN) -> dict[str, int]:
        """Every pid noted so far."""
        return {file.name: int(file.read_text()) for file in (self.place / run_id).glob("[a-z]*[a-z]")}

    async def end(self, run_id: str = RUN, **ladder: object) -> str:
        """Take the ladder and return its survivors."""
        fields: dict[str, object] = {"signal": "TERM", "grace": 0.3}
        ended = await self.processes.terminate(run_id, Ladder(**(fields | ladder)))  # type: ignore[arg-type]
        return ended.survivors

    def give_up_after(self, seconds: float) -> None:
        """Call a run stuck so long after SIGKILL."""
        self.processes._instruments = replace(self.processes._instruments, give_up=seconds)

    def sweep(self) -> None:
        """Kill whatever a failed test has left."""
        for place in filter(Path.is_dir, self.place.iterdir()):
            for pid in self.pids(place.name).values():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ProcessHarness]:
    """A place to let processes run, empty afterwards."""
    harness = ProcessHarness(tmp_path)
    yield harness
    harness.sweep()
    for run_id in tuple(harness.processes._runs):
        await harness.end(run_id, signal="KILL", grace=0.0)
    await harness.processes.close()

"""Runs on real engines: by the engine's API and by its client, the engine and the operating system as oracles."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.containers.engines import RealEngine
from tests.containers.fixtures import (  # noqa: F401 - fixtures
    docker,
    docker_session,
    engine,
    podman,
    podman_session,
)
from tests.containers.images import TINY
from zoosup.core.state.runs import Exit
from zoosup.host.ports.host import Ended, Ladder, RecordedRun
from zoosup.host.ports.launch import ContainerLaunch, Launch
from zoosup.host.process.processes import Processes
from zoosup.host.runs.engines import Engines
from zoosup.host.runs.runs import Runs

MARK = "mark-tst"
GUARD = 60.0
"""Seconds after which something that should have happened never will."""


@dataclass
class Harness:
    """One zoosup's runs; `again` is the next one's, over the same directory, as after kill -9."""

    engine: RealEngine
    place: Path
    by_client: bool
    runs: Runs
    exits: list[tuple[str, Exit]] = field(default_factory=list)
    launches: dict[str, Launch] = field(default_factory=dict)
    left: list[Runs] = field(default_factory=list)

    def launch(self, run_id: str, *words: str, **options: Any) -> Launch:
        env = self.engine.env
        log = self.place / "logs" / f"{run_id}.log"
        log.parent.mkdir(exist_ok=True)
        made = Launch(run_id, "m", (), env | {"ZOOSUP_RUN_ID": run_id}, None, log)
        if self.by_client:
            more = [
                word
                for name, value in options.items()
                for word in (f"--{name.replace('_', '-')}", str(value))
            ]
            words = (*self.engine.client, "run", "--network", "host", *more, TINY, *words)
            return Launch(run_id, "m", words, made.env, None, log)
        inside = ContainerLaunch(
            self.engine.address, TINY, words, {"ZOOSUP_RUN_ID": run_id}, (), None, "127.0.0.1", 0, options
        )
        return Launch(run_id, "m", (), made.env, None, log, container=inside)

    async def start(self, run_id: str, *words: str, **options: Any) -> int:
        launch = self.launches[run_id] = self.launch(run_id, *words, **options)
        pid = await self.runs.spawn(launch)
        if words[:1] != ("exit",):
            await self.eventually(
                lambda: self.containers(run_id) and len(self.runs.members(run_id)) > self.by_client
            )
        return pid

    async def end(self, run_id: str, grace: float = 20.0, **ladder: Any) -> Ended:
        return await self.runs.terminate(run_id, Ladder("TERM", grace, **ladder))

    def containers(self, run_id: str = "") -> list[str]:
        """What the engine itself has, running or not."""
        label = f"label=zoosup.run={run_id}" if run_id else f"label=zoosup.instance={MARK}"
        return self.engine.cli("ps", "-aq", "--no-trunc", "--filter", label).split()

    def output(self, run_id: str) -> list[bytes]:
        """The lines of a run's log, without what a client warns of for itself: Podman's, of a host's cgroups."""
        lines = self.launches[run_id].log.read_bytes().splitlines()
        return [each for each in lines if not each.startswith(b'time="')]

    def processes_of(self, container: str) -> set[int]:
        """What the operating system has."""
        found = set()
        for pid in psutil.pids():
            try:
                if container in Path(f"/proc/{pid}/cgroup").read_text():
                    found.add(pid)
            except OSError:
                continue
        return {pid for pid in found if psutil.pid_exists(pid)}

    async def eventually(self, holds: Any, within: float = GUARD) -> None:
        until = time.monotonic() + within
        while not holds():
            assert time.monotonic() < until
            await asyncio.sleep(0.05)

    async def again(self, *, records: bool = True) -> dict[str, int]:
        """Another zoosup takes over; the one before has ended without a word."""
        recorded = {
            run_id: RecordedRun(launch, self.runs.identity(run_id))
            for run_id, launch in self.launches.items()
        }
        await self.runs.close()
        self.exits.clear()
        self.runs = made(self.place, self.engine, self.exits)
        return dict(await self.runs.adopt(recorded if records else {}, MARK))


def made(place: Path, engine: RealEngine, exits: list[tuple[str, Exit]]) -> Runs:  # noqa: F811
    processes = partial(Processes, logs=place / "logs")
    return Runs(processes, Engines(engine.env), place / "containers", lambda *told: exits.append(told))


@pytest.fixture(params=["api", "client"])
async def harness(
    request: pytest.FixtureRequest,
    engine: RealEngine,  # noqa: F811
    tmp_path: Path,
) -> AsyncIterator[Harness]:
    """Each engine, by its API and by its client."""
    exits: list[tuple[str, Exit]] = []
    harness = Harness(engine, tmp_path, request.param == "client", made(tmp_path, engine, exits), exits)
    await harness.runs.adopt({}, MARK)
    yield harness
    for run_id in harness.launches:
        await harness.end(run_id, grace=0.0)
    await harness.runs.close()
    assert [] == harness.containers(), "these are left of runs that have ended"

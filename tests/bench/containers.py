"""Containers on real engines: a start beside the engine's own client, and what those that run cost at rest.

    python tests/bench/run.py containers

An engine of its own for each of Docker and Podman, as the tests have them; one that can't be had is left out.
"""

import asyncio
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.bench.figures import Figure
from tests.containers.engines import NoEngineError, RealEngine, running
from tests.containers.images import TINY, NoImageError, tiny_root
from zoosup.host.ports.host import Ladder
from zoosup.host.ports.launch import ContainerLaunch, Launch
from zoosup.host.process.processes import Processes
from zoosup.host.runs.engines import Engines
from zoosup.host.runs.runs import Runs

REST = 0.2
"""The most that a hundred containers may add to what zoosup takes at rest, in percent of a core."""

LOOK_EVERY = 10.0
"""Seconds between looks at what models hold, as the loop has it at rest."""

_MARK = "bench---"


def containers(short: bool, folder: Path) -> Iterator[Figure]:
    """Starts, one after the other; then many at rest."""
    for name in ("docker", "podman"):
        try:
            tar = tiny_root(folder)
            with running(name) as engine:
                engine.import_image(tar, TINY, 'ENTRYPOINT ["/tiny"]')
                yield from asyncio.run(_of(engine, folder / name, short))
        except (NoEngineError, NoImageError) as error:
            print(f"{name} is left out: {error}", file=sys.stderr)  # noqa: T201  the bench's own reader


async def _of(engine: RealEngine, folder: Path, short: bool) -> list[Figure]:
    (folder / "logs").mkdir(parents=True)
    runs = Runs(partial(Processes), Engines(engine.env), folder / "containers", lambda *_: None)
    await runs.adopt({}, _MARK)
    ours, theirs = [], []
    for number in range(3 if short else 15):
        began = time.perf_counter()
        await runs.spawn(_launch(engine, folder, f"r{number}"))
        ours.append((time.perf_counter() - began) * 1000)
        await runs.terminate(f"r{number}", Ladder("TERM", 10.0))
        began = time.perf_counter()
        made = engine.cli("run", "-d", "--network", "host", TINY, "sleep", "0")
        theirs.append((time.perf_counter() - began) * 1000)
        engine.cli("rm", "-f", made.strip())
    figures = [Figure(f"a start by the API of {engine.name}", "ms", ours, None, {"its own client": theirs})]
    figures.append(await _rest(runs, engine, folder, 10 if short else 100, 10.0 if short else 60.0))
    await runs.close()
    engine.empty()
    return figures


async def _rest(runs: Runs, engine: RealEngine, folder: Path, count: int, seconds: float) -> Figure:
    """Percent of a core that `count` running containers add, for a hundred of them."""
    bare = await _share(runs, seconds / 2)
    for number in range(count):
        await runs.spawn(_launch(engine, folder, f"many{number}"))
    await asyncio.sleep(5.0)
    full = await _share(runs, seconds)
    for number in range(count):
        await runs.terminate(f"many{number}", Ladder("TERM", 10.0))
    return Figure(
        f"a hundred containers of {engine.name} at rest", "% of a core", [(full - bare) * 100 / count], REST
    )


async def _share(runs: Runs, seconds: float) -> float:
    """Percent of a core that this process takes while it looks at them as the loop does."""
    began, used = time.monotonic(), time.process_time()
    while time.monotonic() - began < seconds:
        await runs.usage()
        await asyncio.sleep(min(LOOK_EVERY, seconds))
    return (time.process_time() - used) / (time.monotonic() - began) * 100


def _launch(engine: RealEngine, folder: Path, run_id: str) -> Launch:
    inside = ContainerLaunch(
        engine.address, TINY, ("sleep", "0"), {"ZOOSUP_RUN_ID": run_id}, (), None, "127.0.0.1", 0, {}
    )
    return Launch(run_id, "m", (), engine.env, None, folder / "logs" / f"{run_id}.log", container=inside)

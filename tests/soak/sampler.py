"""What a zoosup holds, at a moment at which nothing is under way: by the operating system, its files and its metrics.

Knows where to look; whether it is too much is `trends`'s business.
"""

import json
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

import psutil

from tests.e2e.driver import DEADLINE, Zoosup, poll

MIB = 1 << 20
READINGS = 4
PAUSE = 0.15
"""Seconds between readings; of each figure the least counts, so that what passes by itself is none."""


@dataclass(frozen=True)
class Sample:
    """One look. `cycles` are runs begun so far, `events` those in the journal; `rss`, `allocated` and `state` are MiB.

    `allocated` is what malloc has given out, None where it can't say.
    """

    cycles: int
    events: int
    descriptors: int
    threads: int
    tasks: int
    zombies: int
    children: int
    records: int
    logs: int
    rss: float
    allocated: float | None
    objects: int
    state: float
    kinds: dict[str, int] = field(default_factory=dict, repr=False, compare=False)


def take(zoo: Zoosup, cycles: int) -> Sample:
    """Look several times at a zoo that has settled."""
    assert zoo.process is not None
    process = psutil.Process(zoo.process.pid)
    readings = []
    for _ in range(READINGS):
        time.sleep(PAUSE)
        readings.append(_reading(process, zoo.state))
    least = {key: min(reading[key] for reading in readings) for key in readings[0]}
    asked = _ask(zoo.state.parent)
    return Sample(
        cycles=cycles,
        events=_events(zoo.url),
        rss=round(process.memory_info().rss / MIB, 2),
        state=sum(file.stat().st_size for file in _files(zoo.state)) / MIB,
        allocated=None if asked["allocated"] is None else round(asked["allocated"] / MIB, 3),
        tasks=asked["tasks"],
        objects=asked["objects"],
        kinds=asked["kinds"],
        **least,
    )


def _reading(process: psutil.Process, state: Path) -> dict[str, int]:
    children = process.children()
    dead = [child for child in children if _status(child) == psutil.STATUS_ZOMBIE]
    return {
        "descriptors": process.num_fds(),
        "threads": process.num_threads(),
        "zombies": len(dead),
        "children": len(children) - len(dead),
        "records": len(list((state / "runs").iterdir())),
        "logs": len(list((state / "logs").iterdir())),
    }


def _status(process: psutil.Process) -> str | None:
    with suppress(psutil.NoSuchProcess):
        return process.status()
    return None


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _events(url: str) -> int:
    with urlopen(f"{url}/metrics", timeout=DEADLINE) as answer:
        found = re.search(r"^zoosup_events_total (\S+)", answer.read().decode(), re.MULTILINE)
    assert found is not None
    return int(float(found[1]))


def _ask(place: Path) -> dict:
    (place / "answer").unlink(missing_ok=True)
    (place / "ask").touch()
    poll((place / "answer").exists, "an answer of the observed zoosup")
    return json.loads((place / "answer").read_text())

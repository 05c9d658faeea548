"""zoosup at work, by the diaries of its models: switches, readiness, crashes, and what it costs to do nothing.

No figure is taken from zoosup's own word; its status is read only to know when to begin.
"""

import os
import re
import signal
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from tests.bench import peers
from tests.bench.child_log import command, ms, signal_floor, spawn_floor, wait_note
from tests.bench.figures import Figure
from tests.e2e.driver import Zoosup, free_ports
from zoosup.core.estimation.learned import HEALTHY
from zoosup.host.probes.cadence import SELDOM
from zoosup.runtime.loop.measure_pace import RESTING

MIB = 1 << 20
IDLE_MODELS = 100

HEAD = """\
active: [{active}]
budget: {{ram: {budget}, ram_reserve: 64MiB}}
switch: {{strategy: {strategy}}}
status: {{listen: "127.0.0.1:{port}"}}
gateway: false
models:
"""
MODEL = """\
  {name}:
    command: [{words}]
    port: {port}
    memory: {{ram: {mib}MiB}}
"""


@contextmanager
def _zoosup(
    folder: Path, models: Mapping[str, list[str]], active: str, mib: int = 16, **head: str
) -> Iterator[Zoosup]:
    """Run a zoo of bench children until the block ends; all active ones are ready when it begins."""
    folder.mkdir()
    ports = free_ports(len(models) + 1)
    text = HEAD.format(**{"budget": "8GiB", "strategy": "auto", **head}, active=active, port=ports[-1])
    for (name, words), port in zip(models.items(), ports, strict=False):
        quoted = ", ".join(f'"{word}"' for word in words)
        text += MODEL.format(name=name, words=quoted, port=port, mib=mib)
    zoo = Zoosup(folder, text, ports[-1])
    zoo.start()
    try:
        names = active.split(", ")
        zoo.wait(lambda s: all(s["models"][n]["phase"] == "ready" for n in names), f"{active} to be ready")
        yield zoo
        zoo.terminate()
    finally:
        zoo.clean_up()


def switch(short: bool, folder: Path) -> Iterator[Figure]:
    """A and B in turns, with a budget for one: edit → SIGTERM, gone → spawn, and the sum of what zoosup adds."""
    rounds, load, stop = (4 if short else 20), 300, 200
    diaries = {name: folder / f"diary-{name}" for name in ("a", "b")}
    models = {n: command(diary, "${PORT}", load, stop, 64) for n, diary in diaries.items()}
    noticed, respawned, added = [], [], []
    with _zoosup(folder / "switch", models, "a", mib=96, budget="128MiB", strategy="replace") as zoo:
        old, new = "a", "b"
        for _ in range(rounds):
            time.sleep(0.3)
            saved = time.monotonic_ns()
            zoo.edit((f"active: [{old}]", f"active: [{new}]"))
            seen = wait_note(diaries[new], "seen", saved)
            term, gone = (wait_note(diaries[old], event, saved) for event in ("term", "exit"))
            start, ready = (wait_note(diaries[new], event, saved) for event in ("start", "ready"))
            noticed.append(ms(saved, term.at))
            respawned.append(ms(gone.at, start.at))
            added.append(ms(saved, seen.at) - ms(term.at, gone.at) - ms(start.at, ready.at))
            zoo.wait_phase(new, "ready")
            old, new = new, old
    spawn = spawn_floor(folder, 5)
    floor = {"kill(2) to its arrival": signal_floor(folder, 5)}
    yield Figure("edit saved → SIGTERM under way", "ms", noticed, 150, floor)
    yield Figure("gone → next spawn", "ms", respawned, 50, {"bare fork and exec": spawn})
    own = {"the model's own stop and load": [stop + load]}
    yield Figure("switch, above the model's own stop and load", "ms", added, 300, own)


def ready(short: bool, folder: Path) -> Iterator[Figure]:
    """Ready noticed: with overlap, the old model's SIGTERM follows the new one's first 200."""
    for load, rounds in ((200, 3 if short else 10), (3000, 2 if short else 5)):
        diaries = {name: folder / f"diary-{load}-{name}" for name in ("a", "b")}
        models = {n: command(diary, "${PORT}", load) for n, diary in diaries.items()}
        late = []
        with _zoosup(folder / f"ready-{load}", models, "a", strategy="overlap") as zoo:
            old, new = "a", "b"
            for _ in range(rounds):
                saved = time.monotonic_ns()
                zoo.edit((f"active: [{old}]", f"active: [{new}]"))
                term = wait_note(diaries[old], "term", saved)
                late.append(ms(wait_note(diaries[new], "ready", saved).at, term.at))
                zoo.wait_phase(old, "stopped")
                old, new = new, old
        goal = max(30.0, 0.03 * load)
        yield Figure(
            f"ready → noticed, load of {load} ms", "ms", late, goal, {"the load time": [float(load)]}
        )


def crash(short: bool, folder: Path) -> Iterator[Figure]:
    """SIGKILL of a model → the first note of the next one, beside supervisord and circus."""
    count = 5 if short else 20
    diaries = {f"m{i}": folder / f"diary-{i}" for i in range(count)}
    models = {n: command(diary, "${PORT}") for n, diary in diaries.items()}
    samples: list[float] = []
    spawn: list[float] = []
    with _zoosup(folder / "crash", models, ", ".join(models)) as zoo:
        # One crash for each model: the first of a model is restarted without a delay, by contract.
        for name, diary in diaries.items():
            # Beside each: what else the machine has to do slows both.
            spawn.extend(spawn_floor(folder, 1))
            time.sleep(0.2)
            victim, killed = zoo.pid(name), time.monotonic_ns()
            os.kill(victim, signal.SIGKILL)
            samples.append(ms(killed, wait_note(diary, "start", killed).at))
    others = {peer: peers.respawn(peer, folder / peer, 2 if short else 6) for peer in peers.PEERS}
    decision = [sample - statistics.median(spawn) for sample in samples]
    yield Figure(
        "crash → first act of the next", "ms", samples, None, {**others, "bare fork and exec": spawn}
    )
    yield Figure("crash → respawn decision", "ms", decision, 20, others)


def idle(short: bool, folder: Path) -> Iterator[Figure]:
    """What the supervisors cost while 100 models run and nothing happens."""
    # What rests is looked at once a minute; until it has been healthy for one, more often.
    settle, seconds = (SELDOM + 2, 20) if short else (HEALTHY + RESTING, 60)
    names = [f"m{i}" for i in range(IDLE_MODELS)]
    cpu: dict[str, list[float]] = {}
    private: dict[str, list[float]] = {}
    with ExitStack() as stack:
        models = {n: command(folder / f"idle-{n}", "${PORT}") for n in names}
        zoo = stack.enter_context(_zoosup(folder / "idle", models, ", ".join(names)))
        assert zoo.process is not None
        cpu["zoosup"], private["zoosup"] = _cost(psutil.Process(zoo.process.pid), seconds, settle)
    for peer, run in peers.PEERS.items():
        home = folder / f"idle-{peer}"
        home.mkdir()
        diaries = {n: home / n for n in names}
        with run(home, {n: command(diary, 0) for n, diary in diaries.items()}) as process:
            for diary in diaries.values():
                wait_note(diary, "ready")
            cpu[peer], private[peer] = _cost(process, seconds)
    figures = (f"idle, {IDLE_MODELS} models: CPU", "% of a core", cpu, 0.5), (
        f"idle, {IDLE_MODELS} models: private memory", "MiB", private, 60)  # fmt: skip
    for name, unit, costs, goal in figures:
        yield Figure(name, unit, costs.pop("zoosup"), goal, costs)


def _cost(process: psutil.Process, seconds: float, settle: float = 2.0) -> tuple[list[float], list[float]]:
    """CPU of a core in percent and private memory in MiB of the supervisor alone, after it has settled.

    Of its memory what it has written, where that is told: how much program text is shared depends on who else runs.
    """
    time.sleep(settle)
    before, began = sum(process.cpu_times()[:2]), time.monotonic()
    time.sleep(seconds)
    used = sum(process.cpu_times()[:2]) - before
    return [100 * used / (time.monotonic() - began)], [_private(process) / MIB]


def _private(process: psutil.Process) -> int:
    try:
        text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    except OSError:
        return int(process.memory_full_info().uss)
    return 1024 * int(re.findall(r"^Private_Dirty: +(\d+) kB$", text, re.MULTILINE)[0])

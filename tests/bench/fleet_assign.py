"""What several hosts cost their controller: one `assign`, a day of losses and edits, and polls by the number of hosts.

    python tests/bench/run.py fleet

Everything is simulated: hosts are reports. The least possible number of moves is that of the copies whose host is gone
or drained; what is moved besides is what `assign` could have spared.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from tests.bench.child_log import ms
from tests.bench.figures import Figure
from zoosup.core.fleet.controller import FIGURES, Controller
from zoosup.core.fleet.placement.assign import Placements, assign
from zoosup.core.fleet.placement.hosts import Host
from zoosup.core.fleet.wire import to_json
from zoosup.core.fleet.words import FleetModel, FleetSpec, HostReport, ModelNeed, ModelReport, PoolRoom

GIB = 2**30
REPORT = 2.0
"""Seconds between two reports of a host in which nothing happens; it has two answers in that time."""

HOUR = 3600.0
GOAL = 50.0
"""Milliseconds that one `assign` of 100 hosts and 50 models may take."""


def fleet_assign(short: bool, folder: Path) -> Iterator[Figure]:
    """All of them."""
    del folder
    yield from _one_assign(3 if short else 15)
    yield from _a_day(4 if short else 24)
    for count in (5, 50) if short else (5, 50, 500, 5000):
        yield from _polls(count, 3 if short or count > 500 else 20)


# one assign


def _fleet(
    hosts: int, models: int, *, scale: float = 1.0, seed: int = 1
) -> tuple[FleetSpec, dict[str, Host]]:
    """Hosts with two GPUs each, models that take none, one or two of them."""
    rng = random.Random(seed)
    names = [f"model-{at}" for at in range(models)]
    needs = {
        name: ModelNeed(
            int(scale * GIB * rng.choice([1, 2, 4, 8])), int(scale * GIB * rng.choice([0, 6, 12, 20, 40]))
        )
        for name in names
    }
    spec = FleetSpec("a", 1, models=tuple(FleetModel(name, at) for at, name in enumerate(names)))
    reports = {name: ModelReport(need=need) for name, need in needs.items()}
    found = {}
    for at in range(hosts):
        node, card = f"host-{at:04}", rng.choice([23, 39]) * GIB
        pools = (
            PoolRoom("ram", "RAM", rng.choice([56, 120]) * GIB, 128 * GIB),
            *(PoolRoom(f"vram:GPU-{at}-{n}", f"GPU {n}", card, card, str(n)) for n in range(2)),
        )
        found[node] = Host(
            HostReport(node, f"10.0.0.{at}", "g:1", pools=pools, models=reports, spec=spec, life="x")
        )
    return spec, found


def _one_assign(rounds: int) -> Iterator[Figure]:
    spec, hosts = _fleet(100, 50)
    placed = assign(spec, hosts, {}).placements
    lost = {**hosts, "host-0000": replace(hosts["host-0000"], lost=True)}
    crowded, narrow = _fleet(100, 50, scale=3)
    cases: dict[str, Callable[[], object]] = {
        "from nothing": lambda: assign(spec, hosts, {}),
        "nothing to do": lambda: assign(spec, hosts, placed),
        "one host lost": lambda: assign(spec, lost, placed),
        "a third finds no room": lambda: assign(crowded, narrow, {}),
    }
    for name, case in cases.items():
        samples = [_cpu(case) for _ in range(rounds)]
        yield Figure(f"assign(), 100 hosts, 50 models, {name}", "ms", samples, GOAL)


def _cpu(case: Callable[[], object]) -> float:
    """Milliseconds of CPU, for others may have the cores meanwhile."""
    before = time.process_time_ns()
    case()
    return ms(before, time.process_time_ns())


# a day


def _a_day(hours: int) -> Iterator[Figure]:
    """Losses, returns, drains and edits, one every two minutes or so; every host obeys at once."""
    rng = random.Random(2)
    spec, hosts = _fleet(20, 40)
    placed = assign(spec, hosts, {}).placements
    moves = least = events = 0
    now, until = 0.0, hours * HOUR
    while now < until:
        now += rng.expovariate(1 / 120)
        events += 1
        spec, hosts = _event(rng, spec, _obeyed(hosts, placed))
        after = assign(spec, hosts, placed).placements
        active = {model.name for model in spec.models if model.priority is not None}
        for name in active & placed.keys() & after.keys():
            moves += len(set(after[name]) - set(placed[name]))
            least += sum(hosts[node].lost or hosts[node].drained for node in placed[name])
        placed = after
    yield Figure(
        f"moves in {hours} hours, 20 hosts, 40 models, {events} events", "", [moves], None, {"least": [least]}
    )


def _event(
    rng: random.Random, spec: FleetSpec, hosts: Mapping[str, Host]
) -> tuple[FleetSpec, dict[str, Host]]:
    result = dict(hosts)
    node = rng.choice(sorted(hosts))
    match rng.choice(["lost", "back", "back", "drained", "undrained", "edit"]):
        case "lost" if sum(host.lost for host in hosts.values()) < 5:
            result[node] = replace(hosts[node], lost=True)
        case "back":
            result |= {name: replace(host, lost=False) for name, host in hosts.items() if host.lost}
        case "drained":
            result[node] = replace(hosts[node], drained=True)
        case "undrained":
            result |= {name: replace(host, drained=False) for name, host in hosts.items()}
        case "edit":
            name = rng.choice([model.name for model in spec.models])
            models = tuple(
                replace(each, priority=None if each.priority is not None else 50)
                if each.name == name
                else each
                for each in spec.models
            )
            spec = replace(spec, models=models)
    return spec, result


def _obeyed(hosts: Mapping[str, Host], placed: Placements) -> dict[str, Host]:
    """What is placed runs there, on the cards that have room; nothing else does."""
    result = {}
    for node, host in hosts.items():
        free = {pool.id: pool.capacity for pool in host.report.pools}
        models = dict.fromkeys(host.report.models)
        for name in models:
            need = host.report.models[name].need
            held = _held(need, free) if node in placed.get(name, ()) and not host.lost else {}
            for pool, amount in held.items():
                free[pool] -= amount
            models[name] = replace(host.report.models[name], held=held, ready=bool(held))
        result[node] = replace(host, report=replace(host.report, models=models))
    return result


def _held(need: ModelNeed, free: Mapping[str, int]) -> dict[str, int]:
    cards = sorted((pool for pool in free if pool != "ram"), key=free.__getitem__)
    for count in (1, 2) if need.vram else ():
        share = -(-need.vram // count)
        fitting = [card for card in cards if free[card] >= share]
        if len(fitting) >= count:
            return {"ram": need.ram, **dict.fromkeys(fitting[:count], share)}
    return {"ram": need.ram}


# polls


def _polls(count: int, rounds: int) -> Iterator[Figure]:
    """What a controller of so many hosts does in a second in which nothing happens, and what it sends."""
    _, hosts = _fleet(count, 50)
    controller, first, sizes = Controller(0.0), next(iter(hosts.values())).report, list[int]()
    for at in range(4):
        for host in hosts.values():
            controller.hear(replace(host.report, sequence=at + 1), 4.0 * at)
        controller.tick(4.0 * at)

    def hear(at: int) -> None:
        controller.hear(replace(first, sequence=100 + at), 12.0 + at * REPORT / count)
        controller.tick(12.0 + at * REPORT / count)

    def tell(at: int, version: int) -> None:
        sizes.append(len(to_json(controller.answer(first.node, version, 12.0 + at * REPORT / count))))

    heard = [_cpu(lambda at=at: hear(at)) for at in range(rounds)]
    whole = [_cpu(lambda at=at: tell(at, 0)) for at in range(rounds)]
    size = sizes[-1]
    brief = [_cpu(lambda at=at: tell(at, controller.version)) for at in range(rounds)]
    views = count / max(REPORT / 2, FIGURES * count)  # a second, as `Controller.answer` gives them
    reports, answers = count / REPORT, 2 * count / REPORT - views
    cpu = [
        (each[0] * reports + each[1] * views + each[2] * answers) / 10
        for each in zip(heard, whole, brief, strict=True)
    ]
    yield Figure(f"fleet of {count} hosts, 50 models: one view", "kB", [size / 1000], None)
    yield Figure(f"- all {views:.3g} views a second", "MB/s", [size * views / 1e6], None)
    yield Figure("- what one change sends to all", "MB", [size * count / 1e6], None)
    yield Figure("- the controller's CPU", "% of a core", cpu, None)

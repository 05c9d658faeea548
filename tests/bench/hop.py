"""What it costs that another host has the model: a direct connection, one gateway, and two of them one after the other.

    python tests/bench/run.py hop

All on one processor and on loopback, so that what is measured is work: of a network there is nothing in it, and a
gateway that waits for nobody has nothing to hide behind. A hop may take 1.5 times what one gateway adds.
"""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from tests.bench.figures import Figure
from tests.bench.proxies import contestants, measures
from tests.bench.proxies.contestants import HERE, MODELS, Contestant, Ports, process
from tests.e2e.driver import free_ports

GOAL = 1.5
"""Times what one gateway adds."""

DIRECT, ONE, TWO = "direct", "one gateway", "two gateways"

Samples = dict[str, list[float]]
"""By contestant."""


def hop(short: bool, folder: Path) -> Iterator[Figure]:
    """The time of a request on one connection, and the processor's at a load of 200 a second."""
    effort = measures.SHORT if short else measures.Effort()
    took: Samples = {DIRECT: [], ONE: [], TWO: []}
    cost: Samples = {ONE: [], TWO: []}
    with _all(folder) as field:
        for _ in range(effort.rounds if short else 2 * effort.rounds):
            for who in field:
                took[who.name].append(measures.latency(who, effort, folder)["p50 on one"])
                if who.name in cost:
                    cost[who.name].append(measures.cost(who, effort, folder)["cpu per request"])
    direct, one, two = (median(took[who]) for who in (DIRECT, ONE, TWO))
    yield Figure(
        "a request, all on one processor", "us", took[TWO], None, {w: took[w] for w in (ONE, DIRECT)}
    )
    yield Figure("a hop adds", "us", [two - one], GOAL * (one - direct), {"one gateway adds": [one - direct]})
    yield Figure("CPU of the first gateway", "us", cost[TWO], None, {ONE: cost[ONE]})


@contextmanager
def _all(folder: Path) -> Iterator[list[Contestant]]:
    models: Ports = dict(zip(MODELS, free_ports(2), strict=True))
    with ExitStack() as stack:
        pids = [
            stack.enter_context(process(words, folder / f"{name}.log", [models[name]]))
            for name, words in contestants.model_commands(folder, models).items()
        ]
        named = [f"{name}={port}" for name, port in models.items()]

        def gateway(script: str, *words: object) -> tuple[int, int]:
            port, livez = free_ports(2)
            log = folder / f"{port}.log"
            run = [sys.executable, HERE / script, port, livez, *words]
            return port, stack.enter_context(process(run, log, [port, livez]))

        one, one_pid = gateway("gateway_alone.py", *named)
        second, second_pid = gateway("hop_gateway.py", *named)
        first, first_pid = gateway("hop_gateway.py", "--over", second, *MODELS)
        field = [
            Contestant(DIRECT, models, None, models=tuple(pids)),
            Contestant(ONE, dict.fromkeys(MODELS, one), one_pid, models=tuple(pids)),
            Contestant(TWO, dict.fromkeys(MODELS, first), first_pid, models=(*pids, second_pid)),
        ]
        for who in field[1:]:
            if trouble := contestants.answers(who):
                raise RuntimeError(f"{who.name}: {trouble}")
        yield field

"""DESIGN §6 as laws: models start no more often than the order of arrival alternates, and nobody is overtaken for long.

Not for longer than `patience`, that is, or than the model that somebody else has loaded since stays by
`min_residency`. Whoever has come by the time that a model is ready shares its turn, also before one who waits
longer for another: were all served in the strict order of their arrival, a load that alternates would cost a start for
each request, and every client would wait longer than the one before it. And one may take the place of another of the
same model that came first, while the next one's files are looked at anew.

The real reconciler and leases over a virtual host with room for one model, in virtual time.
"""

import asyncio
import itertools
from dataclasses import dataclass

from hypothesis import example, given, settings, strategies as st

from tests.runtime.conftest import Supervised, VirtualHost
from tests.runtime.histories import virtual_time
from tests.runtime.leasing.test_leases import Client, text
from zoosup.runtime.state.inbox import FileRead
from zoosup.spec.parse import parse

SOON = 0.1
"""Seconds that zoosup may take of its own: a turn of its loop, or two."""


@dataclass(frozen=True)
class Arrival:
    """One request: so many seconds after the one before, by whom, for which model, and how long its answer takes."""

    after: float
    client: str
    model: str
    hold: float


@dataclass(frozen=True)
class Rules:
    """What the file says."""

    patience: float = 5.0
    residency: float = 3.0
    limits: tuple[int, ...] = (0, 0, 0)
    load: float = 1.0

    def text(self) -> str:
        models = {name: f"max_inflight: {n}" for name, n in zip("abc", self.limits, strict=True)}
        rules = f"gateway: {{patience: {self.patience:g}s, min_residency: {self.residency:g}s}}"
        return text(extra=rules, **models)


class Asking(Client):
    """A client of whom it is heard when it has its answer."""

    def __init__(self, zoo: Supervised, arrival: Arrival) -> None:
        self.arrival = arrival
        self.told = asyncio.Event()
        self.since = asyncio.get_running_loop().time()
        super().__init__(zoo, arrival.model, client=arrival.client)

    def granted(self, lease: object) -> None:
        super().granted(lease)
        self.told.set()

    def __repr__(self) -> str:
        return f"{self.arrival.model}, which came at {self.since:.2f} and was served at {self.at:.2f},"


@dataclass(frozen=True)
class Life:
    """What became of all: the clients as they came, and (time, model) of each start and of each time one was ready."""

    clients: tuple[Asking, ...]
    starts: tuple[tuple[float, str], ...]
    ready: tuple[tuple[float, str], ...]

    def ready_since(self, model: str, at: float) -> float:
        return max(when for when, who in self.ready if who == model and when <= at)


arrivals = st.lists(
    st.builds(
        Arrival,
        after=st.sampled_from([0.01, 0.05, 0.2, 1.0, 3.0, 7.0]),
        client=st.sampled_from(["one", "two", ""]),
        model=st.sampled_from("abc"),
        hold=st.sampled_from([0.0, 0.1, 1.0, 4.0, 9.0]),
    ),
    min_size=2,
    max_size=14,
)
rules = st.builds(
    Rules,
    patience=st.sampled_from([0.0, 1.0, 5.0, 20.0]),
    residency=st.sampled_from([0.0, 3.0]),
    limits=st.tuples(*[st.sampled_from([0, 1, 2])] * 3),
    load=st.sampled_from([0.1, 1.0, 4.0]),
)


async def lived(order: list[Arrival], rules: Rules) -> Life:
    """Everybody comes, and is answered."""
    host = VirtualHost()
    for name in "abc":
        host.behave(name, load=rules.load)
    zoo = Supervised(host, at_once=False)
    turning = asyncio.create_task(zoo.reconciler.run())
    # Parsed here: no thread moves the clock of this loop.
    zoo.reconciler.post(FileRead(parse(rules.text(), path="zoo.yaml", environ={}), rules.text(), ""))
    clients: list[Asking] = []
    async with asyncio.timeout(3600), asyncio.TaskGroup() as group:
        for each in order:
            await asyncio.sleep(each.after)
            clients.append(Asking(zoo, each))
            group.create_task(_leave(clients[-1]))
    turning.cancel()
    await asyncio.gather(turning, return_exceptions=True)
    starts, ready = (
        tuple((at, who) for at, who, w in host.history if w == what) for what in ("spawn", "ready")
    )
    return Life(tuple(clients), starts, ready)


async def _leave(client: Asking) -> None:
    await client.told.wait()
    await asyncio.sleep(client.arrival.hold)
    client.lease.release()


def no_start_too_many(life: Life) -> None:
    alternations = [model for model, _ in itertools.groupby(c.arrival.model for c in life.clients)]
    started = [model for _, model in life.starts]
    assert len(started) <= len(alternations), f"{started} for {alternations}"


def nobody_is_overtaken_for_long(life: Life, rules: Rules) -> None:
    for first, later in itertools.combinations(life.clients, 2):
        if first.arrival.model == later.arrival.model or later.at >= first.at:
            continue
        stays = life.ready_since(later.arrival.model, later.at) + rules.residency
        places = [
            c.at + c.arrival.hold
            for c in life.clients
            if c.arrival.model == later.arrival.model and c.since < first.since and c.at <= later.at
        ]
        bound = max(first.since + rules.patience, stays, *places)
        assert later.at <= bound + SOON, f"{later} overtakes {first} after {later.at - first.since:.2f} s"


def in_order(*letters: str, hold: float = 1.0, after: float = 0.2) -> list[Arrival]:
    return [Arrival(after, f"client {n}", model, hold) for n, model in enumerate(letters)]


SLIPS_IN = [Arrival(0.01, "one", "a", 0.0), Arrival(0.2, "two", "b", 0.0), Arrival(0.2, "one", "a", 4.0)]
"""The last one came later than the second and found the model idle while that one's files were looked at anew."""


@settings(max_examples=settings().max_examples // 2)
@given(arrivals, rules)
@example(SLIPS_IN, Rules(patience=1.0, load=4.0))
@example(in_order(*"abcabcabc"), Rules())
@example(in_order(*"abababab", hold=4.0), Rules(patience=1.0, residency=0.0, limits=(1, 1, 1)))
def test_the_laws_of_turns_hold(order, rules):
    life = virtual_time.run(lived(order, rules))
    no_start_too_many(life)
    nobody_is_overtaken_for_long(life, rules)

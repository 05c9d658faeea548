"""When the host itself runs short: which model has to go, before the kernel takes one.

  soft      available < reserve: nothing is started, and idle on-demand models leave
  hard      3 s under half the reserve, or under the reserve while the kernel says that everything stalls:
            whoever has outgrown its need the most leaves, else the least valuable
  critical  available < max(256 MiB, 1.5 %): the same choice, by SIGKILL at once

One at a time, with proof between: not while a model is leaving or its memory is being waited for. Nobody is stopped
where all that may be would give back less than 30 % of what is missing: then strangers hold the memory, and that is
said instead. A GPU's pool knows soft alone, since no kernel kills for it: what is full there fails by itself. Stalls
alone stop nothing: the kernel also counts those of strangers who thrash within a limit of their own.

Amounts are signed bytes, times seconds. What can't be read or measured is never acted on.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from zoosup.core.scheduler.cycle import Cycle
from zoosup.core.scheduler.demand import yields
from zoosup.core.scheduler.preemption import min_cost
from zoosup.core.scheduler.verdicts import Level, Shortage
from zoosup.core.state.observed import Model
from zoosup.core.state.phases import Cause
from zoosup.core.state.pools import Pool, Pressure
from zoosup.core.state.runs import Run
from zoosup.spec.syntax.units import describe_size

SETTLED = 1.0
"""Seconds under the reserve before an idle model is stopped for it: a compiler's peak is no pressure."""

STEADY = 0.2
"""Seconds without memory that comes back by itself before any other is stopped: a stranger's end takes its time."""

HARD_SECONDS = 3.0
STALLED = 0.15
"""The share of a second in which everything stalls that counts as pressure; PSI's own example for a trigger."""

WORTH = 0.3
"""The share of what is missing that must come back for a model to be stopped."""

PACE = 0.25
"""Seconds between looks while a pool is short: a server takes a gigabyte and more in one second."""

PROOF = 1.0
"""Seconds after a death in which even a critical reading may not have heard of it yet."""

RELIEF = 16
"""The part of the reserve (one in 16) by which it must be exceeded before a pool counts as no longer short."""

NOISE = 64 * 2**20
"""Bytes above its need that make no model an offender."""

_SPARE, _DEMANDED, _BY_FILE = range(3)
_LEAST_CRITICAL = 256 * 2**20
_CRITICAL_SHARE = 15, 1000


@dataclass(frozen=True, slots=True)
class _Holder:
    """A run that is known to hold something in the pool at hand."""

    model: Model
    run: Run
    held: int
    need: int

    @property
    def over(self) -> int:
        return self.held - self.need


def critical_below(pool: Pool) -> int:
    """Bytes: max(256 MiB, 1.5 %), but at most a quarter of the reserve.

    1.5 % of a large host is more than its whole reserve, which may be filled in good order; and so it is where the
    file says that a small reserve will do.
    """
    share = pool.total * _CRITICAL_SHARE[0] // _CRITICAL_SHARE[1]
    return min(max(_LEAST_CRITICAL, share), pool.reserve // 4)


def followed(before: Pressure | None, pool: Pool, at: float, stalled: float | None) -> Pressure:
    """What is known of a pool's pressure after one more reading of it, made at `at`."""
    known = before or Pressure(pool.id)
    bound = pool.reserve + (pool.reserve // RELIEF if known.short_since is not None else 0)
    return Pressure(
        pool.id,
        _since(known.short_since, pool, bound, at),
        _since(known.low_since, pool, pool.reserve // 2, at),
        None if pool.kind == "vram" else stalled,
        *_settled(known, pool, at),
        at,
    )


def _since(since: float | None, pool: Pool, bound: int, at: float) -> float | None:
    if pool.available is None or pool.available >= bound:
        return None
    return at if since is None else since


def _settled(known: Pressure, pool: Pool, at: float) -> tuple[float | None, int]:
    """Since when nothing has come back that is worth a model, and what was available at least since then."""
    if pool.available is None or pool.available >= pool.reserve:
        return None, 0
    comes_back = max(NOISE, WORTH * (pool.reserve - known.least))
    if known.settled_since is None or pool.available - known.least >= comes_back:
        return at, pool.available
    return known.settled_since, min(known.least, pool.available)


def shortages(cycle: Cycle) -> tuple[Shortage, ...]:
    """The pools that are short, worst first; at most one of them has a victim."""
    short = [
        (level, pressure, pool)
        for node in cycle.observed.nodes
        for pressure in node.pressures
        for pool in node.pools
        if pool.id == pressure.pool and (level := _level(pool, pressure, cycle.observed.now)) is not None
    ]
    found: list[Shortage] = []
    for level, pressure, pool in sorted(short, key=lambda s: (-s[0], s[2].node, s[2].id)):
        acted = any(each.victim is not None for each in found)
        found.append(_ShortPool(cycle, pool, level, pressure).answer(may_act=not acted))
    return tuple(found)


def _level(pool: Pool, pressure: Pressure, now: float) -> Level | None:
    if pool.available is None or pressure.short_since is None:
        return None
    if pool.kind == "vram":
        return Level.SOFT
    if pool.available < critical_below(pool):
        return Level.CRITICAL
    low = pressure.low_since is not None and now - pressure.low_since >= HARD_SECONDS
    stalls = pressure.stalled is not None and pressure.stalled >= STALLED
    return Level.HARD if low or (stalls and pool.available < pool.reserve) else Level.SOFT


class _ShortPool:
    """One pool that is short, and whoever holds something in it."""

    def __init__(self, cycle: Cycle, pool: Pool, level: Level, pressure: Pressure) -> None:
        assert pool.available is not None  # noqa: S101 - an unknown pool has no level
        self._cycle = cycle
        self._pool = pool
        self._level = level
        self._pressure = pressure
        self._available = pool.available
        self._missing = pool.reserve - pool.available
        self._holders = list(self._known())
        self._eligible = [h for h in self._holders if self._may_go(h)]

    def answer(self, *, may_act: bool) -> Shortage:
        held, freeable = _sum(self._holders), _sum(self._eligible)
        external = not self._worth(held)
        act = may_act and self._due() and self._missing > 0 and self._worth(freeable)
        victim = self._victim() if act else None
        return Shortage(
            pool=self._pool,
            level=self._level,
            reason="ExternalPressure" if external else self._level.name.title(),
            missing=self._missing,
            held=held,
            freeable=freeable,
            message=self._message(victim, held, freeable),
            wake_at=self._cycle.observed.now + PACE,
            victim=victim.model.name if victim is not None else None,
        )

    def _known(self) -> Iterator[_Holder]:
        for model, run in self._cycle.observed.live():
            held = self._held(run)
            if held > 0 and run.node == self._pool.node:
                # Its booking has grown with what it holds; what it was expected to need has not.
                expected = {**self._cycle.booked(model, run), **run.outgrown}
                yield _Holder(model, run, held, self._cycle.counted(expected, run.node).get(self._pool.id, 0))

    def _held(self, run: Run) -> int:
        return self._cycle.counted(run.measured, run.node).get(self._pool.id, 0)

    def _may_go(self, holder: _Holder) -> bool:
        if holder.model.name in self._cycle.leaving:
            # What is on its way out can't be sent there again, but it can be made to hurry.
            return self._level is Level.CRITICAL and not holder.run.stuck
        return self._level is not Level.SOFT or self._is_spare(holder)

    def _is_spare(self, holder: _Holder) -> bool:
        """On demand, and nobody demands it."""
        return self._yields(holder) and not self._cycle.observed.demand_for(holder.model.name).busy

    def _yields(self, holder: _Holder) -> bool:
        return yields(holder.model, self._cycle.spec_of(holder.model))

    def _due(self) -> bool:
        """Whether it is time to act, and what was done before has shown what it was worth."""
        now, leaving = self._cycle.observed.now, self._cycle.leaving
        going = [run for model, run in self._cycle.observed.live() if model.name in leaving and not run.stuck]
        cooling = [c for c in self._cycle.cooling if c.node == self._pool.node and c.pool == self._pool.id]
        if self._level is Level.CRITICAL:
            killed = any(run.leaving is not None and run.leaving.at_once for run in going)
            return not killed and all(now - c.since >= PROOF for c in cooling)
        least = STEADY if self._level is Level.HARD else SETTLED
        return not cooling and not any(map(self._helps, going)) and self._settled_for() >= least

    def _settled_for(self) -> float:
        """Seconds from the first reading that showed what the last one still shows."""
        since = self._pressure.settled_since
        return 0.0 if since is None else self._pressure.read_at - since

    def _helps(self, run: Run) -> bool:
        """Whether what this run gives back has to be seen first: it was sent for that, or holds enough."""
        sent = run.leaving is not None and run.leaving.cause is Cause.PRESSURE
        return sent or self._worth(self._held(run))

    def _victim(self) -> _Holder | None:
        hastened = [h for h in self._eligible if h.model.name in self._cycle.leaving and self._worth(h.held)]
        if hastened:
            return max(hastened, key=lambda h: (h.held, h.model.name))
        staying = [h for h in self._eligible if h.model.name not in self._cycle.leaving]
        offenders = [h for h in staying if h.over > NOISE and self._worth(h.over)]
        if offenders and self._level is not Level.SOFT:
            return max(offenders, key=lambda h: (h.over, h.model.name))
        # One that alone gives little back goes only where there is none that gives more.
        candidates = [h for h in staying if self._worth(h.held)] or staying
        return min(candidates, key=self._value, default=None)

    def _worth(self, amount: int) -> bool:
        return amount > 0 and amount >= WORTH * self._missing

    def _value(self, holder: _Holder) -> tuple[int, bool, int, float, str]:
        """What losing it means, least first: on demand and idle, on demand, then by the order of `active`."""
        name, wanted = holder.model.name, self._cycle.wanted.all
        group = _BY_FILE
        if self._yields(holder):
            group = _SPARE if self._is_spare(holder) else _DEMANDED
        place = wanted.index(name) if name in wanted else len(wanted)
        active = name in self._cycle.spec.active
        ranked = active or group == _BY_FILE
        return group, active, -place if ranked else 0, self._cost(holder), name

    def _cost(self, holder: _Holder) -> float:
        """Seconds that loading it again takes, fading while nobody uses it."""
        now, run = self._cycle.observed.now, holder.run
        loaded = run.ready_at if run.ready_at is not None else now
        demand = self._cycle.observed.demand_for(holder.model.name)
        used = now if demand.busy else max(demand.last_used or loaded, loaded)
        load_time = holder.model.load_time
        if load_time is None:
            load_time = max(0.0, loaded - run.booked_at)
        return min_cost.Victim(holder.model.name, holder.held, now - used, load_time).loss

    def _message(self, victim: _Holder | None, held: int, freeable: int) -> str:
        pool = self._pool
        short = f"{describe_size(self._missing)} missing" if self._missing > 0 else "recovering"
        text = (
            f"{pool.id}: {describe_size(self._available)} available, reserve {describe_size(pool.reserve)}, "
            f"{short}; models hold {describe_size(held)}"
        )
        if self._pressure.stalled:
            text += f", everything stalls {self._pressure.stalled:.0%} of the time"
        if victim is not None:
            over = f", {describe_size(victim.over)} above its need" if victim.over > NOISE else ""
            return f"{text}; {victim.model.name} goes: it holds {describe_size(victim.held)}{over}"
        if not self._worth(held):
            return f"{text}: others hold the rest, and stopping models would not help"
        if not self._worth(freeable):
            return f"{text}; none is idle on demand and worth stopping, nothing is started"
        return f"{text}; nothing is started"


def _sum(holders: Iterable[_Holder]) -> int:
    return sum(h.held for h in holders)

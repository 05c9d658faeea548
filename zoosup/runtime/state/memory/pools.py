"""The memory of one host as it is known: the last readings, what is waited for after a stop, and what is short.

Changes only by the methods here; the journal hears of what people should know. Knows neither models nor who needs what.
"""

from collections.abc import Iterable, Mapping, Set as AbstractSet
from dataclasses import dataclass, field, replace

from zoosup.core.memory import reclaim
from zoosup.core.memory.budget import bounds
from zoosup.core.memory.other_gpus import everywhere
from zoosup.core.memory.unified import in_ram
from zoosup.core.scheduler import pressure
from zoosup.core.scheduler.verdicts import Shortage
from zoosup.core.state.pools import VRAM, Cooldown, Node, Pool, Pressure
from zoosup.core.state.runs import Run
from zoosup.host.ports.host import PoolReading
from zoosup.runtime.clock import Clock
from zoosup.runtime.events.journal import Journal
from zoosup.runtime.state.memory.rises import Rises
from zoosup.spec.model.memory import BudgetSpec
from zoosup.spec.syntax.units import describe_size

NEAR = 4
"""The part of the reserve (one in four) above it within which a pool is watched as if it were short."""

FRESH = 0.003
"""Seconds for which a reading is as good as a new one."""

MOVED = 64
"""The part of a pool (one in so many) by which free memory has to move to be news."""


@dataclass(slots=True)
class Pools:
    """The pools of one host; `budget` is the file's word on all of them."""

    host: str
    clock: Clock
    journal: Journal
    budget: BudgetSpec = field(default_factory=BudgetSpec)
    readings: tuple[PoolReading, ...] = ()
    read_at: float = 0.0
    devices: tuple[str, ...] = ()  # makes and drivers of the GPUs
    cooldowns: dict[tuple[str, str], Cooldown] = field(default_factory=dict)  # by pool and run
    pressures: dict[str, Pressure] = field(default_factory=dict)  # by pool
    short: dict[str, str] = field(default_factory=dict)  # what was last told of pools that are short
    rises: Rises = field(default_factory=Rises)
    _pools: tuple[tuple[PoolReading, ...], BudgetSpec, tuple[Pool, ...]] | None = field(
        default=None, init=False, repr=False, compare=False
    )

    def copy(self, journal: Journal) -> "Pools":
        """A memory of its own in which the same is so, and what everybody holds is known."""
        return replace(
            self,
            journal=journal,
            cooldowns=dict(self.cooldowns),
            pressures=dict(self.pressures),
            short=dict(self.short),
            rises=Rises(),
        )

    def sample(self, readings: tuple[PoolReading, ...], stalled: float | None) -> bool:
        """Take in one reading of all pools; whether the GPUs, or their drivers, are others than before.

        Cool-downs keep the samples they need, and pressure is followed. `stalled`: the share of the last second in
        which everything waited for memory.
        """
        self.readings, self.read_at = readings, self.clock.now()
        devices = tuple(sorted({r.device for r in readings if r.device}))
        changed, self.devices = devices != self.devices, devices
        now = self.read_at
        self.rises.sample(readings, now)
        pools = {r.id: r for r in readings}
        self.pressures = {
            pool.id: pressure.followed(
                self.pressures.get(pool.id), pool, _made_at(pools[pool.id], now), stalled
            )
            for pool in self.pools()
        }
        for key, watch in self.cooldowns.items():
            reading = pools.get(watch.pool)
            if reading is not None and reading.available is not None and _says_something(reading, watch):
                at = _made_at(reading, now)
                self.cooldowns[key] = replace(watch, samples=reclaim.sampled(watch, at, reading.available))
        return changed

    def cool_down(
        self, model: str, run: Run, baseline: Mapping[str, int], pids: frozenset[int] = frozenset()
    ) -> None:
        """Begin to wait for the memory of a run that is gone and had `pids`; `baseline` is empty after a crash."""
        measured = self.counted(run.measured)
        for pool, reserved in self.counted(everywhere(run)).items():
            loaded = run.ready_at is not None and pool.startswith(VRAM)
            # Of one that has loaded nobody may be able to say how much; then it is what it was booked with.
            held = min(reserved, measured.get(pool, reserved if loaded else 0))
            self.cooldowns[pool, run.id] = Cooldown(
                run.node,
                pool,
                model,
                self.clock.now(),
                held,
                baseline.get(pool),
                self._seen(pool, pids),
                pids,
            )

    def _seen(self, pool: str, gone: AbstractSet[int]) -> tuple[tuple[float, int], ...]:
        """The last sample, from before all of a run were gone: beside the next one it is as good as one after it."""
        return tuple(
            (_made_at(each, self.read_at), each.available)
            for each in self.readings
            if each.id == pool and each.available is not None and _has_let_go(each, gone)
        )

    def await_sleep(self, model: str, run: Run, baseline: Mapping[str, int]) -> None:
        """Begin to wait for the memory of a run that has gone to sleep; `baseline` was available before."""
        if run.sleep is None or run.leaving is not None:
            return
        awake, reserved = self.counted(run.sleep.awake), self.counted(run.reserved)
        for pool, held in self.counted(run.sleep.held).items():
            back = min(held, awake.get(pool, 0)) - reserved.get(pool, 0)
            if back > 0:
                now = self.clock.now()
                self.cooldowns[pool, run.id] = Cooldown(run.node, pool, model, now, back, baseline.get(pool))

    def counted(self, amounts: Mapping[str, int]) -> Mapping[str, int]:
        """Amounts as the pools are summed: what a GPU takes from RAM stands there, too."""
        return in_ram(amounts, frozenset(pool.id for pool in self.pools() if pool.unified))

    def satisfy(self, pools: Iterable[str], successor: str) -> None:
        """A start was admitted on what is really free: nobody has to wait any longer for what came before it."""
        for watch in [c for c in self.cooldowns.values() if c.pool in set(pools)]:
            waited = self.clock.now() - watch.since
            message = f"{successor} fits {waited:.2f} s after {watch.model} was gone"
            self.end_cool_down(watch.pool, watch.model, "satisfied", message)

    def end_cool_down(self, pool: str, model: str, outcome: str, message: str) -> None:
        """The wait is over; the journal hears how."""
        data: dict[str, object] = {"pool": pool}
        for key in [k for k, c in self.cooldowns.items() if c.pool == pool and c.model == model]:
            data["seconds"] = round(self.clock.now() - self.cooldowns.pop(key).since, 3)
        self.journal.add("CoolDown", model, outcome.title().replace(" ", ""), message, data)

    def note_shortages(self, shortages: tuple[Shortage, ...]) -> None:
        """The journal hears of every act of the guard, and of each pool's way into pressure and out of it."""
        before, self.short = self.short, {s.pool.id: s.reason for s in shortages}
        for shortage in shortages:
            if shortage.victim is not None or before.get(shortage.pool.id) != shortage.reason:
                self.journal.add(
                    "Pressure", shortage.victim, shortage.reason, shortage.message, shortage.figures()
                )
        for pool in [p for p in self.pools() if p.id in before and p.id not in self.short]:
            free = "unknown" if pool.available is None else describe_size(pool.available)
            self.journal.add(
                "Pressure", None, "Over", f"{pool.id}: {free} available again", {"pool": pool.id}
            )

    @property
    def is_fresh(self) -> bool:
        """Whether the last reading serves the next plan of a turn too, which books what the last plan did."""
        return self.clock.now() - self.read_at <= FRESH

    @property
    def nearly_short(self) -> bool:
        """Whether a pool in which models may live is short, or near enough to be looked at more often."""
        return any(
            p.available is not None and p.available < p.reserve + p.reserve // NEAR for p in self.pools()
        )

    def pools(self) -> tuple[Pool, ...]:
        """The pools with the file's budgets over the last readings; asked often, worked out once for both."""
        if self._pools is None or self._pools[0] is not self.readings or self._pools[1] is not self.budget:
            self._pools = self.readings, self.budget, tuple(self._pool(r) for r in self.readings)
        return self._pools[2]

    def _pool(self, reading: PoolReading) -> Pool:
        reserve, budget = bounds(self.budget, reading.id, reading.total, reading.index)
        return Pool(
            node=self.host,
            id=reading.id,
            kind=reading.kind,
            name=reading.name,
            total=reading.total,
            available=reading.available,
            budget=budget,
            reserve=reserve,
            index=reading.index,
            unified=reading.unified,
            make=reading.make,
            pci=reading.pci,
            render_node=reading.render_node,
        )

    def node(self) -> Node:
        """All of it, as a plan sees it."""
        risen = self.rises.known()
        pools = tuple(replace(p, risen=risen[p.id]) if p.id in risen else p for p in self.pools())
        return Node(self.host, pools, tuple(self.cooldowns.values()), tuple(self.pressures.values()))


def _made_at(reading: PoolReading, now: float) -> float:
    return now if reading.at is None else reading.at


def _says_something(reading: PoolReading, watch: Cooldown) -> bool:
    """Whether it was taken after the run was gone, is not the last one again, and the driver has let go of the run.

    A figure that is read more often than it is made would else agree with itself.
    """
    latest = max(watch.since, watch.samples[-1][0] if watch.samples else watch.since)
    return _has_let_go(reading, watch.pids) and (reading.at is None or reading.at > latest)


def _has_let_go(reading: PoolReading, pids: AbstractSet[int]) -> bool:
    return reading.processes is None or pids.isdisjoint(reading.processes)


def have_moved(
    before: tuple[PoolReading, ...], now: tuple[PoolReading, ...], most: int | None = None
) -> bool:
    """Whether what is free is other than it was by more than `most` bytes; None: so much that people should see it."""
    known = {reading.id: reading for reading in before}
    return known.keys() != {reading.id for reading in now} or any(
        _differ(
            known[reading.id].available, reading.available, reading.total // MOVED if most is None else most
        )
        for reading in now
    )


def _differ(before: int | None, now: int | None, most: int) -> bool:
    if before is None or now is None:
        return (before is None) != (now is None)
    return abs(now - before) > most

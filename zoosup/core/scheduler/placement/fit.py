"""Where one candidate stands: whether it may start now, must wait, and who would have to leave for it.

    refused  it can never fit beside what must stay: nothing is stopped for it
    admitted it fits beside everything that lives, and what has just stopped has given its memory back
    waits    it would fit once others have left (they are told to), or once strangers let go of memory

Pure arithmetic over one cycle: it judges one model on one node in one layout, and changes nothing.
"""

from collections.abc import Mapping, Sequence, Set as AbstractSet
from dataclasses import dataclass, field, replace

from zoosup.core.estimation.need import need_of
from zoosup.core.memory import reclaim
from zoosup.core.memory.gpu_layouts import NOWHERE, Layout
from zoosup.core.memory.ledger import Ledger, Sum, explain, holders
from zoosup.core.memory.sleep_footprint import Sleeper
from zoosup.core.scheduler.cycle import Cycle
from zoosup.core.scheduler.preemption.preempt import Preemption, is_down
from zoosup.core.scheduler.preemption.put_to_sleep import sleepers
from zoosup.core.scheduler.verdicts import Placement, Verdict
from zoosup.core.state.observed import Model
from zoosup.core.state.phases import Reason
from zoosup.core.state.pools import VRAM, Cooldown
from zoosup.spec.model.memory import Strategy
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.syntax.units import describe_size

LOOK = 0.1
"""Seconds between passes while it is not known who has given memory back; a look at what all hold tells."""


@dataclass(slots=True)
class Candidate:
    """One model, on one node, in one layout, in one cycle. The same `preemption` serves for all of its layouts."""

    cycle: Cycle
    model: Model
    spec: ModelSpec
    node: str
    preemption: Preemption
    layout: Layout = NOWHERE
    amounts: Mapping[str, int] = field(init=False)
    ledgers: Mapping[str, Ledger] = field(init=False)

    def __post_init__(self) -> None:
        self.amounts = self.cycle.counted(self.layout.amounts, self.node)
        self.ledgers = {pool: self.cycle.ledgers[self.node, pool] for pool in self.amounts}

    # the questions

    def place(self) -> Placement:
        """Place a model that has no run, or one that sleeps and is to wake."""
        never = self._never()
        if never:
            return self._not_now(Reason.EXCEEDS_BUDGET, never)
        if self._must_wait_its_turn():
            return self._not_now(Reason.TURN, "a model whose need is a guess starts alone")
        busy = [pool for pool in self.amounts if self._is_busy(pool)]
        if busy:
            return self._not_now(Reason.TURN, f"another model is starting on {', '.join(busy)}")
        forced = self._forced()
        if forced or not self._fits():
            return self._after_others(forced)
        return self._before_proof() or self._admit()

    def renewal(self) -> Verdict | None:
        """Why a model that runs can't be replaced by what the file now says of it; None when it can."""
        never = self._never()
        if never:
            return Verdict(Reason.EXCEEDS_BUDGET, never, self._sums())
        without = {self.model.name} | self.cycle.freeing | set(self.preemption.now)
        staying = self._forced() - without
        if staying:
            return Verdict(Reason.PORT, self._port_stays(staying), self._sums())
        return None if self._fits(without) else self._short(without).verdict

    def may_fit(self) -> bool:
        """Whether it would fit here were all stopped that may be, and no stranger about."""
        return not self._never()

    def order(self, ledger: Ledger, share: int) -> tuple[int, ...]:
        """How well `share` bytes would stand on a GPU: where it could start at once the fullest, else the emptiest."""
        pool, own, freeing = ledger.pool.id, self._own(), self.cycle.freeing
        cooling = any(c.node == self.node and c.pool == pool for c in self.cycle.cooling)
        if share > ledger.ceiling - sum(self._staying(ledger).values()):
            return 5, -ledger.headroom
        if ledger.fits(share, own):
            return (1 if cooling or self._is_busy(pool) else 0), ledger.headroom
        if cooling or ledger.fits(share, own | freeing):
            return 2, -ledger.headroom
        if ledger.fits(share, own | freeing | set(self.preemption.now)):
            return 3, -ledger.headroom
        return 4, -ledger.headroom

    # what stands in its way

    def _never(self) -> str:
        """What is missing even if all were stopped that may be; nothing when it fits then."""
        for pool, amount in self.amounts.items():
            ledger = self.ledgers[pool]
            stay = self._staying(ledger)
            if amount > ledger.ceiling - sum(stay.values()):
                return _too_much(ledger, amount, stay)
        return ""

    def _staying(self, ledger: Ledger) -> Mapping[str, int]:
        """E of those who leave for it in no case."""
        return ledger.needs(self.cycle.earlier | self.preemption.kept)

    def _must_wait_its_turn(self) -> bool:
        """A guess starts alone, and nothing starts beside one: its true need isn't known before it has loaded."""
        others = self.cycle.starting - {self.model.name}
        if not others:
            return False
        starting = (self.cycle.observed.models[n] for n in others)
        return _is_guess(self.model, self.spec) or any(_is_guess(m, self.cycle.spec_of(m)) for m in starting)

    def _is_busy(self, pool: str) -> bool:
        """One start at a time for each GPU: loading servers look at what is free there and take it."""
        return pool.startswith(VRAM) and self.cycle.is_loading(self.node, pool, self.model.name)

    def _forced(self) -> set[str]:
        """Who has to be gone first whatever the memory: holders of its fixed port, and the old with `replace`."""
        holder = self._port_holder()
        forced = {holder} if holder is not None and holder != self.model.name else set()
        if self.cycle.spec.switch.strategy is Strategy.REPLACE:
            forced |= self.cycle.outgoing_for(self.model.name)
        return forced

    def _port_holder(self) -> str | None:
        return self.cycle.ports.get(self.spec.port) if self.spec.port != "auto" else None

    def _cooling(self) -> list[Cooldown]:
        return [c for c in self.cycle.cooling if c.node == self.node and c.pool in self.amounts]

    def _satisfied(self, watch: Cooldown) -> bool:
        """Two samples agree that the sum holds and the least pause is over: no need to wait for the rest."""
        known = reclaim.agreed(watch)
        if known is None or self.cycle.observed.now - watch.since < self.cycle.spec.switch.cooldown.min:
            return False
        return self.ledgers[watch.pool].fits(self.amounts[watch.pool], self._own(), available=known)

    # its start

    def _before_proof(self) -> Placement | None:
        """Nothing is started on memory that is not proved to be back, or that somebody may take again."""
        cooling = self._cooling()
        if not all(self._satisfied(watch) for watch in cooling):
            return self._not_now(Reason.COOL_DOWN, _cools(cooling))
        for pool, ledger in self.ledgers.items():
            unseen = ledger.unseen(self._own())
            left = (ledger.pool.available or 0) - unseen
            if unseen and not ledger.fits(self.amounts[pool], self._own(), available=left):
                message = f"waits until it is known who has given back {describe_size(unseen)} of {pool}"
                return self._not_now(Reason.COOL_DOWN, message, look_at=self.cycle.observed.now + LOOK)
        return None

    def _admit(self) -> Placement:
        sums = self._sums()
        return Placement(self.node, Verdict("", _admitted(sums), sums), self.layout)

    # who has to leave

    def _after_others(self, forced: set[str]) -> Placement:
        """It doesn't fit beside all that lives: wait for those who leave, send others, or wait for strangers."""
        leaving = self.cycle.leaving
        if forced <= leaving and self._fits(self.cycle.freeing):
            return self._not_now(Reason.EVICTION, _waits_for(sorted(self._awaited(forced))))
        if self._awaits_renewals(self.cycle.freeing):
            return self._after_renewals()
        preemptible = set(self.preemption.now)
        staying = forced - leaving - preemptible
        if not staying <= self.preemption.later.keys():
            return self._not_now(Reason.PORT, self._port_stays(staying))
        cooling = self._cooling()
        if cooling:
            return self._not_now(Reason.COOL_DOWN, _cools(cooling))
        chosen = None if staying else self.preemption.victims(self._fits_without, forced - leaving)
        if chosen is None:
            return self._in_time(self.cycle.freeing | preemptible, staying)
        asleep = self._sleepers(chosen, forced)
        verdict = Verdict(Reason.EVICTION, _waits_for(chosen), self._sums())
        victims = tuple(name for name in chosen if name not in asleep)
        return Placement(self.node, verdict, self.layout, victims, tuple(asleep.values()))

    def _sleepers(self, chosen: Sequence[str], forced: AbstractSet[str]) -> Mapping[str, Sleeper]:
        """Those of `chosen` for whom it is enough to sleep."""
        able = [name for name in chosen if name not in forced]
        return sleepers(self.cycle, self.node, able, lambda gone: self._fits_without(gone | forced))

    def _in_time(self, without: AbstractSet[str], staying: AbstractSet[str]) -> Placement:
        """Not with all that may leave now: others may later, when they are idle or have stayed their time.

        Those who are `staying` have to be gone whatever the memory.
        """
        later = self.preemption.later
        if not later or not self._fits(without | later.keys()):
            return self._short(without)
        awaited = staying if staying and self._fits(without | staying) else later.keys()
        times = [at for name in awaited if (at := later[name]) is not None]
        message = f"waits until {', '.join(sorted(awaited))} may leave"
        if (holder := self._port_holder()) in staying:
            message += f": port {self.spec.port} is used by {holder}"
        found = self._not_now(Reason.EVICTION, message, look_at=min(times, default=None))
        return replace(found, awaited=tuple(sorted(awaited)))

    def _short(self, without: AbstractSet[str]) -> Placement:
        """Not even with all of those gone: strangers hold the memory, or it can't be read."""
        if self._awaits_renewals(without):
            return self._after_renewals()
        unknown = any(ledger.pool.available is None for ledger in self.ledgers.values())
        sums = self._sums(without)
        verdict = Verdict(Reason.MEMORY_UNKNOWN if unknown else Reason.MEMORY, explain(sums), sums)
        return Placement(self.node, verdict, self.layout)

    def _awaits_renewals(self, without: AbstractSet[str]) -> bool:
        renewing = self.cycle.renewing.keys()
        return bool(renewing) and self._fits(without | renewing)

    def _after_renewals(self) -> Placement:
        """Nobody leaves, and no stranger is blamed, for room that is kept until it is known whether it is needed."""
        names = ", ".join(sorted(self.cycle.renewing.values()))
        return self._not_now(Reason.TURN, f"waits until what the file now says of {names} has been looked at")

    def _port_stays(self, staying: AbstractSet[str]) -> str:
        return f"port {self.spec.port} is used by {', '.join(sorted(staying))}, which stays"

    def _awaited(self, forced: set[str]) -> set[str]:
        held = {n for ledger in self.ledgers.values() for n in ledger.holdings}
        return {n for n in self.cycle.leaving | self.cycle.falling_asleep if n in forced or n in held}

    # the sums

    def _own(self) -> AbstractSet[str]:
        """Its own promise must not stand against it, nor what it holds asleep."""
        return {self.model.name} if is_down(self.model) else set()

    def _fits_without(self, gone: AbstractSet[str]) -> bool:
        """Whether it fits once these are gone too, beside those who are on their way."""
        return self._fits(self.cycle.freeing | gone)

    def _fits(self, without: AbstractSet[str] = frozenset()) -> bool:
        gone = self._own() | without
        return all(self.ledgers[pool].fits(amount, gone) for pool, amount in self.amounts.items())

    def _sums(self, without: AbstractSet[str] = frozenset()) -> tuple[Sum, ...]:
        gone = self._own() | without
        return tuple(self.ledgers[pool].weigh(amount, gone) for pool, amount in self.amounts.items())

    def _not_now(self, reason: Reason, message: str, look_at: float | None = None) -> Placement:
        return Placement(self.node, Verdict(reason, message, self._sums()), self.layout, look_at=look_at)


def _is_guess(model: Model, spec: ModelSpec) -> bool:
    """Whether nobody knows what it will hold. Under `auto` a run keeps its booking, and where that had its figure."""
    run = model.run
    if run is not None and spec.memory == "auto" and run.source not in {"", "default"}:
        return False
    return not need_of(model, spec).certain


def _too_much(ledger: Ledger, amount: int, stay: Mapping[str, int]) -> str:
    pool = ledger.pool
    bound = f"budget {describe_size(pool.budget)}"
    if pool.total - pool.reserve < pool.budget:
        bound = f"{describe_size(pool.total)} in all less reserve {describe_size(pool.reserve)}"
    held = f" less {holders(stay)}" if stay else ""
    short = amount - (ledger.ceiling - sum(stay.values()))
    return f"{pool.id} is short of {describe_size(short)}: needs {describe_size(amount)}, {bound}{held}"


def _admitted(sums: Sequence[Sum]) -> str:
    return "; ".join(
        f"{s.pool.id}: needs {describe_size(s.need)}, free {describe_size(s.pool.available or 0)}"
        for s in sums
    )


def _cools(watches: Sequence[Cooldown]) -> str:
    return f"waits for the memory of {', '.join(dict.fromkeys(w.model for w in watches))} to be back"


def _waits_for(names: Sequence[str]) -> str:
    return f"waits for {', '.join(names)} to leave"

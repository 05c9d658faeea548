"""Where one candidate stands: whether it may start now, must wait, and who would have to leave for it.

    refused  it can never fit beside what must stay: nothing is stopped for it
    admitted it fits beside everything that lives, and what has just stopped has given its memory back
    waits    it would fit once others have left (they are told to), or once strangers let go of memory

Pure arithmetic over one pass's scratch paper (`Room`); it decides about one candidate and changes nothing.
"""

from collections.abc import Mapping, Sequence, Set as AbstractSet
from dataclasses import dataclass, field, replace

from zoosup.core.estimation.need import need
from zoosup.core.memory import reclaim
from zoosup.core.memory.gpu_layouts import NOWHERE, Layout
from zoosup.core.memory.ledger import Ledger, Sum, explain, holders
from zoosup.core.memory.sleep_footprint import Sleeper
from zoosup.core.scheduler.preempt import Victims, is_down
from zoosup.core.scheduler.put_to_sleep import sleepers
from zoosup.core.scheduler.room import Room
from zoosup.core.state.observed import Model
from zoosup.core.state.phases import Reason
from zoosup.core.state.pools import VRAM, Cooldown
from zoosup.spec.model.memory import Strategy
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.syntax.units import describe_size


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found of one candidate: the sums it was weighed by, and what came of it."""

    outcome: str  # admitted | waits | refused
    reason: str
    message: str
    sums: tuple[Sum, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict on one node: start there, or wait, and who has to leave first. `layout` is what it was weighed as."""

    node: str
    verdict: Verdict
    start: bool = False
    evict: tuple[tuple[str, str], ...] = ()  # (model, message)
    park: tuple[tuple[Sleeper, str], ...] = ()  # who goes to sleep for it, and the message
    layout: Layout = NOWHERE
    look_at: float | None = None  # when somebody who stays for the present may leave for it


@dataclass(slots=True)
class Weighing:
    """One candidate, on one node, in one layout, in one pass. The same `victims` serve for all of its layouts."""

    room: Room
    model: Model
    spec: ModelSpec
    node: str
    victims: Victims
    layout: Layout = NOWHERE
    amounts: Mapping[str, int] = field(init=False)
    ledgers: Mapping[str, Ledger] = field(init=False)

    def __post_init__(self) -> None:
        self.amounts = self.layout.amounts
        self.ledgers = {pool: self.room.ledgers[self.node, pool] for pool in self.amounts}

    def answer(self) -> Answer:
        """Weigh a model that has no run, or one that sleeps and is to wake."""
        never = self._never()
        if never:
            return self._no("refused", Reason.EXCEEDS_BUDGET, never)
        if self._must_wait_its_turn():
            return self._no("waits", Reason.TURN, "a model whose need is a guess starts alone")
        busy = [pool for pool in self.amounts if self._is_busy(pool)]
        if busy:
            return self._no("waits", Reason.TURN, f"another model is starting on {', '.join(busy)}")
        forced = self._forced()
        if forced or not self._fits():
            return self._after_others(forced)
        cooling = self._cooling()
        if not all(self._satisfied(watch) for watch in cooling):
            return self._no("waits", Reason.COOL_DOWN, _cools(cooling))
        sums = self._sums()
        verdict = Verdict("admitted", "", _admitted(sums), sums)
        return Answer(self.node, verdict, start=True, layout=self.layout)

    def renewal(self) -> Verdict | None:
        """Why a model that runs can't be replaced by what the file now says of it; None when it can."""
        never = self._never()
        if never:
            return Verdict("refused", Reason.EXCEEDS_BUDGET, never, self._sums())
        without = {self.model.name} | self.room.freeing | set(self.victims.now)
        staying = self._forced() - without
        if staying:
            return Verdict("waits", Reason.PORT, self._port_stays(staying), self._sums())
        return None if self._fits(without) else self._short(without).verdict

    def could_ever_fit(self) -> bool:
        """Whether it would fit on a host that held nothing else."""
        return all(amount <= self.ledgers[pool].ceiling for pool, amount in self.amounts.items())

    def _never(self) -> str:
        """What is missing even if all were stopped that may be; nothing when it fits then."""
        for pool, amount in self.amounts.items():
            ledger = self.ledgers[pool]
            stay = ledger.needs(self.room.earlier | self.victims.kept)
            if amount > ledger.ceiling - sum(stay.values()):
                return _too_much(ledger, amount, stay)
        return ""

    def _must_wait_its_turn(self) -> bool:
        """A guess starts alone, and nothing starts beside one: its true need isn't known before it has loaded."""
        others = self.room.starting - {self.model.name}
        if not others:
            return False
        starting = (self.room.observed.models[n] for n in others)
        return not need(self.spec, self.model.weights, self.model.learned).certain or any(
            not need(self.room.spec_of(m), m.weights, m.learned).certain for m in starting
        )

    def _is_busy(self, pool: str) -> bool:
        """One start at a time for each GPU: loading servers look at what is free there and take it."""
        return pool.startswith(VRAM) and self.room.loading(self.node, pool, self.model.name)

    def order(self, ledger: Ledger, share: int) -> tuple[int, ...]:
        """How well `share` bytes would stand on a GPU: where it could start at once the fullest, else the emptiest."""
        pool, own, leaving = ledger.pool.id, self._own(), self.room.freeing
        cooling = any(c.node == self.node and c.pool == pool for c in self.room.cooling)
        stay = ledger.needs(self.room.earlier | self.victims.kept)
        if share > ledger.ceiling - sum(stay.values()):
            return 5, -ledger.headroom
        if ledger.fits(share, own):
            return (1 if cooling or self._is_busy(pool) else 0), ledger.headroom
        if cooling or ledger.fits(share, own | leaving):
            return 2, -ledger.headroom
        if ledger.fits(share, own | leaving | set(self.victims.now)):
            return 3, -ledger.headroom
        return 4, -ledger.headroom

    def _forced(self) -> set[str]:
        """Who has to be gone first whatever the memory: holders of its fixed port, and the old with `replace`."""
        holder = self._port_holder()
        forced = {holder} if holder is not None and holder != self.model.name else set()
        if self.room.spec.switch.strategy is Strategy.REPLACE:
            forced |= self.room.outgoing_for(self.model.name)
        return forced

    def _port_holder(self) -> str | None:
        return self.room.ports.get(self.spec.port) if self.spec.port != "auto" else None

    def _cooling(self) -> list[Cooldown]:
        return [c for c in self.room.cooling if c.node == self.node and c.pool in self.amounts]

    def _satisfied(self, watch: Cooldown) -> bool:
        """Two samples agree that the sum holds and the least pause is over: no need to wait for the rest."""
        known = reclaim.agreed(watch)
        if known is None or self.room.observed.now - watch.since < self.room.spec.switch.cooldown.min:
            return False
        return self.ledgers[watch.pool].fits(self.amounts[watch.pool], self._own(), available=known)

    def _after_others(self, forced: set[str]) -> Answer:
        """It doesn't fit beside all that lives: wait for those who leave, send others, or wait for strangers."""
        leaving = self.room.leaving
        if forced <= leaving and self._fits(self.room.freeing):
            return self._no("waits", Reason.EVICTION, _waits_for(sorted(self._awaited(forced))))
        victims = set(self.victims.now)
        staying = forced - leaving - victims
        if not staying <= self.victims.later.keys():
            return self._no("waits", Reason.PORT, self._port_stays(staying))
        cooling = self._cooling()
        if cooling:
            return self._no("waits", Reason.COOL_DOWN, _cools(cooling))
        if staying:
            return self._in_time(self.room.freeing | victims, staying)
        chosen = self.victims.least(self._fits_without, forced - leaving)
        if chosen is None:
            return self._in_time(self.room.freeing | victims)
        why, sleepers = f"makes room for {self.model.name}", self._naps(chosen, forced)
        evict = tuple((name, why) for name in chosen if name not in sleepers)
        park = tuple((sleep, why) for sleep in sleepers.values())
        return replace(self._no("waits", Reason.EVICTION, _waits_for(chosen)), evict=evict, park=park)

    def _naps(self, chosen: Sequence[str], forced: AbstractSet[str]) -> Mapping[str, Sleeper]:
        """Those of `chosen` for whom it is enough to sleep."""
        able = [name for name in chosen if name not in forced]
        return sleepers(self.room, self.node, able, lambda gone: self._fits_without(gone | forced))

    def _in_time(self, without: AbstractSet[str], staying: AbstractSet[str] = frozenset()) -> Answer:
        """Not with all that may leave now: others may later, when they are idle or have stayed their time.

        Those who are `staying` have to be gone whatever the memory.
        """
        later = self.victims.later
        if not later or not self._fits(without | later.keys()):
            return self._short(without)
        awaited = staying if staying and self._fits(without | staying) else later.keys()
        times = [at for name in awaited if (at := later[name]) is not None]
        message = f"waits until {', '.join(sorted(awaited))} may leave"
        if (holder := self._port_holder()) in staying:
            message += f": port {self.spec.port} is used by {holder}"
        return replace(self._no("waits", Reason.EVICTION, message), look_at=min(times, default=None))

    def _short(self, without: AbstractSet[str]) -> Answer:
        """Not even with all of those gone: strangers hold the memory, or it can't be read."""
        unknown = any(ledger.pool.available is None for ledger in self.ledgers.values())
        sums = self._sums(without)
        verdict = Verdict("waits", Reason.MEMORY_UNKNOWN if unknown else Reason.MEMORY, explain(sums), sums)
        return Answer(self.node, verdict, layout=self.layout)

    def _port_stays(self, staying: AbstractSet[str]) -> str:
        return f"port {self.spec.port} is used by {', '.join(sorted(staying))}, which stays"

    def _awaited(self, forced: set[str]) -> set[str]:
        held = {n for ledger in self.ledgers.values() for n in ledger.holdings}
        return {n for n in self.room.leaving | self.room.parking if n in forced or n in held}

    def _own(self) -> AbstractSet[str]:
        """Its own promise must not stand against it, nor what it holds asleep."""
        return {self.model.name} if is_down(self.model) else set()

    def _fits_without(self, gone: AbstractSet[str]) -> bool:
        """Whether it fits once these are gone too, beside those who are on their way."""
        return self._fits(self.room.freeing | gone)

    def _fits(self, without: AbstractSet[str] = frozenset()) -> bool:
        gone = self._own() | without
        return all(self.ledgers[pool].fits(amount, gone) for pool, amount in self.amounts.items())

    def _sums(self, without: AbstractSet[str] = frozenset()) -> tuple[Sum, ...]:
        gone = self._own() | without
        return tuple(self.ledgers[pool].weigh(amount, gone) for pool, amount in self.amounts.items())

    def _no(self, outcome: str, reason: Reason, message: str) -> Answer:
        return Answer(self.node, Verdict(outcome, reason, message, self._sums()), layout=self.layout)


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

"""Where one candidate stands: whether it may start now, must wait, and who would have to leave for it.

    refused  it can never fit beside what must stay: nothing is stopped for it
    admitted it fits beside everything that lives, and what has just stopped has given its memory back
    waits    it would fit once others have left (they are told to), or once strangers let go of memory

Pure arithmetic over one pass's scratch paper (`Room`); it decides about one candidate and changes nothing.
"""

from collections.abc import Mapping, Sequence, Set as AbstractSet
from dataclasses import dataclass, field, replace

from zoosup.core import cooldown, eviction
from zoosup.core.admission import VRAM, Holding, Ledger, Sum, asleep, explain, holders
from zoosup.core.cards import NOWHERE, Layout, rebooked
from zoosup.core.demand import Wishes, may_leave_at, yields
from zoosup.core.estimate import need
from zoosup.core.parking import Sleeper, sleeper
from zoosup.core.status import (
    SERVING_PHASES,
    Cooldown,
    Model,
    Observed,
    Phase,
    Reason,
    Run,
    Switch,
    SwitchOutcome,
)
from zoosup.spec.changes import restart_fields
from zoosup.spec.models import ModelSpec, Strategy, ZooSpec
from zoosup.spec.units import describe_size


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
class Room:
    """What one pass has found and promised so far."""

    spec: ZooSpec
    observed: Observed
    switch: Switch | None = None
    wishes: Wishes = field(default_factory=Wishes)
    cooling: tuple[Cooldown, ...] = ()
    leaving: set[str] = field(default_factory=set)
    starting: set[str] = field(default_factory=set)
    parking: set[str] = field(default_factory=set)  # on their way to sleep
    earlier: set[str] = field(
        default_factory=set
    )  # wanted by the file, and placed before the candidate at hand
    ledgers: dict[tuple[str, str], Ledger] = field(default_factory=dict)
    ports: dict[int, str] = field(default_factory=dict)  # those that live runs use, and whose each is

    @property
    def wanted(self) -> tuple[str, ...]:
        """All who are wanted, in the order in which they are placed."""
        return self.wishes.all

    @property
    def freeing(self) -> set[str]:
        """Who gives memory back before long: those who leave, and those who fall asleep."""
        return self.leaving | {asleep(name) for name in self.parking}

    def __post_init__(self) -> None:
        self.switch = self.observed.switch
        self.cooling = tuple(c for node in self.observed.nodes for c in node.cooldowns)
        self.ledgers = {(p.node, p.id): Ledger(p) for node in self.observed.nodes for p in node.pools}
        blind: list[Ledger] = []
        for model in self.observed.models.values():
            if model.run is not None:
                blind += self._enter(model, model.run)
            if model.phase is Phase.STARTING:
                self.starting.add(model.name)
        for ledger in blind:
            ledger.distrust()

    def _enter(self, model: Model, run: Run) -> list[Ledger]:
        """Enter a run's holdings; the ledgers of GPUs on which nobody can say what it holds."""
        blind = []
        for pool, amount in self.promised_to(model, run).items():
            ledger = self.ledgers.get((run.node, pool))
            if ledger is None:
                continue
            held = run.measured.get(pool)
            if held is None and pool.startswith(VRAM) and model.phase is not Phase.STARTING:
                # It has loaded, so that what it holds is no longer free: promised once more it would count twice.
                blind.append(ledger)
                held = amount
            # What it holds beyond its need is as little for others as what it was promised.
            ledger.add(model.name, Holding(max(amount, held or 0), held or 0))
        if run.leaving is not None:
            self.leaving.add(model.name)
        elif model.phase is Phase.PARKING and run.nap is not None:
            self.fall_asleep(model.name, run, run.nap.asleep)
        self.ports[run.port] = model.name
        return blind

    def promised_to(self, model: Model, run: Run) -> Mapping[str, int]:
        """E of a live run: what it was booked with, unless the file has since said better of the same process."""
        spec = self.spec.models.get(model.name)
        if run.nap is not None:
            return run.reserved
        if spec is None or run.leaving is not None or outdated(run.spec, spec) or spec.memory == "auto":
            return run.reserved
        return rebooked(need(spec, model.weights, model.lessons), run)

    def promise(self, name: str, amounts: Mapping[str, int], node: str) -> None:
        """Keep room for a model that will run, so that no later one keeps it waiting."""
        for pool, amount in amounts.items():
            if (node, pool) in self.ledgers:
                # One that sleeps holds a part of it already.
                known = self.ledgers[node, pool].holdings.get(name, Holding(0, 0))
                self.ledgers[node, pool].add(name, Holding(max(amount, known.measured), known.measured))

    def fall_asleep(self, name: str, run: Run, rest: Mapping[str, int]) -> None:
        """Count on what a run will hold asleep, and keep room for it until then."""
        self.parking.add(name)
        for pool, amount in rest.items():
            ledger = self.ledgers.get((run.node, pool))
            if ledger is not None:
                awake = ledger.holdings.get(name, Holding(0, 0))
                ledger.add(name, Holding(max(awake.need, amount), awake.measured))
                ledger.rest(name, amount)

    def loading(self, node: str, pool: str, but: str = "") -> bool:
        """Whether a model other than `but` is starting in that pool, so that what is free there is in motion."""
        ledger = self.ledgers.get((node, pool))
        return ledger is not None and any(n in ledger.holdings for n in self.starting if n != but)

    def spec_of(self, model: Model) -> ModelSpec:
        """The file's word on it, or what it was started with once the file has none."""
        current = self.spec.models.get(model.name)
        if current is not None:
            return current
        assert model.run is not None  # noqa: S101 - a model outside the file is known only by its run
        return model.run.spec

    def outgoing_for(self, name: str) -> set[str]:
        """Those that an open switch takes out in favour of `name`, as far as they still live."""
        switch = self.switch
        if switch is None or switch.outcome is not SwitchOutcome.OPEN or name not in switch.incoming:
            return set()
        models = self.observed.models
        gone = set(self.wanted)
        return {n for n in switch.outgoing if n not in gone and n in models and models[n].run is not None}


@dataclass(slots=True)
class Weighing:
    """One candidate, on one node, in one layout, in one pass."""

    room: Room
    model: Model
    spec: ModelSpec
    node: str
    layout: Layout
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
        without = {self.model.name} | self.room.freeing | set(self.victims())
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
            stay = ledger.needs(self.room.earlier | self._kept())
            if amount > ledger.ceiling - sum(stay.values()):
                return _too_much(ledger, amount, stay)
        return ""

    def _must_wait_its_turn(self) -> bool:
        """A guess starts alone, and nothing starts beside one: its true need isn't known before it has loaded."""
        others = self.room.starting - {self.model.name}
        if not others:
            return False
        starting = (self.room.observed.models[n] for n in others)
        return not need(self.spec, self.model.weights, self.model.lessons).certain or any(
            not need(self.room.spec_of(m), m.weights, m.lessons).certain for m in starting
        )

    def _is_busy(self, pool: str) -> bool:
        """One start at a time for each GPU: loading servers look at what is free there and take it."""
        return pool.startswith(VRAM) and self.room.loading(self.node, pool, self.model.name)

    def order(self, ledger: Ledger, share: int) -> tuple[int, ...]:
        """How well `share` bytes would stand on a GPU: where it could start at once the fullest, else the emptiest."""
        pool, own, leaving = ledger.pool.id, self._own(), self.room.freeing
        cooling = any(c.node == self.node and c.pool == pool for c in self.room.cooling)
        stay = ledger.needs(self.room.earlier | self._kept())
        if share > ledger.ceiling - sum(stay.values()):
            return 5, -ledger.spare
        if ledger.fits(share, own):
            return (1 if cooling or self._is_busy(pool) else 0), ledger.spare
        if cooling or ledger.fits(share, own | leaving):
            return 2, -ledger.spare
        if ledger.fits(share, own | leaving | set(self.victims())):
            return 3, -ledger.spare
        return 4, -ledger.spare

    def _forced(self) -> set[str]:
        """Who has to be gone first whatever the memory: holders of its fixed port, and the old with `replace`."""
        holder = self.room.ports.get(self.spec.port) if self.spec.port != "auto" else None
        forced = {holder} if holder is not None and holder != self.model.name else set()
        if self.room.spec.switch.strategy is Strategy.REPLACE:
            forced |= self.room.outgoing_for(self.model.name)
        return forced

    def _cooling(self) -> list[Cooldown]:
        return [c for c in self.room.cooling if c.node == self.node and c.pool in self.amounts]

    def _satisfied(self, watch: Cooldown) -> bool:
        """Two samples agree that the sum holds and the least pause is over: no need to wait for the rest."""
        known = cooldown.agreed(watch)
        if known is None or self.room.observed.now - watch.since < self.room.spec.switch.cooldown.min:
            return False
        return self.ledgers[watch.pool].fits(self.amounts[watch.pool], self._own(), available=known)

    def _after_others(self, forced: set[str]) -> Answer:
        """It doesn't fit beside all that lives: wait for those who leave, send others, or wait for strangers."""
        leaving = self.room.leaving
        if forced <= leaving and self._fits(self.room.freeing):
            return self._no("waits", Reason.EVICTION, _waits_for(sorted(self._awaited(forced))))
        victims = self.victims()
        if not forced <= leaving | set(victims):
            staying = forced - leaving - set(victims)
            return self._no("waits", Reason.PORT, self._port_stays(staying))
        cooling = self._cooling()
        if cooling:
            return self._no("waits", Reason.COOL_DOWN, _cools(cooling))
        chosen = self._minimal(forced - leaving)
        if chosen is None:
            return self._in_time(self.room.freeing | set(victims))
        why, naps = f"makes room for {self.model.name}", self._sleepers(chosen, forced)
        evict = tuple((name, why) for name in chosen if name not in naps)
        park = tuple((nap, why) for nap in naps.values())
        return replace(self._no("waits", Reason.EVICTION, _waits_for(chosen)), evict=evict, park=park)

    def _sleepers(self, chosen: Sequence[str], forced: AbstractSet[str]) -> Mapping[str, Sleeper]:
        """Those of `chosen` for whom it is enough to sleep, and whose sleep finds room where it takes some."""
        naps: dict[str, Sleeper] = {}
        gone = self.room.freeing | set(chosen)
        for name in reversed(chosen):  # the dearest first
            nap = self._nap(name) if name not in forced else None
            if nap is not None and self._fits(gone - {name} | {asleep(name)}):
                naps[name] = nap
                gone = gone - {name} | {asleep(name)}
        return naps

    def _nap(self, name: str) -> Sleeper | None:
        """How an idle on-demand model would sleep, entered in the ledgers; None where it can't, or finds no room."""
        model, room = self.room.observed.models[name], self.room
        spec = room.spec.models.get(name)
        if (
            spec is None
            or model.run is None
            or not yields(model, spec)
            or room.observed.demand_for(name).busy
        ):
            return None
        nap = sleeper(model, spec)
        if nap is None or outdated(model.run.spec, spec):
            return None
        ledgers = {p: room.ledgers[self.node, p] for p in nap.asleep if (self.node, p) in room.ledgers}
        for pool, ledger in ledgers.items():
            # It may hold more RAM asleep than awake, and needs that before anybody has left.
            more = nap.asleep[pool] - ledger.needs({name}).get(name, 0)
            if more > 0 and not ledger.fits(more):
                return None
        for pool, ledger in ledgers.items():
            ledger.rest(name, nap.asleep[pool])
        return nap

    def _in_time(self, without: set[str]) -> Answer:
        """Not with all that may leave now: others may later, when they are idle or have stayed their time."""
        later = self._later()
        if not later or not self._fits(without | set(later)):
            return self._short(without)
        times = [at for at in later.values() if at is not None]
        waits = self._no("waits", Reason.EVICTION, f"waits until {', '.join(sorted(later))} may leave")
        return replace(waits, look_at=min(times, default=None))

    def _short(self, without: set[str]) -> Answer:
        """Not even with all of those gone: strangers hold the memory, or it can't be read."""
        unknown = any(ledger.pool.available is None for ledger in self.ledgers.values())
        sums = self._sums(without)
        verdict = Verdict("waits", Reason.MEMORY_UNKNOWN if unknown else Reason.MEMORY, explain(sums), sums)
        return Answer(self.node, verdict, layout=self.layout)

    def _port_stays(self, staying: set[str]) -> str:
        return f"port {self.spec.port} is used by {', '.join(sorted(staying))}, which stays"

    def _awaited(self, forced: set[str]) -> set[str]:
        held = {n for ledger in self.ledgers.values() for n in ledger.holdings}
        return {n for n in self.room.leaving | self.room.parking if n in forced or n in held}

    def _kept(self) -> set[str]:
        """Those that a switch takes out, where they have to serve until it is ready."""
        overlap = self.room.spec.switch.strategy is Strategy.OVERLAP
        return self.room.outgoing_for(self.model.name) if overlap else set()

    def victims(self) -> tuple[str, ...]:
        """Who may be stopped for it now, dearest last."""
        return tuple(name for group in self._groups() for name in group)

    def _groups(self) -> tuple[tuple[str, ...], ...]:
        """Those who may be stopped for it, one kind after the other.

        Those a switch takes out, idle on-demand models, pinned ones of lower priority, busy on-demand models.
        """
        outgoing = sorted(self.room.outgoing_for(self.model.name) - self._kept())
        idle, busy = self._displaceable()
        groups: list[tuple[str, ...]] = []
        known: set[str] = set()
        for group in (outgoing, idle, self._lower(), busy):
            fresh = tuple(n for n in group if n not in known and self._serves(n))
            known.update(fresh)
            groups.append(fresh)
        return tuple(groups)

    def _serves(self, name: str) -> bool:
        """Whether it could be told to leave: one that falls asleep is waited for, and one that wakes stays."""
        phase, room = self.room.observed.models[name].phase, self.room
        if name in room.leaving or name in room.parking:
            return False
        return phase in SERVING_PHASES or (phase is Phase.PARKED and name not in room.starting)

    def _lower(self) -> list[str]:
        """Pinned ones that come after it, the last first; only another pinned one is above any."""
        pinned = self.room.wishes.pinned
        if self.model.name not in pinned:
            return []
        return [n for n in reversed(pinned) if n not in self.room.earlier and n != self.model.name]

    def _displaceable(self) -> tuple[list[str], list[str]]:
        """On-demand models that may make room for it by now: those that nobody uses, and busy ones."""
        observed, now = self.room.observed, self.room.observed.now
        ripe = [n for n, at in self._unpinned().items() if at is not None and at <= now]
        idle = [n for n in ripe if not observed.demand_for(n).busy]
        return idle, [n for n in ripe if n not in idle]

    def _later(self) -> dict[str, float | None]:
        """On-demand models that may make room for it one day, and when (None: once they are idle or ready)."""
        now, models = self.room.observed.now, self.room.observed.models
        found = {n: at for n, at in self._unpinned().items() if at is None or at > now}
        # Others whose clients have waited longer: they come first, and one day go again.
        before = (n for n in self.room.wishes.asked if _is_down(models[n]) and n != self.model.name)
        return found | dict.fromkeys(self.room.parking) | dict.fromkeys(before)

    def _unpinned(self) -> dict[str, float | None]:
        """On-demand models that run, each with the time from which it may make room for this one."""
        room = self.room
        resting = self.model.name in room.wishes.resting
        found: dict[str, float | None] = {}
        for name, model in room.observed.models.items():
            spec = room.spec.models.get(name)
            if spec is None or model.run is None or name == self.model.name or name in room.earlier:
                continue
            if yields(model, spec) and self._serves(name):
                asks = None if resting else self.model.name
                found[name] = may_leave_at(asks, model, room.spec, room.observed)
        return found

    def _minimal(self, forced: set[str]) -> tuple[str, ...] | None:
        """A set that makes it fit and of which nobody could be spared; None when not even all of them do.

        No busy model leaves where idle ones suffice, and no pinned one where on-demand ones do.
        """
        before = tuple(n for n in self.victims() if n in forced)
        for group in self._groups():
            some = tuple(n for n in group if n not in forced)
            if self._fits(self.room.freeing | {*before, *some}):
                return self._from_group(before, some, forced)
            before = (*before, *some)
        return None

    def _from_group(
        self, before: tuple[str, ...], group: tuple[str, ...], forced: set[str]
    ) -> tuple[str, ...]:
        """Of `group` the least that suffices beside all of `before`, of whom the needless are then spared."""

        def fits(gone: AbstractSet[str]) -> bool:
            return self._fits(self.room.freeing | gone | set(before))

        def suffices(gone: AbstractSet[str]) -> bool:
            return self._fits(self.room.freeing | gone)

        if all(n in self._unpinned() for n in group):
            chosen = eviction.cheapest([self._candidate(n) for n in group], fits) or ()
        else:
            chosen = eviction.fewest(group, fits)
        return eviction.spare((*before, *chosen), suffices, forced)

    def _candidate(self, name: str) -> eviction.Candidate:
        model, observed = self.room.observed.models[name], self.room.observed
        run = model.run
        assert run is not None  # noqa: S101 - only who runs can leave
        used = observed.demand_for(name).last_used or run.ready_at or observed.now
        holds = sum(self.room.promised_to(model, run).values())
        return eviction.Candidate(name, holds, observed.now - used, model.load_time)

    def _own(self) -> set[str]:
        """Its own promise must not stand against it, nor what it holds asleep."""
        return {self.model.name} if _is_down(self.model) else set()

    def _fits(self, without: set[str] | None = None) -> bool:
        gone = self._own() | (without or set())
        return all(self.ledgers[pool].fits(amount, gone) for pool, amount in self.amounts.items())

    def _sums(self, without: set[str] | None = None) -> tuple[Sum, ...]:
        gone = self._own() | (without or set())
        return tuple(self.ledgers[pool].weigh(amount, gone) for pool, amount in self.amounts.items())

    def _no(self, outcome: str, reason: Reason, message: str) -> Answer:
        return Answer(self.node, Verdict(outcome, reason, message, self._sums()), layout=self.layout)


def _is_down(model: Model) -> bool:
    """Whether it has to be placed before it can serve: it has no run, or one that sleeps."""
    return model.run is None or model.phase is Phase.PARKED


def outdated(before: ModelSpec, after: ModelSpec) -> bool:
    """Whether a process that was started by `before` has to be replaced for `after`."""
    return before is not after and restart_fields(before) != restart_fields(after)


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

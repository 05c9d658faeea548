"""Who may leave for one candidate: by now or one day, and the fewest of them that make cycle.

One kind after the other: those that a switch takes out, idle on-demand models, pinned ones of lower priority, busy
on-demand models. Knows no sum: whether it fits once some are gone is asked of `fits`.
"""

from collections.abc import Mapping, Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property

from zoosup.core.scheduler.cycle import Cycle
from zoosup.core.scheduler.demand import PINNED, Claim, claim_of, may_leave_at, yields
from zoosup.core.scheduler.preemption import min_cost
from zoosup.core.state.observed import Model
from zoosup.core.state.phases import SERVING_PHASES, Phase
from zoosup.spec.model.memory import Strategy


def is_down(model: Model) -> bool:
    """Whether it has to be placed before it can serve: it has no run, or one that sleeps."""
    return model.run is None or model.phase is Phase.ASLEEP


@dataclass(frozen=True)
class Preemption:
    """Those who may leave for `model`, as long as the cycle stays as it is: to be asked anew once it has changed."""

    cycle: Cycle
    model: Model

    @cached_property
    def kept(self) -> set[str]:
        """Those that a switch takes out, where they have to serve until the candidate is ready."""
        overlap = self.cycle.spec.switch.strategy is Strategy.OVERLAP
        return self.cycle.outgoing_for(self.model.name) if overlap else set()

    @cached_property
    def now(self) -> tuple[str, ...]:
        """Who may be stopped for it now, dearest last."""
        return tuple(name for group in self._groups for name in group)

    @cached_property
    def later(self) -> Mapping[str, float | None]:
        """On-demand models that may make room for it one day, and when (None: once they are idle or ready)."""
        now, models = self.cycle.observed.now, self.cycle.observed.models
        found = {n: at for n, at in self._unpinned.items() if at is None or at > now}
        # Others whose clients have waited longer: they come first, and one day go again.
        before = (n for n in self.cycle.wanted.asked if is_down(models[n]) and n != self.model.name)
        return found | dict.fromkeys(self.cycle.falling_asleep) | dict.fromkeys(before)

    def victims(self, fits: min_cost.Fits, forced: AbstractSet[str]) -> tuple[str, ...] | None:
        """A set that makes it fit and of which nobody could be spared; None when not even all of them do.

        No busy model leaves where idle ones suffice, and no pinned one where on-demand ones do. Those who are `forced`
        leave in any case.
        """
        before = tuple(n for n in self.now if n in forced)
        for group in self._groups:
            some = tuple(n for n in group if n not in forced)
            if fits({*before, *some}):
                chosen = self._cheapest_of(some, _beside(before, fits))
                return min_cost.reprieve((*before, *chosen), fits, forced)
            before = (*before, *some)
        return None

    def _cheapest_of(self, group: tuple[str, ...], fits: min_cost.Fits) -> tuple[str, ...]:
        if all(n in self._unpinned for n in group):
            return min_cost.cheapest([self._victim(n) for n in group], fits) or ()
        return min_cost.first_that_suffice(group, fits)

    def _victim(self, name: str) -> min_cost.Victim:
        model, observed = self.cycle.observed.models[name], self.cycle.observed
        run = model.run
        assert run is not None  # noqa: S101 - only who runs can leave
        used = observed.demand_for(name).last_used or run.ready_at or observed.now
        holds = sum(self.cycle.booked(model, run).values())
        return min_cost.Victim(name, holds, observed.now - used, model.load_time)

    @cached_property
    def _groups(self) -> tuple[tuple[str, ...], ...]:
        outgoing = sorted(self.cycle.replaceable_by(self.model.name) - self.kept)
        idle, busy = self._displaceable()
        groups: list[tuple[str, ...]] = []
        known: set[str] = set()
        for group in (outgoing, idle, self._lower(), busy):
            fresh = tuple(n for n in group if n not in known and self._serves(n))
            known.update(fresh)
            groups.append(fresh)
        return tuple(groups)

    def _displaceable(self) -> tuple[list[str], list[str]]:
        """On-demand models that may make room for it by now: those that nobody uses, and busy ones."""
        observed, now = self.cycle.observed, self.cycle.observed.now
        ripe = [n for n, at in self._unpinned.items() if at is not None and at <= now]
        idle = [n for n in ripe if not observed.demand_for(n).busy]
        return idle, [n for n in ripe if n not in idle]

    def _lower(self) -> list[str]:
        """Pinned ones that come after it, the last first; only another pinned one, or a forced hold, is above any."""
        if self._claim is not PINNED:
            return []
        return [
            n
            for n in reversed(self.cycle.wanted.pinned)
            if n not in self.cycle.earlier and n != self.model.name
        ]

    @cached_property
    def _claim(self) -> Claim:
        return claim_of(self.model.name, self.cycle.wanted, self.cycle.observed)

    @cached_property
    def _unpinned(self) -> Mapping[str, float | None]:
        """On-demand models that run, each with the time from which it may make room for this one."""
        cycle = self.cycle
        found: dict[str, float | None] = {}
        for name, model in cycle.observed.models.items():
            spec = cycle.spec.models.get(name)
            if spec is None or model.run is None or name == self.model.name or name in cycle.earlier:
                continue
            if yields(model, spec) and self._serves(name):
                found[name] = may_leave_at(self._claim, model, cycle.spec, cycle.observed)
        return found

    def _serves(self, name: str) -> bool:
        """Whether it could be told to leave: one that falls asleep is waited for, and one that wakes stays."""
        phase, cycle = self.cycle.observed.models[name].phase, self.cycle
        if name in cycle.leaving or name in cycle.falling_asleep:
            return False
        return phase in SERVING_PHASES or (phase is Phase.ASLEEP and name not in cycle.starting)


def _beside(firm: tuple[str, ...], fits: min_cost.Fits) -> min_cost.Fits:
    """The same question with these gone in any case."""
    return lambda gone: fits(gone | set(firm))

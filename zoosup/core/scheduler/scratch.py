"""The scratch paper of one pass: what its steps have found, what they have decided so far, and when to look again.

Knows how a decision is written down, so that each step says it alike; refuses to know who is wanted or what fits.
"""

from dataclasses import dataclass, field

from zoosup.core.scheduler.fit import Verdict
from zoosup.core.scheduler.pressure import Strain
from zoosup.core.scheduler.room import Room
from zoosup.core.state.actions import Action, Drain, Hold, Stop
from zoosup.core.state.observed import Condition, Model, Observed
from zoosup.core.state.phases import Cause, Phase
from zoosup.spec.model.zoo import ZooSpec

_FAULTS = frozenset({Cause.STARTUP_DEADLINE, Cause.LIVENESS_FAILED})
"""Causes for which a run isn't asked to finish what it does: it does nothing."""


@dataclass(slots=True)
class Scratch:
    """One pass's own; nothing outside ever sees it."""

    spec: ZooSpec
    observed: Observed
    room: Room
    actions: list[Action] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    wake_at: float | None = None
    strains: tuple[Strain, ...] = ()

    def leave(self, model: Model, cause: Cause, message: str) -> None:
        """Tell its run to leave; one that answers somebody, or has something to do before, is asked to finish it."""
        run = model.run
        if run is None or model.name in self.room.leaving:
            return
        self.room.leaving.add(model.name)
        gentle = cause not in _FAULTS and model.phase in {Phase.READY, Phase.UNREADY}
        answering = self.observed.demand_for(model.name).inflight > 0
        asks_first = gentle and (answering or self.room.spec_of(model).stop.before is not None)
        step: type[Drain | Stop] = Drain if asks_first else Stop
        self.actions.append(step(model.name, run.id, cause, message))

    def hold(self, model: Model, phase: Phase, verdict: Verdict) -> None:
        """It does not run: say why, and in which phase it waits or rests."""
        self.note(model, verdict)
        if (model.phase, model.reason, model.message) != (phase, verdict.reason, verdict.message):
            self.actions.append(Hold(model.name, phase, verdict.reason, verdict.message))

    def note(self, model: Model, verdict: Verdict) -> None:
        """Say why it was not admitted, and leave its phase as it is."""
        self.verdicts[model.name] = verdict
        self.conditions.append(Condition(model.name, "Admitted", False, verdict.reason, verdict.message))

    def look_again_at(self, at: float) -> None:
        """See to it that the next pass is no later than that, though nothing happens."""
        self.wake_at = at if self.wake_at is None else min(at, self.wake_at)

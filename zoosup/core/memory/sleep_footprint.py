"""What a model holds while it sleeps, and what it needs to wake.

    declared   `park.holds`, GPU memory in equal shares on the GPUs that it has
    learned    what it was last measured to hold asleep, with this command and these weights on this host

Where neither is known nothing is counted on before it is measured: the most that it may hold is booked, which is all
that it holds awake, and its GPUs' part once more in RAM, where vLLM's first level keeps the weights. Knows no sum:
whether that is enough for anybody is asked in `preemption.put_to_sleep`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from zoosup.core.estimation.need import need
from zoosup.core.memory.gpu_layouts import still_booked
from zoosup.core.state.observed import Model
from zoosup.core.state.phases import Phase
from zoosup.core.state.pools import VRAM
from zoosup.core.state.runs import Run
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.process.lifetime import AsleepSpec, ParkSpec


@dataclass(frozen=True, slots=True)
class Sleeper:
    """A model that can sleep, and the bytes by pool id that it holds then, at most where that is not `known`."""

    model: str
    asleep: Mapping[str, int]
    known: bool

    @property
    def at_least(self) -> Mapping[str, int]:
        """What it is sure to hold asleep; it gives back all else, and ends where it would keep too much."""
        return self.asleep if self.known else dict.fromkeys(self.asleep, 0)


def rules(run: Run, spec: ModelSpec | None) -> ParkSpec | None:
    """How it is put to sleep and woken: the file's word on it, or what it was started with once the file has none."""
    return run.spec.park if spec is None else spec.park


def sleeper(model: Model, spec: ModelSpec) -> Sleeper | None:
    """What a model would hold asleep; None where it can't be asked to sleep now."""
    run, park = model.run, spec.park
    if run is None or park is None or model.phase is not Phase.READY or run.sleep is not None:
        return None
    if run.leaving is not None or run.sick or run.recalled or run.pid is None:
        return None
    if park.holds is not None:
        return Sleeper(model.name, _declared(park.holds, run), known=True)
    seen = model.asleep
    if seen is not None and seen.fingerprint == run.fingerprint and run.reserved.keys() <= seen.held.keys():
        return Sleeper(model.name, {pool: seen.held[pool] for pool in run.reserved}, known=True)
    return Sleeper(model.name, _at_most(run.reserved), known=False)


def waking(model: Model, run: Run, spec: ModelSpec) -> Mapping[str, int]:
    """What a run that sleeps is booked with while it wakes: all that it holds awake, and nowhere less than now."""
    assert run.sleep is not None  # noqa: S101 - it sleeps
    return {pool: max(amount, run.reserved.get(pool, 0)) for pool, amount in awake(model, run, spec).items()}


def awake(model: Model, run: Run, spec: ModelSpec) -> Mapping[str, int]:
    """What it is booked with once it is awake: as it was, unless the file has since said better.

    `auto` says nothing better: as one that runs keeps its booking under it, so does one that wakes. The process is the
    same, and has held no more; an estimate is for those of whom less is known.
    """
    assert run.sleep is not None  # noqa: S101 - it sleeps
    before = run.sleep.awake
    if spec.memory == "auto":
        return before
    return still_booked(need(spec, model.weights, model.learned), replace(run, reserved=before))


def _declared(holds: AsleepSpec, run: Run) -> Mapping[str, int]:
    cards = [pool for pool in run.reserved if pool.startswith(VRAM)]
    if cards:
        return {"ram": holds.ram, **dict.fromkeys(cards, -(-holds.vram // len(cards)))}
    # Without GPU memory of their own its GPUs take theirs from RAM; one that is shown no GPU has none.
    return {"ram": holds.ram + (0 if run.gpus is not None else holds.vram)}


def _at_most(reserved: Mapping[str, int]) -> Mapping[str, int]:
    return {**reserved, "ram": sum(reserved.values())}

"""Where on a node a model goes: every way to lay it out is a candidate, and the best placement is the model's.

Which is better stands in `Standing`. A model that has to wait a moment for one GPU is not split over two for it; nobody
is sent away, and no stranger waited for, where it could run split. Knows no sum: each layout is judged by `fit`, pool
by pool.
"""

from collections.abc import Iterable, Iterator
from enum import IntEnum, auto

from zoosup.core.estimation.need import need_of
from zoosup.core.memory.gpu_layouts import NOWHERE, Layout, NoSuchGpuError, layouts
from zoosup.core.memory.sleep_footprint import waking
from zoosup.core.scheduler.cycle import Cycle
from zoosup.core.scheduler.placement.fit import Candidate
from zoosup.core.scheduler.preemption.preempt import Preemption
from zoosup.core.scheduler.verdicts import SHORT_WAITS, Outcome, Placement, Verdict
from zoosup.core.state.observed import Model
from zoosup.core.state.phases import Reason
from zoosup.core.state.runs import Run
from zoosup.spec.model.model import ModelSpec


class Standing(IntEnum):
    """How good a placement is, the best first."""

    AT_ONCE = auto()  # it may start on the fewest GPUs
    SOON = (
        auto()
    )  # it waits for those on their way out, for memory on its way back, for its turn: that ends by itself
    SPLIT = auto()  # it may start at once on more GPUs
    SENDS_AWAY = auto()  # others have to make room first
    BESIDE_STRANGERS = auto()  # they hold the memory, or it can't be read
    REFUSED = auto()


def best_placement(cycle: Cycle, model: Model, spec: ModelSpec, node: str) -> Placement:
    """Where on one node a model that has no run goes."""
    try:
        return _best(_candidates(cycle, model, spec, node))
    except NoSuchGpuError as error:
        return Placement(node, _missing(error))


def wake_placement(cycle: Cycle, model: Model, spec: ModelSpec, run: Run) -> Placement:
    """Whether a model that sleeps may wake: where it is, with all that it holds awake."""
    layout = Layout(waking(model, run, spec), run.gpus)
    missing = [pool for pool in layout.amounts if (run.node, pool) not in cycle.ledgers]
    if missing:
        return Placement(run.node, _missing(NoSuchGpuError(f"{', '.join(missing)} is no longer there")))
    return Candidate(cycle, model, spec, run.node, Preemption(cycle, model), layout).place()


def renewal(cycle: Cycle, model: Model, spec: ModelSpec, node: str) -> Verdict | None:
    """Why a model that runs can't be replaced by what the file now says of it; None when it can."""
    try:
        refusals = [candidate.renewal() for candidate in _candidates(cycle, model, spec, node)]
    except NoSuchGpuError as error:
        return _missing(error)
    if any(refusal is None for refusal in refusals):
        return None
    return next((r for r in refusals if r is not None and r.outcome is Outcome.WAITS), refusals[0])


def intended_layout(cycle: Cycle, model: Model, spec: ModelSpec, node: str) -> Layout:
    """The layout that room is kept for while it can't be placed yet: the first that may be had one day, if one may."""
    try:
        candidates = list(_candidates(cycle, model, spec, node))
    except NoSuchGpuError:
        return NOWHERE
    return next((c.layout for c in candidates if c.may_fit()), NOWHERE)


def _candidates(cycle: Cycle, model: Model, spec: ModelSpec, node: str) -> Iterator[Candidate]:
    ledgers = [ledger for (where, _), ledger in cycle.ledgers.items() if where == node]
    preemption = Preemption(cycle, model)
    order = Candidate(cycle, model, spec, node, preemption).order
    for layout in layouts(spec, need_of(model, spec), ledgers, order):
        yield Candidate(cycle, model, spec, node, preemption, layout)


def _best(candidates: Iterable[Candidate]) -> Placement:
    """The first of the best; of several refusals the first, on the fewest GPUs, says most."""
    best: Placement | None = None
    fewest = None
    for candidate in candidates:
        fewest = candidate.layout.count if fewest is None else fewest
        placement = candidate.place()
        if best is None or standing(placement, fewest) < standing(best, fewest):
            best = placement
        if standing(best, fewest) is Standing.AT_ONCE:
            break
    assert best is not None  # noqa: S101 - there is a layout, or NoSuchGpuError
    return best


def standing(placement: Placement, fewest: int) -> Standing:
    """How good it is, where the model could be laid out on as few as `fewest` GPUs."""
    if placement.starts:
        return Standing.SPLIT if placement.layout.count > fewest else Standing.AT_ONCE
    if placement.verdict.outcome is Outcome.REFUSED:
        return Standing.REFUSED
    if placement.preempts:
        return Standing.SENDS_AWAY
    return Standing.SOON if placement.verdict.reason in SHORT_WAITS else Standing.BESIDE_STRANGERS


def _missing(error: NoSuchGpuError) -> Verdict:
    return Verdict(Reason.GPU_MISSING, str(error))

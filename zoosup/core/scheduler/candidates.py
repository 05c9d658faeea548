"""Where on a node a candidate goes: every way to lay it out is weighed, and the best answer is its answer.

    1  it may start at once on the fewest GPUs
    2  it waits for those on their way out, for memory on its way back, for its turn: that ends by itself
    3  it may start at once on more GPUs
    4  others have to be sent away first
    5  strangers hold the memory, or it can't be read
    6  refused

A model that has to wait a moment for one GPU is not split over two for it; nobody is sent away, and no stranger waited
for, where it could run split. Knows no sum: each layout is weighed by `weighing`, pool by pool.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from zoosup.core.estimation.need import need
from zoosup.core.memory.gpu_layouts import Layout, NoSuchGpuError, layouts
from zoosup.core.memory.sleep_footprint import waking
from zoosup.core.scheduler.fit import Answer, Verdict, Weighing
from zoosup.core.scheduler.preempt import Victims
from zoosup.core.scheduler.room import Room
from zoosup.core.state.observed import Model
from zoosup.core.state.phases import Reason
from zoosup.core.state.runs import Run
from zoosup.spec.model.model import ModelSpec

_SOON = frozenset({Reason.EVICTION, Reason.COOL_DOWN, Reason.TURN})


def weigh(room: Room, model: Model, spec: ModelSpec, node: str) -> Answer:
    """Weigh a model that has no run on one node."""
    try:
        return _best(weighing.answer() for weighing in _weighings(room, model, spec, node))
    except NoSuchGpuError as error:
        return Answer(node, _missing(error))


def rouse(room: Room, model: Model, spec: ModelSpec, run: Run) -> Answer:
    """Weigh a model that sleeps: where it is, with all that it holds awake."""
    layout = Layout(waking(model, run, spec), run.gpus)
    missing = [pool for pool in layout.amounts if (run.node, pool) not in room.ledgers]
    if missing:
        return Answer(run.node, _missing(NoSuchGpuError(f"{', '.join(missing)} is no longer there")))
    answer = Weighing(room, model, spec, run.node, Victims(room, model), layout).answer()
    proved_at = (
        run.sleep.since + room.spec.switch.cooldown.max if run.sleep is not None else room.observed.now
    )
    if (
        not answer.start
        or room.observed.now >= proved_at
        or _fits_whatever_it_holds(room, model.name, run, layout)
    ):
        return answer
    waits = Verdict(
        "waits", Reason.COOL_DOWN, "waits until what it holds asleep is known", answer.verdict.sums
    )
    return replace(answer, start=False, verdict=waits, look_at=proved_at)


def _fits_whatever_it_holds(room: Room, name: str, run: Run, layout: Layout) -> bool:
    """Whether it may wake though it had given back all that it should: it was last measured as it fell asleep."""
    asleep = run.sleep.asleep if run.sleep is not None else {}
    for pool, amount in layout.amounts.items():
        ledger, held = room.ledgers[run.node, pool], run.measured.get(pool, 0)
        given_back = max(0, held - asleep.get(pool, 0))
        if not ledger.fits(amount, {name}, available=(ledger.pool.available or 0) - given_back):
            return False
    return True


def renewal(room: Room, model: Model, spec: ModelSpec, node: str) -> Verdict | None:
    """Why a model that runs can't be replaced by what the file now says of it; None when it can."""
    try:
        refusals = [weighing.renewal() for weighing in _weighings(room, model, spec, node)]
    except NoSuchGpuError as error:
        return _missing(error)
    if any(refusal is None for refusal in refusals):
        return None
    return next((r for r in refusals if r is not None and r.outcome == "waits"), refusals[0])


def intended(room: Room, model: Model, spec: ModelSpec, node: str) -> Layout:
    """The layout that room is kept for while it can't be weighed for a start yet: the first that could ever fit."""
    try:
        weighings = list(_weighings(room, model, spec, node))
    except NoSuchGpuError:
        return Layout(need(spec, model.weights, model.learned).amounts)
    return next((w for w in weighings if w.could_ever_fit()), weighings[0]).layout


def _weighings(room: Room, model: Model, spec: ModelSpec, node: str) -> Iterator[Weighing]:
    ledgers = [ledger for (where, _), ledger in room.ledgers.items() if where == node]
    victims = Victims(room, model)
    order = Weighing(room, model, spec, node, victims).order
    for layout in layouts(spec, need(spec, model.weights, model.learned), ledgers, order):
        yield Weighing(room, model, spec, node, victims, layout)


def _best(answers: Iterable[Answer]) -> Answer:
    """The first of the best; of several refusals the first, on the fewest GPUs, says most."""
    best: Answer | None = None
    for answer in answers:
        if best is None or _standing(answer) < _standing(best):
            best = answer
        if _standing(best) == 1:
            break
    assert best is not None  # noqa: S101 - there is a layout, or NoSuchGpuError
    return best


def _standing(answer: Answer) -> int:
    if answer.start:
        return 3 if answer.layout.split else 1
    if answer.verdict.outcome == "refused":
        return 6
    if answer.evict or answer.park:
        return 4
    return 2 if answer.verdict.reason in _SOON else 5


def _missing(error: NoSuchGpuError) -> Verdict:
    return Verdict("refused", Reason.GPU_MISSING, str(error))

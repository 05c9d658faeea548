"""What a run shows of its model's need, and how that moves an estimate.

    declared   final: only an OOM raises it, and nothing lowers it again but another declaration
    derived    a peak above it raises it at once; three healthy runs lower it
    a guess    one healthy run takes its place; a peak above it raises it at once

What is learned is the highest peak of the last runs and 5 % more, 10 % while there are fewer than three. A peak is
sampled every few seconds, at rest where free memory moves, so that a run of seconds may have held more than was seen:
only one that was ready for a minute can lower anything. In RAM a peak is what the processes hold by themselves. Weights
that are mapped are not in it, yet have to stay in memory as long as the model computes on the CPU; so they come on top
wherever a peak takes the place of a greater estimate. They don't where it raises one: llama.cpp may have copied them
into its own order, and they would count twice. Over GPUs a model is taken to be spread evenly, as the fullest of them
shows. Knows neither the weights nor the file: what was estimated without runs, and what is mapped, is handed in.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from typing import Any

from zoosup.core.estimation.derived import Term
from zoosup.core.state.phases import Cause, ExitReason
from zoosup.core.state.pools import VRAM
from zoosup.core.state.runs import Exit, Run
from zoosup.core.state.usage import HeldAsleep, Learned, RunPeaks
from zoosup.core.state.weights import WeightFacts
from zoosup.spec.changes import restart_fields
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.syntax.units import describe_size

RUNS = 5
"""Runs that are remembered of a fingerprint."""

HEALTHY = 60.0
"""Seconds of readiness without a break that make a run's peak the model's."""

ENOUGH = 3
"""Healthy runs that may lower a derived need; and runs under which the greater margin applies."""

OOM_PERCENT = 115

SITS = 10
"""A run sits on a GPU where it holds more than one part in so many of what it holds on the fullest."""

NEWS = 1.01
"""A peak of a run that goes on is written down anew when it has grown by this factor: not at each look. What it holds
asleep, when that has grown by it or shrunk.
"""


# What a run shows


def fingerprint(spec: ModelSpec, weights: WeightFacts | None, host: Sequence[str]) -> str:
    """Name what peaks depend on: what a process is started with but its port, the weights, GPUs and their driver.

    A field that has its default is left out, so that a new one in a later version unlearns nothing.
    """
    usual = _defaults()
    fields = {k: v for k, v in restart_fields(spec).items() if k != "port" and v != usual.get(k)}
    files = [] if weights is None else [(path, f.size, f.changed) for path, f in weights.files]
    text = json.dumps([fields, files, sorted(set(host))], sort_keys=True, default=str)
    return sha256(text.encode()).hexdigest()[:16]


@cache
def _defaults() -> dict[str, Any]:
    return dict(restart_fields(ModelSpec(command=("-",))))


def peaks_of(run: Run, ready_for: float, end: Exit | None = None) -> RunPeaks | None:
    """What a run has shown so far, or by its end; None when that is nothing, or it isn't known for which fingerprint.

    `ready_for` is the longest time, in seconds, that it was ready without a break.
    """
    killed = _ran_out(run, ready_for, end)
    if not run.fingerprint or not (run.peak or killed):
        return None
    booked = {pool for pool in run.reserved if pool.startswith(VRAM)}
    # A peak of 0 is one of a run that was looked at to the end: before its process was there it held nothing, too.
    known = booked & run.measured.keys()
    seen = {pool: n for pool, n in run.peak.items() if pool.startswith(VRAM) and (n or pool in known)}
    ram = run.peak.get("ram", 0)
    card = max(seen.values(), default=0) if booked <= seen.keys() else None
    return RunPeaks(
        run=run.id,
        ram=ram,
        mapped=run.mapped,
        card=card,
        # A server without GPU support shows nothing of what one with it needs.
        cards=0 if card == 0 else _cards(len(booked), list(seen.values()), card or 0),
        healthy=ready_for >= HEALTHY and "ram" in run.peak and not killed,
        floor=_percent(max(ram, run.reserved.get("ram", 0)), OOM_PERCENT) if killed else 0,
    )


def _cards(booked: int, seen: Sequence[int], fullest: int) -> int:
    """Over how many GPUs it is taken to be spread: one that sits on another than its own needs no second one."""
    return max(booked, sum(1 for held in seen if held * SITS > fullest))


def _ran_out(run: Run, ready_for: float, end: Exit | None) -> bool:
    """Whether it was ended for want of memory, by the kernel or, having outgrown its need, by the guard before it.

    Else it would come back as soon as what it declares is free, and be stopped again, for ever. One
    that has served well for long has leaked: a fresh start is what helps it.
    """
    grew = run.leaving is not None and run.leaving.cause is Cause.PRESSURE and bool(run.outgrown)
    return (grew and ready_for < HEALTHY) or (end is not None and end.reason is ExitReason.OOM_KILLED)


def after(learned: Learned, peaks: RunPeaks) -> Learned:
    """What is learned once one more run counts; one that shows nothing takes no other's place."""
    others = tuple(each for each in learned.runs if each.run != peaks.run)
    if len(others) < len(learned.runs):
        peaks = _merged(next(each for each in learned.runs if each.run == peaks.run), peaks)
    if not (peaks.healthy or peaks.floor or _is_highest(peaks, others)):
        return learned
    runs = (*others, peaks)[-RUNS:]
    return replace(learned, runs=runs, floor=max(learned.floor, peaks.floor))


def _merged(before: RunPeaks, now: RunPeaks) -> RunPeaks:
    """One run's: a zoosup that has adopted it may not know of its highest peak."""
    return replace(
        now,
        ram=max(before.ram, now.ram),
        mapped=before.mapped if now.mapped is None else max(before.mapped or 0, now.mapped),
        card=before.card if now.card is None else max(before.card or 0, now.card),
        cards=max(before.cards, now.cards),
    )


def without_ooms(learned: Learned) -> Learned:
    """What is learned but for OOMs: somebody has declared anew what it needs, and that is final."""
    return replace(learned, runs=tuple(replace(each, floor=0) for each in learned.runs), floor=0)


def is_news(learned: Learned, peaks: RunPeaks) -> bool:
    """Whether a healthy run that goes on has something to add to what was written down of it."""
    known = next((each for each in learned.runs if each.run == peaks.run), None)
    if known is None:
        return peaks.healthy
    grown = (peaks.ram, peaks.card or 0, peaks.mapped or 0)
    before = (known.ram, known.card or 0, known.mapped or 0)
    return any(now > NEWS * then for now, then in zip(grown, before, strict=True))


def asleep_of(run: Run, known: HeldAsleep | None) -> HeldAsleep:
    """What a run that sleeps was just measured to hold; as it was known, where that is no news."""
    now = HeldAsleep(run.fingerprint, dict(run.measured))
    if known is None or known.fingerprint != now.fingerprint or known.held.keys() != now.held.keys():
        return now
    pairs = [sorted((known.held[pool], amount)) for pool, amount in now.held.items()]
    return now if any(more > NEWS * less for less, more in pairs) else known


def _is_highest(peaks: RunPeaks, others: Sequence[RunPeaks]) -> bool:
    return peaks.ram > max((each.ram for each in others), default=0) or (peaks.card or 0) > max(
        (each.card or 0 for each in others), default=0
    )


# What follows from it


@dataclass(frozen=True, slots=True)
class _Shown:
    """One run's peak in one pool; `beside` has to stay there as well (None: nobody could tell)."""

    peak: int
    beside: int | None
    healthy: bool


def ram(estimate: int, runs: Sequence[RunPeaks], mapped: int | None, enough: int) -> tuple[Term, ...]:
    """The terms that take the place of an estimate of RAM; none where it stands.

    `enough` healthy runs may lower it.
    `mapped` are bytes of weights that have to stay in memory without being the processes' own; None: as many bytes of
    files as a run was seen to have there.
    """
    shown = [_Shown(each.ram, each.mapped if mapped is None else mapped, each.healthy) for each in runs]
    return _judged(estimate, shown, enough, "ram")


def vram(estimate: int, runs: Sequence[RunPeaks], each_gpu: int, enough: int) -> tuple[Term, ...]:
    """The same of the whole model on GPUs; `each_gpu` is what every GPU but the first takes once more."""
    shown = [
        _Shown(max(0, each.cards * each.card - max(0, each.cards - 1) * each_gpu), 0, each.healthy)
        for each in runs
        if each.card is not None
    ]
    return _judged(estimate, shown, enough, "vram")


def floor(runs: Sequence[RunPeaks]) -> int:
    """What the OOMs among the last runs have raised the need of RAM to; 0 without any."""
    return max((each.floor for each in runs), default=0)


def raised(amount: int, to: int) -> tuple[Term, ...]:
    """The term that an OOM has added to so many bytes of RAM; none where they are enough."""
    if to <= amount:
        return ()
    return (
        Term("oom", to - amount, f"killed for want of memory: {describe_size(to)} is 15 % above what it had"),
    )


def _judged(estimate: int, runs: Sequence[_Shown], enough: int, pool: str) -> tuple[Term, ...]:
    if not runs:
        return ()
    top = max(each.peak for each in runs)
    percent = 105 if len(runs) >= ENOUGH else 110
    held = _percent(top, percent)
    how = f"the most of {len(runs)} run{'s' * (len(runs) > 1)}, {describe_size(top)}, + {percent - 100} %"
    learned = Term("learned", held, how, pool)
    beside = [each.beside for each in runs if each.healthy and each.beside is not None]
    if len(beside) >= enough:
        stays = max(beside)
        if enough == 1 or held + stays < estimate:
            hot = Term(
                "mapped", stays, "files in memory beside it; the pages have to stay for it to be fast", pool
            )
            return (learned, hot) if stays else (learned,)
    return (learned,) if held > estimate else ()


def _percent(amount: int, percent: int) -> int:
    return -(-amount * percent // 100)

"""Whether what is held grows with the cycles. Pure: samples in, findings out.

A trend is the median of the slopes between all pairs of samples (Theil and Sen): single outliers do not move it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

from tests.soak.sampler import Sample

SETTLED = 0.2
"""The share of the samples at the beginning that is not judged: pools of threads fill, caches warm."""

JOURNAL = 6000
"""Events after which memory is judged: up to 5,000 are kept in memory by design."""

LATE = 0.5
"""The share of the cycles after which resident memory is judged: SQLite's cache and the allocator's free lists fill."""

LEAST = 5
"""Samples without which there is no trend."""

COUNTS = ("descriptors", "threads", "tasks", "logs")
ALLOCATED_PER_1000 = 0.1
"""MiB that malloc has given out, per 1,000 cycles: a tenth of a KiB lost in each."""

RSS_PER_1000 = 1.0
"""MiB of resident memory per 1,000 cycles. Wider, because it holds the free lists of the allocator, which come to half
of this in thousands of cycles in which neither the objects nor what malloc has given out grow."""

OBJECTS_PER_1000 = 100
"""Python objects per 1,000 cycles: a leak of one small object in ten cycles."""


@dataclass(frozen=True)
class Finding:
    """One figure judged. `bad` is None where there was too little to judge by."""

    figure: str
    bad: bool | None
    text: str


def judge(samples: Sequence[Sample], models: int) -> list[Finding]:
    """Judge a run in which `models` ran at each sample."""
    settled = samples[int(len(samples) * SETTLED) :]
    full = [sample for sample in settled if sample.events >= JOURNAL]
    late = [sample for sample in full if sample.cycles > samples[-1].cycles * LATE]
    known = [sample for sample in late if sample.allocated is not None]
    return [
        _always("zombies", 0, samples),
        _always("children", models, samples),
        _always("records", models, samples),
        *(_trend(name, settled, _a_whole_one) for name in COUNTS),
        _trend("objects", full, lambda slope, _: slope > OBJECTS_PER_1000),
        _trend("allocated", known, lambda slope, _: slope > ALLOCATED_PER_1000),
        _trend("rss", late, lambda slope, _: slope > RSS_PER_1000),
    ]


def grown(samples: Sequence[Sample]) -> dict[str, int]:
    """The kinds of objects of which there are more at the end than after the warm-up, most first."""
    full = [sample for sample in samples if sample.events >= JOURNAL]
    if len(full) < LEAST:
        return {}
    more = {kind: full[-1].kinds.get(kind, 0) - full[0].kinds.get(kind, 0) for kind in full[-1].kinds}
    return dict(sorted(((k, n) for k, n in more.items() if n > 0), key=lambda each: -each[1])[:10])


def _a_whole_one(slope: float, thousands: float) -> bool:
    """A count may not grow by one in the whole run."""
    return slope * thousands >= 1


def _always(figure: str, expected: int, samples: Sequence[Sample]) -> Finding:
    seen = sorted({getattr(sample, figure) for sample in samples})
    return Finding(figure, seen != [expected], f"always {expected}" if seen == [expected] else f"was {seen}")


def _trend(figure: str, samples: Sequence[Sample], grows: Callable[[float, float], bool]) -> Finding:
    if len(samples) < LEAST:
        return Finding(figure, None, "not judged: too few samples after the warm-up")
    pairs = combinations([(sample.cycles / 1000, getattr(sample, figure)) for sample in samples], 2)
    slope = median((b - a) / (then - before) for (before, a), (then, b) in pairs)
    thousands = (samples[-1].cycles - samples[0].cycles) / 1000
    ends = f"{getattr(samples[0], figure):,.10g} to {getattr(samples[-1], figure):,.10g}"
    text = f"{ends} from cycle {samples[0].cycles:,} on, {slope:+.3g} per 1,000 cycles"
    return Finding(figure, grows(slope, thousands), text)

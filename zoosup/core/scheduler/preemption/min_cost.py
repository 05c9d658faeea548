"""Whom to send away: a set that makes room and of which nobody could be spared, and of those the one of least cost.

The cost of a set is in seconds: what it will take to load its models again, weighed by how likely that is soon
(load time x e^(-idle / 10 min)), and what is freed beyond the need. Pure arithmetic over `fits`; knows no pool.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence, Set as AbstractSet
from dataclasses import dataclass
from itertools import combinations

FORGETTING = 600.0
"""Seconds of idleness after which being asked for again has become unlikely by a factor of e."""

GUESSED_SPEED = 2**30
"""Bytes a second at which a model is taken to load that was never seen to."""

FREED_IN_VAIN = 0.5 / 2**30
"""Seconds that each byte costs which is freed beyond the need: about what it takes to read it again."""

EXACT = 10
"""Candidates of which every subset is tried; of more, the cheapest that suffice are taken, and then reprieved."""

Fits = Callable[[AbstractSet[str]], bool]
"""Whether the sum holds once these are gone; one more never makes it hold less."""


@dataclass(frozen=True, slots=True)
class Victim:
    """One that may be sent away. `holds` is bytes in all pools together; times are seconds."""

    name: str
    holds: int
    idle: float
    load_time: float | None = None

    @property
    def loss(self) -> float:
        """What losing it costs, in seconds."""
        load = self.load_time if self.load_time is not None else max(1.0, self.holds / GUESSED_SPEED)
        return load * math.exp(-max(0.0, self.idle) / FORGETTING)


def cheapest(candidates: Sequence[Victim], fits: Fits) -> tuple[str, ...] | None:
    """The minimal set of least cost, by name; None where not even all of them make it fit."""
    if not fits({c.name for c in candidates}):
        return None
    found = (
        _minimal_sets(candidates, fits) if len(candidates) <= EXACT else [_cheapest_first(candidates, fits)]
    )
    return tuple(c.name for c in min(found, key=_cost))


def first_that_suffice(ordered: Sequence[str], fits: Fits) -> tuple[str, ...]:
    """From the front as many as it takes, less whom it doesn't; to be asked only where all of them make it fit."""
    enough = bisect_left(range(len(ordered) + 1), True, key=lambda n: fits(set(ordered[:n])))
    return reprieve(ordered[:enough], fits)


def reprieve(chosen: Sequence[str], fits: Fits, forced: AbstractSet[str] = frozenset()) -> tuple[str, ...]:
    """Leave out, the last first, whoever can be spared but is not forced to go."""
    left = list(chosen)
    for name in [n for n in reversed(chosen) if n not in forced]:
        if fits({n for n in left if n != name}):
            left.remove(name)
    return tuple(left)


def _minimal_sets(candidates: Sequence[Victim], fits: Fits) -> list[tuple[Victim, ...]]:
    found: list[tuple[Victim, ...]] = []
    names: list[frozenset[str]] = []
    for count in range(len(candidates) + 1):
        for some in combinations(candidates, count):
            these = frozenset(c.name for c in some)
            if not any(smaller <= these for smaller in names) and fits(these):
                found.append(some)
                names.append(these)
    return found


def _cheapest_first(candidates: Sequence[Victim], fits: Fits) -> tuple[Victim, ...]:
    by_name = {c.name: c for c in candidates}
    ordered = sorted(candidates, key=lambda c: (c.loss, c.name))
    return tuple(by_name[name] for name in first_that_suffice([c.name for c in ordered], fits))


def _cost(some: Sequence[Victim]) -> tuple[float, tuple[str, ...]]:
    # What is needed is the same for every set, so that what is freed at all compares as what is freed in vain.
    freed = sum(c.holds for c in some)
    return sum(c.loss for c in some) + FREED_IN_VAIN * freed, tuple(c.name for c in some)

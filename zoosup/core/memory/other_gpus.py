"""What a run holds on GPUs that it was not given: told of in a condition, and counted where it is.

A server may not listen to the variable that names its GPUs, or understand another card by it. What it holds elsewhere
was promised to nobody, and others must not count on it; what it was given stays booked, for it may yet be used. Knows
the drivers' word on the run's processes alone: a GPU that doesn't tell whose memory is whose is not judged.
"""

from collections.abc import Mapping

from zoosup.core.state.pools import VRAM
from zoosup.core.state.runs import Run
from zoosup.spec.syntax.units import describe_size

LEAST = 64 * 2**20
"""Bytes on another GPU from which on a run is said to sit there: less is what a driver leaves of a look around."""

PERCENT = 5
"""And the part of what it is booked with."""


def elsewhere(run: Run) -> Mapping[str, int]:
    """Bytes by pool that it holds on GPUs on which nothing is booked for it."""
    return {
        p: held for p, held in run.measured.items() if held and p.startswith(VRAM) and p not in run.reserved
    }


def everywhere(run: Run) -> Mapping[str, int]:
    """What is booked for it, and what it holds where nothing is."""
    return {**run.reserved, **elsewhere(run)}


def misplaced(run: Run) -> Mapping[str, int]:
    """The same of a run that has been ready, where it is enough to say so."""
    held = elsewhere(run) if run.ready_at is not None else {}
    on_gpus = sum(amount for pool, amount in run.reserved.items() if pool.startswith(VRAM))
    least = max(LEAST, PERCENT * (on_gpus or sum(run.reserved.values())) // 100)
    return {pool: amount for pool, amount in held.items() if amount > least}


def describe(run: Run, held: Mapping[str, int]) -> str:
    """Where it sits, and where it should."""
    there = ", ".join(f"{describe_size(amount)} of {pool}" for pool, amount in held.items())
    given = ", ".join(pool for pool in run.reserved if pool.startswith(VRAM))
    return f"holds {there}, and was given {given or 'no GPU'}"

"""When the memory of a stopped model counts as back: proof, not a pause.

First comes the proof that the tree is gone; that is the ladder's. Then, never before `min`:

  recovered      0.9 x min(E, measured) more is available than before the stop
  settled short  what is available has not moved for 1.5 s: go on without the credit
  max            the time is over

The first of two samples may be from before the end: the lesser counts.

A fourth outcome, satisfied, is found where a successor is weighed: its own sum holds on two samples. A wait for the
whole estimate may never end: what comes back was measured at 80-97 % of the footprint, within the noise of others.
Differences are signed, because somebody else may allocate meanwhile. Knows nothing of successors.
"""

from zoosup.core.state.pools import Cooldown as Watch
from zoosup.spec.model.memory import CooldownSpec as Bounds
from zoosup.spec.syntax.units import describe_size

AGREEING = 2
"""Samples that must say the same before they are believed."""

RECOVERED = 0.9
FLAT_SECONDS = 1.5
SPACING = 0.002
"""Seconds between two samples that count as two: a turn of the loop may look several times in one moment."""

NOISE = 32 * 2**20
"""Bytes that other processes move to and fro anyway: below it a difference says nothing."""

KEPT_SECONDS = 2.0
"""How far back samples are kept: a little more than flatness looks."""


def sampled(watch: Watch, now: float, available: int) -> tuple[tuple[float, int], ...]:
    """The samples with one more, the oldest dropped once they are of no use; one that comes too soon is left out."""
    if watch.samples and now - watch.samples[-1][0] < SPACING:
        return watch.samples
    recent = [s for s in watch.samples if now - s[0] <= KEPT_SECONDS]
    return (*recent, (now, available))


def outcome(watch: Watch, now: float, bounds: Bounds, *, loading: bool) -> tuple[str, str] | None:
    """(outcome, message) once the cool-down is over, None while it lasts.

    `loading`: another model is starting in this pool, so that a difference proves nothing either way.
    """
    waited = now - watch.since
    if waited < bounds.min:
        return None
    back = came_back(watch)
    if not loading and back is not None and back >= RECOVERED * watch.expected - NOISE:
        return (
            "recovered",
            f"{describe_size(back)} of {describe_size(watch.expected)} came back in {waited:.2f} s",
        )
    if waited >= bounds.max:
        return (
            "max",
            f"gave up waiting for the memory of {watch.model} after {waited:.1f} s{_short(watch, back)}",
        )
    if not loading and _flat(watch, now):
        return "settled short", f"free memory has settled after {waited:.2f} s{_short(watch, back)}"
    return None


def agreed(watch: Watch) -> int | None:
    """What is available as far as two samples agree: the lesser of the last two; None before there are two."""
    last = [amount for _, amount in watch.samples[-AGREEING:]]
    return min(last) if len(last) == AGREEING else None


def came_back(watch: Watch) -> int | None:
    """Bytes more than before the stop, by two agreeing samples; None where that can't be said."""
    known = agreed(watch)
    return None if known is None or watch.baseline is None else known - watch.baseline


def _flat(watch: Watch, now: float) -> bool:
    if not watch.samples or now - watch.since < FLAT_SECONDS:
        return False
    window = [amount for at, amount in watch.samples if now - at <= FLAT_SECONDS]
    return len(window) >= AGREEING and max(window) - min(window) <= NOISE


def _short(watch: Watch, back: int | None) -> str:
    if back is None:
        return ""
    missing = watch.expected - back
    if missing <= 0:
        return ""
    return f"; {describe_size(missing)} of {describe_size(watch.expected)} is held by others"

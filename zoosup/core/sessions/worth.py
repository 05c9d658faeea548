"""Whether it is cheaper to save a conversation and restore it, or to compute it again.

Counted by the token: what a server says of the prompts it has computed, beside what its own last saves and restores
took. What is not known counts as nothing, so that it is tried. Knows neither clock nor disk.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

LASTING = 50_000
"""Tokens after which what was measured before them counts for less."""

AGAIN = 8
"""So many ends in a row at which it was not worth it, and the disk is tried anew: it may have been busy only then."""

_SHOWN = 1000  # tokens that times are told of


@dataclass(frozen=True, slots=True)
class Pace:
    """So many tokens have taken so many seconds; none: it is not known."""

    tokens: float = 0.0
    seconds: float = 0.0

    @property
    def per_token(self) -> float:
        """Seconds; 0 where it is not known."""
        return self.seconds / self.tokens if self.tokens else 0.0

    def after(self, tokens: float, seconds: float) -> "Pace":
        """The same with one more measurement, of which the last ones count for most."""
        if tokens <= 0 or seconds < 0:
            return self
        kept = min(1.0, LASTING / (self.tokens + tokens))
        return Pace(self.tokens * kept + tokens, self.seconds * kept + seconds)


@dataclass(frozen=True, slots=True)
class Paces:
    """What one server with its words was seen to take. `skipped`: ends in a row at which nothing was saved."""

    computed: Pace = field(default_factory=Pace)
    saved: Pace = field(default_factory=Pace)
    restored: Pace = field(default_factory=Pace)
    skipped: int = 0


def is_worth_saving(paces: Paces) -> bool:
    """Whether saving and restoring take less than computing, as far as is known."""
    return _cheaper(paces.saved.per_token + paces.restored.per_token, paces)


def is_worth_restoring(paces: Paces) -> bool:
    """The same of what has been saved already."""
    return _cheaper(paces.restored.per_token, paces)


def _cheaper(moved: float, paces: Paces) -> bool:
    computed = paces.computed
    return not computed.tokens or moved <= computed.per_token


def after_skipping(paces: Paces) -> Paces:
    """What is known after one more end at which nothing was saved: at last nothing of the disk."""
    if paces.skipped + 1 < AGAIN:
        return replace(paces, skipped=paces.skipped + 1)
    return Paces(paces.computed)


def why_not(paces: Paces) -> str:
    """Why nothing is saved, for people; "" where it is."""
    if is_worth_saving(paces):
        return ""
    moved = {"saving": paces.saved, "restoring": paces.restored}
    beside = " and ".join(f"{_in_words(pace)} for {what}" for what, pace in moved.items() if pace.tokens)
    return (
        f"{_SHOWN} tokens of a prompt take {_in_words(paces.computed)} to compute again, beside {beside} them"
    )


def _in_words(pace: Pace) -> str:
    seconds = pace.per_token * _SHOWN
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


def paces_of(kept: Any) -> Paces:
    """What was kept of it, as `as_kept` wrote it; nothing of what can't be read."""
    if not isinstance(kept, Mapping):
        return Paces()
    computed, saved, restored = (_pace_of(kept.get(name)) for name in ("computed", "saved", "restored"))
    skipped = kept.get("skipped")
    return Paces(computed, saved, restored, skipped if isinstance(skipped, int) else 0)


def _pace_of(kept: Any) -> Pace:
    match kept:
        case [int() | float() as tokens, int() | float() as seconds] if tokens > 0 and seconds >= 0:
            return Pace(tokens, seconds)
    return Pace()


def as_kept(paces: Paces) -> dict[str, Any]:
    """As it goes into a file."""
    pairs = {"computed": paces.computed, "saved": paces.saved, "restored": paces.restored}
    return {name: [pace.tokens, pace.seconds] for name, pace in pairs.items()} | {"skipped": paces.skipped}

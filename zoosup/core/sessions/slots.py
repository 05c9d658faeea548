"""What a llama-server says of its slots (`GET /slots`), and what follows: which can be saved, whether one was used.

A slot that has not been asked anything since the server began says neither a task nor tokens, a restored one too.
While one is processing it says how much of its prompt was reused (the `cache_n` of the answer's timings); afterwards
no longer. Servers of old don't say how many tokens a slot holds.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

WORTH = 512
"""Tokens from which on a slot is saved: fewer are computed again as fast."""

TWICE = 2
"""So many runs in a row without an effect, and restoring is given up for what it was tried with."""

_COUNTER = r"^llamacpp:prompt_{}_total ([0-9.eE+]{{1,32}})$"
_TOKENS, _SECONDS = (re.compile(_COUNTER.format(what), re.MULTILINE) for what in ("tokens", "seconds"))


@dataclass(frozen=True, slots=True)
class Slot:
    """One slot. `tokens` None: it doesn't say. `computed` and `reused` are tokens of the prompt at hand."""

    id: int
    busy: bool = False
    used: bool = False  # asked anything since the server began
    tokens: int | None = None
    computed: int = 0
    reused: int = 0


def slots_of(answer: Any) -> tuple[Slot, ...]:
    """Read the answer to GET /slots; ValueError where it is none."""
    if not isinstance(answer, list):
        raise ValueError("no list of slots")  # noqa: TRY004 - wrong content, not a wrong argument
    return tuple(_slot(each) for each in answer if isinstance(each, dict))


def _slot(said: dict[str, Any]) -> Slot:
    tokens, task = said.get("n_prompt_tokens"), said.get("id_task", -1)
    return Slot(
        id=_count(said.get("id")),
        busy=said.get("is_processing") is True,
        used=isinstance(task, int) and task >= 0,
        tokens=tokens if isinstance(tokens, int) else None,
        computed=_count(said.get("n_prompt_tokens_processed")),
        reused=_count(said.get("n_prompt_tokens_cache")),
    )


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value >= 0 else 0


def prompts_of(metrics: str) -> tuple[float, float]:
    """How many tokens of prompts it has computed, and seconds that took, by its `GET /metrics`; zeros: it says none."""
    found = [what.search(metrics) for what in (_TOKENS, _SECONDS)]
    try:
        tokens, seconds = (float(each[1]) if each else 0.0 for each in found)
    except ValueError:
        return 0.0, 0.0
    return tokens, seconds


def to_save(slots: Iterable[Slot]) -> list[Slot]:
    """Those to be saved, the longest first; one that was restored and not used since has its file already."""
    worth = [each for each in slots if each.used and (each.tokens is None or each.tokens >= WORTH)]
    return sorted(worth, key=lambda each: -(each.tokens or 0))


def was_of_use(slots: Iterable[Slot], restored: Collection[int]) -> bool | None:
    """Whether the prompt at hand in a restored slot goes on from what was restored; None: nobody can tell yet.

    Any conversation has its beginning in common with any other, so that a long one of which nothing at all was reused
    shows that the server could not use what it had.
    """
    for each in slots:
        if each.busy and each.id in restored:
            if each.reused:
                return True
            if each.computed >= WORTH:
                return False
    return None

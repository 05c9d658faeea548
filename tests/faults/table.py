"""What each fault is called, what zoosup does about it and which invariant that keeps, beside the test that shows it.

Knows no test and no zoosup; `run.py` puts the three together with what came of the test.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

_F = TypeVar("_F", bound=Callable[..., object])

HEADS = ("fault", "what zoosup does", "invariant", "result")

INVARIANTS = {
    1: "at most one live run per model",
    2: "no start beyond the budget",
    3: "reserved while any member lives",
    4: "after “stopped” no member lives",
    5: "signals reach only processes of ours",
    6: "a bad file changes no process",
    7: "same content, no action",
    8: "a live edit keeps the pid",
    9: "converges, or says why not",
    10: "back-off never shortens",
    13: "a probe moves only its own run",
    15: "lost hints change only latency",
    16: "no process is touched without need",
    17: "a clock jump changes only stamps",
    18: "every request is answered or refused",
    20: "no zombie, no lost descriptor",
}
"""Those of the design's §9 that faults here threaten, in a few words."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One row, less its result; `does` is what the test asserts, in words."""

    name: str
    does: str
    keeps: tuple[int, ...]


def fault(name: str, does: str, *keeps: int) -> Callable[[_F], _F]:
    """Mark the test of a fault."""
    if unknown := set(keeps) - set(INVARIANTS):
        raise ValueError(f"no such invariant: {unknown}")

    def mark(test: _F) -> _F:
        vars(test)["fault"] = Fault(name, does, keeps)
        return test

    return mark


def rows(results: Iterable[tuple[Fault, str]]) -> list[tuple[str, str, str, str]]:
    return [
        (each.name, each.does, "; ".join(f"{n} {INVARIANTS[n]}" for n in each.keeps), result)
        for each, result in results
    ]


def plain(body: Sequence[Sequence[str]]) -> str:
    lines = [HEADS, *body]
    widths = [max(len(row[i]) for row in lines) for i in range(len(HEADS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in lines
    )


def markdown(body: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (HEADS, ["---"] * len(HEADS), *body))

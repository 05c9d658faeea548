"""What the bench says: a figure beside its goal, and beside a peer or a bound measured in the same run.

Pure: numbers in, lines or JSON out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One thing measured. `goal` is the most that the median may be; `beside` are others' samples."""

    name: str
    unit: str
    samples: Sequence[float]
    goal: float | None
    beside: dict[str, Sequence[float]] = field(default_factory=dict)

    @property
    def median(self) -> float:
        return median(self.samples)

    @property
    def met(self) -> bool:
        return self.goal is None or self.median <= self.goal

    def as_dict(self) -> dict[str, Any]:
        others = {
            who: {"median": median(samples), "ratio": ratio(self.median, median(samples))}
            for who, samples in self.beside.items()
        }
        return {
            "name": self.name,
            "unit": self.unit,
            "median": self.median,
            "worst": max(self.samples),
            "samples": len(self.samples),
            "goal": self.goal,
            "met": self.met,
            "beside": others,
        }


def ratio(ours: float, theirs: float) -> float | None:
    return ours / theirs if theirs else None


def table(figures: Sequence[Figure]) -> str:
    """Lay the figures out for a terminal, one a line, the peers below."""
    lines = [f"{'':44} {'median':>10} {'worst':>10} {'goal':>10} {'n':>4}"]
    for figure in figures:
        goal = "" if figure.goal is None else f"{figure.goal:.4g}"
        mark = "" if figure.met else "  MISSED"
        lines.append(
            f"{f'{figure.name}, {figure.unit}':44} {figure.median:10.2f} {max(figure.samples):10.2f} "
            f"{goal:>10} {len(figure.samples):4}{mark}"
        )
        for who, samples in figure.beside.items():
            times = ratio(figure.median, median(samples))
            ours = "" if times is None else f"  zoosup takes {times:.3g} of it"
            lines.append(f"{f'    {who}':44} {median(samples):10.2f} {max(samples):10.2f}{'':16}{ours}")
    return "\n".join(lines)

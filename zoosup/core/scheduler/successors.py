"""Which model is likely to be asked for next: learned from the order in which models were asked for.

What is counted is a request for a model that has to be loaded, by the model that a client had asked for before it. Old
counts fade with each new one of the same row, so that a habit that ends is forgotten after some ten requests. Knows no
clock, no model and no memory; `prewarm` says what follows.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

FADES = 0.9
"""What is left of a row's counts after one more of it."""

LEAST = 0.05
"""A count that has faded below that is forgotten: it is of some thirty requests ago."""

MANY = 1 / (1 - FADES) + 1
"""No count is ever as high."""


@dataclass(frozen=True, slots=True)
class Successors:
    """How often each model was the next after another, by the names of both."""

    after: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def seen(self, last: str, model: str) -> "Successors":
        """Counted once more: `model` was asked for, and `last` before it; a repetition says nothing."""
        if last == model:
            return self
        row = {name: count * FADES for name, count in self.after.get(last, {}).items()}
        row[model] = row.get(model, 0.0) + 1.0
        return Successors(
            {**self.after, last: {name: count for name, count in row.items() if count >= LEAST}}
        )

    def likeliest(self, last: str) -> tuple[str, ...]:
        """Names, the likeliest first: `last` itself, whoever came after it, then whoever came after others."""
        row = self.after.get(last, {})
        of_all: dict[str, float] = {}
        for counts in self.after.values():
            for name, count in counts.items():
                of_all[name] = of_all.get(name, 0.0) + count
        ranked = sorted(of_all, key=lambda name: (-row.get(name, 0.0), -of_all[name], name))
        return tuple(dict.fromkeys((*([last] if last else []), *ranked)))

    def among(self, names: Collection[str]) -> "Successors":
        """Only what is of these."""
        kept = {
            last: {name: count for name, count in row.items() if name in names}
            for last, row in self.after.items()
            if last in names or not last
        }
        return Successors({last: row for last, row in kept.items() if row})

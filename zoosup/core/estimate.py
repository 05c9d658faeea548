"""How much memory a model needs, pool by pool, and where the figure is from.

The first that has an answer: what zoo.yaml declares, what follows from the weights, a guess. What earlier runs have
shown will come between the first two.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from zoosup.core.commandline import OTHER, understand
from zoosup.core.derive import Term, derive
from zoosup.core.weights import WeightFacts
from zoosup.spec.models import Memory, ModelSpec

UNKNOWN_RAM = 8 * 2**30
"""Bytes assumed for a model of which nothing is known: the default of the design zoosup came from."""

_NOTHING = WeightFacts()


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes by pool id. `certain` is False for a guess: such a model starts alone. `terms` add up to the RAM."""

    amounts: Mapping[str, int]
    source: str  # declared | derived | default
    certain: bool
    terms: tuple[Term, ...] = field(default=(), compare=False)


def need(spec: ModelSpec, facts: WeightFacts | None = None) -> Need:
    """What the model must be able to hold before it is started; `facts` are what was found of its weights."""
    if isinstance(spec.memory, Memory):
        return _declared(spec.memory.ram)
    return _derived(spec, facts or _NOTHING) or _unknown(_why_unknown(spec, facts))


@lru_cache(maxsize=1024)  # asked several times of each model in each pass
def _declared(ram: int) -> Need:
    terms = (Term("declared", ram, "memory.ram of zoo.yaml, which is final"),)
    return Need({"ram": ram}, "declared", certain=True, terms=terms)


def _derived(spec: ModelSpec, facts: WeightFacts) -> Need | None:
    if not facts.files:
        return None
    server = understand(spec)
    terms = derive(server, facts) if server is not None else None
    if terms is None:
        return None
    return Need({"ram": sum(term.amount for term in terms)}, "derived", certain=True, terms=terms)


@lru_cache(maxsize=1024)
def _unknown(why: str) -> Need:
    terms = (Term("default", UNKNOWN_RAM, f"a guess: {why}"),)
    return Need({"ram": UNKNOWN_RAM}, "default", certain=False, terms=terms)


def _why_unknown(spec: ModelSpec, facts: WeightFacts | None) -> str:
    if facts is None:
        return "its weights have not been looked at"
    server = understand(spec)
    if server is None or not server.model:
        return "its command names no weights"
    asked = "" if server.kind == OTHER else f"{server.kind} "
    return f"{asked}weights {server.model} are not on this host"

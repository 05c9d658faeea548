"""Which hosts come into question for a model, whatever room they have, and why the others don't.

Refuses to know rooms, and who is placed where.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from zoosup.core.fleet.words import FleetModel, FleetSpec, HostReport

NAMED = 5
"""Hosts whose sums a refusal gives one by one; of more, how many there are."""


@dataclass(frozen=True, slots=True)
class Host:
    """One host as far as it concerns who runs there. `refused`: what it has refused before, and why, by model."""

    report: HostReport
    lost: bool = False
    drained: bool = False
    refused: Mapping[str, str] = field(default_factory=dict)

    def runs(self, model: str) -> bool:
        """Whether it has a run of the model, ready or not."""
        found = self.report.models.get(model)
        return found is not None and bool(found.held)


def may_run(model: FleetModel, report: HostReport) -> bool:
    """Whether `hosts` lets a model run there."""
    if model.hosts and report.node not in model.hosts:
        return False
    return all(report.labels.get(name) == value for name, value in model.labels.items())


def out_of_question(model: str, host: Host, *, new: bool = True) -> str | None:
    """Why a host is none for a model, whatever it holds; `new`: it does not run there, nor is it to."""
    if host.lost:
        return "is lost"
    if host.drained:
        return "is drained"
    if host.report.leaving and new:
        return "is shutting down"
    return None if model in host.report.models else "has no such model in its zoo.yaml"


def passed_over(model: str, host: Host, *, new: bool = True) -> str | None:
    """Why a host is none for a model, None where it is one; `new` as above."""
    if why := out_of_question(model, host, new=new):
        return why
    found = host.report.models[model]
    if found.refused is not None:
        return found.refused
    return "lacks its weights" if found.missing else host.refused.get(model)


def obeys(model: FleetModel, spec: FleetSpec, host: Host) -> bool:
    """Whether a host would start an active model that it is told to run: by a file of its own it may know of none."""
    own = host.report.spec
    if own.digest in {"", spec.digest}:
        return True
    return any(each.name == model.name and each.priority is not None for each in own.models)


NOT_ACTIVE = "its own zoo.yaml does not have it active"
"""Why a host does not run what it would not `obey`."""


def in_question(model: FleetModel) -> str:
    """Say which hosts a model may run on."""
    if model.hosts:
        return " or ".join(model.hosts)
    return ", ".join(f"{name}: {value}" for name, value in model.labels.items()) or "there"


def told(sums: Iterable[str], count: int) -> str:
    """The sums of some hosts in one sentence, where `count` have one: a few, and how many more there are."""
    shown: Sequence[str] = [text for text, _ in zip(sums, range(NAMED), strict=False)]
    more = count - len(shown)
    return "; ".join([*shown, f"and {more} more hosts"] if more > 0 else shown)

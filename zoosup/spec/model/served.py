"""Every name that clients may use, and what it means: a model, an alias, a variant, a model of a server elsewhere.

Pure. Knows no run: whether a name can be had now is the runtime's to say.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from zoosup.spec.model.external import ExternalModelSpec, names_of
from zoosup.spec.model.model import ModelSpec, Task
from zoosup.spec.model.requests import BodyChanges
from zoosup.spec.model.zoo import ZooSpec

ACTIVE = "active"
"""The word of `gateway.default_model` for the first of `active`."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one name means. `model` is the entry under `models`; `listed`: it has an entry of its own in /v1/models."""

    model: str
    spec: ModelSpec | ExternalModelSpec
    changes: BodyChanges
    listed: bool = False
    description: str = ""

    @property
    def task(self) -> Task | None:
        """What the model is for; None for all."""
        return self.spec.task


def served_names(spec: ZooSpec) -> dict[str, Meaning]:
    """All names of a file, those of one model side by side; each name stands once (`checks.names` has seen to it)."""
    found: dict[str, Meaning] = {}
    every: dict[str, ModelSpec | ExternalModelSpec] = {**spec.models, **spec.externals}
    for name, model in every.items():
        found |= names_of_model(name, model)
    return found


def names_of_model(name: str, spec: ModelSpec | ExternalModelSpec) -> dict[str, Meaning]:
    """Those of one model: its own first."""
    plain = BodyChanges(spec.strip_params, spec.default_params, spec.set_params, spec.upstream_model)
    own = Meaning(name, spec, plain, listed=True, description=spec.description)
    found = {name: own} | {alias: replace(own, listed=False) for alias in spec.aliases}
    if isinstance(spec, ExternalModelSpec):
        found = dict(_elsewhere(name, spec, own))
    return found | dict(_variants(found[name], spec))


def _elsewhere(name: str, spec: ExternalModelSpec, own: Meaning) -> Iterator[tuple[str, Meaning]]:
    """Where it lists its models, they are what clients are shown: its own name then means the server."""
    listed = spec.external.models or {name: name}
    for each, there in names_of(name, spec).items():
        upstream = None if there == each else there
        changes = replace(own.changes, upstream_model=upstream)
        yield each, replace(own, changes=changes, listed=each in listed)


def _variants(own: Meaning, spec: ModelSpec | ExternalModelSpec) -> Iterator[tuple[str, Meaning]]:
    """A server knows nothing of them: it is told the model's name."""
    told = replace(own.changes, upstream_model=own.changes.upstream_model or own.model)
    for name, variant in spec.variants.items():
        yield (
            name,
            Meaning(own.model, spec, told.and_then(variant), listed=True, description=variant.description),
        )


def default_name(spec: ZooSpec) -> str | None:
    """Who answers where no model is named; None where nobody does."""
    asked = spec.gateway.default_model if spec.gateway else None
    if asked == ACTIVE:
        return spec.active[0] if spec.active else None
    return asked

"""The models of zoo.yaml, and the whole of it: what each field means, its default, and what an edit of it costs.

Frozen data; parts of a model's life and of how memory is shared stand in `lifetime` and `memory`. Knows neither YAML
nor positions (`document`), nor how `defaults` and `${…}` are resolved (`parse`). Strings that may hold `${PORT}` stay
templates until the spawn (`templates.render`).
"""

from collections.abc import Mapping
from typing import Annotated

from zoosup.spec.model.base import SpecPart, at_once, no_effect
from zoosup.spec.model.external import ExternalModelSpec
from zoosup.spec.model.fleet import FleetSpec
from zoosup.spec.model.gateway import GatewaySpec, GatewaySpecOrOff, StatusSpec
from zoosup.spec.model.memory import BudgetSpec, SwitchSpec
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.values import kinds


class ZooSpec(SpecPart):
    """The whole of zoo.yaml: what exists, what should run, what it may hold."""

    also = ("defaults", "x-…")
    apart = ("externals",)

    active: Annotated[
        kinds.Names,
        at_once(
            "The models that run without anyone asking: a name, or a list in order of priority. []: none."
        ),
    ] = ()
    budget: Annotated[BudgetSpec, at_once("How much memory all models may hold together.")] = BudgetSpec()
    switch: Annotated[SwitchSpec, at_once("How one active model is exchanged for another.")] = SwitchSpec()
    gateway: Annotated[
        GatewaySpecOrOff, at_once("The address by which clients reach all models; false: none.")
    ] = GatewaySpec()
    status: Annotated[StatusSpec, at_once("The HTTP status server.")] = StatusSpec()
    fleet: Annotated[
        FleetSpec | None, at_once("Several hosts that share this file. null: this host is by itself.")
    ] = None
    include: Annotated[
        kinds.Patterns,
        at_once(
            "Files with more models, such as [models.d/*.yaml], by path from here: each has models, and vars and "
            "defaults for them alone."
        ),
    ] = ()
    vars: Annotated[
        Mapping[kinds.VarName, kinds.Prose],
        no_effect(
            "Texts for ${name} in the strings of models; an edit changes the fields that use it.", repr=False
        ),
    ] = {}
    models: Annotated[
        Mapping[kinds.ModelName, ModelSpec],
        at_once("The model servers by name. Taking one out stops it; {}: none."),
    ] = {}
    externals: Annotated[
        Mapping[kinds.ModelName, ExternalModelSpec],
        at_once("Those of `models` that are servers elsewhere; in the file they stand among the others."),
    ] = {}

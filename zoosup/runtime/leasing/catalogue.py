"""Which models clients may ask for: what a name means, and what of each model they may know.

Knows the file in force and where its models stand, those of servers elsewhere too. Refuses to know who asks.
"""

from collections.abc import Mapping
from dataclasses import replace

from zoosup.core.estimation.context_length import context_length
from zoosup.core.estimation.servers.command_line import understand
from zoosup.core.scheduler.demand import idle_until
from zoosup.core.state.observed import NO_DEMAND, Model
from zoosup.core.state.phases import Override, Phase
from zoosup.core.state.pools import VRAM
from zoosup.core.state.runs import Run
from zoosup.core.state.weights import FileFacts, WeightFacts
from zoosup.runtime.api.listing import ModelCard, Running, Served
from zoosup.runtime.state.zoo import Zoo
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.served import Meaning, default_name, served_names
from zoosup.spec.model.zoo import ZooSpec
from zoosup.spec.span_forms import is_part

_READY, _STOP = Phase.READY, Override.STOP  # looking up an enum's member takes time
_RUNNING = frozenset({Phase.READY, Phase.UNREADY})


class Catalogue:
    """Of one zoo; names are looked up for every request."""

    def __init__(self, zoo: Zoo) -> None:
        self._zoo = zoo
        self._spec: object = None
        self._meanings: dict[str, Meaning] = {}
        self._names: dict[str, Served] = {}

    def find(self, name: str) -> Served | None:
        """The model that a name means, or no name at all."""
        spec = self._zoo.declared  # which host has a model changes no name
        if spec is not self._spec:
            self._spec = spec
            self._meanings = served_names(spec)
            self._names = {each: Served.of(meaning) for each, meaning in self._meanings.items()}
            default = self._names.get(default_name(spec) or "")
            self._names |= {} if default is None else {"": default}
        return self._names.get(name)

    def cards(self) -> tuple[ModelCard, ...]:
        """See `api.Leasing`."""
        self.find("")
        return tuple(self._card(name, each) for name, each in self._meanings.items() if each.listed)

    def _card(self, name: str, meaning: Meaning) -> ModelCard:
        own, spec = meaning.model, meaning.spec
        model, server = self._known(own), self._zoo.externals.get(own)
        return ModelCard(
            name,
            spec,
            model.phase if server is None else server.phase,
            active=own in self._zoo.declared.active,
            created=self._zoo.applied.loaded_at or 0.0,
            load_time=model.load_time,
            context_length=context_length(spec, model.weights) if isinstance(spec, ModelSpec) else None,
            model="" if own == name else own,
            description=meaning.description,
            running=self._running(model, spec) if own == name and isinstance(spec, ModelSpec) else None,
            weights=_weights(spec, model.weights) if isinstance(spec, ModelSpec) else None,
        )

    def _known(self, name: str) -> Model:
        """A part of a model over several hosts is nothing that anybody could ask."""
        found = self._zoo.models.get(name)
        part = found is None or (found.run is not None and is_part(found.run.spec))
        return Model(name) if found is None or part else found

    def _running(self, model: Model, spec: ModelSpec) -> Running | None:
        run, demand = model.run, self._zoo.demand.get(model.name, NO_DEMAND)
        if run is None or model.phase not in _RUNNING:
            return None
        ram, vram = by_kind(run.measured)
        stays = not spec.on_demand or model.name in self._zoo.spec.active
        now, wall = self._zoo.clock.now(), self._zoo.clock.wall()
        used = replace(demand, last_used=now) if demand.busy else demand
        until = None if stays else idle_until(model, spec, used)
        until = None if until is None else wall + max(0.0, until - now)
        return Running(ram, vram, until)


def by_kind(sizes: Mapping[str, int]) -> tuple[int, int]:
    """Bytes of RAM and of GPUs, out of those by pool."""
    on_gpus = sum(size for pool, size in sizes.items() if pool.startswith(VRAM))
    return sum(sizes.values()) - on_gpus, on_gpus


def serving_run(model: Model | None) -> Run | None:
    """The run that clients may use, whatever else there is."""
    if model is None or model.phase is not _READY or model.override is _STOP:
        return None
    run = model.run
    return run if run is not None and run.leaving is None and not is_part(run.spec) else None


def new_name(spec: ZooSpec, model: str) -> str:
    """What a model is called in this file, where it has been renamed and keeps the name as an alias."""
    if model in spec.models:
        return model
    return next((name for name, each in spec.models.items() if model in each.aliases), model)


def _weights(spec: ModelSpec, weights: WeightFacts | None) -> FileFacts | None:
    server = understand(spec)
    return weights.of(server.model) if server is not None and weights is not None else None

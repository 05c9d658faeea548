"""Clients of the simulated host: each asks, waits, is granted, finishes or hangs up, and knows how it has ended.

The lease table does what the leases of the runtime do, as simply as can be: every client in one list. Knows no policy.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from zoosup.core.scheduler.demand import gateway
from zoosup.core.state.observed import Demand, Model
from zoosup.core.state.phases import Override, Phase
from zoosup.core.state.refusal import Code
from zoosup.core.state.runs import Run
from zoosup.runtime.leasing import refusals
from zoosup.spec.model.zoo import ZooSpec


class Zoo(Protocol):
    """What the lease table looks at."""

    spec: ZooSpec
    models: dict[str, Model]
    shutdown: bool
    now: float
    wanted: tuple[str, ...]
    closed: Mapping[str, float]


ENDINGS = {"answered", "refused", "cancelled", "cut"}


@dataclass
class Client:
    """One request; `hold` is how long its answer takes, once it is granted."""

    model: str
    since: float
    hold: float
    run_id: str | None = None
    granted: float | None = None
    ended: float | None = None
    how: str = ""  # one of ENDINGS
    why: str = ""  # of a refusal

    @property
    def waits(self) -> bool:
        return self.granted is None and self.ended is None

    @property
    def answering(self) -> bool:
        return self.granted is not None and self.ended is None

    def end(self, how: str, now: float, why: str = "") -> None:
        assert self.ended is None, f"18: {self} ends once more: {how}"
        self.ended, self.how, self.why = now, how, why


@dataclass
class LeaseTable:
    """All clients there ever were, the oldest first."""

    clients: list[Client] = field(default_factory=list)
    last_used: dict[str, float] = field(default_factory=dict)

    def waiting(self, model: str | None = None) -> list[Client]:
        return [c for c in self.clients if c.waits and model in {None, c.model}]

    def using(self, run_id: str) -> list[Client]:
        return [c for c in self.clients if c.answering and c.run_id == run_id]

    def demand(self, models: Mapping[str, Model]) -> dict[str, Demand]:
        asked = dict.fromkeys([*self.last_used, *(c.model for c in self.clients)])
        return {name: self._demand(name, models.get(name)) for name in asked}

    def _demand(self, name: str, model: Model | None) -> Demand:
        run = model.run if model is not None else None
        waiting = self.waiting(name)
        since = waiting[0].since if waiting else None
        return Demand(len(self.using(run.id)) if run else 0, len(waiting), since, self.last_used.get(name))

    def serve(self, zoo: Zoo) -> list[Client]:
        """Grant what can be granted, refuse what is of no use to wait for; who has been granted."""
        granted = []
        for client in self.waiting():
            run = self._open(zoo, client.model)
            if run is not None and client.since <= zoo.closed.get(client.model, client.since):
                client.run_id, client.granted = run.id, zoo.now
                granted.append(client)
            elif why := self._hopeless(zoo, client):
                client.end("refused", zoo.now, why)
        return granted

    def give_back(self, client: Client, how: str, now: float) -> None:
        client.end(how, now)
        self.last_used[client.model] = now

    def _open(self, zoo: Zoo, name: str) -> Run | None:
        model = zoo.models.get(name)
        if model is None or name not in zoo.spec.models or zoo.shutdown or model.override is Override.STOP:
            return None
        limit = zoo.spec.models[name].max_inflight
        if model.phase is not Phase.READY or model.run is None:
            return None
        return None if limit and len(self.using(model.run.id)) >= limit else model.run

    def _hopeless(self, zoo: Zoo, client: Client) -> str:
        declared, model = zoo.spec.models.get(client.model), zoo.models.get(client.model)
        if declared is None or model is None:
            return Code.MODEL_NOT_FOUND
        if zoo.shutdown:
            return Code.SHUTTING_DOWN
        serves = model.phase in {Phase.READY, Phase.UNREADY}
        if model.override is Override.STOP or not (
            declared.on_demand or client.model in zoo.wanted or serves
        ):
            return Code.MODEL_DISABLED
        if zoo.now >= client.since + gateway(zoo.spec).queue_timeout:
            return Code.MODEL_LOADING_TIMEOUT
        refusal = refusals.of_phase(model, client.since, zoo.now)
        return "" if refusal is None else refusal.code

"""Fake leases: models are wherever a test says, and every lease that is out is known."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zoosup.core.state.phases import Phase
from zoosup.core.state.refusal import Code, Refusal, RefusedError
from zoosup.runtime.api.listing import ModelCard, Running, Served
from zoosup.runtime.api.upstream import HERE, Upstream
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.served import names_of_model


@dataclass
class FakeLease:
    leasing: "FakeLeasing"
    model: str
    run_id: str
    host: str
    port: int
    holder: Any
    upstream: Upstream = HERE
    released: int = 0

    def release(self) -> None:
        self.released += 1
        self.leasing.out.remove(self)

    def stay(self, seconds: float) -> None:
        self.leasing.stays.append((self.model, seconds))

    def unreachable(self) -> Any:
        self.release()
        if self.model in self.leasing.refusals:
            raise RefusedError(self.leasing.refusals[self.model])
        ticket = FakeTicket(self.leasing, self.model, self.holder)
        self.leasing.queue.append(ticket)
        return ticket


@dataclass
class FakeTicket:
    leasing: "FakeLeasing"
    model: str
    holder: Any
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True
        self.leasing.queue.remove(self)

    load_time: float | None = None

    def why(self) -> str:
        return self.leasing.reason


@dataclass
class FakeLeasing:
    """`ports` says where the models run; one without a port is waited for; `refusals` are for good."""

    models: Mapping[str, ModelSpec]
    ports: dict[str, int] = field(default_factory=dict)
    refusals: dict[str, Any] = field(default_factory=dict)
    out: list[FakeLease] = field(default_factory=list)
    given: list[FakeLease] = field(default_factory=list)
    queue: list[FakeTicket] = field(default_factory=list)
    looks: int = 0
    stays: list[tuple[str, float]] = field(default_factory=list)
    running: dict[str, Running] = field(default_factory=dict)
    contexts: dict[str, int] = field(default_factory=dict)
    default: str = ""
    upstreams: dict[str, Upstream] = field(default_factory=dict)
    reason: str = "its weights are being read"
    queued: set[str] = field(default_factory=set)  # in a fleet: models that this host may start

    def find(self, name: str) -> Served | None:
        for model, spec in self.models.items():
            if (meaning := names_of_model(model, spec).get(name or self.default)) is not None:
                return Served.of(meaning)
        return None

    def cards(self) -> tuple[ModelCard, ...]:
        return tuple(
            ModelCard(
                name,
                each.spec,
                Phase.READY,
                active=True,
                created=1.0,
                model="" if name == model else model,
                description=each.description,
                running=self.running.get(name),
                context_length=self.contexts.get(model),
            )
            for model, spec in self.models.items()
            for name, each in names_of_model(model, spec).items()
            if each.listed
        )

    def ask(self, model: str, holder: Any) -> Any:
        if model in self.refusals:
            raise RefusedError(self.refusals[model])
        if model in self.ports:
            return self.lease(model, holder)
        ticket = FakeTicket(self, model, holder)
        self.queue.append(ticket)
        return ticket

    def look(self, model: str, holder: Any) -> Any:
        self.looks += 1
        if model not in self.ports:
            raise RefusedError(Refusal(Code.MODEL_NOT_LOADED, f"{model} does not run"))
        return self.lease(model, holder)

    def lease(self, model: str, holder: Any) -> FakeLease:
        port = self.ports[model]
        upstream = self.upstreams.setdefault(model, Upstream.of(self.models[model]))
        lease = FakeLease(self, model, f"{model}-{port}", "127.0.0.1", port, holder, upstream)
        self.out.append(lease)
        self.given.append(lease)
        return lease

    def arrive(self, model: str, port: int) -> None:
        """The model is ready: whoever waits for it is granted."""
        self.ports[model] = port
        for ticket in [each for each in self.queue if each.model == model]:
            self.queue.remove(ticket)
            ticket.holder.granted(self.lease(model, ticket.holder))

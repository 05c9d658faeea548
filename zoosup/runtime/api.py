"""What the faces of zoosup (HTTP, control socket) may ask of the runtime.

Everything here is read from the last published snapshot or handed to the single writer as a fact; nothing waits
for a model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from zoosup.core.state.phases import Phase
from zoosup.core.state.refusal import Refusal
from zoosup.host.ports import Logs
from zoosup.runtime.events.journal import Journal
from zoosup.runtime.events.publisher import Publisher
from zoosup.spec.model.model import ModelSpec, Task


class Commands(Protocol):
    """Writes and questions for the single writer. NoSuchModelError for a name that zoo.yaml does not have."""

    async def start(self, model: str) -> Mapping[str, Any]:
        """Ask for the model to run, until `active` says something new about it; its `/status/{model}` back."""

    async def stop(self, model: str) -> Mapping[str, Any]:
        """Ask for the model not to run, likewise."""

    async def restart(self, model: str) -> Mapping[str, Any]:
        """End its run and start it afresh; back-off and a given-up state are forgotten.

        One that a request may start is pinned by that no more than before: it comes with the next request.
        """

    async def auto(self, model: str) -> Mapping[str, Any]:
        """Give a model that was started or stopped by hand back to the file and to demand."""

    async def reload(self) -> Mapping[str, Any]:
        """Look at zoo.yaml again at once; returns the snapshot's `config` after it was applied or refused."""

    async def plan(self, text: str | None, path: str) -> Mapping[str, Any]:
        """The next pass's answer, for `text` in place of the file where given; InvalidFileError when not valid."""

    async def estimate(self, model: str) -> Mapping[str, Any]:
        """What the model needs, term by term, by its weights as they are now and by what its runs have shown."""

    def heartbeat(self) -> float:
        """Seconds since the loop last turned."""


class Lease(Protocol):
    """One client's claim on a running model: held from the dispatch of a request until its answer has ended."""

    @property
    def model(self) -> str:
        """Whose it is."""

    @property
    def run_id(self) -> str:
        """Which run of that model serves."""

    @property
    def host(self) -> str:
        """Where the run listens."""

    @property
    def port(self) -> int:
        """The same."""

    def release(self) -> None:
        """Give it back, once; a second call does nothing."""

    def unreachable(self) -> "Lease | Ticket":
        """Give it back because nothing could be sent to its run: a place by the time of the first asking, or a lease.

        RefusedError as from `Leasing.ask`. The run is given to nobody for a moment.
        """


class Ticket(Protocol):
    """A place in the queue for a model that can't be had at once."""

    def cancel(self) -> None:
        """Give the place up; nothing is called any more. Does nothing after a grant or a refusal."""

    def why(self) -> str:
        """What is being waited for, in words for people."""

    @property
    def load_time(self) -> float | None:
        """Seconds that the model's last load took; None where none was seen."""


class Holder(Protocol):
    """Who asks for leases; each call comes on the loop, from the single writer's turn, and must not block or raise."""

    @property
    def client(self) -> str:
        """For whom: the name of its key, else its address; "" where neither is known."""

    def granted(self, lease: Lease) -> None:
        """The wait is over. It holds the lease from now on, even if its client has just gone: it must release it."""

    def refused(self, refusal: Refusal) -> None:
        """The wait is over, without a lease."""

    def cut(self, refusal: Refusal) -> None:
        """The run is being ended now, its drain time over: end what is being answered, and say so to the client."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What clients may know of a model, for `/v1/models`. `created` is wall time; `load_time` seconds, once learned."""

    name: str
    spec: ModelSpec
    phase: Phase
    active: bool
    created: float
    load_time: float | None = None
    context_length: int | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """What a name means. `task`: what the model is for, None for all; `changes`: bodies are changed for it."""

    model: str
    spec: ModelSpec
    task: Task | None
    changes: bool

    @classmethod
    def of(cls, model: str, spec: ModelSpec) -> "Served":
        """What the file says of a model."""
        changes = spec.strip_params or spec.set_params or spec.upstream_model
        return cls(model, spec, spec.task, bool(changes))


class Leasing(Protocol):
    """Where the gateway asks for models. Every call is made on the loop and is answered at once."""

    def find(self, name: str) -> Served | None:
        """The model that is meant by a name or an alias; None where there is none."""

    def cards(self) -> tuple[ModelCard, ...]:
        """All models, in the order of the file."""

    def ask(self, model: str, holder: Holder) -> Lease | Ticket:
        """A lease where the model runs and has room; else a place in the queue, and `holder` hears what became of it.

        RefusedError where waiting is of no use: the model is off, failed or backing off, the queue is full.
        """

    def look(self, model: str, holder: Holder) -> Lease:
        """A lease that counts neither as demand nor as use; RefusedError where the model does not run."""


class GatewayCounters(Protocol):
    """What the gateway has counted since it began, by model ("" for its own answers); read only."""

    connections: int
    received: int  # bytes of clients
    sent: int  # bytes of models' answers

    @property
    def requests(self) -> Mapping[tuple[str, int], int]:
        """Answered, by model and the hundreds of the status."""

    @property
    def cancelled(self) -> Mapping[str, int]:
        """Those whose client hung up."""

    @property
    def broken(self) -> Mapping[str, int]:
        """Answers that ended too early."""

    @property
    def waited(self) -> Mapping[str, float]:
        """Seconds in the queue."""


@dataclass(frozen=True, slots=True)
class ListenStatus:
    """Where the gateway listens (None: nowhere), and why that is not as zoo.yaml has it; empty where it is."""

    address: str | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class RuntimeApi:
    """All that a face needs, handed over by the composition root."""

    publisher: Publisher
    journal: Journal
    commands: Commands
    logs: Logs
    clients: GatewayCounters | None = None

"""What all connections of one gateway share, handed down to each: limits, counts, who is there, the rules in force.

Frozen; what moves stands in `State`. Refuses to know how a request is read, sent or answered.
"""

from dataclasses import dataclass, field

from zoosup.runtime.api.leasing import Leasing
from zoosup.runtime.api.listing import Listing
from zoosup.runtime.api.routing import Routing
from zoosup.spec.model.gateway import GatewaySpec, LoadingStyle
from zoosup.web.gateway.context.connections import Connections
from zoosup.web.gateway.context.limits import Limits
from zoosup.web.gateway.telemetry.access_log.writer import AccessLog
from zoosup.web.gateway.telemetry.metrics import Counters
from zoosup.web.gateway.telemetry.tracing.setup import Tracing


@dataclass(frozen=True, slots=True)
class Rules:
    """What zoo.yaml says of requests and answers, as far as connections need it; replaced as a whole.

    `in_line` is the longest body, in bytes, that is read on the loop; `request_timeout` is seconds, 0: none;
    `passes_credentials`: no keys are asked for, so that a client's key is its model server's business.
    """

    max_body: int
    max_buffered: int
    in_line: int
    loading: LoadingStyle
    request_timeout: float
    passes_credentials: bool
    list_aliases: bool
    count_tokens: bool

    @classmethod
    def of(cls, spec: GatewaySpec, limits: Limits, *, keys: bool) -> "Rules":
        """The rules of a file; `keys`: some are asked for."""
        in_line = min(spec.max_body, limits.in_line)
        return cls(
            spec.max_body,
            spec.max_buffered,
            in_line,
            spec.loading,
            spec.request_timeout,
            passes_credentials=not keys,
            list_aliases=spec.list_aliases,
            count_tokens=spec.count_tokens,
        )


@dataclass(slots=True)
class State:
    """`now` is a clock that moves with each tick, for what need not be known better; `closing`: nobody may stay.

    `buffered` is bytes of bodies that came in pieces and are kept in memory; those that come at once are short.
    `access_log`: where requests are noted, None where none is kept. `routing`: who answers where other hosts share the
    file, None where none does.
    """

    rules: Rules
    now: float = 0.0
    closing: bool = False
    buffered: int = 0
    access_log: AccessLog | None = None
    routing: Routing | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """One gateway's own. `tracing`: None where requests are not traced."""

    leasing: Leasing
    limits: Limits
    state: State
    counters: Counters = field(default_factory=Counters)
    connections: Connections = field(default_factory=Connections)
    tracing: Tracing | None = None

    @property
    def known(self) -> Listing:
        """Whoever can say which models there are, and which of them run, on other hosts too."""
        return self.state.routing or self.leasing

"""Servers elsewhere: what was last heard of each, and who uses it now.

They live beside the models of this host: no plan sees them, for zoosup neither starts nor stops nor counts them.
Refuses to know how they are asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zoosup.core.state.phases import Phase
from zoosup.runtime.api.upstream import Upstream
from zoosup.spec.model.external import ExternalModelSpec

NOT_ASKED = "not asked yet"


@dataclass(slots=True)
class ExternalServer:
    """One of them. `leases` are those of clients under way; `last_used` is a time of the loop's clock."""

    name: str
    spec: ExternalModelSpec
    upstream: Upstream
    phase: Phase = Phase.UNREADY
    message: str = NOT_ASKED
    leases: set[Any] = field(default_factory=set)
    last_used: float | None = None

    @property
    def key(self) -> str:
        """What connections to it are kept by, as a run's id is."""
        return f"external:{self.name}@{self.spec.external.url}"


def followed(
    known: Mapping[str, ExternalServer], specs: Mapping[str, ExternalModelSpec]
) -> dict[str, ExternalServer]:
    """Give the servers as a new file has them; what was heard of one counts as long as it is asked the same."""
    return {name: _followed(known.get(name), name, spec) for name, spec in specs.items()}


def _followed(known: ExternalServer | None, name: str, spec: ExternalModelSpec) -> ExternalServer:
    if known is None:
        return ExternalServer(name, spec, Upstream.of(spec))
    if known.spec == spec:
        return known
    server = ExternalServer(name, spec, Upstream.of(spec), leases=known.leases, last_used=known.last_used)
    if asks_alike(known.spec, spec):
        server.phase, server.message = known.phase, known.message
    return server


def asks_alike(one: ExternalModelSpec, other: ExternalModelSpec) -> bool:
    """Whether both have the same server asked in the same way."""
    parts = [(each.external, each.ready, each.upstream_headers) for each in (one, other)]
    return parts[0] == parts[1]

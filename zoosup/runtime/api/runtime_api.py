"""All that a face is handed by the composition root.

Refuses to know which face it is.
"""

from collections.abc import Callable
from dataclasses import dataclass

from zoosup.host.ports.host import Logs
from zoosup.runtime.api.commands import Commands
from zoosup.runtime.api.fleet import FleetMember
from zoosup.runtime.api.gateway import GatewayCounters
from zoosup.runtime.api.leasing import Leasing
from zoosup.runtime.events.journal import Journal
from zoosup.runtime.events.publisher import Publisher


@dataclass(frozen=True, slots=True)
class RuntimeApi:
    """All that a face needs, handed over by the composition root."""

    publisher: Publisher
    journal: Journal
    commands: Commands
    logs: Logs
    clients: GatewayCounters | None = None
    leasing: Leasing | None = None
    fleet: Callable[[], FleetMember | None] = lambda: None
    """This host's place in a fleet; None while zoo.yaml has none."""

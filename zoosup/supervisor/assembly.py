"""Every part of one supervisor, each handed what it needs; made in one straight order, and none of them begun."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

from zoosup.host.ports.host import Host
from zoosup.host.storage.state_dir import StateDirectory
from zoosup.host.system import descriptors
from zoosup.host.system.listen_fds import HandedSockets
from zoosup.host.system.sd_notify import InitSystem
from zoosup.runtime.api.fleet import FleetMember
from zoosup.runtime.api.routing import Routing
from zoosup.runtime.api.runtime_api import RuntimeApi
from zoosup.runtime.commands import CommandHandler
from zoosup.runtime.events.publisher import Publisher
from zoosup.runtime.leasing.leases import Leases
from zoosup.runtime.loop.reconciler import Reconciler
from zoosup.runtime.operations.start.child_env import Secrets, WithoutSecrets
from zoosup.runtime.persistence.saved_state import StateSaver
from zoosup.runtime.publish.init_status import InitStatus
from zoosup.runtime.state.inbox import Inbox
from zoosup.runtime.state.zoo import Zoo
from zoosup.spec.model.values.readers import FilledSecret
from zoosup.spec.model.zoo import ZooSpec
from zoosup.supervisor.settings import Settings
from zoosup.web.api.followers import StreamLimits
from zoosup.web.api.server import WebServer
from zoosup.web.gateway.context.limits import Limits
from zoosup.web.gateway.reload import GatewayKeeper
from zoosup.web.gateway.server import Gateway
from zoosup.web.gateway.telemetry.tracing.setup import tracing_for


@dataclass(frozen=True, slots=True)
class Supervisor:
    """All parts. `environ` is what models inherit; `reload_asked` is set where the file is to be looked at again.

    `leave_asked`: zoosup is to end without its models; whether it is to be executed anew.
    """

    settings: Settings
    environ: Mapping[str, str]
    store: StateDirectory
    zoo: Zoo
    inbox: Inbox
    host: Host
    publisher: Publisher
    reconciler: Reconciler
    commands: CommandHandler
    init: InitSystem
    init_status: InitStatus
    handed: HandedSockets
    gateway: Gateway
    gateway_keeper: GatewayKeeper
    web: WebServer
    fleet_member: Callable[[], FleetMember]
    reload_asked: asyncio.Event = field(default_factory=asyncio.Event)
    leave_asked: asyncio.Queue[bool] = field(default_factory=asyncio.Queue)

    async def reload(self) -> None:
        """Look at the file again, as SIGHUP asks for, and tell the init system."""
        await self.init_status.reload(self.commands.reload)


MOST_OWN = 512
"""Descriptors that zoosup keeps for its own work, where there are many: watches of processes, spawns, files."""


@dataclass(frozen=True, slots=True)
class Shares:
    """Connections that each listener may have; of `status`, the control socket as many again."""

    gateway: int
    status: int


def connection_shares(descriptors: int) -> Shares:
    """What clients may have of so many descriptors: never the last third, or `MOST_OWN`, so that work goes on."""
    clients = descriptors - min(MOST_OWN, descriptors // 3)
    status = min(StreamLimits().connections, clients // 8)
    # Each of the gateway's may cost another one, to a model.
    return Shares(min(Limits().connections, (clients - 2 * status) // 2), status)


def secrets_of(spec: ZooSpec, more: Iterable[str] = ()) -> Secrets:
    """What clients of the gateway, the status server and servers elsewhere present: no model's business.

    `more`: keys that the file does not hold itself.
    """
    token = () if spec.status.token is None else (spec.status.token,)
    theirs = (each.external.api_key for each in spec.externals.values())
    secrets = (
        *(each.key for each in (spec.gateway.api_keys if spec.gateway else ())),
        *token,
        *(key for key in theirs if key is not None),
    )
    variables = (s.variables for s in secrets if isinstance(s, FilledSecret))
    return Secrets((*(s.get_secret_value() for s in secrets), *more), frozenset().union(*variables))


def assemble(  # noqa: PLR0913, PLR0917 - all that there is before
    settings: Settings,
    environ: Mapping[str, str],
    zoo: Zoo,
    inbox: Inbox,
    host: Host,
    store: StateDirectory,
    init: InitSystem,
    handed: HandedSockets,
) -> Supervisor:
    """Put the parts together, from the single writer to the faces."""
    publisher = Publisher()
    shown = WithoutSecrets(environ, lambda: secrets_of(zoo.spec, keeper.secrets))
    reconciler = Reconciler(host, zoo, inbox, publisher, StateSaver(store), shown)
    commands = CommandHandler(reconciler, host, publisher, zoo.applied.path, environ)
    shares = connection_shares(descriptors.allowed())
    gateway = Gateway(
        reconciler.leases,
        limits=Limits(connections=shares.gateway),
        handed=handed,
        tracing=tracing_for(environ, zoo.journal),
    )
    fleet_member = _fleet_member(zoo, publisher, inbox)
    routing = _fleet_routing(zoo, reconciler.leases, fleet_member)
    keeper = GatewayKeeper(gateway, zoo, settings.gateway, inbox.wake, routing)
    api = RuntimeApi(
        publisher,
        zoo.journal,
        commands,
        host.logs,
        gateway.counters,
        reconciler.leases,
        lambda: None if zoo.fleet is None else fleet_member(),
    )
    return Supervisor(
        settings=settings,
        environ=environ,
        store=store,
        zoo=zoo,
        inbox=inbox,
        host=host,
        publisher=publisher,
        reconciler=reconciler,
        commands=commands,
        init=init,
        init_status=InitStatus(init, publisher, reconciler.heartbeat),
        handed=handed,
        gateway=gateway,
        gateway_keeper=keeper,
        web=WebServer(
            api, control=store.socket, limits=StreamLimits(connections=shares.status), handed=handed
        ),
        fleet_member=fleet_member,
    )


def _fleet_member(zoo: Zoo, publisher: Publisher, inbox: Inbox) -> Callable[[], FleetMember]:
    """This host's place in a fleet, made when it is first asked for: until then nothing of it is imported."""

    @cache
    def made() -> FleetMember:
        from zoosup.runtime.fleet.member import Member  # noqa: PLC0415

        return Member(zoo, publisher, inbox.wake)

    return made


def _fleet_routing(
    zoo: Zoo, leases: Leases, member: Callable[[], FleetMember]
) -> Callable[[], Routing | None]:
    """Who knows which host answers for a model, likewise; None while there is one host alone."""

    @cache
    def made() -> Routing:
        from zoosup.runtime.leasing.fleet_routing import FleetRouting  # noqa: PLC0415

        return FleetRouting(zoo, leases, lambda model: member().choose(model))

    return lambda: None if zoo.fleet is None else made()

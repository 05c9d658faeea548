"""Every part of one supervisor, each handed what it needs; made in one straight order, and none of them begun."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from zoosup.host.ports import Host
from zoosup.host.storage.state_dir import StateDirectory
from zoosup.host.system import descriptors
from zoosup.host.system.sd_notify import InitSystem
from zoosup.runtime.api import RuntimeApi
from zoosup.runtime.commands import CommandHandler
from zoosup.runtime.events.publisher import Publisher
from zoosup.runtime.loop.reconciler import Reconciler
from zoosup.runtime.operations.child_env import WithoutSecrets
from zoosup.runtime.persistence.saved_state import StateSaver
from zoosup.runtime.publish.init_status import InitStatus
from zoosup.runtime.state.inbox import Inbox
from zoosup.runtime.state.zoo import Zoo
from zoosup.settings import Settings
from zoosup.spec.model.zoo import ZooSpec
from zoosup.web.api.followers import StreamLimits
from zoosup.web.api.server import WebServer
from zoosup.web.gateway.limits import Limits
from zoosup.web.gateway.reload import GatewayKeeper
from zoosup.web.gateway.server import Gateway


@dataclass(frozen=True, slots=True)
class Supervisor:
    """All parts. `environ` is what models inherit; `reload_asked` is set where the file is to be looked at again."""

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
    gateway: Gateway
    gateway_keeper: GatewayKeeper
    web: WebServer
    reload_asked: asyncio.Event = field(default_factory=asyncio.Event)

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


def secrets_of(spec: ZooSpec) -> tuple[str, ...]:
    """What clients of the gateway and of the status server present, which is no model's business."""
    keys = [key.get_secret_value() for key in spec.gateway.api_keys] if spec.gateway else []
    return (*keys, spec.status.token_text) if spec.status.token_text else tuple(keys)


def assemble(  # noqa: PLR0913, PLR0917 - all that there is before
    settings: Settings,
    environ: Mapping[str, str],
    zoo: Zoo,
    inbox: Inbox,
    host: Host,
    store: StateDirectory,
    init: InitSystem,
) -> Supervisor:
    """Put the parts together, from the single writer to the faces."""
    publisher = Publisher()
    shown = WithoutSecrets(environ, lambda: secrets_of(zoo.spec))
    reconciler = Reconciler(host, zoo, inbox, publisher, StateSaver(store), shown)
    commands = CommandHandler(reconciler, host, publisher, zoo.applied.path, environ)
    shares = connection_shares(descriptors.allowed())
    gateway = Gateway(reconciler.leases, limits=Limits(connections=shares.gateway))
    api = RuntimeApi(publisher, zoo.journal, commands, host.logs, gateway.counters)
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
        gateway=gateway,
        gateway_keeper=GatewayKeeper(gateway, zoo, settings.gateway, inbox.wake),
        web=WebServer(api, control=store.socket, limits=StreamLimits(connections=shares.status)),
    )

"""What goes on beside the reconciler while zoo.yaml has a `fleet`; imported only then."""

import asyncio
import os

from zoosup.runtime.fleet.looks import look_around
from zoosup.supervisor.assembly import Supervisor
from zoosup.supervisor.fleet_children import FleetChildren


async def fleet_tasks(supervisor: Supervisor) -> None:
    """All of it, for ever; where zoosup ends, its processes for the fleet end, unless the models go on."""
    zoo, post = supervisor.zoo, supervisor.inbox.post
    member = supervisor.fleet_member()
    children = FleetChildren(zoo, member, supervisor.store.path, supervisor.store.socket, os.environ)
    try:
        await asyncio.gather(
            children.keep(),
            member.watch(),
            look_around(zoo, supervisor.host.inspector, supervisor.environ, post),
        )
    finally:
        await children.end(keep=supervisor.reconciler.models_kept)

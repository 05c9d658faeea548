"""The fleet as this host knows it, in the shape of `GET /status`, and what of it is amiss as conditions.

Imported only where zoo.yaml has a `fleet`. Decides nothing.
"""

from typing import Any

from zoosup.core.fleet import wire
from zoosup.core.fleet.words import HostView
from zoosup.core.state.observed import IN_PROGRESS, Condition
from zoosup.core.state.phases import ConditionType
from zoosup.runtime.state.membership import NEVER_HEARD, Membership
from zoosup.runtime.state.zoo import Zoo


def fleet_data(zoo: Zoo, here: Membership) -> dict[str, Any]:
    """Who is in the fleet and where its models are, as the last answer had it; `active` is the file's, of all hosts."""
    view = here.view
    return {
        "node": here.node,
        "address": here.address,
        "head": here.spec.head,
        "connected": here.connected,
        "heard_at": None if here.heard_at is None else round(zoo.clock.wall_of(here.heard_at), 1),
        "assigned": here.assignment is not None,
        "drained": here.drained,
        "active": list(zoo.declared.active),
        "here": list(zoo.spec.active),
        "generation": here.generation,
        "partitioned": view is not None and view.partitioned,
        "settling": view is not None and view.settling,
        "placements": {} if view is None else {m: list(nodes) for m, nodes in view.placements.items()},
        "refusals": {} if view is None else dict(view.refusals),
        "hosts": {} if view is None else {node: _host(each) for node, each in view.hosts.items()},
    }


def whole_fleet(here: Membership) -> dict[str, Any]:
    """The last answer as a whole: each host's own report, with its pools and models. `age`: how old it is, seconds."""
    return {
        "node": here.node,
        "head": here.spec.head,
        "connected": here.connected,
        "age": None if here.age is None else round(here.age, 1),
        "conditions": [
            {"type": each.type.value, "status": each.status, "reason": each.reason, "message": each.message}
            for each in conditions(here)
        ],
        "view": None if here.view is None else wire.to_wire(here.view),
    }


def _host(view: HostView) -> dict[str, Any]:
    said = view.report
    return {
        "address": said.address,
        "gateway": said.gateway or None,
        "lost": view.lost,
        "labels": dict(said.labels),
        "ready": [name for name, model in said.models.items() if model.ready],
    }


def conditions(here: Membership) -> tuple[Condition, ...]:
    """What is amiss of the fleet, or on its way; none while all is well."""
    return (*_connected(here), *_partitioned(here), *_file_old(here))


def _connected(here: Membership) -> tuple[Condition, ...]:
    if here.connected and here.assignment is not None and not here.twin:
        return ()
    reason, why = "NoAnswer", f"no answer for more than {here.spec.lost_after:g} s"
    if here.trouble is not None:
        reason, why = here.trouble.reason, here.trouble.message
    elif here.connected and here.twin:
        why = f"another host at {here.twin} is called {here.node} too: each needs its own fleet.node"
        reason = "NameTaken"
    elif here.connected:
        reason, why = (
            IN_PROGRESS,
            "it has just begun, and waits for all hosts before it gives anybody a model",
        )
    elif here.clock.now() - here.joined_at < here.spec.lost_after:
        reason, why = IN_PROGRESS, "its head is being reached"
    so_far = (
        f"{NEVER_HEARD}: until then only models run that no other host may have"
        if here.assignment is None
        else "what this host was last told to run stays in force"
    )
    message = f"{why} (head {here.spec.head}); {so_far}"
    return (Condition(None, ConditionType.FLEET_CONNECTED, False, reason, message),)


def _partitioned(here: Membership) -> tuple[Condition, ...]:
    view = here.view
    if view is None or not view.partitioned:
        return ()
    heard = sum(not each.lost for each in view.hosts.values())
    message = f"{heard} of {len(view.hosts)} hosts report: nothing is moved until more of them do"
    return (Condition(None, ConditionType.FLEET_PARTITIONED, True, "Partitioned", message),)


def _file_old(here: Membership) -> tuple[Condition, ...]:
    view = here.view
    if view is None or not here.file_is_old:
        return ()
    newest = f" ({view.spec.revision})" if view.spec.revision else ""
    message = (
        f"other hosts have a newer one{newest}; this host gets nothing that its own does not have active"
    )
    return (Condition(None, ConditionType.FLEET_FILE_OLD, True, "NewerFile", message),)

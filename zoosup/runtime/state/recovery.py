"""What an earlier supervisor has left, taken in before anything runs: its runs, last uses, and what it kept of a fleet.

Refuses to know where it is read from, and whether a run still lives.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from zoosup.core.state.facts import Adopted, Held
from zoosup.core.state.observed import Model
from zoosup.core.state.phases import Phase, Reason
from zoosup.runtime.state.zoo import Zoo


def adopt(zoo: Zoo, name: str, fact: Adopted) -> bool:
    """Give a run of an earlier supervisor to its model, known to the file or not; False if it has one already.

    It counts as this node's, whatever the host was called when it began: a host can be renamed.
    """
    model = zoo.models.setdefault(name, Model(name))
    if model.run is not None:
        return False
    if model.phase is not Phase.STOPPED:
        # What was kept of it is older than its run.
        zoo.tell(name, Held(Phase.STOPPED, Reason.NOT_WANTED, ""))
    zoo.tell(name, replace(fact, run=replace(fact.run, node=zoo.node)))
    return True


def note_last_use(zoo: Zoo, name: str, at: float | None, stay: float | None) -> None:
    """When an earlier supervisor's clients last used a model, and how long they want it to stay; leases begin so."""
    if at is not None:
        zoo.used_before[name] = at
    if stay is not None:
        zoo.stays_before[name] = stay


def recall_fleet(zoo: Zoo, kept: Mapping[str, Any], stamp: Any) -> None:
    """Take in what an earlier zoosup has kept of the fleet, before anything runs; see `Membership.read`."""
    if zoo.fleet is None:
        zoo.leave_fleet(str(kept.get("head", "")))
    else:
        zoo.fleet.read(kept, stamp)
        zoo.spec = zoo.fleet.in_force(zoo.declared)

"""What a hold has to do with processes: whose room it is, and with whose end it goes.

Nobody here ever signals one: whoever uses a hold is none of ours.
"""

from collections.abc import Iterable
from contextlib import suppress

from zoosup.core.state.holds import RoomHold
from zoosup.host.ports.host import Processes
from zoosup.runtime.state.zoo import Zoo


def end_hold(zoo: Zoo, processes: Processes, hold_id: str, why: str) -> None:
    """Give a hold's room back and look at its process no longer; nothing where there is no such hold."""
    if hold_id in zoo.holds.by_id:
        processes.unwatch(hold_id)
        zoo.holds.end(hold_id, why)


def take_over_holds(zoo: Zoo, processes: Processes) -> None:
    """Watch the processes of those that an earlier zoosup has left; one whose process has ended goes."""
    for hold in _owned(zoo.holds.by_id.values()):
        who = ""
        with suppress(
            OSError
        ):  # of whom nobody can say that he lives it is ended: free memory is looked at anyhow
            who = processes.watch(hold.id, hold.pid or 0)
        if who != hold.owner:
            end_hold(zoo, processes, hold.id, "its process has ended while no supervisor watched")


def _owned(holds: Iterable[RoomHold]) -> list[RoomHold]:
    return [hold for hold in holds if hold.owner]

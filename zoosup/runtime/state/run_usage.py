"""What a run holds, pool by pool: its RAM as its processes tell, its GPU memory as the driver tells of its pids.

What can't be told is left as it was known, and left out where it never was: unknown is never 0.
"""

from collections.abc import Iterable, Mapping, Set as AbstractSet

from zoosup.core.state.facts import Measured
from zoosup.core.state.holds import RoomHold
from zoosup.core.state.runs import Run
from zoosup.host.ports.host import PoolReading, Processes
from zoosup.runtime.state.zoo import Zoo


def holdings(
    user: Run | RoomHold, ram: int, members: AbstractSet[int], readings: Iterable[PoolReading]
) -> Mapping[str, int]:
    """Bytes by pool id of a run, or of whoever uses a hold, whose processes are `members`."""
    held = dict(user.measured) | {"ram": ram}
    booked = user.reserved if isinstance(user, Run) else user.booked or {}
    for reading in readings:
        if reading.processes is None:
            continue
        mine = [reading.processes[pid] for pid in members if pid in reading.processes]
        known = [amount for amount in mine if amount is not None]
        if len(known) == len(mine) and (mine or reading.id in booked or reading.id in held):
            held[reading.id] = sum(known)
        elif len(known) < len(mine) and not held.get(reading.id):
            # It held nothing before it was there; now that it is, nothing is no longer what is known.
            held.pop(reading.id, None)
    return held


def note_usage(zoo: Zoo, processes: Processes, usage: Mapping[str, int]) -> None:
    """Let the zoo know what each live run and each hold's process holds; `usage` is RAM in bytes by their ids."""
    for model, run in zoo.live():
        if run.id in usage:
            held = holdings(run, usage[run.id], processes.members(run.id), zoo.memory.readings)
            zoo.tell(model.name, Measured(run.id, held, processes.mapped(run.id)))
    for hold in [hold for hold in zoo.holds.by_id.values() if hold.id in usage and hold.booked is not None]:
        members = processes.members(hold.id)
        zoo.holds.note_usage(hold.id, holdings(hold, usage[hold.id], members, zoo.memory.readings))

"""What a run holds, pool by pool: its RAM as its processes tell, its GPU memory as the driver tells of its pids.

What can't be told is left as it was known, and left out where it never was: unknown is never 0.
"""

from collections.abc import Iterable, Mapping, Set as AbstractSet

from zoosup.core.state.facts import Measured
from zoosup.core.state.runs import Run
from zoosup.host.ports import PoolReading, Processes
from zoosup.runtime.state.zoo import Zoo


def holdings(
    run: Run, ram: int, members: AbstractSet[int], readings: Iterable[PoolReading]
) -> Mapping[str, int]:
    """Bytes by pool id of a run whose processes are `members`."""
    held = dict(run.measured) | {"ram": ram}
    for reading in readings:
        if reading.processes is None:
            continue
        mine = [reading.processes[pid] for pid in members if pid in reading.processes]
        known = [amount for amount in mine if amount is not None]
        if len(known) == len(mine) and (mine or reading.id in run.reserved or reading.id in held):
            held[reading.id] = sum(known)
    return held


def note_usage(zoo: Zoo, processes: Processes, usage: Mapping[str, int]) -> None:
    """Let the zoo know what each live run holds; `usage` is RAM in bytes by run id."""
    for model, run in zoo.live():
        if run.id in usage:
            held = holdings(run, usage[run.id], processes.members(run.id), zoo.memory.readings)
            zoo.tell(model.name, Measured(run.id, held, processes.mapped(run.id)))

"""A pool of memory in the shape of `GET /status`, with who holds what of it. Knows no plan."""

from typing import Any

from zoosup.core.memory.other_gpus import everywhere
from zoosup.core.state.pools import Pool
from zoosup.runtime.publish.holds_report import room_held
from zoosup.runtime.state.zoo import Zoo


def pool_data(zoo: Zoo, pool: Pool) -> dict[str, Any]:
    """One pool, with who holds what of it."""
    booked = {m.name: zoo.memory.counted(everywhere(run)) for m, run in zoo.live()}
    runs = {m.name: run for m, run in zoo.live() if pool.id in booked[m.name]}
    held = {name: zoo.memory.counted(run.measured).get(pool.id, 0) for name, run in runs.items()}
    reserved = {name: booked[name][pool.id] for name in runs}
    holds = room_held(zoo, pool)
    all_held = sum(held.values()) + sum(each["held"] for each in holds.values())
    used = None if pool.available is None else pool.total - pool.available
    source = next((r.source for r in zoo.memory.readings if r.id == pool.id), "")
    return {
        "node": pool.node,
        "id": pool.id,
        "kind": pool.kind,
        "name": pool.name,
        "source": source,
        "unified": pool.unified,
        "total": pool.total,
        "free": pool.available,
        "reserve": pool.reserve,
        "budget": pool.budget,
        "reserved": sum(reserved.values()) + sum(each["reserved"] for each in holds.values()),
        "held": all_held,
        "foreign": None if used is None else max(0, used - all_held),
        "models": {name: {"reserved": reserved[name], "held": held[name]} for name in runs},
        "holds": holds,
    }

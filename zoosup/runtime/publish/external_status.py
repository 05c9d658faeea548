"""A server elsewhere as data: the shape of a model in `GET /status`, with nothing of a process in it.

Its key and the values of headers are in none of it.
"""

from typing import Any

from zoosup.runtime.state.external import ExternalServer
from zoosup.runtime.state.zoo import Zoo


def external_data(zoo: Zoo, server: ExternalServer) -> dict[str, Any]:
    """One server. `models`: names here, with those that the models bear there."""
    spec, used = server.spec, server.last_used
    return {
        "phase": server.phase.value,
        "reason": "",
        "message": server.message,
        "why": server.message,
        "refused": False,
        "active": False,
        "on_demand": False,
        "external": True,
        "task": spec.task.value if spec.task is not None else None,
        "aliases": list(spec.aliases),
        "variants": list(spec.variants),
        "models": dict(spec.external.models),
        "url": spec.external.url,
        **dict.fromkeys(("pid", "port", "run_id", "gpus", "started_at", "ready_at", "backoff_until")),
        "restarts": 0,
        "crashes": 0,
        "last_exit": None,
        "memory": {},
        "weights": {},
        "inflight": len(server.leases),
        "waiting": 0,
        "last_used": None if used is None else round(zoo.clock.wall_of(used), 1),
        "progress": None,
        "warm": None,
        "load_time": None,
        "override": None,
        "description": spec.description,
        "conditions": [],
    }

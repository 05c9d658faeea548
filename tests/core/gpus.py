"""Hosts with GPUs in a line or two, as `zoo` has them with RAM alone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.core.zoo import GIB, NODE, NOW, Size, State, a_host, a_zoo, decide, running, size
from zoosup.core.memory.budget import bounds
from zoosup.core.state.actions import Start
from zoosup.core.state.observed import Observed
from zoosup.core.state.phases import Phase
from zoosup.core.state.pools import Cooldown, Make, Pool
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.zoo import ZooSpec

Free = int | None
"""GiB of a GPU of 24 that are free by measurement; None: it can't be read."""


def on_gpu(vram: Any = "4GiB", ram: str = "1GiB", **fields: Any) -> ModelSpec:
    """A model that declares GPU memory."""
    memory = {"ram": ram, "vram": vram}
    return ModelSpec.model_validate({"command": ["serve"], "memory": memory, **fields})


def gpu_zoo(
    models: Mapping[str, ModelSpec], active: Sequence[str], budget: Mapping[str, Any] = {}
) -> ZooSpec:
    """A file with these models and no reserve on GPUs, so that sums are round."""
    spec = a_zoo(models, active)
    bounded = {"ram": "20GiB", "ram_reserve": "2GiB", "vram_reserve": "0B", **budget}
    return spec.model_copy(update={"budget": type(spec.budget).model_validate(bounded)})


def gpu_host(
    spec: ZooSpec,
    free: Sequence[Free],
    *,
    cooling: Sequence[Cooldown] = (),
    uuids: Sequence[str] = (),
    makes: Sequence[Make] = (),
    **states: Any,
) -> Observed:
    """A host with so many GPUs of 24 GiB, NVIDIA's unless `makes` says otherwise; `states` as for `a_host`."""
    host = a_host(spec, **states)
    names = uuids or [f"GPU-{index}" for index in range(len(free))]
    makes = makes or ["nvidia"] * len(free)
    pools = [
        a_gpu(spec, uuid, _index(makes, at), amount, make=makes[at])
        for at, (uuid, amount) in enumerate(zip(names, free, strict=True))
    ]
    node = replace(host.nodes[0], pools=(*host.nodes[0].pools, *pools), cooldowns=tuple(cooling))
    return replace(host, nodes=(node,))


def _index(makes: Sequence[Make], at: int) -> str:
    """NVIDIA's are 0, 1, ..., others amd0, amd1, ..."""
    return ("" if makes[at] == "nvidia" else makes[at]) + str(list(makes[:at]).count(makes[at]))


def a_gpu(
    spec: ZooSpec, uuid: str, index: str, free: Free, total: int = 24 * GIB, make: Make = "nvidia"
) -> Pool:
    """One GPU with the file's budget and reserve."""
    reserve, budget = bounds(spec.budget, f"vram:{uuid}", total, index)
    available = None if free is None else free * GIB
    return Pool(
        NODE, f"vram:{uuid}", "vram", f"GPU {index}", total, available, budget, reserve, index, make=make
    )


def placed(
    on: Mapping[str, Size], phase: Phase = Phase.READY, holds: Mapping[str, Size] | None = None, **run: Any
) -> State:
    """A model that runs with 1 GiB of RAM and so much on these GPUs; it holds all of it unless told otherwise."""
    reserved = {"ram": GIB} | {f"vram:{uuid}": size(amount) for uuid, amount in on.items()}
    held = reserved if holds is None else {"ram": GIB} | {f"vram:{u}": size(a) for u, a in holds.items()}
    facts: dict[str, Any] = {"reserved": reserved, "measured": held, "gpus": tuple(on), "booked_at": NOW - 1}
    if phase is Phase.STARTING:
        facts |= {"ready_at": None, "ready_since": None}
    return running(phase, **(facts | run))


def start_of(spec: ZooSpec, host: Observed, model: str) -> dict[str, float] | None:
    """What a pass starts the model with: GiB by GPU; None when it doesn't start."""
    for action in decide(spec, host).actions:
        if isinstance(action, Start) and action.model == model:
            cards = {p.removeprefix("vram:"): n / GIB for p, n in action.need.items() if p != "ram"}
            assert action.gpus is None or set(cards) <= set(action.gpus)
            return cards
    return None


def shown(spec: ZooSpec, host: Observed, model: str) -> tuple[str, ...] | None:
    """The GPUs that the started model is shown."""
    return next(a.gpus for a in decide(spec, host).actions if isinstance(a, Start) and a.model == model)

"""What `zoosup doctor` sees of the host's memory: each pool with its bounds, its GPUs, and stalls for want of it.

Looks at the host by itself, with no supervisor; where one runs, its word on who holds what is taken.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zoosup.cli.render.findings.finding import FAIL, OK, WARN, Finding
from zoosup.cli.render.format import size

if TYPE_CHECKING:
    from zoosup.core.state.pools import Make
    from zoosup.host.memory.gpus import Gpus
    from zoosup.host.ports.host import PoolReading
    from zoosup.spec.model.zoo import ZooSpec

Snapshot = Mapping[str, Any]

_GPU_PATIENCE = 5.0
"""Seconds that a driver gets to answer."""

_LOOK: "Mapping[Make, str]" = {
    "nvidia": "what does nvidia-smi say?",
    "amd": "what does the kernel's log (dmesg) say of amdgpu?",
    "intel": "what does the kernel's log (dmesg) say of xe or i915?",
    "apple": "what does `sysctl iogpu` say?",
}
"""Where to look for what is amiss with a GPU, by its make."""


def memory(spec: "ZooSpec | None", snapshot: Snapshot | None = None) -> Iterator[Finding]:
    """The pools, one by one, and how GPUs are seen at all."""
    from zoosup.host.memory.gauge import within_ram  # noqa: PLC0415 - its ports import the spec's models
    from zoosup.host.memory.gpus import Gpus  # noqa: PLC0415 - uses ctypes
    from zoosup.host.memory.ram import RamGauge  # noqa: PLC0415 - psutil
    from zoosup.spec.model.zoo import ZooSpec  # noqa: PLC0415 - pydantic

    cards = Gpus()
    cards.start()
    cards.wait(_GPU_PATIENCE)
    ram = RamGauge().read()
    for pool in (*ram, *within_ram(ram, cards.read())):
        name = pool.name if pool.kind == "ram" else f"GPU {pool.index}"
        model = pool.name.removeprefix(name).strip()
        prefix = f"{model}: " if model else ""
        if pool.available is None:
            look = "is /proc mounted and readable?" if pool.kind == "ram" else _LOOK[pool.make]
            remedy = f"without a reading nothing is started; {look}"
            text = f"{prefix}{size(pool.total)}, but what is free is unknown: {pool.source}"
            yield Finding(name, FAIL, text, remedy)
            continue
        reserve, budget = _bounds(spec or ZooSpec(), pool)
        figures = f"{prefix}{size(pool.total)}, {size(pool.available)} free by {pool.source}"
        low = pool.available < reserve
        remedy = "other programs hold the rest; no model can be started now" if low else ""
        text = f"{figures}; reserve {size(reserve)}, budget {size(budget)}"
        yield Finding(name, WARN if low else OK, text, remedy, _pool(pool, (reserve, budget), snapshot))
    yield _gpus(cards)
    cards.close()


def _pool(reading: "PoolReading", bounds: tuple[int, int], snapshot: Snapshot | None) -> Mapping[str, Any]:
    """The pool as a running supervisor tells it, with what its models hold; else as it is without any of them."""
    for known in snapshot["pools"] if snapshot is not None else ():
        if known["id"] == reading.id:
            return dict(known)
    reserve, budget = bounds
    free = reading.available or 0
    figures = {
        "total": reading.total,
        "free": free,
        "reserve": reserve,
        "budget": budget,
        "reserved": 0,
        "held": 0,
    }
    named = {"id": reading.id, "kind": reading.kind, "name": reading.name, "source": reading.source}
    return {
        **named,
        "unified": reading.unified,
        **figures,
        "foreign": max(0, reading.total - free),
        "models": {},
    }


def stalls() -> Finding:
    """How much of the last seconds was lost to waiting for memory."""
    from zoosup.core.scheduler.pressure import STALLED  # noqa: PLC0415 - needs the spec's models, too
    from zoosup.host.memory.ram import RamGauge  # noqa: PLC0415 - psutil

    gauge = RamGauge()
    gauge.read()  # which also finds out whose stalls count
    share = gauge.stalled_lately()
    if share is None:
        return Finding("stalls", OK, "not counted by this kernel (PSI); the guard goes by free memory alone")
    bad = share >= STALLED
    remedy = (
        "memory is short, or weights are read from disk again and again: let fewer models run" if bad else ""
    )
    text = f"for want of memory everything stood still {share:.0%} of the last 10 s (PSI)"
    return Finding("stalls", WARN if bad else OK, text, remedy)


def _gpus(cards: "Gpus") -> Finding:
    """How GPUs are seen at all: those of whose memory anything is known have been told one by one."""
    pools = cards.read()
    own, shared = ([p for p in pools if p.unified is unified] for unified in (False, True))
    parts = [f"{len(own)} with memory of their own, by {_sources(own)}"] if own else []
    parts += [f"{len(shared)} with memory that is the host's RAM, by {_sources(shared)}"] if shared else []
    if cards.unified:
        parts.append(f"{', '.join(cards.unified)}: its memory is the host's RAM")
    if cards.trouble:
        parts.append(cards.trouble if pools else f"none that can be seen: {cards.trouble}")
    text = "; ".join(parts) or "none"
    broken = bool(cards.trouble and pools)
    blind = dict.fromkeys(_LOOK[pool.make] for pool in pools if pool.available is None)
    return Finding("GPUs", WARN if broken else OK, text, " ".join(blind) if broken else "")


def _sources(pools: "Sequence[PoolReading]") -> str:
    """Who tells of them; what is amiss comes after a colon."""
    return ", ".join(dict.fromkeys(re.split("[:,]", pool.source)[0] for pool in pools))


def _bounds(spec: "ZooSpec", pool: "PoolReading") -> tuple[int, int]:
    from zoosup.core.memory.budget import bounds  # noqa: PLC0415 - needs the spec's models, too

    return bounds(spec.budget, pool.id, pool.total, pool.index)

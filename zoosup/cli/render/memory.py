"""What `zoosup doctor` sees of the host's memory: each pool with its bounds, its GPUs, and stalls for want of it.

Looks at the host by itself, with no supervisor; where one runs, its word on who holds what is taken.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from zoosup.cli.render.finding import FAIL, OK, WARN, Finding
from zoosup.cli.render.format import size

if TYPE_CHECKING:
    from zoosup.host.memory.gpu_gauge import GpuGauge
    from zoosup.host.ports import PoolReading
    from zoosup.spec.model.zoo import ZooSpec

Snapshot = Mapping[str, Any]

_GPU_PATIENCE = 5.0
"""Seconds that a driver gets to answer."""


def memory(spec: "ZooSpec | None", snapshot: Snapshot | None = None) -> Iterator[Finding]:
    """The pools, one by one, and how GPUs are seen at all."""
    from zoosup.host.memory.gpu_gauge import GpuGauge  # noqa: PLC0415 - uses ctypes
    from zoosup.host.memory.ram import RamGauge  # noqa: PLC0415 - psutil
    from zoosup.spec.model.zoo import ZooSpec  # noqa: PLC0415 - pydantic

    cards = GpuGauge()
    cards.start()
    cards.wait(_GPU_PATIENCE)
    for pool in (*RamGauge().read(), *cards.read()):
        name = pool.name if pool.kind == "ram" else f"GPU {pool.index}"
        model = pool.name.removeprefix(name).strip()
        prefix = f"{model}: " if model else ""
        if pool.available is None:
            look = "is /proc mounted and readable?" if pool.kind == "ram" else "what does nvidia-smi say?"
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
    return {**named, **figures, "foreign": max(0, reading.total - free), "models": {}}


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


def _gpus(cards: "GpuGauge") -> Finding:
    """How GPUs are seen at all: those with memory of their own are pools, and have been told one by one."""
    pools = len(cards.read())
    parts = [f"{pools} with memory of their own, by NVML"] if pools else []
    if cards.unified:
        parts.append(f"{', '.join(cards.unified)}: its memory is the host's RAM")
    if cards.trouble:
        parts.append(cards.trouble if pools else f"none that can be seen: {cards.trouble}")
    text = "; ".join(parts) or "none"
    broken = bool(cards.trouble) and pools > 0
    return Finding("GPUs", WARN if broken else OK, text, "what does nvidia-smi say?" if broken else "")


def _bounds(spec: "ZooSpec", pool: "PoolReading") -> tuple[int, int]:
    from zoosup.core.memory.budget import bounds  # noqa: PLC0415 - needs the spec's models, too

    return bounds(spec.budget, pool.id, pool.total, pool.index)

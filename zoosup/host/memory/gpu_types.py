"""What one look at this host's GPUs finds, whoever has looked."""

from collections.abc import Mapping
from dataclasses import dataclass


class NvmlUnavailableError(Exception):
    """There is no NVML here, or it does not work at present; the text says why."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU, or one MIG device. `total` leaves out what the driver keeps for itself; bytes.

    `available` None: it can't be read, and `trouble` says why. `processes` as in `ports.PoolReading`.
    """

    uuid: str
    index: str
    name: str
    total: int
    available: int | None
    processes: Mapping[int, int | None] | None = None
    trouble: str = ""
    device: str = ""  # make and driver


@dataclass(frozen=True, slots=True)
class GpuLook:
    """What one look has found. `unified` are the names of GPUs that have no memory of their own."""

    cards: tuple[Gpu, ...]
    unified: tuple[str, ...] = ()
    trouble: str = ""

"""What one look at this host's GPUs finds, whoever has looked."""

from collections.abc import Mapping
from dataclasses import dataclass

from zoosup.core.state.pools import Make


class GpusUnavailableError(Exception):
    """There is nobody to ask here, or it does not work at present; the text says why, "" where that is in order."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU, or one MIG device. `total` leaves out what the driver keeps for itself; bytes.

    `available` None: it can't be read, and `trouble` says why. `processes` as in `ports.PoolReading`. `unified`: it has
    no memory of its own, and `total` is how much of the host's RAM it may take, 0 where nothing bounds it but RAM.
    """

    uuid: str
    index: str
    name: str
    total: int
    available: int | None
    processes: Mapping[int, int | None] | None = None
    trouble: str = ""
    device: str = ""  # model and driver
    make: Make = "nvidia"  # these three as in `core.state.pools.Pool`
    pci: str = ""
    render_node: str = ""
    unified: bool = False
    source: str = "NVML"  # who says so


@dataclass(frozen=True, slots=True)
class GpuLook:
    """What one look has found.

    `unified` are the names of GPUs without memory of their own of which nothing more is known: they are no pools.
    """

    cards: tuple[Gpu, ...]
    unified: tuple[str, ...] = ()
    trouble: str = ""

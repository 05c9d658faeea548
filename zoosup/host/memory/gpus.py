"""All GPUs of this host: a gauge for each who can be asked of some, so that one who hangs keeps none of the others.

    Linux    NVML for NVIDIA's, the kernel for AMD's and Intel's
    macOS    on Apple Silicon the one of the processor

Knows whom to ask on which platform. A library is loaded, and a binding of it, only where there is one.
"""

import ctypes
import platform
import sys
import time
from collections.abc import Sequence

from zoosup.host.memory.gpu_gauge import GpuGauge, Source
from zoosup.host.memory.gpu_types import GpuLook, GpusUnavailableError
from zoosup.host.ports.host import PoolReading

_LIBRARY = "libnvidia-ml.so.1"


class NvmlIfThere:
    """NVML where this host has it. Where not, its binding is not even loaded: that would be 1.6 MiB of constants."""

    def __init__(self) -> None:
        self._nvml: Source | None = None

    def look(self) -> GpuLook:
        """All cards; GpusUnavailableError when there is nothing to ask. May hang."""
        if self._nvml is None:
            self._nvml = _nvml()
        return self._nvml.look()

    def close(self) -> None:
        """End the session, if there is one."""
        if self._nvml is not None:
            self._nvml.close()


def _nvml() -> Source:
    try:
        ctypes.CDLL(_LIBRARY)
    except OSError:
        raise GpusUnavailableError("NVML Shared Library Not Found") from None
    from zoosup.host.memory.nvml import Nvml  # noqa: PLC0415 - see `NvmlIfThere`

    return Nvml()


def gauges() -> tuple[GpuGauge, ...]:
    """Those of this platform."""
    if sys.platform == "linux":
        from zoosup.host.memory.drm.source import Drm  # noqa: PLC0415 - Linux's alone

        return GpuGauge(NvmlIfThere()), GpuGauge(Drm(), "DRM")
    if sys.platform == "darwin" and platform.machine() == "arm64":
        from zoosup.host.memory.apple import Apple  # noqa: PLC0415 - macOS' alone

        return (GpuGauge(Apple(), "sysctl"),)
    return ()


class Gpus:
    """The pools of all of them; `start` begins to ask."""

    def __init__(self, of: Sequence[GpuGauge] | None = None) -> None:
        self._gauges = gauges() if of is None else tuple(of)

    def start(self) -> None:
        """Begin to ask, each in a thread of its own."""
        for gauge in self._gauges:
            gauge.start()

    def wait(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for everybody's first answer; whether there are all. Not for the loop."""
        until = time.monotonic() + timeout
        answered = [gauge.wait(max(0.0, until - time.monotonic())) for gauge in self._gauges]
        return all(answered)

    def close(self) -> None:
        """Let the threads go, once what they ask has been answered."""
        for gauge in self._gauges:
            gauge.close()

    @property
    def unified(self) -> tuple[str, ...]:
        """Names of GPUs that are no pools, since their memory is the host's RAM and nothing more is known of them."""
        return tuple(name for gauge in self._gauges for name in gauge.unified)

    @property
    def trouble(self) -> str:
        """Why there are no pools, or not all; empty when all is well.

        Where one has GPUs, that another has none is no trouble.
        """
        some = bool(self.read())
        return "; ".join(g.trouble for g in self._gauges if g.trouble and (not some or g.read()))

    def read(self) -> tuple[PoolReading, ...]:
        """The last answers, at once. Never raises."""
        return tuple(reading for gauge in self._gauges for reading in gauge.read())

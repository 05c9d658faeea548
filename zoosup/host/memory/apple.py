"""The GPU of an Apple processor: it takes its memory from RAM, up to a bound of the system's.

`sudo sysctl iogpu.wired_limit_mb=N` sets that bound in MiB; at 0 it is the system's own, which Metal tells of as
`recommendedMaxWorkingSetSize`: two thirds of RAM, three quarters from 36 GB on (llama.cpp prints it as it starts: 21845
MiB of 32 GB, 27648 of 36). What the GPU holds for whom is told nobody; processes' own figures have it in them.
"""

import ctypes

from zoosup.host.memory.gpu_types import Gpu, GpuLook

_LARGE = 36 << 30


class Apple:
    """Asks the kernel by sysctl(3)."""

    def look(self) -> GpuLook:
        """The GPU."""
        model = _text(b"machdep.cpu.brand_string") or "Apple GPU"
        most = limit(_number(b"hw.memsize"), _number(b"iogpu.wired_limit_mb"))
        gpu = Gpu(
            uuid="GPU-apple",
            index="apple0",
            name=f"GPU apple0 {model}",
            total=most,
            available=most,
            device=model,
            make="apple",
            unified=True,
            source="sysctl",
        )
        return GpuLook((gpu,))

    def close(self) -> None:
        """There is nothing to end."""


def limit(ram: int, set_mib: int) -> int:
    """The most bytes of RAM that the GPU may take."""
    if set_mib:
        return min(ram, set_mib << 20)
    return ram * 3 // 4 if ram >= _LARGE else ram * 2 // 3


def _number(name: bytes) -> int:
    """A number of 4 or 8 bytes; 0 where there is none of that name (before macOS 14: debug.iogpu.wired_limit)."""
    return int.from_bytes(_read(name), "little")


def _text(name: bytes) -> str:
    return _read(name).rstrip(b"\0").decode(errors="replace")


def _read(name: bytes) -> bytes:
    libc = ctypes.CDLL(None)
    size = ctypes.c_size_t(256)
    value = ctypes.create_string_buffer(size.value)
    failed = libc.sysctlbyname(name, value, ctypes.byref(size), None, ctypes.c_size_t(0))
    return b"" if failed else value.raw[: size.value]

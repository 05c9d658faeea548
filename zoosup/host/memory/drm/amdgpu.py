"""How much memory a card of AMD's has and how much of it is used: exact, whoever uses it, as its driver counts.

VRAM is the card's own. GTT is RAM that the card may use, at most `amdgpu.gttsize` of it. Of an APU VRAM is a part of
RAM that the firmware has set apart and that the kernel counts no longer as RAM; it has from 512 MiB to most of it. The
driver gives an APU's processes GTT where there is more of that than of VRAM (`apu_prefer_gtt`, Linux 6.10), so that
its memory is RAM then, and else its own.
"""

import os

from zoosup.host.memory.cgroup import integer, read_whole
from zoosup.host.memory.drm.memory import Memory


def memory(directory: str) -> Memory:
    """What there is now; OSError or ValueError where it can't be told."""
    vram, gtt = (_size(directory, f"{kind}_total") for kind in ("vram", "gtt"))
    used = _size(directory, "vram_used")
    if gtt <= vram or not _is_apu(directory):
        return Memory(vram, used, ("vram",))
    return Memory(vram + gtt, used + _size(directory, "gtt_used"), ("vram", "gtt"), unified=True)


def _size(directory: str, name: str) -> int:
    return integer(read_whole(f"{directory}/mem_info_{name}"))


def _is_apu(directory: str) -> bool:
    """An APU's driver tells how busy it is, but neither how busy its memory is nor a number of its own.

    Of cards only Vega 10 lacks the former, and that has a number (`default_attr_update` in amdgpu_pm.c). Where power
    management is off a card tells nothing of it all, and is taken for one with memory of its own.
    """
    signs = ("gpu_busy_percent", "mem_busy_percent", "unique_id")
    return [os.access(f"{directory}/{sign}", os.F_OK) for sign in signs] == [True, False, False]

"""Graphics cards that exist only as a tree of files, laid out as the kernel does in /sys, /proc and /dev."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

GIB, MIB = 2**30, 2**20
SLOT = "0000:03:00.0"
"""Where the tree has its first card of AMD."""

AMDGPU_IDS = """\
# List of AMDGPU IDs
1.0.0
744C,\tC8,\tAMD Radeon RX 7900 XTX
744C,\tCC,\tAMD Radeon RX 7900 XT
"""

PCI_IDS = """\
# a comment
1002  Advanced Micro Devices, Inc. [AMD/ATI]
\t1586  Strix Halo [Radeon Graphics / Radeon 8050S Graphics / Radeon 8060S Graphics]
\t73bf  Navi 21 [Radeon RX 6800/6800 XT / 6900 XT]
\t\t1002 0e3a  Radeon RX 6900 XT
10de  NVIDIA Corporation
\t56a0  not Intel's
8086  Intel Corporation
\t56a0  DG2 [Arc A770]
\te20b  Battlemage G21 [Arc B580]
\t9a49  TigerLake-LP GT2 [Iris Xe Graphics]
"""


@dataclass
class Tree:
    """Where it is; sizes are bytes, each change is in the files at once."""

    root: Path

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(f".{file.name}.new")  # by a rename, so that nobody reads half of it
        new.write_text(f"{text}\n")
        new.rename(file)

    def names(self):
        self.write("usr/share/libdrm/amdgpu.ids", AMDGPU_IDS)
        self.write("usr/share/misc/pci.ids", PCI_IDS)

    def device(self, slot):
        return Path("sys/devices/pci0000:00") / slot

    def card(self, number, driver, slot, vendor, device, revision="00", **files):
        """A card as each driver has it."""
        at = self.device(slot)
        self.write(at / "uevent", f"DRIVER={driver}\nPCI_SLOT_NAME={slot}")
        told = {"vendor": f"0x{vendor}", "device": f"0x{device}", "revision": f"0x{revision}", **files}
        for name, text in told.items():
            self.write(at / name, text)
        (self.root / at / "drm" / f"card{number}").mkdir(parents=True, exist_ok=True)
        (self.root / at / "drm" / f"renderD{128 + number}").mkdir(exist_ok=True)
        self.write(f"dev/dri/renderD{128 + number}", "")
        self.link(at / "driver", f"../../../bus/pci/drivers/{driver}")
        self.link(at / "drm" / f"card{number}" / "device", "../..")
        self.link(f"sys/class/drm/card{number}", f"../../devices/pci0000:00/{slot}/drm/card{number}")
        (self.root / f"sys/class/drm/card{number}-DP-1").mkdir(exist_ok=True)  # a connector

    def link(self, path, target):
        link = self.root / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(target)

    def amd(self, number=0, slot="0000:03:00.0", total=24 * GIB, used=GIB, gtt=32 * GIB, gtt_used=0, **files):
        """A card of AMD's with memory of its own."""
        memory = self.memory(total, used, gtt, gtt_used)
        usual = {"gpu_busy_percent": 0, "mem_busy_percent": 0, "unique_id": f"{0x4C1D + number:016x}"}
        ids = {"vendor": "1002", "device": "744c", "revision": "c8"}
        self.card(number, "amdgpu", slot, **(ids | usual | memory | files))

    def apu(self, number=0, slot="0000:c5:00.0", vram=GIB // 2, used=0, gtt=96 * GIB, gtt_used=0, **files):
        """A processor of AMD's with graphics: Strix Halo."""
        memory = self.memory(vram, used, gtt, gtt_used)
        ids = {"vendor": "1002", "device": "1586", "revision": "c1", "gpu_busy_percent": 0}
        self.card(number, "amdgpu", slot, **(ids | memory | files))

    @staticmethod
    def memory(total, used, gtt, gtt_used):
        told = {"vram_total": total, "vram_used": used, "gtt_total": gtt, "gtt_used": gtt_used}
        return {f"mem_info_{name}": size for name, size in told.items()}

    def use(self, slot="0000:03:00.0", **used):
        """So much of an AMD card is used: vram=, gtt=."""
        for kind, size in used.items():
            self.write(self.device(slot) / f"mem_info_{kind}_used", size)

    def xe(self, number=0, slot="0000:04:00.0", tiles=(12 * GIB,)):
        self.card(number, "xe", slot, "8086", "e20b")
        for index, size in enumerate(tiles):
            self.write(self.device(slot) / f"tile{index}" / "physical_vram_size_bytes", size)

    def remove(self, number, slot="0000:03:00.0"):
        """It is pulled out, or its driver lets go of it."""
        (self.root / f"sys/class/drm/card{number}").unlink()
        shutil.rmtree(self.root / self.device(slot))

    def process(self, pid, *clients, statm="100 10 5 1 0 50 0"):
        """A process that has these open: (node, fdinfo)."""
        at = self.root / "proc" / str(pid)
        shutil.rmtree(at, ignore_errors=True)
        (at / "fd").mkdir(parents=True)
        (at / "fd" / "0").symlink_to("/dev/null")
        self.write(f"proc/{pid}/statm", statm)
        for fd, (node, text) in enumerate(clients, start=3):
            (at / "fd" / str(fd)).symlink_to(f"/dev/dri/{node}")
            self.write(f"proc/{pid}/fdinfo/{fd}", text)

    def ended(self, pid):
        shutil.rmtree(self.root / "proc" / str(pid))

    def hang(self, slot="0000:03:00.0"):
        """The driver has written down how a card has hung."""
        at = Path("sys/class/devcoredump/devcd1")
        self.write(at / "data", "registers")
        self.link(at / "failing_device", os.path.relpath(self.root / self.device(slot), self.root / at))


def fdinfo(driver="amdgpu", client=7, slot="0000:03:00.0", **sizes):
    """What fdinfo tells of a client: `memory_vram="1024 KiB"` becomes `drm-memory-vram`."""
    lines = ["pos:\t0", "flags:\t02100002", f"drm-driver:\t{driver}", f"drm-client-id:\t{client}"]
    lines += [f"drm-pdev:\t{slot}"] if slot else []
    return "\n".join([*lines, *(f"drm-{key.replace('_', '-')}:\t{size}" for key, size in sizes.items())])


def only(drm):
    """The one card that a look finds."""
    (card,) = drm.look().cards
    return card

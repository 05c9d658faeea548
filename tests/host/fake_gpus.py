"""GPUs that exist only as a text file: the real binding talks to a library built from fake_nvml.c, which reads it."""

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

GIB = 2**30
SOURCE = Path(__file__).with_name("fake_nvml.c")


def build(into: Path) -> Path:
    """The library; skips the test, and says so, where there is no compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to build the fake libnvidia-ml.so.1 with")
    library = into / "libnvidia-ml.so.1"
    flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-Wl,-soname,libnvidia-ml.so.1"]
    subprocess.run([compiler, *flags, "-o", library, SOURCE], check=True)
    return library


@dataclass
class Driver:
    """What the fake is told; sizes are bytes. Each change is in the file at once, and seen by the next call."""

    path: Path
    devices: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def gpu(self, id_="0", total=24 * GIB, reserved=0, used=0, uuid=None, name="NVIDIA Fake"):
        self.devices[id_] = f"device {id_} {uuid or f'GPU-{id_}'} {total} {reserved} {used} {name}"
        self.write()

    def remove(self, id_):
        del self.devices[id_]
        self.write()

    def tell(self, *lines):
        """Put these in place of all processes, errors and hangs."""
        self.lines = list(lines)
        self.write()

    def write(self):
        # By a rename, so that no call ever reads half of it.
        new = self.path.with_suffix(".new")
        new.write_text("\n".join([*self.devices.values(), *self.lines, ""]))
        new.rename(self.path)

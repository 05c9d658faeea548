"""What reading weights ahead saves of a switch: a child reads a file from the disk, and again after it was warmed.

    python tests/bench/run.py prewarm

Linux alone. A disk of a virtual machine may be in its host's memory, so that cold means no colder than that.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.bench import weight_files
from tests.bench.figures import Figure
from tests.bench.weight_files import MIB
from zoosup.host.ports.host import Warmed
from zoosup.host.weights.page_cache import PageWarmer
from zoosup.spec.model.model import ModelSpec

SIZE, SHORT_SIZE = 1536 * MIB, 128 * MIB
READER = """
import os, sys, time
begun, buffer = time.perf_counter(), bytearray(1 << 20)
file = os.open(sys.argv[1], os.O_RDONLY)
while os.readv(file, [buffer]):
    pass
print((time.perf_counter() - begun) * 1000)
"""
"""A server that loads: only the read is timed, in milliseconds."""


def prewarm(short: bool, folder: Path) -> list[Figure]:
    """The time a start waits for its weights, warmed beside cold; and what the warming itself takes."""
    if sys.platform != "linux":
        return []
    path = folder / "weights.gguf"
    size = SHORT_SIZE if short else SIZE
    weight_files.write(path, size)
    cold, warmed, warming = [], [], []
    try:
        for _ in range(1 if short else 5):
            weight_files.forget(path)
            cold.append(read(path))
            weight_files.forget(path)
            done = _warm(path)
            if done.read != size:
                raise RuntimeError(f"{done.read} of {size} bytes were read: {done.problem}")
            warming.append(done.seconds * 1000)
            warmed.append(read(path))
    finally:
        path.unlink()
    what = f"{size // MIB} MiB of weights"
    return [
        Figure(f"a start reads {what}, warmed", "ms", warmed, sorted(cold)[len(cold) // 2], {"cold": cold}),
        Figure(f"reading {what} ahead", "ms", warming, None, {"a cold start's read": cold}),
    ]


def read(path: Path) -> float:
    """Milliseconds that a new process takes to read it."""
    words = [os.path.realpath(sys.executable), "-I", "-S", "-c", READER, str(path)]
    return float(subprocess.run(words, capture_output=True, check=True, text=True).stdout)


def _warm(path: Path) -> Warmed:
    warming = PageWarmer().warm(ModelSpec(command=("llama-server", "-m", str(path))), 1 << 60)
    while (done := warming.done) is None:
        time.sleep(0.005)
    return done

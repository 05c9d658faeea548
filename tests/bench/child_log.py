"""Reads the diaries of the bench's children and measures what the machine itself costs.

Knows the clock of the children, which is the bench's too; refuses to know who supervises them.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CHILD = Path(__file__).with_name("child.py")
DEADLINE = 120.0


@dataclass(frozen=True)
class Note:
    """One line of a diary: what, when (monotonic, ns), whose."""

    event: str
    at: int
    pid: int


def command(diary: Path, port: int | str, load_ms: int = 0, stop_ms: int = 0, ram_mib: int = 0) -> list[str]:
    """The words that start a child. The base interpreter, isolated: no site-packages to look through."""
    interpreter = os.path.realpath(sys.executable)
    return [
        interpreter,
        "-I",
        "-S",
        str(CHILD),
        str(diary),
        str(port),
        str(load_ms),
        str(stop_ms),
        str(ram_mib),
    ]


def read(diary: Path) -> list[Note]:
    try:
        lines = diary.read_text().splitlines()
    except FileNotFoundError:
        return []
    return [Note(event, int(at), int(pid)) for event, at, pid in (line.split() for line in lines)]


def wait_note(diary: Path, event: str, after: int = 0) -> Note:
    """Wait for the first note of an event later than a time (monotonic, ns)."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        for note in read(diary):
            if note.event == event and note.at > after:
                return note
        time.sleep(0.005)
    raise TimeoutError(f"no {event!r} in {diary}: {read(diary)}")


def ms(from_ns: int, to_ns: int) -> float:
    return (to_ns - from_ns) / 1e6


def spawn_floor(folder: Path, rounds: int) -> list[float]:
    """Milliseconds from a bare fork and exec to a child's first note: no supervisor can do better."""
    diary, samples = folder / "floor", []
    for _ in range(rounds):
        before = time.monotonic_ns()
        with subprocess.Popen(command(diary, 0)) as process:
            samples.append(ms(before, wait_note(diary, "start", before).at))
            wait_note(diary, "ready", before)
            process.kill()
    return samples


def signal_floor(folder: Path, rounds: int) -> list[float]:
    """Milliseconds from kill(2) to the child's note of it."""
    diary, samples = folder / "signalled", []
    for _ in range(rounds):
        before = time.monotonic_ns()
        with subprocess.Popen(command(diary, 0)) as process:
            wait_note(diary, "ready", before)
            sent = time.monotonic_ns()
            process.send_signal(signal.SIGTERM)
            samples.append(ms(sent, wait_note(diary, "term", before).at))
    return samples


def run_time(words: Sequence[str], rounds: int) -> list[float]:
    """Milliseconds that a command takes from start to end; it has to succeed."""
    samples = []
    for _ in range(rounds):
        before = time.monotonic_ns()
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        samples.append(ms(before, time.monotonic_ns()))
    return samples

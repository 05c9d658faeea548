"""The program that zoosup was started as, to be executed in its own place: its words, and whether it would start.

Half-way through an upgrade it would not, and the models would have nobody. Refuses to know who asks, and when.
"""

import subprocess
import sys

PATIENCE = 30.0
"""Seconds that it may take to say its version: a fraction of one, unless the disk or the host is slow."""


def words() -> list[str]:
    """What this process was started as."""
    return [sys.executable, *sys.orig_argv[1:]]


def trouble() -> str:
    """Why it would not start now, for people; "" where it would. Blocks."""
    all_of_them = words()
    program = all_of_them[: len(all_of_them) - len(sys.argv[1:])]
    try:
        tried = subprocess.run(  # noqa: S603 - what we were started as
            [*program, "--version"], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    if tried.returncode == 0:
        return ""
    said = tried.stderr.strip().splitlines()
    return said[-1] if said else f"it ends with code {tried.returncode}"

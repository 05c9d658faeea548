"""The program that zoosup was started as, to be executed in its own place: its words, and whether it would start.

Half-way through an upgrade it would not, and the models would have nobody. Refuses to know who asks, and when.
"""

import os
import sys
import threading
from pathlib import Path

from zoosup.host.system import directory
from zoosup.host.system.programs.bounded_run import run

PATIENCE = 30.0
"""Seconds that it may take to say its version: a fraction of one, unless the disk or the host is slow."""


def words() -> list[str]:
    """What this process was started as."""
    return [sys.executable, *sys.orig_argv[1:]]


def trouble() -> str:
    """Why it would not start now, for people; "" where it would. Blocks."""
    all_of_them = words()
    program = all_of_them[: len(all_of_them) - len(sys.argv[1:])]
    if directory.is_gone():
        return "the directory that it was started in is gone"
    try:
        tried = run([*program, "--version"], os.environ, Path(), PATIENCE, threading.Event())
    except OSError as error:
        return str(error)
    if tried.code == 0:
        return ""
    said = tried.err.strip().splitlines()
    return tried.problem or (said[-1] if said else f"it ends with code {tried.code}")

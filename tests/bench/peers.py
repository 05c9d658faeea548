"""supervisord and circus, run on the same children: what a user would have without zoosup.

Knows their configuration, left at its defaults; they are installed into an environment of their own.
"""

import os
import random
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.bench.child_log import command, ms, wait_note

ROOT = Path(__file__).parents[2]

SUPERVISORD = """\
[supervisord]
nodaemon=true
logfile={folder}/supervisord.log
pidfile={folder}/supervisord.pid
childlogdir={folder}
"""
PROGRAM = """
[program:{name}]
command={command}
"""
CIRCUS = """\
[circus]
endpoint = ipc://{folder}/endpoint
pubsub_endpoint = ipc://{folder}/pubsub
"""
WATCHER = """
[watcher:{name}]
cmd = {command}
"""


def install() -> Path:
    """The folder of the peers' commands, installed on the first call."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zoosup-tests"
    home = cache / f"peers-{sys.version_info[0]}.{sys.version_info[1]}"
    done = home / "installed"
    if not done.exists():
        venv.create(home, with_pip=True, clear=True)
        pip = [home / "bin/python", "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--upgrade", "pip>=25.1"], check=True)
        subprocess.run([*pip, "--group", f"{ROOT / 'pyproject.toml'}:bench"], check=True)
        done.touch()
    return home / "bin"


@contextmanager
def supervisord(folder: Path, programs: dict[str, Sequence[str]]) -> Iterator[psutil.Process]:
    sections = [PROGRAM.format(name=name, command=" ".join(words)) for name, words in programs.items()]
    file = folder / "supervisord.conf"
    file.write_text(SUPERVISORD.format(folder=folder) + "".join(sections))
    with _running([install() / "supervisord", "-c", file], folder) as process:
        yield process


@contextmanager
def circus(folder: Path, programs: dict[str, Sequence[str]]) -> Iterator[psutil.Process]:
    sections = [WATCHER.format(name=name, command=" ".join(words)) for name, words in programs.items()]
    file = folder / "circus.ini"
    file.write_text(CIRCUS.format(folder=folder) + "".join(sections))
    with _running([install() / "circusd", file], folder) as process:
        yield process


@contextmanager
def _running(words: Sequence[str | Path], folder: Path) -> Iterator[psutil.Process]:
    with (folder / "peer.log").open("wb") as log:
        process = psutil.Popen(words, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
    children: list[psutil.Process] = []
    try:
        yield process
    finally:
        with suppress(psutil.NoSuchProcess):  # it ended by itself
            children = process.children(recursive=True)
        process.terminate()
        try:
            process.wait(30)
        except psutil.TimeoutExpired:
            process.kill()
        for child in children:
            if child.is_running():
                child.kill()


PEERS: dict[str, Callable[..., object]] = {"supervisord": supervisord, "circus": circus}


def respawn(peer: str, folder: Path, rounds: int) -> list[float]:
    """Milliseconds from SIGKILL of a child to the first note of the next, under a peer."""
    folder.mkdir()
    diary, samples = folder / "diary", []
    with PEERS[peer](folder, {"child": command(diary, 0)}):
        alive = wait_note(diary, "ready")
        for _ in range(rounds):
            # supervisord backs off from children that lived under a second; a random phase for its polling.
            time.sleep(1.2 + random.random())
            before = time.monotonic_ns()
            os.kill(alive.pid, signal.SIGKILL)
            samples.append(ms(before, wait_note(diary, "start", before).at))
            alive = wait_note(diary, "ready", before)
    return samples

"""The state directory: what has to outlive zoosup, locked, private, written atomically.

Knows files, modes and locks. Refuses to know what the state means: JSON comes from its owner and goes back.
"""

import asyncio
import contextlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoosup.errors import ZoosupError
from zoosup.host.storage import lock_file
from zoosup.host.storage.paths import control_socket, default_state_dir
from zoosup.host.system.threads import DaemonThreads

__all__ = ["FORMAT", "StateDirectory", "control_socket", "default_state_dir"]

FORMAT = 1
"""The version of state.json's envelope; a file of another one is set aside, not guessed at."""

LAST_WRITES = 2.0
"""Seconds that the writes under way get at the end; more than that takes only a disk that hangs."""

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class StateDirectory:
    """One supervisor's directory. `notes` are sentences for people about what had to be set right."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.notes: list[str] = []
        self._lock: int | None = None
        # A thread of its own: writes stay in order even when who asked for them is cancelled, and a slow
        # reader elsewhere can't hold them up.
        self._writer = DaemonThreads("zoosup-store", ready=1, most=1)
        self._newest = ""
        self._on_disk = ""

    @property
    def logs(self) -> Path:
        """The directory of the models' output."""
        return self.path / "logs"

    @property
    def socket(self) -> Path:
        """The control socket's path; its directory is there once `lock` has returned."""
        return control_socket(self.path)

    def lock(self) -> None:
        """Make the directory ours and hold it until `close` or the end of this process.

        LockedError when another process holds it, ZoosupError when it can't be made or can't be trusted.
        """
        make_private(self.path, self.notes)
        make_private(self.socket.parent, self.notes)
        self._lock = lock_file.take(self.path / "lock")
        if kind := lock_file.network_file_system(self.path):
            self.notes.append(
                f"{self.path} is on {kind}, where locks may bind one host alone: choose a local one"
            )
        self.logs.mkdir(mode=0o700, exist_ok=True)

    def hold(self) -> None:
        """Make sure that the lock others would meet is ours; one that was removed with its directory is made anew.

        LockedError when somebody else holds it by now, ZoosupError when it can't be had at present.
        """
        path = self.path / "lock"
        with contextlib.suppress(FileNotFoundError):
            if self._lock is None or os.path.samestat(os.fstat(self._lock), path.stat()):
                return
        held = self._lock
        self.lock()
        if held is not None:
            os.close(held)

    def close(self) -> None:
        """Finish the writes under way and let the lock go, as far as the disk answers; the kernel does the rest."""
        if self._lock is not None:
            self._writer.submit(lock_file.release, self._lock)
            self._lock = None
        self._writer.finish(LAST_WRITES)

    def load(self) -> dict[str, Any]:
        """The saved state, {} when there is none; a file that can't be used is set aside and noted.

        ZoosupError when it can neither be used nor set aside, for then the next save would destroy it.
        """
        try:
            return _unwrapped((self.path / "state.json").read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            self.notes.append(
                f"{self.path / 'state.json'} can't be used ({error}): kept as {self._set_aside()}"
            )
            return {}

    async def save(self, state: Mapping[str, Any]) -> None:
        """Return when this state, or a newer one, is on disk; OSError when the disk says no."""
        # Not indented, which would take ten times as long.
        self._newest = json.dumps({"format": FORMAT, "state": state})
        await asyncio.get_running_loop().run_in_executor(self._writer, self._write_newest)

    def _write_newest(self) -> None:
        newest = self._newest
        if newest != self._on_disk:
            _replace(self.path / "state.json", newest.encode())
            self._on_disk = newest

    def _set_aside(self) -> Path:
        source = self.path / "state.json"
        number = 1
        while (target := self.path / f"state.json.corrupt-{number}").exists():
            number += 1
        try:
            return source.rename(target)
        except OSError as error:
            raise ZoosupError(f"{source} can't be read, nor set aside: {error.strerror}") from None


def _unwrapped(data: bytes) -> dict[str, Any]:
    document = json.loads(data)
    if not isinstance(document, dict) or not isinstance(document.get("state"), dict):
        raise ValueError("not a saved state")  # noqa: TRY004 - wrong content, not a wrong argument
    if document.get("format") != FORMAT:
        raise ValueError(f"format {document.get('format')!r}, expected {FORMAT}")
    state: dict[str, Any] = document["state"]
    return state


def _replace(path: Path, data: bytes) -> None:
    """Write beside, make durable, rename over: a crash leaves the old content or the new, never a part."""
    beside = path.with_name(path.name + ".tmp")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - opened by descriptor for its mode
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    beside.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def make_private(path: Path, notes: list[str]) -> None:
    """Make a directory that only we may enter; ZoosupError, in one line, when that can't be had."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
        if status.st_uid != os.geteuid():
            raise ZoosupError(f"{path} belongs to user {status.st_uid}, and zoosup runs as {os.geteuid()}")
        if status.st_mode & _OTHERS:
            _tighten(path, status.st_mode)
            notes.append(
                f"{path} was open to others (mode {stat.S_IMODE(status.st_mode):04o}); it is 0700 now"
            )
    except OSError as error:
        raise ZoosupError(f"the state directory {path} can't be used: {error.strerror}") from None


def _tighten(path: Path, mode: int) -> None:
    """Shut others out of a directory if it is empty or has been a state directory before.

    Anything else is refused: a mistyped path must not take /tmp or a home directory away from everybody.
    """
    ours = not mode & stat.S_ISVTX and ((path / "lock").is_file() or not any(path.iterdir()))
    if not ours:
        raise ZoosupError(
            f"{path} is open to others (mode {stat.S_IMODE(mode):04o}) and holds files that are not zoosup's: "
            "choose another state directory, or make it 0700"
        )
    path.chmod(0o700)

"""Hints that a file may have changed: a thread that waits at the directories through which the file is reached.

Knows symbolic links and watchfiles. Refuses to know what is in the file, or whether it changed at all: a hint may
come for nothing, and may be missing where there are no notifications (NFS, inotify's limits used up).
"""

import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from watchfiles import watch

STEP = 75
"""Milliseconds between looks at the notifications: a hint takes 110, at 0.1 % of a core (step 50: 75, 0.15 %)."""

DEBOUNCE = 50  # milliseconds: at most so long are changes that follow each other gathered into one hint
RETRY = 10.0  # seconds until directories that could not be watched are tried again
_MOST_LINKS = 40  # MAXSYMLINKS, as the kernel has it

_log = logging.getLogger(__name__)
# Tells of every change in the directory, at INFO; what concerns people is told by who follows the content.
logging.getLogger("watchfiles").setLevel(logging.WARNING)

Place = tuple[str, int, int]
"""A directory with its device and inode: one that was swapped for another has the same name."""


class Hints(threading.Thread):
    """Calls `hint` from its own thread; a thread because a watch on a dead network disk may hang when it is set."""

    def __init__(self, path: Path, hint: Callable[[], None]) -> None:
        super().__init__(name="zoosup-hints", daemon=True)
        self._path = path.absolute()
        self._hint = hint
        self._again = threading.Event()
        self._closed = threading.Event()
        self._complained = False
        self._beside: tuple[Path, ...] = ()

    def beside(self, paths: tuple[Path, ...]) -> None:
        """Hint also at changes on the way to these; from the next look at the directories on."""
        self._beside = tuple(path.absolute() for path in paths)

    def recheck(self) -> None:
        """Find out anew which directories lead to the file."""
        self._again.set()

    def close(self) -> None:
        """End soon; no hint comes after the one that may be under way."""
        self._closed.set()
        self._again.set()

    def run(self) -> None:
        """Watch until closed, whatever becomes of the directories."""
        while True:
            self._again.clear()
            if self._closed.is_set():
                return
            places = self._places()
            try:
                self._watch(places)
            except (OSError, RuntimeError) as error:  # watchfiles raises both for what the kernel refuses
                if places == self._places():
                    self._complain(error)
                    self._again.wait(RETRY)

    def _watch(self, places: frozenset[Place]) -> None:
        """Hint at every change until the way to the file is another one."""
        _try_a_thread()
        for _ in watch(
            *(path for path, _, _ in places),
            watch_filter=None,
            step=STEP,
            debounce=DEBOUNCE,
            stop_event=self._again,
            raise_interrupt=False,
            force_polling=False,
            recursive=False,
            ignore_permission_denied=True,
        ):
            if self._closed.is_set():
                return
            self._hint()
            if self._places() != places:
                return

    def _places(self) -> frozenset[Place]:
        return frozenset().union(*map(places_on_the_way, (self._path, *self._beside)))

    def _complain(self, error: Exception) -> None:
        if not self._complained:
            self._complained = True
            _log.warning("changes of %s are noticed by looking every two seconds: %s", self._path, error)


def _try_a_thread() -> None:
    """RuntimeError when none can be started: watchfiles starts one in Rust, and ends the whole program where it fails.

    Seen with notify 8.0 under RLIMIT_NPROC: a panic in a destructor, hence SIGABRT.
    """
    trial = threading.Thread(target=lambda: None, name="zoosup-hints-trial")
    trial.start()
    trial.join()


def places_on_the_way(path: Path) -> frozenset[Place]:
    """Directories in which something has to change for `path` to name another file, or one with other content.

    That of every symbolic link on the way, that of the file itself, and the parent of each, where it may be swapped
    as a whole. "/" is left out, unless there is nothing else: on macOS a watch on it hears of all files.
    """
    directories = set()
    for directory in _directories(path):
        directories |= {directory, directory.parent}
    existing = {_nearest(directory) for directory in directories}
    kept = existing - {Path("/")} or existing
    return frozenset(place for place in map(_identified, kept) if place is not None)


def _directories(path: Path) -> Iterator[Path]:
    """Follow a path as the kernel does, and yield the directory of each link and of the file at the end."""
    base = Path("/")
    waiting = list(path.absolute().parts[1:])
    links = 0
    while waiting:
        part = waiting.pop(0)
        if part == "..":
            base = base.parent
            continue
        target = _link(base / part)
        if target is None or links == _MOST_LINKS:
            if not waiting:
                yield base
            base /= part
            continue
        links += 1
        yield base
        base = Path("/") if target.is_absolute() else base
        waiting = [*(word for word in target.parts if word != "/"), *waiting]


def _link(path: Path) -> Path | None:
    try:
        return path.readlink()
    except OSError:
        return None


def _nearest(directory: Path) -> Path:
    """The directory, or the nearest one above it that exists: it will see the missing ones appear."""
    while not os.path.isdir(directory) and directory != directory.parent:  # noqa: PTH112 - is_dir raises on EACCES
        directory = directory.parent
    return directory


def _identified(directory: Path) -> Place | None:
    try:
        status = os.stat(directory)  # noqa: PTH116 - a plain call, for its plain failure
    except OSError:
        return None
    return str(directory), status.st_dev, status.st_ino

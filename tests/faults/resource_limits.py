"""Takes a resource from a running zoosup, and gives it back: processes, descriptors, places to watch files with.

Knows the kernel's limits and what each needs to be in force; says why where it can't be had.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

STRANGER = 61234
"""A user that nobody is: limits on processes don't hold for root."""


def as_mere_user() -> Sequence[str] | str:
    """The words before a command for whose user the limit on processes holds; else why they can't be had."""
    if sys.platform != "linux":
        return "limits of another process can be set on Linux only"
    if os.geteuid() != 0:
        return ()
    if not (shutil.which("setpriv") and shutil.which("prlimit")):
        return "needs setpriv and prlimit, for limits on processes do not hold for root"
    caps = "-all,+dac_override,+dac_read_search"  # the files of this checkout may be root's alone
    ids = (f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups")
    return ("setpriv", *ids, f"--inh-caps={caps}", f"--ambient-caps={caps}", f"--bounding-set={caps}")


@contextmanager
def without_processes(pid: int) -> Iterator[None]:
    """No fork and no new thread succeeds in a process: EAGAIN."""
    with _limited(pid, "nproc", 1):
        yield


@contextmanager
def without_descriptors(pid: int) -> Iterator[None]:
    """No descriptor can be opened by a process, also not in the place of one that it closes: EMFILE.

    The limit is on the number of a new one, and the first three are taken for good.
    """
    with _limited(pid, "nofile", 3):
        yield


@contextmanager
def _limited(pid: int, which: str, most: int) -> Iterator[None]:
    """The soft limit alone, which may be raised again; set by a command, as its user and no other may."""
    user = as_mere_user()
    assert not isinstance(user, str)
    was = subprocess.check_output(
        [*user, "prlimit", f"--pid={pid}", f"--{which}", "--output=SOFT", "--noheadings"], text=True
    )

    def limit(soft: str) -> None:
        subprocess.run([*user, "prlimit", f"--pid={pid}", f"--{which}={soft}:"], check=True)

    limit(str(most))
    try:
        yield
    finally:
        limit(was.strip())


def in_namespace(kind: str, first: str) -> Sequence[str] | str:
    """The words before a command that runs in a namespace of its own, after `first` has run there; or why not.

    `kind` is unshare's option. Nothing that is done there outlives the command or is seen outside.
    """
    if sys.platform != "linux" or not shutil.which("unshare"):
        return "needs namespaces, which Linux has"
    words = ("unshare", *kind.split(), "sh", "-c", f'{first}\nexec "$@"', "sh")
    tried = subprocess.run([*words, "true"], capture_output=True, text=True, check=False)
    return words if tried.returncode == 0 else f"namespaces are refused here: {tried.stderr.strip()}"


@contextmanager
def memory_cgroup(limit: int) -> Iterator[Path | str]:
    """A cgroup made below the top, with so many bytes for whoever is in it; or why it can't be had."""
    made, why = None, "no cgroup with a limit of memory can be made here"
    for base, bound in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        place = Path(base) / f"zoosup-faults-{os.getpid()}"
        try:
            if not Path(base, "cgroup.procs").exists():
                continue
            place.mkdir()
            made = place
            (place / bound).write_text(str(limit))
            break
        except OSError as error:
            why = f"{why}: {error}"
            if made is not None:
                made.rmdir()
                made = None
    try:
        yield made or why
    finally:
        if made is not None:
            _remove(made)


def _remove(cgroup: Path) -> None:
    """The kernel takes a moment until it knows that nobody is left in it."""
    for _ in range(50):
        with suppress(OSError):
            cgroup.rmdir()
            return
        time.sleep(0.1)


def joining(cgroup: Path) -> Sequence[str]:
    """The words before a command that is to run in a cgroup."""
    return ("sh", "-c", f'echo $$ >{cgroup}/cgroup.procs && exec "$@"', "sh")


def oom_kills(cgroup: Path) -> int:
    """How often the kernel has killed in it for want of memory."""
    file = "memory.oom_control" if (cgroup / "memory.oom_control").exists() else "memory.events"
    words = (cgroup / file).read_text().split()
    return int(words[words.index("oom_kill") + 1])


def inside(pid: int, path: Path) -> Path:
    """A file as a process sees it that has other mounts."""
    return Path(f"/proc/{pid}/root{path}")


def mounted_anew(pid: int, path: Path, how: str) -> None:
    """Mount something over a directory, as a process sees it."""
    subprocess.run(["nsenter", f"--mount=/proc/{pid}/ns/mnt", "sh", "-c", how, "sh", str(path)], check=True)

"""The lock of a state directory: one zoosup at a time, also where two hosts share a home.

Who holds it stands in it: pid, host and boot. Over a network a lock may bind one host alone; there a lock that another
host has not given back is believed, or each of the two would clear the records of the other's models. Refuses to know
what the directory holds.
"""

import fcntl
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

import psutil

from zoosup.errors import LockedError, ZoosupError

_NETWORKS = re.compile(
    r"nfs4?|cifs|smb\w*|afpfs|afs|9p|webdav|ceph|lustre|beegfs|gpfs|glusterfs|fuse\.(sshfs|glusterfs|s3fs|rclone|ceph)"
)
_LONGEST = 512


@dataclass(frozen=True, slots=True)
class _Holder:
    """Who a lock names; "" is not known, as in locks of earlier versions."""

    pid: str
    machine: str = ""
    boot: str = ""
    host: str = ""

    def __str__(self) -> str:
        return f"pid {self.pid or 'unknown'}" + (f" on {self.host}" if self.host != platform.node() else "")

    @property
    def elsewhere(self) -> bool:
        """Whether it is surely another host's: neither this kernel's nor this machine's."""
        own = _ourselves()
        known = self.machine and self.boot and own.machine and own.boot
        return bool(known) and self.machine != own.machine and self.boot != own.boot


def take(path: Path) -> int:
    """flock(2): it ends with the process, however that ends; exec closes it, so that no child keeps it.

    The descriptor that holds it. LockedError when another has it, ZoosupError when it can't be had.
    """
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise ZoosupError(f"the state directory {path.parent} can't be used: {error.strerror}") from None
        if _locked(descriptor, path):
            _refuse_other_hosts(descriptor, path)
            own = _ourselves()
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{own.pid}\n{own.machine}\n{own.boot}\n{own.host}\n".encode(), 0)
            return descriptor
        os.close(descriptor)


def release(descriptor: int) -> None:
    """Give the lock back; who comes next, from whatever host, sees that nobody has it."""
    try:
        os.ftruncate(descriptor, 0)
    except OSError:
        pass  # it is given back all the same, and only another host could take it for held
    finally:
        os.close(descriptor)


def network_file_system(path: Path) -> str:
    """The kind of file system that a path is on, if that is one of a network; else nothing."""
    true_path = Path(os.path.realpath(path))
    mounts = [m for m in psutil.disk_partitions(all=True) if true_path.is_relative_to(m.mountpoint)]
    # Of those mounted over each other the last counts.
    nearest = max(enumerate(mounts), key=lambda each: (len(each[1].mountpoint), each[0]), default=None)
    kind = nearest[1].fstype if nearest is not None else ""
    return kind if _NETWORKS.fullmatch(kind) else ""


def _refuse_other_hosts(descriptor: int, path: Path) -> None:
    holder = _read(descriptor)
    if holder.elsewhere and network_file_system(path.parent):
        os.close(descriptor)
        raise LockedError(
            f"a zoosup on {holder.host} (pid {holder.pid}) holds {path.parent}, or has not ended in good order: give "
            f"each host a state directory of its own (--state-dir); if none runs there any more, remove {path}"
        )


def _locked(descriptor: int, path: Path) -> bool:
    """Whether we hold the lock and the file is still the one at `path`; LockedError when another holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Somebody may have cleared the directory between our open and our lock: then we hold nobody's lock.
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
    except BlockingIOError:
        holder = _read(descriptor)
        os.close(descriptor)
        raise LockedError(f"another zoosup ({holder}) holds {path.parent}") from None
    except OSError as error:
        os.close(descriptor)
        raise ZoosupError(f"{path} can't be locked: {error.strerror}") from None


def _read(descriptor: int) -> _Holder:
    """What `take` has written, or an earlier version, which wrote the pid alone."""
    pid, *others = os.pread(descriptor, _LONGEST, 0).decode(errors="replace").splitlines() or [""]
    machine, boot, host = (*others, "", "", "")[:3]
    return _Holder(pid, machine, boot, host or platform.node())


def _ourselves() -> _Holder:
    return _Holder(str(os.getpid()), _first_line("/etc/machine-id"), _boot(), platform.node())


def _boot() -> str:
    return _first_line("/proc/sys/kernel/random/boot_id")


def _first_line(path: str) -> str:
    """What only Linux has; elsewhere, and in most containers, nothing."""
    try:
        return Path(path).read_text("ascii").strip()
    except (OSError, ValueError):
        return ""

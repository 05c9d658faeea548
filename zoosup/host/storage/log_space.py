"""Room on the disk for a log, taken before it is written: a server that prints must not fail because a disk is full.

Blocks are allocated beyond the file's end without moving it (fallocate with FALLOC_FL_KEEP_SIZE; F_PREALLOCATE on
macOS), so that whoever appends needs none of the disk's. Where a file system has no such thing (NFS before 4.2, ZFS)
all is as without. Refuses to know whose log it is, and when it is cut.
"""

import ctypes
import errno
import fcntl
import os
import struct
import sys
from functools import cache
from typing import Any

AHEAD = 4 << 20
"""Bytes kept for what is still to be written: far more than a server prints between two looks at its log."""

LEAST = 64 << 10
"""Bytes without which a log can't be begun."""

_SHARE = 16  # of what is free on a small disk, one part
_BLOCK = 512  # of st_blocks, whatever the file system's own is
_PAGE = 4096
_KEEP_SIZE = 1  # linux/falloc.h
_F_PREALLOCATE, _F_ALLOCATEALL, _F_PEOFPOSMODE = 42, 4, 3  # sys/fcntl.h of Darwin
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def reserve(descriptor: int, at_least: int = 0) -> int:
    """Take room beyond the end of an open file; bytes that can be appended though the disk be full.

    At most a share of what is free is taken, or `at_least` so many bytes where that is more, and what was taken before
    stays. `AHEAD` where room can't be taken at all.
    """
    size, ahead = _size_and_ahead(descriptor)
    if ahead >= AHEAD // 2:
        return ahead
    left = free(descriptor)
    share = max(left // _SHARE, LEAST if left >= 2 * LEAST else 0, at_least)
    wanted = min(AHEAD, ahead + share) // _PAGE * _PAGE
    if wanted <= ahead:
        return ahead
    try:
        _allocate(descriptor, size, wanted, wanted - ahead)
    except OSError as error:
        return ahead if error.errno in _FULL else AHEAD
    return wanted


def taken(descriptor: int) -> int:
    """Bytes of the disk that a file has, written or not."""
    return os.fstat(descriptor).st_blocks * _BLOCK


def free(descriptor: int) -> int:
    """Bytes that are left on its disk."""
    disk = os.fstatvfs(descriptor)
    return disk.f_bavail * disk.f_frsize


def release(descriptor: int) -> None:
    """Give back what was taken beyond the end."""
    os.ftruncate(descriptor, os.fstat(descriptor).st_size)


def _size_and_ahead(descriptor: int) -> tuple[int, int]:
    stat = os.fstat(descriptor)
    return stat.st_size, max(0, stat.st_blocks * _BLOCK - stat.st_size)


def _allocate(descriptor: int, offset: int, length: int, more: int) -> None:
    if sys.platform == "darwin":
        store = struct.pack("=Iiqqq", _F_ALLOCATEALL, _F_PEOFPOSMODE, 0, more, 0)
        fcntl.fcntl(descriptor, _F_PREALLOCATE, store)
        return
    if _fallocate()(descriptor, _KEEP_SIZE, offset, length) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


@cache
def _fallocate() -> Any:
    """The system call, which Python has only in a form that moves the file's end."""
    try:
        call = ctypes.CDLL(None, use_errno=True).fallocate64
    except AttributeError as error:  # another system's C library
        raise OSError(errno.EOPNOTSUPP, str(error)) from error
    call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    return call

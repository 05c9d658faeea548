"""A program started without a copy of ours: posix_spawn(3) of glibc 2.34 and later, on Linux.

fork copies the tables of all our memory, which nobody may touch meanwhile, and exec throws the copy away: 4 ms per
60 MB, for which the next run waits. Neither happens here. Python has the same call, but keeps its own lock until the
exec has come back: a program on a dead NFS mount would stop the loop for good. By ctypes the lock is given up, and the
thread that asks is the only one to stand still. Refuses to know what is started.
"""

import ctypes
import errno
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from ctypes import byref, c_char_p, c_int, c_short, c_uint64
from pathlib import Path
from typing import Any

_libc = ctypes.CDLL(None)
_SETSIGDEF, _SETSIGMASK, _SETSID = 0x04, 0x08, 0x80  # spawn.h
_CLONE_FS = 0x200  # sched.h
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
_OF_GLIBC = 0b11 << 31  # SIGCANCEL and SIGSETXID, which it lets no program name, and leaves ignored
_NOT_THERE = {errno.ENOENT, errno.ENOTDIR}
_OF_THE_HOST = {errno.EAGAIN, errno.ENOMEM}

_Opaque = c_uint64 * 64  # more than spawn.h and signal.h take for any of what they alone fill


def can_spawn() -> bool:
    """Whether this system has it, and lets this thread have a umask of its own, which it has from then on."""
    found = sys.platform == "linux" and hasattr(_libc, "posix_spawn_file_actions_addclosefrom_np")
    return found and not _libc.unshare(_CLONE_FS)  # some containers allow no unshare


def spawn(argv: Sequence[str], env: Mapping[str, str], cwd: str | None, output: int, umask: int) -> int:
    """Run it as a session of its own, stdin empty, stdout and stderr to `output`; its pid, once the exec has come back.

    It is found as `subprocess` finds it, by the PATH of `env` and from `cwd` on. OSError, with `cwd` as its filename
    where that is why; ValueError for words that no program can be given.
    """
    words = _c_words(argv)
    environ = _c_words(f"{_checked(name)}={value}" for name, value in env.items())
    pid, error = c_int(), errno.ENOENT
    before = os.umask(umask)  # this thread's, as `can_spawn` has seen to
    try:
        with _actions(cwd, output) as actions, _attributes() as attributes:
            for program in _candidates(argv[0], env):
                failed = _libc.posix_spawn(byref(pid), program, actions, attributes, words, environ)
                if not failed:
                    return pid.value
                error = failed if error in _NOT_THERE else error
                if failed in _OF_THE_HOST:
                    break  # another program of this name would not be the one that is meant
    finally:
        os.umask(before)
    if cwd is not None:
        _need_directory(cwd)
    raise OSError(error, os.strerror(error), argv[0])


def _c_words(words: Iterable[str]) -> Any:
    encoded = list(map(_encoded, words))
    return (c_char_p * (len(encoded) + 1))(*encoded, None)


def _encoded(word: str) -> bytes:
    if "\0" in word:
        raise ValueError("embedded null byte")
    return os.fsencode(word)


def _checked(name: str) -> str:
    if "=" in name:
        raise ValueError("illegal environment variable name")
    return name


def _candidates(program: str, env: Mapping[str, str]) -> list[bytes]:
    if "/" in program:
        return [os.fsencode(program)]
    return [os.fsencode(Path(folder, program)) for folder in os.get_exec_path(env)]


@contextmanager
def _actions(cwd: str | None, output: int) -> Iterator[Any]:
    """What the child does to its files, in this order: `output` may be any descriptor, and may be among the first."""
    actions = _Opaque()
    _call("init", _libc.posix_spawn_file_actions_init(actions))
    try:
        for descriptor in (1, 2):
            _call("dup2", _libc.posix_spawn_file_actions_adddup2(actions, output, descriptor))
        _call(
            "open",
            _libc.posix_spawn_file_actions_addopen(actions, 0, os.fsencode(os.devnull), os.O_RDONLY, 0),
        )
        _call("close", _libc.posix_spawn_file_actions_addclosefrom_np(actions, 3))
        if cwd is not None:  # last: a directory may hang
            _call("chdir", _libc.posix_spawn_file_actions_addchdir_np(actions, _encoded(cwd)))
        yield actions
    finally:
        _libc.posix_spawn_file_actions_destroy(actions)


@contextmanager
def _attributes() -> Iterator[Any]:
    """A session of its own, no signal blocked, and none ignored that Python or glibc ignores."""
    attributes, none, ignored = _Opaque(), _Opaque(), _Opaque()
    _call("init", _libc.posix_spawnattr_init(attributes))
    try:
        for signals in (none, ignored):
            _libc.sigemptyset(signals)
        for signum in _IGNORED_BY_PYTHON:
            _libc.sigaddset(ignored, int(signum))
        ignored[0] |= _OF_GLIBC
        _libc.posix_spawnattr_setsigmask(attributes, none)
        _libc.posix_spawnattr_setsigdefault(attributes, ignored)
        flags = c_short(_SETSIGDEF | _SETSIGMASK | _SETSID)
        _call("flags", _libc.posix_spawnattr_setflags(attributes, flags))
        yield attributes
    finally:
        _libc.posix_spawnattr_destroy(attributes)


def _call(what: str, failed: int) -> None:
    if failed:
        raise OSError(failed, f"{what}: {os.strerror(failed)}")


def _need_directory(path: str) -> None:
    number = errno.EACCES if Path(path).is_dir() else errno.ENOTDIR
    os.stat(path)  # noqa: PTH116 - says so itself where there is none, and names it as it was given
    if number == errno.ENOTDIR or not os.access(path, os.X_OK):
        raise OSError(number, os.strerror(number), path)

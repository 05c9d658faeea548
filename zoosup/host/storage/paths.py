"""Where a supervisor's state directory and control socket are: daemon and command line both ask here.

Knows names only and opens nothing; imports next to nothing, because every `zoosup status` pays for it.
"""

import os
from collections.abc import Mapping
from pathlib import Path

SOCKET_PATH_LIMIT = 100
"""Bytes that a socket's path may have: sun_path holds 104 on macOS and 108 on Linux, its NUL included."""


def default_state_dir(instance: str, environ: Mapping[str, str]) -> Path:
    """`$XDG_STATE_HOME/zoosup/<instance>`; XDG base directory specification, which ignores relative values."""
    base = Path(environ.get("XDG_STATE_HOME", ""))
    if not base.is_absolute():
        home = environ.get("HOME")
        base = (Path(home) if home else Path.home()) / ".local" / "state"
    return base / "zoosup" / instance


def control_socket(state_dir: Path) -> Path:
    """The control socket of a state directory, also where a path in there would be too long for one.

    The substitute depends on the directory's true path and its owner alone: not on TMPDIR, which differs
    between a service and a shell, nor on who asks, so that root finds another user's supervisor.
    """
    path = state_dir.absolute() / "control.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
        return path
    from hashlib import sha256  # noqa: PLC0415 - loads OpenSSL, and is hardly ever needed

    true_path = os.fsencode(os.path.realpath(state_dir))
    directory = Path("/tmp") / f"zoosup-{_owner(state_dir)}"  # noqa: S108 - made 0700, owner checked
    return directory / f"{sha256(true_path).hexdigest()[:16]}.sock"


def _owner(state_dir: Path) -> int:
    try:
        return state_dir.stat().st_uid
    except OSError:
        return os.geteuid()

"""A secret that all of one user's zoosups on this host share, made by whichever needs it first.

Refuses to know what it is for.
"""

import os
import secrets
import stat
from pathlib import Path

from zoosup.errors import ZoosupError

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def shared_secret(place: Path) -> Path:
    """The file with it, made where there is none. ZoosupError where it can't be made, or others could read it."""
    try:
        if not place.exists():
            _make(place)
        found = place.stat()
    except OSError as error:
        raise ZoosupError(f"no secret can be kept in {place}: {error.strerror or error}") from None
    if found.st_uid != os.geteuid() or found.st_mode & _OTHERS:
        raise ZoosupError(f"{place} is open to others: remove it, and a new one is made")
    return place


def _make(place: Path) -> None:
    """All of it at once: others see it whole or not at all, and of two that make it one wins."""
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = place.with_name(f"{place.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32) + "\n")
        os.link(draft, place)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)

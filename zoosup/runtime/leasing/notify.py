"""Telling holders what became of their request.

Refuses to know what is told, and lets no fault of theirs out.
"""

import logging
from collections.abc import Callable
from typing import TypeVar

_What = TypeVar("_What")

_log = logging.getLogger(__name__)


def notify(tell: Callable[[_What], None], what: _What) -> bool:
    """A holder's fault must not cost others their turn."""
    try:
        tell(what)
    except Exception:  # noqa: BLE001 - whatever it is
        _log.exception("internal error: a client of the gateway could not be told")
        return False
    return True

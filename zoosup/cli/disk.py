"""What the state directory tells by itself, where no supervisor runs too: what models wrote, and what happened.

Reads only. Refuses to guess where there is nothing: that no supervisor answers is then the answer.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoosup.errors import UnreachableError

_END = 1 << 62
"""A number that no event reaches."""


def log(state: Path, model: str, lines: int, *, previous: bool) -> bytes | None:
    """The last lines that a model wrote; None where it has no log."""
    from zoosup.host.storage.model_logs import ModelLogs  # noqa: PLC0415 - only where no supervisor runs

    logs = ModelLogs(state / "logs")
    if not logs.path(model, previous=previous).is_file():
        return None
    return "".join(f"{each}\n" for each in asyncio.run(logs.tail(model, lines, previous=previous))).encode()


def followed_log(state: Path, model: str, lines: int) -> Iterator[bytes] | None:
    """The last lines that a model wrote, then what it writes; b"" while that is nothing. None: no logs are kept."""
    from zoosup.host.storage import log_end  # noqa: PLC0415 - only where a log is followed
    from zoosup.host.storage.model_logs import ModelLogs  # noqa: PLC0415

    directory = state / "logs"
    return log_end.follow(ModelLogs(directory).path(model), lines) if directory.is_dir() else None


def events(state: Path, since: int, model: str | None, limit: int) -> list[dict[str, Any]]:
    """The newest events after a number, oldest first; UnreachableError where there is no journal to be read."""
    import sqlite3  # noqa: PLC0415 - only where no supervisor runs

    from zoosup.host.storage import journal_db  # noqa: PLC0415 - as above

    path = state / "journal.db"
    if not path.is_file():
        raise UnreachableError(f"no supervisor runs, and {path} is missing")
    try:
        begin = journal_db.mark(path, since, _END, model, max(1, limit))
        rows = journal_db.page(path, begin, _END, model, limit)
    except (journal_db.DamagedError, OSError, sqlite3.Error) as error:
        raise UnreachableError(f"no supervisor runs, and {path} can't be read: {error}") from None
    names = ("seq", "at", "type", "model", "reason", "message", "data")
    return [dict(zip(names, row, strict=True)) for row in rows]

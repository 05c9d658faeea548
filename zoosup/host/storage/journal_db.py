"""Events in one SQLite file: made, written, bounded, read and, where it can't be used, set aside.

Knows SQL and which of SQLite's errors mean damage. Synchronous; refuses to know what an event says, who waits for
it, and when to try again.
"""

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

Row: TypeAlias = tuple[int, float, str, str | None, str, str, Mapping[str, Any]]
"""An event: number, wall time, type, model, reason, message, figures."""

Line: TypeAlias = tuple[int, float, str, str | None, str, str, str]
"""A row as it is stored: text that UTF-8 can hold, the figures as JSON."""

SCHEMA = 1
"""The file's `user_version`; a file of another one is set aside, not guessed at."""

AHEAD = 10_000
"""Numbers claimed on disk before they are given out, so that a kill never makes one come twice."""

LONGEST = 64 << 10
"""Characters of a message, and of the figures; a model that logs megabytes to a line must not fill the disk."""

KEPT_ASIDE = 3
"""Files set aside that are kept: a failing disk must not fill itself with them."""

_BUSY = 1.0  # seconds to wait for a stranger's lock
_WAL_LIMIT = 4 << 20
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_DAMAGE_TO_A_WRITER = _DAMAGE | {sqlite3.SQLITE_ERROR}
"""SQLITE_ERROR too: our statements are right, so the tables are not as we made them. A reader may just be early."""
_SIDES = ("-wal", "-shm")
_WHOLE = "SELECT seq, at, type, model, reason, message, data FROM events"
_MADE = (
    """CREATE TABLE events (seq INTEGER PRIMARY KEY, at REAL NOT NULL, type TEXT NOT NULL, model TEXT,
    reason TEXT NOT NULL, message TEXT NOT NULL, data TEXT NOT NULL)""",
    "CREATE TABLE numbers (ceiling INTEGER NOT NULL)",
    "INSERT INTO numbers VALUES (0)",
    f"PRAGMA user_version = {SCHEMA}",
)


class DamagedError(Exception):
    """The file is no journal that this version can go on with; it is to be set aside."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is kept: events, and bytes of the file besides its write-ahead log (at most some 10 MB)."""

    rows: int = 50_000
    bytes: int = 64 << 20


class JournalDb:
    """The file, open for writing by the one thread that made this object. After any error: close it, open anew.

    Every method raises DamagedError when the file is to be set aside, OSError or sqlite3.Error when the disk says no.
    """

    def __init__(self, path: Path, bounds: Bounds) -> None:
        self._bounds = bounds
        if not path.exists():
            # Before SQLite opens it: closing a descriptor of its own would drop SQLite's locks (POSIX).
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        self._path = path
        self._inode = path.stat().st_ino
        self._connection = sqlite3.connect(path, timeout=_BUSY, isolation_level=None)
        try:
            with _damage_told():
                self._prepare()
                self.newest: int = self._one("SELECT coalesce(max(seq), 0) FROM events")
                self._ceiling: int = self._one("SELECT max(ceiling) FROM numbers") or 0
                self._rows: int = self._one("SELECT count(*) FROM events")
        except BaseException:
            self.close()
            raise

    @property
    def last(self) -> int:
        """The highest number that may ever have been given out."""
        return max(self.newest, self._ceiling)

    def claim(self, number: int) -> None:
        """Promise that numbers some way beyond this one are never given out again."""
        if number + AHEAD // 2 > self._ceiling:
            with _damage_told(), self._transaction():
                self._raise_ceiling(number + AHEAD)

    def write(self, lines: Sequence[Line]) -> None:
        """Add events, oldest first, all or none; let the oldest go where the bounds ask for it."""
        rows = self._rows
        with _damage_told():
            with self._transaction():
                # IGNORE: where a commit failed after it had reached the disk, the same lines come again.
                sql = "INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?, ?)"
                self._rows += self._connection.executemany(sql, lines).rowcount
                added = self._rows - rows
                self._trim()
            self.newest = max(self.newest, lines[-1][0])
            if self._rows < rows + added:
                # As a script: `execute` would give it one step, which frees one page.
                self._connection.executescript("PRAGMA incremental_vacuum")

    def finish(self, last: int) -> None:
        """Give back the numbers that were claimed and not used: after a clean end the count goes on without a gap."""
        with _damage_told(), self._transaction():
            self._raise_ceiling(max(last, self.newest))

    def moved(self) -> bool:
        """Whether somebody has removed or replaced the file under us."""
        try:
            return self._path.stat().st_ino != self._inode
        except FileNotFoundError:
            return True

    def close(self) -> None:
        """Let the file go; the write-ahead log is folded into it."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    def _prepare(self) -> None:
        version = self._one("PRAGMA user_version")
        if version not in {0, SCHEMA}:
            raise DamagedError(f"it is of version {version}, expected {SCHEMA}")
        self._connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # takes effect in an empty file only
        self._connection.execute("PRAGMA journal_mode = WAL").fetchall()
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT}").fetchall()
        if version == 0:
            if self._one("SELECT count(*) FROM sqlite_schema"):
                raise DamagedError("it is not a journal of zoosup's")
            with self._transaction():
                for statement in _MADE:
                    self._connection.execute(statement)
        self._connection.execute(f"{_WHOLE} ORDER BY seq DESC LIMIT 1").fetchall()

    def _raise_ceiling(self, ceiling: int) -> None:
        self._connection.execute("UPDATE numbers SET ceiling = ?", (ceiling,))
        self._ceiling = ceiling

    def _trim(self) -> None:
        """Let the oldest go in chunks, so that not every write has to."""
        surplus = self._rows - self._bounds.rows
        if surplus > 0:
            self._drop(surplus + self._bounds.rows // 20)
        while self._rows and self._used() > self._bounds.bytes:
            self._drop(self._rows // 10 + 1)

    def _drop(self, count: int) -> None:
        sql = "DELETE FROM events WHERE seq IN (SELECT seq FROM events ORDER BY seq LIMIT ?)"
        self._rows -= self._connection.execute(sql, (count,)).rowcount

    def _used(self) -> int:
        pages = int(self._one("PRAGMA page_count")) - int(self._one("PRAGMA freelist_count"))
        return pages * int(self._one("PRAGMA page_size"))

    def _one(self, sql: str) -> Any:
        return self._connection.execute(sql).fetchone()[0]

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # SQLite may have rolled back by itself
                self._connection.execute("ROLLBACK")
            raise


def page(path: Path, after: int, before: int, model: str | None, count: int) -> list[Row]:
    """The oldest `count` events with a number between the two, of `model` alone if given; from any thread.

    DamagedError or sqlite3.Error where they can't be read.
    """
    found = _asked(path, _WHOLE, "ORDER BY seq LIMIT ?", (after, before, model, model, count))
    return [as_row(line) for line in found]


def mark(path: Path, after: int, before: int, model: str | None, count: int) -> int:
    """The number after which the newest `count` such events come, `after` where there are fewer; errors as `page`."""
    given = (after, before, model, model, count - 1)
    found = _asked(path, "SELECT seq FROM events", "ORDER BY seq DESC LIMIT 1 OFFSET ?", given)
    return int(found[0][0]) - 1 if found else after


def set_aside(path: Path) -> Path:
    """Rename the file and what belongs to it to `….corrupt-<n>`, and return that name; OSError when it can't be."""
    known = asides(path)
    target = path.with_name(f"{path.name}.corrupt-{known[-1] + 1 if known else 1}")
    path.rename(target)
    for (
        side
    ) in _SIDES:  # after it: a log without its file is dropped by SQLite, a file without its log lacks events
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + side).rename(target.with_name(target.name + side))
    for number in known[: max(0, len(known) + 1 - KEPT_ASIDE)]:
        for side in ("", *_SIDES):
            path.with_name(f"{path.name}.corrupt-{number}{side}").unlink(missing_ok=True)
    return target


def asides(path: Path) -> list[int]:
    """The numbers of the files that were set aside and are still there, ascending."""
    names = (each.name.rpartition("-")[2] for each in path.parent.glob(f"{path.name}.corrupt-*"))
    return sorted(int(name) for name in names if name.isdecimal())


def as_line(row: Row) -> Line:
    """The row as it is stored; what can't be kept in full is cut, and says so. Never raises for plain data."""
    seq, at, type_, model, reason, message, data = row
    if len(message) > LONGEST:
        message = f"{message[:LONGEST]}… ({len(message)} characters)"
    try:
        figures = json.dumps(data, default=str, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        figures = json.dumps({"omitted": f"not JSON: {error}"})
    if len(figures) > LONGEST:
        figures = json.dumps({"omitted": f"{len(figures)} characters"})
    named = None if model is None else _text(model)
    return seq, at, _text(type_), named, _text(reason), _text(message), figures


def as_row(line: Line) -> Row:
    """The event that is stored as this line."""
    return (*line[:6], _figures(line[6]))


def _asked(path: Path, select: str, order: str, given: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    where = "WHERE seq > ? AND seq < ? AND (? IS NULL OR model = ?)"
    with _damage_told(_DAMAGE):
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", timeout=_BUSY, uri=True)
        with contextlib.closing(connection):
            return connection.execute(f"{select} {where} {order}", given).fetchall()


@contextlib.contextmanager
def _damage_told(damage: frozenset[int] = _DAMAGE_TO_A_WRITER) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in damage:
            raise DamagedError(str(error)) from None
        raise


def _figures(text: Any) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except (TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(text: str) -> str:
    return text.encode("utf-8", "replace").decode()  # names of files may hold what UTF-8 can't

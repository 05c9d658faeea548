"""A small blocking client of the supervisor's control socket.

Knows HTTP over a Unix socket and how refusals come back as errors. Refuses to know what the answers mean.
"""

import http.client
import json
import socket
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from zoosup.errors import (
    InvalidFileError,
    NoSuchHoldError,
    NoSuchModelError,
    UnreachableError,
    UsageError,
    ZoosupError,
)

ANSWER_WITHIN = 30.0
"""Seconds for a whole answer: looking at files before a plan may take some, models are never waited for."""

SILENCE = 60.0
"""Seconds without even a heartbeat after which a stream of events counts as broken; they come each 15."""

_ERRORS: Mapping[str, type[ZoosupError]] = {
    "model_not_found": NoSuchModelError,
    "hold_not_found": NoSuchHoldError,
    "invalid_file": InvalidFileError,
    "bad_request": UsageError,
    "starting": UnreachableError,
    "too_many_followers": UnreachableError,
}
_OK = 200
_CHUNK = 1 << 16

SHARED = Path("/tmp")  # noqa: S108 - where the substitute for a long path is; whose it is, is looked at


class Client:
    """Asks one supervisor. Every method raises UnreachableError when it does not answer."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def get(self, *steps: str, **query: object) -> Any:
        """GET an address, given in steps that may hold any character; its JSON."""
        return json.loads(self._whole("GET", _target(steps, query), None))

    def text(self, *steps: str, **query: object) -> bytes:
        """GET an address that answers with text."""
        return self._whole("GET", _target(steps, query), None)

    def post(self, *steps: str, body: bytes = b"", **query: object) -> Any:
        """POST to an address; its JSON."""
        return json.loads(self._whole("POST", _target(steps, query), body))

    def delete(self, *steps: str) -> Any:
        """DELETE an address; its JSON."""
        return json.loads(self._whole("DELETE", _target(steps, {}), None))

    def greet(self) -> None:
        """See that somebody listens, and ask nothing."""
        connection = _Connection(self.path, ANSWER_WITHIN)
        try:
            with _reaching(self.path):
                connection.connect()
        finally:
            connection.close()

    @contextmanager
    def stream(
        self, *steps: str, silence: float | None = SILENCE, **query: object
    ) -> Iterator[Iterator[bytes]]:
        """GET an address that may never end; yields its bytes as they come. `silence` None: it may say nothing."""
        connection = _Connection(self.path, ANSWER_WITHIN)
        try:
            with _reaching(self.path):
                answer = _asked(
                    connection, "GET", _target(steps, query), None, {"Accept": "text/event-stream"}
                )
                if answer.status != _OK:
                    raise _refusal(answer.status, answer.read())
                if connection.sock is not None:
                    connection.sock.settimeout(silence)
            yield self._chunks(answer)
        finally:
            connection.close()

    def _chunks(self, answer: http.client.HTTPResponse) -> Iterator[bytes]:
        with _reaching(self.path):
            while chunk := answer.read1(_CHUNK):
                yield chunk

    def _whole(self, method: str, target: str, body: bytes | None) -> bytes:
        connection = _Connection(self.path, ANSWER_WITHIN)
        try:
            with _reaching(self.path):
                answer = _asked(connection, method, target, body, {})
                content = answer.read()
        finally:
            connection.close()
        if answer.status != _OK:
            raise _refusal(answer.status, content)
        return content


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("zoosup", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        _check_directory(self._path.parent)
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _check_directory(directory: Path) -> None:
    """Send nothing to a socket that a stranger may have put where zoosup's is looked for.

    Only the substitute for a path that is too long lies where anybody may make a directory; its name says whose it is.
    """
    if directory.parent != SHARED or not directory.name.startswith("zoosup-"):
        return
    status = directory.lstat()
    ours = stat.S_ISDIR(status.st_mode) and str(status.st_uid) == directory.name.removeprefix("zoosup-")
    if not ours or status.st_mode & 0o022:
        raise UnreachableError(
            f"{directory} is not the user's own directory: nothing is sent to a socket in it"
        )


def _asked(
    connection: _Connection, method: str, target: str, body: bytes | None, headers: Mapping[str, str]
) -> http.client.HTTPResponse:
    connection.request(method, target, body=body, headers=dict(headers))
    return connection.getresponse()


def _target(steps: tuple[str, ...], query: Mapping[str, object]) -> str:
    asked = {name: value for name, value in query.items() if value is not None}
    path = "".join(f"/{quote(step, safe='')}" for step in steps)
    return f"{path}?{urlencode(asked)}" if asked else path


@contextmanager
def _reaching(path: Path) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, ConnectionRefusedError):
        hint = "start one with `zoosup run`, or name another with --instance or --state-dir"
        raise UnreachableError(f"no supervisor answers on {path}; {hint}") from None
    except PermissionError:
        raise UnreachableError(f"{path} belongs to another user; ask as that user or as root") from None
    except TimeoutError:
        raise UnreachableError(f"the supervisor on {path} did not answer in time") from None
    except (OSError, http.client.HTTPException) as error:
        raise UnreachableError(f"lost the supervisor on {path}: {error or type(error).__name__}") from None


def _refusal(status: int, content: bytes) -> ZoosupError:
    try:
        error = json.loads(content)["error"]
        return _ERRORS.get(error["code"], ZoosupError)(error["message"])
    except (ValueError, KeyError, TypeError):
        return ZoosupError(f"the supervisor answered with status {status}: {content[:200]!r}")

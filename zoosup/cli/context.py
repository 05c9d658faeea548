"""What most commands begin with: the settings of the command line, the client for them, and JSON for programs.

Knows no command.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoosup.cli.client import Client
from zoosup.errors import InvalidFileError, NoSuchModelError

if TYPE_CHECKING:
    from zoosup.supervisor.settings import Settings


def settings(given: argparse.Namespace) -> "Settings":
    """The settings, those of the command line before all others."""
    from zoosup.supervisor.settings import Settings, load  # noqa: PLC0415 - pydantic-settings is most of a short command's time

    return load(**{name: getattr(given, name, None) for name in Settings.model_fields})


def client(given: argparse.Namespace) -> Client:
    """A client of the supervisor that the command line names."""
    return Client(settings(given).control_socket)


def print_json(value: Any) -> None:
    """One document: indented on a terminal, one line in a pipe."""
    indent = 2 if sys.stdout.isatty() else None
    print(json.dumps(value, indent=indent, ensure_ascii=False), flush=True)


def read_file(path: Path) -> bytes:
    """zoo.yaml as it is on disk; InvalidFileError says why it can't be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidFileError(f"{path}: {error.strerror or error}") from None


def read_whole(path: Path) -> str:
    """zoo.yaml as it is on disk, the files that it includes behind it; InvalidFileError says what can't be read."""
    from zoosup.spec.parse import decode  # noqa: PLC0415 - pydantic, which most commands do without

    return with_included(path, decode(read_file(path), path=str(path)))


def with_included(path: Path, text: str) -> str:
    """The text of a file with the files that it includes behind it."""
    from zoosup.host.config.fragments import whole  # noqa: PLC0415 - as above
    from zoosup.host.config.text_file import UnreadableError  # noqa: PLC0415

    try:
        return whole(path, text)
    except UnreadableError as error:
        raise InvalidFileError(str(error)) from None


def environment() -> dict[str, str]:
    """What `${env.NAME}` in zoo.yaml stands for."""
    return dict(os.environ)


def require(names: Iterable[str], known: Iterable[str], where: str) -> None:
    """Raise NoSuchModelError for the first of `names` that is not known, with a guess or what there is."""
    listed = list(known)
    for name in names:
        if name not in listed:
            near = get_close_matches(name, listed, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(listed) or 'none'}"
            raise NoSuchModelError(f"no model {name!r} in {where}; {hint}")

"""`zoosup use`: rewrites `active` in the file; the supervisor follows the file as it always does."""

import argparse
import os
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from zoosup.cli.client import Client
from zoosup.cli.context import client, environment, read_file, require, settings, with_included
from zoosup.errors import ExitCode, InvalidFileError, UnreachableError, ZoosupError


def use(given: argparse.Namespace) -> int:
    """Make `active` these models, then let those that were stopped by hand run again."""
    from zoosup.spec.edit import set_active  # noqa: PLC0415 - yaml and pydantic, which most commands do without
    from zoosup.spec.parse import decode, parse  # noqa: PLC0415

    names = list(dict.fromkeys(given.models))
    path = Path(given.file) if given.file else _followed(given) or settings(given).zoo_file()
    before = decode(read_file(path), path=str(path))
    spec = parse(with_included(path, before), path=str(path), environ=environment())
    elsewhere = [name for name in names if name in spec.externals]
    if elsewhere:
        raise ZoosupError(f"{elsewhere[0]} is a server elsewhere, which zoosup does not start")
    require(names, spec.models, str(path))
    after = set_active(before, names)
    parse(with_included(path, after), path=str(path), environ=environment())
    if after != before:
        replace(path, after.encode())
    print(f"{path}: active: {', '.join(names)}" + " (as before)" * (after == before))
    with suppress(UnreachableError):  # then whoever starts it next will read the file
        _tell(client(given), path, names)
    return ExitCode.DONE


def _followed(given: argparse.Namespace) -> Path | None:
    """The file that a running supervisor follows; None where none runs, or a file was named for this command line."""
    if os.environ.get("ZOOSUP_FILE"):
        return None
    try:
        return Path(client(given).get("status")["config"]["path"])
    except UnreachableError:
        return None


def replace(path: Path, content: bytes) -> None:
    """Exchange a file's content in one step, keeping its mode, its owner and the links that lead to it.

    ZoosupError says what stands in the way; the file is then as it was.
    """
    target = path.resolve()
    try:
        status = target.stat()
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise ZoosupError(f"{target} can't be rewritten: {error.strerror or error}") from None
    beside = Path(name)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - opened by descriptor
            file.write(content)
            file.flush()
            _same_owner(file.fileno(), status)
            os.fchmod(file.fileno(), stat.S_IMODE(status.st_mode))
            os.fsync(file.fileno())
        beside.replace(target)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ZoosupError(f"{target} can't be rewritten: {error.strerror or error}") from None


def _same_owner(descriptor: int, status: os.stat_result) -> None:
    mine = os.fstat(descriptor)
    if (mine.st_uid, mine.st_gid) != (status.st_uid, status.st_gid):
        os.fchown(descriptor, status.st_uid, status.st_gid)


def _tell(asked: Client, path: Path, names: list[str]) -> None:
    snapshot = asked.get("status")
    followed = Path(snapshot["config"]["path"])
    if followed.resolve() != path.resolve():
        print(f"zoosup: the supervisor follows {followed}, not {path}", file=sys.stderr)
        return
    # At once, so that a `zoosup wait` behind this one waits for these models and not for those before.
    if error := asked.post("reload")["error"]:
        raise InvalidFileError(error)
    for name in names:
        if snapshot["models"].get(name, {}).get("override") == "stop":
            asked.post("models", name, "start")
            print(f"{name} was stopped by hand and is started")

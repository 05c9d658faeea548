"""`zoosup check`: everything that is wrong with a file, and where."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from zoosup.cli.context import environment, print_json, read_file, settings
from zoosup.errors import ExitCode, InvalidFileError

if TYPE_CHECKING:
    from zoosup.spec.model.zoo import ZooSpec


def check(given: argparse.Namespace) -> int:
    """Read the file and say everything that is wrong with it."""
    path = Path(given.file) if given.file else settings(given).zoo_file()
    try:
        spec = read(path)
    except InvalidFileError as error:
        if not given.json:
            raise
        print_json({"ok": False, "file": str(path), "problems": _problems(error, path)})
        return error.exit_code
    if given.json:
        models, active = list(spec.models), list(spec.active)
        print_json({"ok": True, "file": str(path), "models": models, "active": active, "problems": []})
    else:
        count = f"{len(spec.models)} model{'s' * (len(spec.models) != 1)}"
        print(f"ok: {count}, active: {', '.join(spec.active) or 'none'}")
    return ExitCode.DONE


def read(path: Path) -> "ZooSpec":
    """Read a zoo.yaml; InvalidFileError holds every problem."""
    from zoosup.spec.parse import decode, parse  # noqa: PLC0415 - pydantic, which most commands do without

    name = str(path)
    return parse(decode(read_file(path), path=name), path=name, environ=environment())


def _problems(error: InvalidFileError, path: Path) -> list[dict[str, object]]:
    from zoosup.spec.syntax.problems import SpecError  # noqa: PLC0415 - as above

    if isinstance(error, SpecError):
        return [asdict(problem) for problem in error.problems]
    return [
        {
            "file": str(path),
            "line": 1,
            "column": 1,
            "path": "",
            "what": str(error),
            "expected": "a readable file",
        }
    ]

"""`zoosup import`: another program's files as a zoo.yaml, and what of them could not be carried over.

Reads files and looks at this host; what the files mean stands in `zoosup.importing`. Touches nothing that runs, and
starts a model only to measure it.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import TextIO

from zoosup.cli.commands.changing.use import replace
from zoosup.cli.context import read_file
from zoosup.cli.light_imports import lightly
from zoosup.errors import ExitCode, InvalidFileError, ZoosupError
from zoosup.importing.checked import written
from zoosup.importing.draft import Draft, Host
from zoosup.importing.eternal_zoo.folder import Folder, import_folder
from zoosup.importing.eternal_zoo.yaml_file import import_yaml
from zoosup.importing.llama_swap.whole import Given, import_llama_swap
from zoosup.importing.presets.models_ini import import_presets
from zoosup.importing.report import Origin, Report

_ETERNAL_ZOO = "~/.eternal-zoo/models"
_DEPTH = 3
_SHARE = 3, 4
"""Of the budget: what a model counts for of which nothing is known. All of it is never free; two of these never fit."""


def import_files(given: argparse.Namespace) -> int:
    """Write the file, say what it lacks; 1 with --strict where it lacks anything."""
    if given.output is not None and not given.force and Path(given.output).exists():
        raise _exists(Path(given.output))  # before minutes of measuring
    report = Report()
    draft = _draft(given, report)
    if not draft.models:
        report.add(Origin(given.files[0], 0), f"no model stands there: is it of {given.source}?")
    text = written(draft, report)
    if given.measure:
        from zoosup.cli.commands.files.measuring import measure  # noqa: PLC0415 - only where models are run

        measure(draft, report)
        text = written(draft, report)
    if given.output is None:
        print(text, end="")
    else:
        save(Path(given.output), text, force=given.force)
    for remark in report.remarks:
        print(remark, file=sys.stderr)
    if report.remarks:
        count = len(report.remarks)
        print(f"{count} thing{'s' * (count != 1)} to look at", file=sys.stderr)
    return ExitCode.FAILED if given.strict and report.remarks else ExitCode.DONE


def _draft(given: argparse.Namespace, report: Report) -> Draft:
    first = Path(given.files[0])
    if given.source == "llama-swap":
        files = [Given(each, _text(Path(each)), _directory(Path(each))) for each in given.files]
        return import_llama_swap(files, report, _host())
    if given.source == "llama.cpp":
        return import_presets(_text(first), str(first), _directory(first), report)
    if first.is_dir():
        return import_folder(_folder(first), str(first).rstrip("/"), report)
    usual = Path(os.environ.get("ETERNAL_ZOO_MODEL_DIR") or Path(_ETERNAL_ZOO).expanduser())
    return import_yaml(_text(first), str(first), _folder(usual), report)


def _text(path: Path) -> str:
    try:
        return read_file(path).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidFileError(f"{path}: is no UTF-8 text") from None


def _directory(path: Path) -> str:
    return str(path.absolute().parent)


def _folder(path: Path) -> Folder:
    """What is in the models' directory; nothing where there is none."""
    there: set[str] = set()
    texts: dict[str, str] = {}
    base = path.absolute()
    for directory, folders, files in os.walk(base):
        inside = Path(directory).relative_to(base)
        folders[:] = sorted(folders) if len(inside.parts) < _DEPTH else []
        there |= {(inside / each).as_posix() for each in (*folders, *files)}
        for file in files:
            if file == "metadata.json" or (not inside.parts and file.endswith(".json")):
                texts[(inside / file).as_posix()] = _text(Path(directory) / file)
    return Folder(str(base), frozenset(there), texts)


def _host() -> Host:
    """What models of which nothing is known have to count for."""
    with lightly():
        from zoosup.supervisor.offline import budgets_offline  # noqa: PLC0415 - all of zoosup

    ram, vram = budgets_offline()
    return Host(_share(ram), _share(vram))


def _share(budget: int | None) -> int | None:
    """In whole GiB, so that it is the same from run to run."""
    return None if budget is None else max(1, budget * _SHARE[0] // _SHARE[1] // 2**30) * 2**30


def save(path: Path, text: str, *, force: bool) -> None:
    """Write a file; only with `force` over one that is there. What can't be written leaves all as it was."""
    if force and path.is_file():
        replace(path, text.encode())
        return
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            _fill(file, text)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise ZoosupError(f"{path} can't be written: {error.strerror or error}") from None


def _fill(file: TextIO, text: str) -> None:
    try:
        file.write(text)
        file.flush()
        if Path(file.name).is_file():
            os.fsync(file.fileno())
    except OSError:
        if Path(file.name).is_file():
            Path(file.name).unlink()
        raise


def _exists(path: Path) -> ZoosupError:
    return ZoosupError(f"{path} exists; --force replaces it")

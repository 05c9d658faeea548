"""`zoosup check`: everything that is wrong with files, and where."""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoosup.cli import weights
from zoosup.cli.context import environment, print_json, read_whole, settings, with_included
from zoosup.errors import ExitCode, InvalidFileError

if TYPE_CHECKING:
    from zoosup.core.state.weights import Found
    from zoosup.spec.model.zoo import ZooSpec

STDIN = "-"


@dataclass
class _Checked:
    """One file: what is in it, or what is wrong with it."""

    path: str
    spec: "ZooSpec | None" = None
    problems: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""
    warned: str = ""

    @cached_property
    def weights(self) -> dict[str, tuple["Found", Mapping[str, str]]]:
        """By model where its weights are that it names by their origin, and why others are nowhere."""
        models = self.spec.models if self.spec is not None else {}
        return {name: weights.located(model) for name, model in models.items()}

    def as_data(self) -> dict[str, Any]:
        data: dict[str, Any] = {"ok": not self.error, "file": self.path}
        if self.spec is not None and not self.error:
            data |= {"models": [*self.spec.models, *self.spec.externals], "active": list(self.spec.active)}
            if located := {name: _paths(*found) for name, found in self.weights.items() if any(found)}:
                data["weights"] = located
        return data | {"problems": self.problems} | ({"warnings": self.warnings} if self.warnings else {})


def check(given: argparse.Namespace) -> int:
    """Read the files and say everything that is wrong with them; warnings alone are no failure."""
    paths = given.files or [str(settings(given).zoo_file())]
    checked = [_checked(path, allow_unset=given.allow_unset) for path in paths]
    if given.json:
        data = [each.as_data() for each in checked]
        print_json(data[0] if len(data) == 1 else data)
    else:
        for each in checked:
            _tell(each, several=len(checked) > 1)
    return ExitCode.INVALID_FILE if any(each.error for each in checked) else ExitCode.DONE


def _tell(each: _Checked, *, several: bool) -> None:
    for text in (each.warned, each.error):
        if text:
            print(text, file=sys.stderr)
    if each.spec is not None and not each.error:
        number = len(each.spec.models) + len(each.spec.externals)
        count = f"{number} model{'s' * (number != 1)}"
        name = f"{each.path}: " if several else ""
        print(f"{name}ok: {count}, active: {', '.join(each.spec.active) or 'none'}")
        for model, (found, missing) in each.weights.items():
            for word, there in found:
                print(f"{model}: {word} is {there.path}")
            for why in () if each.spec.models[model].fetch else missing.values():
                print(f"{model}: {why}", file=sys.stderr)


def _paths(found: "Found", missing: Mapping[str, str]) -> dict[str, str | None]:
    return {word: there.path for word, there in found} | dict.fromkeys(missing)


def _checked(path: str, *, allow_unset: bool) -> _Checked:
    from zoosup.core.sessions.words import unfit  # noqa: PLC0415 - pydantic, which most commands do without
    from zoosup.spec.lint.lint import lint  # noqa: PLC0415
    from zoosup.spec.parse import decode, parse  # noqa: PLC0415
    from zoosup.spec.syntax.templates import LenientEnvironment  # noqa: PLC0415

    name = "stdin" if path == STDIN else path
    found = _Checked(name)
    try:
        if path == STDIN:
            text = with_included(Path(name), decode(sys.stdin.buffer.read(), path=name))
        else:
            text = read_whole(Path(path))
        environ = LenientEnvironment(environment()) if allow_unset else environment()
        found.spec = parse(text, path=name, environ=environ)
    except InvalidFileError as error:
        found.error, found.problems = str(error), _problems(error, name)
        return found
    linted = lint(text, found.spec, path=name, unfit=unfit)
    missing = [] if allow_unset else _missing_key_file(found.spec, name)
    found.error = "\n".join([*map(str, linted.errors), *missing])
    found.warned = "\n".join(f"{each} (warning)" for each in linted.warnings)
    found.problems = [asdict(each) for each in linted.errors] + [_whole(each, name) for each in missing]
    found.warnings = [asdict(each) for each in linted.warnings]
    return found


def _missing_key_file(spec: "ZooSpec", name: str) -> list[str]:
    file = spec.gateway.api_key_file if spec.gateway else None
    if file is None or Path(file).is_file():
        return []
    return [f"{name}: gateway.api_key_file: {file} is missing, expected a file of keys, one a line"]


def read(path: Path) -> "ZooSpec":
    """Read a zoo.yaml; InvalidFileError holds every problem."""
    from zoosup.spec.parse import parse  # noqa: PLC0415 - pydantic, which most commands do without

    return parse(read_whole(path), path=str(path), environ=environment())


def _problems(error: InvalidFileError, name: str) -> list[dict[str, Any]]:
    from zoosup.spec.syntax.problems import SpecError  # noqa: PLC0415 - as above

    if isinstance(error, SpecError):
        return [asdict(problem) for problem in error.problems]
    return [_whole(str(error), name) | {"expected": "a readable file"}]


def _whole(what: str, name: str) -> dict[str, Any]:
    """A problem of the file as a whole."""
    return {"file": name, "line": 1, "column": 1, "path": "", "what": what, "expected": ""}

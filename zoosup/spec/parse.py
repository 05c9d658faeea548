"""zoo.yaml's text as a ZooSpec, or as every mistake in it.

Knows the order of the steps: YAML, vars, defaults, each model, what spans them. Refuses to read files and the
environment: both are handed in. It is all or nothing: a spec is never half a file.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar

from pydantic import ValidationError

from zoosup.spec.defaults import with_defaults
from zoosup.spec.model.base import SpecPart
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.values import MODEL_NAME_EXPECTED, MODEL_NAME_PATTERN
from zoosup.spec.model.zoo import ZooSpec
from zoosup.spec.names import check_names
from zoosup.spec.syntax.document import (
    MAX_NODES,
    NOTHING,
    Entry,
    YamlMapping,
    YamlNode,
    YamlScalar,
    YamlSequence,
    compose,
    names,
    plain,
)
from zoosup.spec.syntax.problems import Problems
from zoosup.spec.syntax.templates import Scope, TemplateError, render
from zoosup.spec.wording import Location, describe_node, did_you_mean, explain_error

HOST = "127.0.0.1"
"""Backends listen here and nowhere else: the gateway is the only door."""

MODEL_NAME = re.compile(MODEL_NAME_PATTERN.removesuffix("$"))

_P = TypeVar("_P", bound=SpecPart)


def spec_hash(text: str) -> str:
    """Give the SHA-256 of a file's text, in hexadecimal; one hash, one content."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def decode(data: bytes, *, path: str) -> str:
    """Read a file's bytes as UTF-8.

    Raises SpecError with the place of the first byte that isn't.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        place = before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1
        problems = Problems(path)
        problems.add(place, "", f"the byte 0x{data[error.start]:02X} is not UTF-8", "UTF-8 text")
        problems.check()
        raise


def parse(text: str, *, path: str, environ: Mapping[str, str]) -> ZooSpec:
    """Read zoo.yaml; `path` is the name by which problems call it, `environ` gives `${env.NAME}`.

    Raises SpecError with every problem, in the order of the file.
    """
    problems = Problems(path)
    root = compose(text, problems)
    if root is None:
        problems.check()
    if not isinstance(root, YamlMapping):
        _refuse_root(root, problems)
    spec = _Reader(problems, environ).spec(root)
    problems.check()
    return spec


def _refuse_root(root: YamlNode | None, problems: Problems) -> NoReturn:
    empty = root is None or (isinstance(root, YamlScalar) and root.value is None)
    what = "the file is empty" if root is None or empty else f"got {describe_node(root)}"
    expected = "a mapping with active and models; to empty the zoo write active: [] and models: {}"
    problems.add(root.place if root else (1, 1), "", what, expected)
    problems.check()
    raise AssertionError("internal error: a file without a mapping was accepted")


class _Reader:
    def __init__(self, problems: Problems, environ: Mapping[str, str]) -> None:
        self._problems = problems
        self._environ = environ

    def spec(self, root: YamlMapping) -> ZooSpec:
        sections = {key: entry for key, entry in root.entries.items() if not key.startswith("x-")}
        for key, empty in (("active", "[]"), ("models", "{}")):
            if key not in sections:
                self._problems.add(
                    root.place, key, "is missing", f"this key always; for none write {key}: {empty}"
                )
        variables = self._variables(sections.get("vars"))
        scope = Scope(variables, self._environ)
        self._check_active(sections.get("active"), sections.get("models"))
        models = self._models(sections.pop("models", None), sections.pop("defaults", None), scope)
        top = YamlMapping(root.start, root.end, entries=sections)
        data = plain(top) | ({"active": names(sections["active"].value)} if "active" in sections else {})
        if isinstance(data.get("vars"), dict):
            data["vars"] |= variables
        spec = self._validated(ZooSpec, data, Location(top, root.place, ()), scope)
        return (spec or ZooSpec()).model_copy(update={"models": models})

    def _variables(self, entry: Entry | None) -> dict[str, str]:
        """Fill in the texts of `vars`, each with those above it; one that fails is empty, to fail once."""
        variables: dict[str, str] = {}
        scope = Scope(variables, self._environ)
        if entry is None or not isinstance(entry.value, YamlMapping):
            return variables
        for name, variable in entry.value.entries.items():
            if isinstance(variable.value, YamlScalar) and isinstance(variable.value.value, str):
                variables[name] = ""
                try:
                    variables[name] = render(scope.expand(variable.value.text), {})
                except TemplateError as error:
                    self._problems.add(
                        variable.value.place, f"vars.{name}", str(error), "env.NAME or a name above"
                    )
        return variables

    def _models(self, entry: Entry | None, defaults: Entry | None, scope: Scope) -> dict[str, ModelSpec]:
        inherited = self._defaults(defaults, scope)
        if entry is None:
            return {}
        if not isinstance(entry.value, YamlMapping):
            what = f"got {describe_node(entry.value)}"
            self._problems.add(entry.value.place, "models", what, "a mapping of names to models; {} for none")
            return {}
        if entry.value.size + inherited.size * len(entry.value.entries) > MAX_NODES:
            what = f"more than {MAX_NODES} values once defaults are in every model"
            self._problems.add(entry.key.place, "models", what, "fewer")
            return {}
        models = {
            name: self._model(name, model, inherited, scope) for name, model in entry.value.entries.items()
        }
        check_names(entry.value, inherited, models, self._problems)
        return {name: model for name, model in models.items() if model is not None}

    def _defaults(self, entry: Entry | None, scope: Scope) -> YamlNode:
        """Check `defaults` by themselves too: there may be no model, or each may have its own value."""
        if entry is None or not isinstance(entry.value, YamlMapping):
            if entry is not None:
                self._problems.add(
                    entry.value.place, "defaults", f"got {describe_node(entry.value)}", "a mapping"
                )
            return NOTHING
        data = {"command": ["true"]} | plain(entry.value)
        at = Location(entry.value, entry.key.place, ("defaults",))
        self._validated(ModelSpec, data, at, scope.inside({"HOST": HOST, "MODEL_ID": ""}), partial=True)
        return entry.value

    def _model(self, name: str, entry: Entry, inherited: YamlNode, scope: Scope) -> ModelSpec | None:
        if not MODEL_NAME.fullmatch(name):
            self._problems.add(
                entry.key.place, f"models.{name}", "is no name for a model", MODEL_NAME_EXPECTED
            )
        node = with_defaults(inherited, entry.value)
        at = Location(node, entry.key.place, ("models", name))
        data = plain(node)
        if isinstance(node, YamlMapping) and "aliases" in node.entries:
            data["aliases"] = names(node.entries["aliases"].value)
        return self._validated(ModelSpec, data, at, scope.inside({"HOST": HOST, "MODEL_ID": name}))

    def _check_active(self, active: Entry | None, models: Entry | None) -> None:
        if active is None or models is None or not isinstance(models.value, YamlMapping):
            return
        several = isinstance(active.value, YamlSequence)
        seen: set[str] = set()
        for at, item in enumerate(
            active.value.items if isinstance(active.value, YamlSequence) else [active.value]
        ):
            if not isinstance(item, YamlScalar) or item.value is None:
                continue
            path = f"active.{at}" if several else "active"
            if item.text in seen:
                self._problems.add(item.place, path, f"names {item.text} a second time", "each name once")
            elif item.text not in models.value.entries:
                what = f"{item.text} is no model of this file{did_you_mean(item.text, models.value.entries)}"
                self._problems.add(item.place, path, what, "a name that stands under models")
            seen.add(item.text)

    def _validated(
        self, kind: type[_P], data: Any, at: Location, scope: Scope, *, partial: bool = False
    ) -> _P | None:
        try:
            return kind.model_validate(data, context=scope)
        except ValidationError as error:
            for detail in error.errors(include_url=False, include_input=False):
                if not (partial and detail["type"] in {"missing", "clash"}):
                    place, path, what, expected = explain_error(kind, at, detail)
                    self._problems.add(place, ".".join(path), what, expected)
        return None

"""zoo.yaml's text as a ZooSpec, or as every mistake in it.

Knows the order of the steps: YAML, vars, defaults, each model, what spans them. Refuses to read files and the
environment: both are handed in. It is all or nothing: a spec is never half a file.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from pydantic import ValidationError

from zoosup.spec.checks.gateway_names import check_gateway
from zoosup.spec.checks.names import NamedModels, check_names, check_spans
from zoosup.spec.checks.served_by import misplaced, served_by, without_process
from zoosup.spec.defaults import with_defaults
from zoosup.spec.fragments import KEYS, Fragment, file_of, split
from zoosup.spec.model.base import SpecPart
from zoosup.spec.model.external import ExternalModelSpec
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.process.short_forms.base import HOST
from zoosup.spec.model.values.kinds import MODEL_NAME_EXPECTED, MODEL_NAME_PATTERN
from zoosup.spec.model.zoo import ZooSpec
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

    The text may have fragments behind it (`fragments.join`). Raises SpecError with every problem, file by file.
    """
    problems = Problems(path)
    main, fragments = split(text)
    root = compose(main, problems)
    if root is None:
        problems.check()
    if not isinstance(root, YamlMapping):
        _refuse_root(root, problems)
    parts = [_Part.of(each, path, environ, problems) for each in fragments]
    spec = _Reader(problems, environ).spec(root, [part for part in parts if part is not None])
    problems.check()
    return spec


def _refuse_root(root: YamlNode | None, problems: Problems) -> NoReturn:
    empty = root is None or (isinstance(root, YamlScalar) and root.value is None)
    what = "the file is empty" if root is None or empty else f"got {describe_node(root)}"
    expected = "a mapping with active and models; to empty the zoo write active: [] and models: {}"
    problems.add(root.place if root else (1, 1), "", what, expected)
    problems.check()
    raise AssertionError("internal error: a file without a mapping was accepted")


@dataclass(frozen=True, slots=True)
class _Part:
    """A fragment: its root, and a reader whose problems stand in it."""

    root: YamlMapping
    reader: "_Reader"

    @classmethod
    def of(
        cls, fragment: Fragment, path: str, environ: Mapping[str, str], problems: Problems
    ) -> "_Part | None":
        """Read it; None where nothing is in it, or it is no fragment, which is then among the problems."""
        here = problems.of(file_of(path, fragment.name))
        root = compose(fragment.text, here)
        if isinstance(root, YamlMapping):
            for key, entry in root.entries.items():
                if key not in KEYS and not key.startswith("x-"):
                    here.add(
                        entry.key.place,
                        key,
                        "can't stand in a file that is included",
                        f"one of {', '.join(KEYS)}",
                    )
            return cls(root, _Reader(here, environ))
        if root is not None and not (isinstance(root, YamlScalar) and root.value is None):
            here.add(root.place, "", f"got {describe_node(root)}", f"a mapping with {', '.join(KEYS)}")
        return None


class _Reader:
    def __init__(self, problems: Problems, environ: Mapping[str, str]) -> None:
        self._problems = problems
        self._environ = environ

    def spec(self, root: YamlMapping, parts: Sequence[_Part]) -> ZooSpec:
        sections = {key: entry for key, entry in root.entries.items() if not key.startswith("x-")}
        self._refuse_apart(sections)
        for key, empty in (("active", "[]"), ("models", "{}")):
            if key not in sections:
                self._problems.add(
                    root.place, key, "is missing", f"this key always; for none write {key}: {empty}"
                )
        variables = self._variables(sections.get("vars"))
        scope = Scope(variables, self._environ)
        found = [each for part in parts if (each := part.reader.part(part.root)) is not None]
        own = self._models(sections.get("models"), sections.pop("defaults", None), scope)
        named = [own, *found] if own is not None else found
        self._check_active(sections.get("active"), sections.pop("models", None), named)
        written = check_names(named)
        check_spans(named, in_fleet="fleet" in sections)
        models = {name: model for each in named for name, model in each.read.items() if model is not None}
        top = YamlMapping(root.start, root.end, entries=sections)
        data = plain(top) | ({"active": names(sections["active"].value)} if "active" in sections else {})
        if isinstance(data.get("vars"), dict):
            data["vars"] |= variables
        read = self._validated(ZooSpec, data, Location(top, root.place, ()), scope) or ZooSpec()
        ours = {name: model for name, model in models.items() if isinstance(model, ModelSpec)}
        others = {name: model for name, model in models.items() if isinstance(model, ExternalModelSpec)}
        spec = read.model_copy(update={"models": ours, "externals": others})
        check_gateway(spec, Location(top, root.place, ()).step("gateway"), written, self._problems)
        return spec

    def _refuse_apart(self, sections: dict[str, Entry]) -> None:
        """What the data has and the file has not."""
        for key in ZooSpec.apart:
            if key in sections:
                place = sections.pop(key).key.place
                self._problems.add(place, key, "unknown key", "models with `external` under models")

    def part(self, root: YamlMapping) -> NamedModels | None:
        """The models of a fragment; `vars` and `defaults` of its own hold for it alone."""
        scope = Scope(self._variables(root.entries.get("vars")), self._environ)
        return self._models(root.entries.get("models"), root.entries.get("defaults"), scope)

    def _variables(self, entry: Entry | None) -> dict[str, str]:
        """Fill in the texts of `vars`, each with those above it; one that fails is empty, to fail once."""
        variables: dict[str, str] = {}
        scope = Scope(variables, self._environ)
        if entry is None or not isinstance(entry.value, YamlMapping):
            return variables
        for name, variable in entry.value.entries.items():
            if isinstance(variable.value, YamlScalar) and isinstance(variable.value.value, str):
                try:
                    variables[name] = render(scope.expand(variable.value.text), {})
                except TemplateError as error:
                    variables[name] = ""
                    self._problems.add(
                        variable.value.place, f"vars.{name}", str(error), "env.NAME or a name above"
                    )
        return variables

    def _models(self, entry: Entry | None, defaults: Entry | None, scope: Scope) -> NamedModels | None:
        inherited = self._defaults(defaults, scope)
        if entry is None:
            return None
        if not isinstance(entry.value, YamlMapping):
            what = f"got {describe_node(entry.value)}"
            self._problems.add(entry.value.place, "models", what, "a mapping of names to models; {} for none")
            return None
        if entry.value.size + inherited.size * len(entry.value.entries) > MAX_NODES:
            what = f"more than {MAX_NODES} values once defaults are in every model"
            self._problems.add(entry.key.place, "models", what, "fewer")
            return None
        models = {
            name: self._model(name, model, inherited, scope) for name, model in entry.value.entries.items()
        }
        return NamedModels(entry.value, inherited, models, self._problems)

    def _defaults(self, entry: Entry | None, scope: Scope) -> YamlNode:
        """Check `defaults` by themselves too: there may be no model, or each may have its own value."""
        if entry is None or not isinstance(entry.value, YamlMapping):
            if entry is not None:
                self._problems.add(
                    entry.value.place, "defaults", f"got {describe_node(entry.value)}", "a mapping"
                )
            return NOTHING
        data = plain(entry.value)
        at = Location(entry.value, entry.key.place, ("defaults",))
        self._validated(ModelSpec, data, at, _inside(scope, "", data), partial=True)
        return entry.value

    def _model(
        self, name: str, entry: Entry, inherited: YamlNode, scope: Scope
    ) -> ModelSpec | ExternalModelSpec | None:
        if not MODEL_NAME.fullmatch(name):
            self._problems.add(
                entry.key.place, f"models.{name}", "is no name for a model", MODEL_NAME_EXPECTED
            )
        kind: type[ModelSpec | ExternalModelSpec] = ModelSpec
        if served_by(entry.value)[:1] == ["external"]:
            kind, inherited = ExternalModelSpec, without_process(inherited)
        node = with_defaults(inherited, entry.value)
        at = Location(node, entry.key.place, ("models", name))
        data = plain(node)
        if isinstance(node, YamlMapping):
            for key in misplaced(node, at, self._problems):
                del data[key]
            for key in ("aliases", "hosts"):
                if key in node.entries:
                    data[key] = names(node.entries[key].value)
        return self._validated(kind, data, at, _inside(scope, name, data))

    def _check_active(self, active: Entry | None, models: Entry | None, named: Sequence[NamedModels]) -> None:
        known = {name: entry.value for each in named for name, entry in each.models.entries.items()}
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
            elif item.text not in known:
                what = f"{item.text} is no model of this file{did_you_mean(item.text, sorted(known))}"
                self._problems.add(item.place, path, what, "a name that stands under models")
            elif served_by(known[item.text])[:1] == ["external"]:
                what = f"{item.text} is a server elsewhere, which zoosup does not start"
                self._problems.add(item.place, path, what, "a model of this host")
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


def _inside(scope: Scope, name: str, data: Any) -> Scope:
    """The scope of one model; of one that does not say `spans` rightly it is that of the others."""
    spans = isinstance(data, Mapping) and data.get("spans", 1) != 1
    return scope.inside({"HOST": HOST, "MODEL_ID": name}, spans=spans)

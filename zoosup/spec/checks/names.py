"""That a client's name leads to one model, and a model's name to one log.

Knows names, aliases, variants and the models of servers elsewhere, as they are once defaults and templates are in them;
and that several hosts are there for a model that takes them. Refuses to know any other field.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from zoosup.spec.model.external import ExternalModelSpec
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.syntax.document import Entry, Place, YamlMapping, YamlNode, YamlScalar, YamlSequence
from zoosup.spec.syntax.problems import Problems

Read = Mapping[str, ModelSpec | ExternalModelSpec | None]


@dataclass(frozen=True, slots=True)
class _Name:
    """One name besides the model's own, and where it stands: with the model, or in `defaults`."""

    name: str
    place: Place
    path: str
    kind: str
    inherited: bool

    @property
    def expected(self) -> str:
        """What should stand there instead."""
        return f"{self.kind} under the one model that they mean" if self.inherited else "each name once"


@dataclass(frozen=True, slots=True)
class NamedModels:
    """The models of one file, and its mistakes; `read` are those models as far as they could be read."""

    models: YamlMapping
    defaults: YamlNode
    read: Read
    problems: Problems


@dataclass(frozen=True, slots=True)
class _Known:
    """What a name is already, and the file and line in which."""

    what: str
    file: str
    line: int

    def seen_from(self, file: str) -> str:
        """The same, with its place where that is another file."""
        return self.what if file == self.file else f"{self.what} in {self.file}:{self.line}"


def check_spans(files: Sequence[NamedModels], *, in_fleet: bool) -> None:
    """Say of each model over several hosts that there is only one."""
    for file in files if not in_fleet else ():
        for name, model in file.read.items():
            if isinstance(model, ModelSpec) and model.spans > 1:
                what = f"takes {model.spans} hosts, and without fleet there is one"
                place = file.models.entries[name].key.place
                file.problems.add(place, f"models.{name}.spans", what, "fleet, or spans left out")


def check_names(files: Sequence[NamedModels]) -> frozenset[str]:
    """Say of each name that stands twice, in one file or in two; all names, also of models that could not be read."""
    known = dict[str, _Known]()
    _check_models(files, known)
    for file in files:
        _check_others(file, known)
    return frozenset(known)


def _check_models(files: Sequence[NamedModels], known: dict[str, _Known]) -> None:
    """Many file systems take names that differ in case for one, and so would clients that mistype."""
    cases = dict[str, _Known]()
    for file in files:
        here = file.problems.file
        for name, entry in file.models.entries.items():
            path, at = f"models.{name}", entry.key.place
            first = cases.setdefault(name.casefold(), _Known(name, here, at[0]))
            if name in known:
                twice = known[name]
                what = f"the model stands in {twice.file}:{twice.line} already"
                file.problems.add(at, path, what, "each name once")
            elif first.what != name:
                what = f"differs from {first.seen_from(here)} in upper and lower case alone"
                file.problems.add(at, path, what, "names that differ in more")
            known.setdefault(name, _Known("is the name of a model", here, at[0]))


def _check_others(file: NamedModels, known: dict[str, _Known]) -> None:
    said, here = set[str](), file.problems.file
    for model in file.models.entries:
        for each in _names(model, file.models, file.defaults, file.read.get(model)):
            if each.name not in known:
                known[each.name] = _Known(f"is {_AS[each.kind]} of {model}", here, each.place[0])
            elif not (each.inherited and each.path in said):
                said.add(each.path)
                also = f"is {_AS[each.kind]} of {model} too by this, and " if each.inherited else ""
                what = f"{also}{each.name} {known[each.name].seen_from(here)} already"
                path = f"defaults.{each.path}" if each.inherited else f"models.{model}.{each.path}"
                file.problems.add(each.place, path, what, each.expected)


_AS = {"aliases": "an alias", "variants": "a variant", "external.models": "a model"}


def _names(
    name: str, models: YamlMapping, defaults: YamlNode, read: ModelSpec | ExternalModelSpec | None
) -> Iterator[_Name]:
    model = models.entries[name].value
    if not isinstance(model, YamlMapping):
        return
    own = {name}
    for each in _aliases(model, defaults, read):
        own.add(each.name)
        yield each
    for node, inherited in ((model, False), (defaults, True)):
        for key, entry in _entries(node, "variants"):
            if not (inherited and key in dict(_entries(model, "variants"))):
                yield _Name(key, entry.key.place, f"variants.{key}", "variants", inherited)
    for key, place in _models_there(model):
        if key not in own:  # its own name may stand there too, to be given another one
            yield _Name(key, place, f"external.models.{key}", "external.models", inherited=False)


def _aliases(
    model: YamlMapping, defaults: YamlNode, read: ModelSpec | ExternalModelSpec | None
) -> Iterator[_Name]:
    inherited = "aliases" not in model.entries
    place = defaults if inherited else model
    entry = place.entries.get("aliases") if isinstance(place, YamlMapping) else None
    items = entry.value.items if entry is not None and isinstance(entry.value, YamlSequence) else ()
    filled = read.aliases if read is not None and len(read.aliases) == len(items) else None
    for at, item in enumerate(items):
        if isinstance(item, YamlScalar):
            text = filled[at] if filled is not None else item.text
            yield _Name(text, item.place, f"aliases.{at}", "aliases", inherited)


def _entries(node: YamlNode, *path: str) -> Iterator[tuple[str, Entry]]:
    """What stands in a mapping at a path."""
    for name in path:
        if not isinstance(node, YamlMapping) or name not in node.entries:
            return
        node = node.entries[name].value
    if isinstance(node, YamlMapping):
        yield from node.entries.items()


def _models_there(model: YamlMapping) -> Iterator[tuple[str, Place]]:
    """Names here for models of a server elsewhere, written as a mapping or as a list."""
    found = dict(_entries(model, "external")).get("models")
    if found is not None and isinstance(found.value, YamlMapping):
        yield from ((key, entry.key.place) for key, entry in found.value.entries.items())
    elif found is not None and isinstance(found.value, YamlSequence):
        yield from ((item.text, item.place) for item in found.value.items if isinstance(item, YamlScalar))

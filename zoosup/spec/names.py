"""That a client's name leads to one model, and a model's name to one log.

Knows names and aliases, as they are once defaults and templates are in them. Refuses to know any other field.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from zoosup.spec.model.model import ModelSpec
from zoosup.spec.syntax.document import YamlMapping, YamlNode, YamlScalar, YamlSequence
from zoosup.spec.syntax.problems import Problems


@dataclass(frozen=True, slots=True)
class _Alias:
    """One alias of one model, and where it stands: with the model, or in `defaults`."""

    name: str
    at: int
    node: YamlScalar
    inherited: bool


def check_names(
    models: YamlMapping, defaults: YamlNode, read: Mapping[str, ModelSpec | None], problems: Problems
) -> None:
    """Say of each name that stands twice; `read` are the models as far as they could be read."""
    _check_case(models, problems)
    known = dict.fromkeys(models.entries, "is the name of a model")
    said = set[int]()
    for model in models.entries:
        for alias in _aliases(model, models, defaults, read.get(model)):
            if alias.name not in known:
                known[alias.name] = f"is an alias of {model}"
            elif not alias.inherited:
                what = f"{alias.name} {known[alias.name]} already"
                problems.add(alias.node.place, f"models.{model}.aliases.{alias.at}", what, "each name once")
            elif alias.at not in said:
                said.add(alias.at)
                what = f"is an alias of {model} too by this, and {alias.name} {known[alias.name]} already"
                expected = "aliases under the one model that they mean"
                problems.add(alias.node.place, f"defaults.aliases.{alias.at}", what, expected)


def _check_case(models: YamlMapping, problems: Problems) -> None:
    """Many file systems take such names for one, and so would clients that mistype."""
    known = dict[str, str]()
    for name, entry in models.entries.items():
        first = known.setdefault(name.casefold(), name)
        if first != name:
            what = f"differs from {first} in upper and lower case alone"
            problems.add(entry.key.place, f"models.{name}", what, "names that differ in more")


def _aliases(name: str, models: YamlMapping, defaults: YamlNode, read: ModelSpec | None) -> Iterator[_Alias]:
    model = models.entries[name].value
    if not isinstance(model, YamlMapping):
        return
    inherited = "aliases" not in model.entries
    place = defaults if inherited else model
    entry = place.entries.get("aliases") if isinstance(place, YamlMapping) else None
    items = entry.value.items if entry is not None and isinstance(entry.value, YamlSequence) else ()
    filled = read.aliases if read is not None and len(read.aliases) == len(items) else None
    for at, item in enumerate(items):
        if isinstance(item, YamlScalar):
            yield _Alias(filled[at] if filled is not None else item.text, at, item, inherited)

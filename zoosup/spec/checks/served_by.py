"""Who serves a model, as its part of the file says: a command, a container, a short form, or a server elsewhere.

Knows what can't stand beside that. Refuses to know what the values of these keys mean.
"""

from zoosup.spec.defaults import SERVED_BY
from zoosup.spec.model.external import ExternalModelSpec
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.process.short_forms.chosen import SHORT_FORMS
from zoosup.spec.syntax.document import YamlMapping, YamlNode, YamlScalar
from zoosup.spec.syntax.problems import Problems
from zoosup.spec.wording import Location


def served_by(node: YamlNode) -> list[str]:
    """What a model itself says of who serves it; more than one is a mistake, and the first counts."""
    if not isinstance(node, YamlMapping):
        return []
    return [key for key, entry in node.entries.items() if key in SERVED_BY and not _is_nothing(entry.value)]


def misplaced(node: YamlMapping, at: Location, problems: Problems) -> list[str]:
    """Keys that can't stand beside what serves the model, once that is said."""
    ways = served_by(node)
    if not set(ways).isdisjoint(SHORT_FORMS):  # its words may be a container's
        ways = [way for way in ways if way != "container"]
    found = dict.fromkeys(ways[1:], f"stands beside {ways[0]}" if ways else "")
    expected = dict.fromkeys(ways[1:], f"one of {', '.join(SERVED_BY)}, which say who serves the model")
    if ways[:1] == ["external"]:
        for key in node.entries:
            if key not in (*found, *ExternalModelSpec.model_fields) and key in ModelSpec.model_fields:
                found[key] = "is about a process of zoosup's, and external is somebody else's server"
                expected[key] = "it left out"
    for key, what in found.items():
        problems.add(node.entries[key].key.place, ".".join((*at.path, key)), what, expected[key])
    return list(found)


def without_process(defaults: YamlNode) -> YamlNode:
    """What `defaults` say of a server elsewhere: nothing of processes, nor of how those are probed."""
    if not isinstance(defaults, YamlMapping):
        return defaults
    kept = ExternalModelSpec.model_fields.keys() - {"external", "ready"}
    entries = {key: entry for key, entry in defaults.entries.items() if key in kept}
    return YamlMapping(defaults.start, defaults.end, defaults.size, defaults.depth, entries=entries)


def _is_nothing(node: YamlNode) -> bool:
    return isinstance(node, YamlScalar) and node.value is None

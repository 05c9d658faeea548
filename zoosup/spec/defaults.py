"""How `defaults` become part of each model, with every value keeping its place in the file.

Knows that mappings are merged key by key and that a model's own key wins. Refuses to know what the fields
mean, but for one rule: where exactly one of several may stand (what a probe asks, what serves), choosing one drops the
inherited others. A short form and a container go together, so that an inherited container stays.
"""

from zoosup.spec.model.process.lifetime import PROBE_KINDS
from zoosup.spec.model.process.short_forms.chosen import SERVERS, SHORT_FORMS
from zoosup.spec.syntax.document import Entry, YamlMapping, YamlNode

SERVED_BY = (*SERVERS, "external")
"""What says who serves a model; exactly one of them does."""

_KINDS = {(): SERVED_BY, ("ready",): PROBE_KINDS, ("live",): PROBE_KINDS}


def with_defaults(defaults: YamlNode, own: YamlNode, path: tuple[str, ...] = ()) -> YamlNode:
    """Lay a model's node over the defaults; anything but two mappings is the model's alone."""
    if not (isinstance(defaults, YamlMapping) and isinstance(own, YamlMapping)):
        return own
    result = YamlMapping(own.start, own.end, own.size, own.depth)
    kinds = _KINDS.get(path, ())
    dropped = set[str]() if own.entries.keys().isdisjoint(kinds) else set(kinds)
    if not path and not own.entries.keys().isdisjoint(SHORT_FORMS):
        dropped.discard("container")
    for name, entry in defaults.entries.items():
        if name not in dropped:
            result.entries[name] = Entry(entry.key, entry.value, inherited=True)
    for name, entry in own.entries.items():
        inherited = defaults.entries.get(name)
        value = with_defaults(inherited.value, entry.value, (*path, name)) if inherited else entry.value
        result.entries[name] = Entry(entry.key, value)
    return result

"""How `defaults` become part of each model, with every value keeping its place in the file.

Knows that mappings are merged key by key and that a model's own key wins. Refuses to know what the fields
mean, but for one rule: a probe is http, tcp or exec, so that choosing one drops the inherited others.
"""

from zoosup.spec.model.lifetime import PROBE_KINDS
from zoosup.spec.syntax.document import Entry, YamlMapping, YamlNode

_PROBES = frozenset({("ready",), ("live",)})


def with_defaults(defaults: YamlNode, own: YamlNode, path: tuple[str, ...] = ()) -> YamlNode:
    """Lay a model's node over the defaults; anything but two mappings is the model's alone."""
    if not (isinstance(defaults, YamlMapping) and isinstance(own, YamlMapping)):
        return own
    result = YamlMapping(own.start, own.end, own.size, own.depth)
    dropped = PROBE_KINDS if path in _PROBES and not own.entries.keys().isdisjoint(PROBE_KINDS) else ()
    for name, entry in defaults.entries.items():
        if name not in dropped:
            result.entries[name] = Entry(entry.key, entry.value, inherited=True)
    for name, entry in own.entries.items():
        inherited = defaults.entries.get(name)
        value = with_defaults(inherited.value, entry.value, (*path, name)) if inherited else entry.value
        result.entries[name] = Entry(entry.key, value)
    return result

"""How a refusal by the models is told: the place in the file, the path, what was found and what was expected.

Knows pydantic's error details and the nodes of the document. Never shows the values of places for secrets.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic_core import ErrorDetails

from zoosup.spec.changes import part_of
from zoosup.spec.model.base import SpecPart
from zoosup.spec.syntax.document import Place, YamlMapping, YamlNode, YamlScalar, YamlSequence

_PRIVATE = frozenset(
    {"env", "vars", "command", "args", "options", "exec", "token", "api_keys", "upstream_headers"}
)
_SECRET = re.compile(r"key|token|password|secret", re.IGNORECASE)
_NO_MAPPING = frozenset({"model_type", "model_attributes_type", "dict_type", "mapping_type"})
_LONGEST = 40


@dataclass(frozen=True, slots=True)
class Location:
    """A node, the place of the key that leads to it, and its path in the document."""

    node: YamlNode
    key: Place
    path: tuple[str, ...]

    def step(self, name: int | str) -> "Location":
        """Go one step down; a step the document doesn't have, such as a union's tag, leads nowhere."""
        if isinstance(self.node, YamlMapping) and name in self.node.entries:
            entry = self.node.entries[str(name)]
            path = ("defaults", *self.path[2:]) if entry.inherited else self.path
            return Location(entry.value, entry.key.place, (*path, str(name)))
        if isinstance(self.node, YamlSequence) and isinstance(name, int) and name < len(self.node.items):
            return Location(self.node.items[name], self.node.items[name].place, (*self.path, str(name)))
        return self


def explain_error(
    kind: type[SpecPart], at: Location, detail: ErrorDetails
) -> tuple[Place, tuple[str, ...], str, str]:
    """Tell one error of a part that stands at `at`: place, path, what, expected."""
    context: dict[str, Any] = detail.get("ctx", {})
    steps = detail["loc"]
    for step in steps:
        kind = _field_part(kind, step) or kind
        at = at.step(step)
    match detail["type"]:
        case "expected":
            return at.node.place, at.path, f"got {describe_node(at.node, at.path)}", context["expected"]
        case "wrong":
            return at.node.place, at.path, context["what"], context["expected"]
        case "clash":
            return at.key, at.path, context["what"], context["expected"]
        case "missing":
            return at.key, (*at.path, str(steps[-1])), "is missing", _described(kind, str(steps[-1]))
        case "extra_forbidden":
            known = [*(name for name in kind.model_fields if name not in kind.apart), *kind.also]
            return at.key, at.path, f"unknown key{_meant(str(steps[-1]), known)}", _one_of(known)
        case other:
            expected = "a mapping" if other in _NO_MAPPING else detail["msg"]
            return at.node.place, at.path, f"got {describe_node(at.node, at.path)}", expected


def _field_part(kind: type[SpecPart], step: int | str) -> type[SpecPart] | None:
    field = kind.model_fields.get(str(step))
    return part_of(field.annotation) if field else None


def _one_of(known: list[str]) -> str:
    return f"one of {', '.join(known)}" if len(known) > 1 else known[0]


def _described(kind: type[SpecPart], name: str) -> str:
    text = (kind.model_fields[name].description or "").partition(".")[0]
    return text[:1].lower() + text[1:]


def describe_node(node: YamlNode, path: tuple[str, ...] = ()) -> str:
    """Show a node in a few words; of a place where secrets stand only what kind of value it is."""
    if isinstance(node, YamlSequence):
        return "a list"
    if not isinstance(node, YamlScalar):
        return "a mapping"
    if node.value is None:
        return "nothing"
    if not _PRIVATE.isdisjoint(path) or _SECRET.search(node.text + " ".join(path[2:])):
        return "a string" if isinstance(node.value, str) else "a number or a truth value"
    text = node.text if len(node.text) <= _LONGEST else node.text[:_LONGEST] + "…"
    return repr(text) if node.style or not text.isprintable() else text


_OTHER_WORDS = {
    "cmd": "command",
    "args": "command",
    "environment": "env",
    "workdir": "cwd",
    "working_dir": "cwd",
    "ttl": "idle_timeout",
    "ram": "memory",
    "vram": "memory",
    "gpu": "gpus",
    "alias": "aliases",
    "healthcheck": "ready",
    "health": "ready",
}
"""What people write, and other programs call it, for words that are not near."""

_LLAMA_SWAP = frozenset(
    {
        "cmdStop", "checkEndpoint", "useModelName", "concurrencyLimit", "healthCheckTimeout", "globalTTL",
        "startPort", "logLevel", "macros", "groups", "hooks", "unlisted", "filters", "proxy", "sendLoadingState",
    }
)  # fmt: skip


def _meant(name: str, known: Iterable[str]) -> str:
    """What may be meant by a key that is unknown here."""
    if name in _LLAMA_SWAP:
        return "; it is a key of llama-swap, whose files zoosup import llama-swap translates"
    other = _OTHER_WORDS.get(name.lower())
    return f"; did you mean {other}?" if other is not None and other in known else did_you_mean(name, known)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Name the nearest of the known words, or nothing."""
    near = get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""

"""Data that may be shown to strangers: secrets are taken out, by the names they stand under and by what they say.

Pure. Rather takes out too much: who reads a report can ask.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

HIDDEN = "…"

_TELLING = 6
"""Characters from which on a secret is looked for in texts as well: shorter ones stand in every other word."""

_SECRET = re.compile(r"key|token|password|secret|credential|auth", re.IGNORECASE)
_ALL_HIDDEN = frozenset({"env", "upstream_headers", "headers"})
_NOT_TOLD = frozenset({"log"})
"""What models have written may be anybody's words."""


def is_secret(name: str) -> bool:
    """Whether what stands under such a name is nobody else's business."""
    return _SECRET.search(name) is not None


def redacted(value: Any) -> Any:
    """The same without values of secrets, of environments and headers, and without what models have written."""
    if isinstance(value, Mapping):
        return {name: _under(str(name), inner) for name, inner in value.items() if name not in _NOT_TOLD}
    if isinstance(value, list | tuple):
        return _words(list(value))
    return value


def without(text: str, secrets: Iterable[str]) -> str:
    """A text in which none of these stands any longer."""
    for secret in sorted({s for s in secrets if len(s) >= _TELLING}, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def _under(name: str, value: Any) -> Any:
    if name in _ALL_HIDDEN and isinstance(value, Mapping):
        return dict.fromkeys(value, HIDDEN)
    if is_secret(name) and not isinstance(value, Mapping | list | tuple | None):
        return HIDDEN
    return redacted(value)


def _words(words: list[Any]) -> list[Any]:
    """Of a command, what follows on an option such as --api-key, behind a blank or =."""
    shown: list[Any] = []
    hides = False
    for word in words:
        option, equals, _ = word.partition("=") if isinstance(word, str) else ("", "", "")
        names_one = option.startswith("-") and is_secret(option)
        if hides:
            shown.append(HIDDEN)
        elif names_one and equals:
            shown.append(f"{option}={HIDDEN}")
        else:
            shown.append(redacted(word))
        hides = names_one and not equals and not hides
    return shown

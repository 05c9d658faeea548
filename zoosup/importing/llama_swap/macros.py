"""llama-swap's macros: `${name}` in a text, for texts that may hold others.

`${env.NAME}`, `${PORT}`, `${MODEL_ID}` and `${PID}` stay as they are. Refuses to know where the texts are used.
"""

import re
from collections.abc import Mapping

from zoosup.importing.report import Origin, Report
from zoosup.importing.source import Node

_NAME = re.compile(r"\$\{([A-Za-z0-9_.-]+)\}")
_KEPT = frozenset({"PORT", "MODEL_ID", "PID"})
_ROUNDS = 20
_LONGEST = 64 * 1024


class Macros:
    """The macros of a file, or of one of its models over them."""

    def __init__(self, texts: Mapping[str, str], report: Report) -> None:
        self._texts = texts
        self._report = report

    def over(self, own: Node) -> "Macros":
        """These, with those of a model before them."""
        return Macros({**self._texts, **texts_of(own)}, self._report)

    def expand(self, text: str, at: Origin) -> str:
        """The text without macros; what is no macro stays, and is remarked upon."""
        for _ in range(_ROUNDS):
            names = [name for name in _NAME.findall(text) if name in self._texts and name not in _KEPT]
            if not names:
                break
            text = _NAME.sub(
                lambda found: self._texts.get(found[1], found[0]) if found[1] not in _KEPT else found[0], text
            )
            if len(text) > _LONGEST:
                self._report.add(at, f"its macros come to more than {_LONGEST} characters")
                return text[:_LONGEST]
        else:
            self._report.add(at, f"the macro {names[0]} contains itself")
        for name in dict.fromkeys(_NAME.findall(text)):
            if name not in _KEPT and not name.startswith("env."):
                self._report.add(at, f"no macro is named {name}: ${{{name}}} stays as it is")
        return text


def texts_of(node: Node) -> dict[str, str]:
    """The macros of a table: texts, numbers and truth values alike as they are written."""
    return {entry.key: entry.value.text for entry in node.entries() if entry.value.table is None}

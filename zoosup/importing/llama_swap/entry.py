"""One entry of `models` while it is read: its texts, the model that it becomes, and what is said of it.

Refuses to know what any key means.
"""

from dataclasses import dataclass, field

from zoosup.importing.draft import Host, Model
from zoosup.importing.llama_swap.macros import Macros
from zoosup.importing.names import Names
from zoosup.importing.report import Origin, Report
from zoosup.importing.source import Node


@dataclass(slots=True)
class Reading:
    """What all models of an import are read with."""

    report: Report
    names: Names
    macros: Macros
    host: Host
    directory: str


class RefusedError(Exception):
    """The model can't be one of zoosup's; the text says why."""


@dataclass(slots=True)
class ModelEntry:
    """`id` is its name there, `model.name` here."""

    id: str
    node: Node
    model: Model
    of: Reading
    macros: Macros = field(init=False)

    def __post_init__(self) -> None:
        self.macros = self.of.macros.over(self.node.get("macros"))

    def expand(self, text: str, at: Origin) -> str:
        """Fill in the macros."""
        return self.macros.expand(text, at)

    def text(self, key: str) -> str:
        """The text of a key, "" without one."""
        node = self.node.get(key)
        return self.own_id(self.expand(node.text, node.at)) if node.given else ""

    def own_id(self, text: str) -> str:
        """`${MODEL_ID}` as it was, where the model has another name here."""
        return text if self.model.name == self.id else text.replace("${MODEL_ID}", self.id)

    def say(self, what: str, at: Origin | None = None) -> None:
        """Say it on stderr."""
        self.of.report.add(at or self.model.at, f"{self.model.name}: {what}")

    def note(self, what: str) -> None:
        """Say it on stderr and above the model."""
        self.say(what)
        self.model.notes.append(what)

    def unknown_keys(self, node: Node, known: frozenset[str]) -> None:
        """Say which keys llama-swap itself does not know."""
        for each in node.entries():
            if each.key not in known:
                self.say(f"{each.key} is no key of llama-swap's, which passes over it as well", each.at)

"""Which hosts a person wants empty: the last word on each, whoever heard it, over lives of the controller.

All hosts keep the words with the view and report them back, so that one on a host that is away is not lost with the
controller that heard it. Of two words on one host that with the higher number is the later. Knows no lease.
"""

from collections.abc import Iterable, Mapping

from zoosup.core.fleet.words import Drain, HostReport


class Drains:
    """The last word on each host that was ever drained."""

    def __init__(self) -> None:
        self._said: dict[str, Drain] = {}
        self._here: set[str] = set()

    @property
    def said(self) -> Mapping[str, Drain]:
        """By host, for all to keep."""
        return self._said

    def say(self, node: str, *, on: bool) -> None:
        """Take a person's word: it is later than all that is known."""
        self._here.add(node)
        self._said = {**self._said, node: Drain(on, 1 + self._highest(self._said))}

    def learn(self, said: Mapping[str, Drain]) -> bool:
        """Take what a host has kept; whether any of it is news. What was said in this life is later than that."""
        later = {n: word for n, word in said.items() if word.number > self._number(n)}
        over = 1 + self._highest(later)
        for node in self._here & later.keys():
            later[node] = Drain(self._said[node].on, over)
        self._said = {**self._said, **later} if later else self._said
        return bool(later)

    def on(self, report: HostReport) -> bool:
        """Whether a host is to be empty; where nobody knows a word on it, what it was told before."""
        word = self._said.get(report.node)
        return report.assignment.drained if word is None else word.on

    def among(self, nodes: Iterable[str]) -> list[str]:
        """Those of them that are to be empty."""
        return [node for node in nodes if node in self._said and self._said[node].on]

    def _number(self, node: str) -> int:
        return self._said[node].number if node in self._said else 0

    @staticmethod
    def _highest(said: Mapping[str, Drain]) -> int:
        return max((word.number for word in said.values()), default=0)

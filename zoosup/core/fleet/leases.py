"""Which hosts there are and which of them are lost: each report renews its host's lease, silence ends it.

Doubled, late and reordered reports are told by life and sequence, and renew nothing. Time in which nobody looked, for
the controller itself stood still, counts against no host. Times are seconds. Refuses to know what reports say of
models.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from zoosup.core.fleet.words import HostReport

REMEMBERED = 16
"""Earlier lives of a host's link of which a late report is still known to be late."""


@dataclass(slots=True)
class Lease:
    """One host's. `turn` counts the reports of all hosts: of two, the later has the higher.

    `shown` is the report without what is in the view anyhow: a third of its size. `lives` are those of its link, the
    one that counts at the end, with the number of the last report of each; `beside` those of them that have gone on
    after it began.
    """

    report: HostReport
    shown: HostReport
    heard: float
    turn: int
    lost: bool = False
    lives: dict[str, int] = field(default_factory=dict)
    beside: set[str] = field(default_factory=set)


class Leases:
    """All hosts that are known, those among them that have never reported included."""

    def __init__(self, now: float) -> None:
        self.turn = 0
        self._leases: dict[str, Lease] = {}
        self._known: set[str] = set()
        self._forgotten: set[str] = set()
        self._looked = now
        self._stood_still = 0.0

    @property
    def heard(self) -> Mapping[str, Lease]:
        """Those that have reported, by name."""
        return self._leases

    @property
    def silent(self) -> frozenset[str]:
        """Those that others know, and that have never reported here."""
        return frozenset(self._known - self._leases.keys())

    @property
    def alive(self) -> list[str]:
        """Those whose lease holds, by name."""
        return sorted(node for node, lease in self._leases.items() if not lease.lost)

    @property
    def told_of_others(self) -> bool:
        """Whether a host has said at its first report whom it knows: without that, nobody knows for whom to wait."""
        return bool(self._known)

    @property
    def all_there(self) -> bool:
        """Whether everybody reports who is known to somebody."""
        return not self.silent and not any(lease.lost for lease in self._leases.values())

    @property
    def too_few(self) -> bool:
        """Whether fewer than half of those that are known report."""
        count = len(self._leases.keys() | self._known)
        return 2 * len(self.alive) < count

    def look(self, now: float, lost_after: float) -> float:
        """Take note that somebody looks; returns the time less that in which nobody did, and never goes back."""
        now = max(now, self._looked)
        if now - self._looked > lost_after / 2:
            self._stood_still += now - self._looked
        self._looked = now
        return now - self._stood_still

    def hear(self, report: HostReport, now: float, lost_after: float) -> HostReport | None:
        """Take a report; returns the one before, an empty one for the first. None where it is passed over.

        Whom the host knows counts in its first report alone: what it says later it has from here.
        """
        lease = self._leases.get(report.node)
        if lease is None:
            before = HostReport(report.node)
            lease = self._leases[report.node] = Lease(report, report, now, 0)
            self._forgotten.discard(report.node)
            self._known.update(set(report.known) - self._forgotten)
        elif self._is_late(lease, report, now - lease.heard > lost_after / 2):
            return None
        else:
            before = lease.report
        self.turn += 1
        lease.beside.discard(report.life)
        lease.report, lease.heard, lease.turn = report, now, self.turn
        lease.lives.pop(report.life, None)
        lease.lives = dict([*lease.lives.items(), (report.life, report.sequence)][-REMEMBERED:])
        lease.shown = replace(report, spec=replace(report.spec, models=()), known=(), drains={})
        return before

    def expire(self, now: float, lost_after: float) -> bool:
        """Mark those that have been silent for too long, and those that are back; whether anybody is."""
        changed = False
        for lease in self._leases.values():
            lost = now - lease.heard > lost_after
            changed, lease.lost = changed or lost != lease.lost, lost
        return changed

    def forget(self, nodes: Iterable[str]) -> None:
        """Count them among the fleet no more, until they report again."""
        for node in nodes:
            self._forgotten.add(node)
            self._known.discard(node)
            self._leases.pop(node, None)

    @staticmethod
    def _is_late(lease: Lease, report: HostReport, silent: bool) -> bool:
        """Whether it is of an earlier life, or no later than the last of its own.

        An earlier life that goes on beside the one that followed it was never over: another host has its name. It
        counts again once that one is `silent`, before the lease ends, so that nothing is moved for that.
        """
        if report.sequence <= lease.lives.get(report.life, -1):
            return True
        if report.life not in lease.lives or report.life == lease.report.life or lease.lost:
            return False
        goes_on = report.life in lease.beside
        lease.beside.add(report.life)
        return not (silent and goes_on)

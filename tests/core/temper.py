"""How a model really behaves, and what its process really holds: what zoosup can only observe."""

from dataclasses import dataclass

from zoosup.core.status import Reason


@dataclass
class Temper:
    """How a model behaves from its next start on; `holds` is the share of its need that it really takes."""

    load: float = 1.0
    holds: float = 0.9
    start: str = "ok"  # ok | refuses | dies | hangs
    stop: float = 0.2
    stuck: bool = False  # SIGKILL does not end it
    release: float = 0.3  # seconds until the memory is back after the last member has gone
    amiss: Reason | None = None


@dataclass
class Process:
    """The truth about one run."""

    model: str
    run_id: str
    size: int
    temper: Temper
    spawned: float | None = None
    ended: float | None = None  # the leader
    gone: float | None = None  # the last member

    @property
    def alive(self) -> bool:
        return self.spawned is not None and self.gone is None

    def held(self, now: float) -> int:
        """Bytes: growing while it loads, all of them until the last member is gone, and then not back at once."""
        if self.spawned is None:
            return 0
        grown = min(1.0, (now - self.spawned) / self.temper.load)
        kept = 1.0 if self.gone is None else max(0.0, 1 - (now - self.gone) / self.temper.release)
        return int(self.size * grown * kept)

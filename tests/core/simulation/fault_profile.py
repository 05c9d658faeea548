"""How a model really behaves, and what its process really holds: what zoosup can only observe."""

from dataclasses import dataclass

from zoosup.core.state.phases import Reason


@dataclass
class FaultProfile:
    """How a model behaves from its next start on; `holds` is the share of its need that it really takes."""

    load: float = 1.0
    holds: float = 0.9
    start: str = "ok"  # ok | refuses | dies | hangs
    stop: float = 0.2
    stuck: bool = False  # SIGKILL does not end it
    release: float = 0.3  # seconds until the memory is back after the last member has gone, or fallen asleep
    asleep: float = 0.1  # the share of what it holds that it goes on holding asleep
    sleep: str = "ok"  # ok | wont_sleep (won't sleep) | wont_wake (won't wake)
    amiss: Reason | None = None


@dataclass
class Process:
    """The truth about one run."""

    model: str
    run_id: str
    size: int
    profile: FaultProfile
    spawned: float | None = None
    ended: float | None = None  # the leader
    gone: float | None = None  # the last member
    asleep: float | None = None  # since when
    given_back: float = 0.0  # the share of what it holds awake that it has given back for a while

    @property
    def alive(self) -> bool:
        return self.spawned is not None and self.gone is None

    def held(self, now: float) -> int:
        """Bytes: growing while it loads, all of them until the last member is gone, and then not back at once."""
        if self.spawned is None:
            return 0
        grown = min(1.0, (now - self.spawned) / self.profile.load)
        if self.gone is not None:
            return int(self.size * grown * max(0.0, 1 - (now - self.gone) / self.profile.release))
        if self.asleep is not None:
            grown *= max(self.profile.asleep, 1 - (now - self.asleep) / self.profile.release)
        else:
            grown *= 1 - self.given_back
        return int(self.size * grown)

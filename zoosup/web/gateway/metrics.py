"""What the gateway counts: plain numbers, which metrics read when they are asked.

Refuses to know names of metrics and who reads them.
"""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """Since the gateway began. `requests` by model ("" for its own answers) and the hundreds of the status."""

    requests: dict[tuple[str, int], int] = field(default_factory=dict)
    cancelled: dict[str, int] = field(default_factory=dict)  # by model: the client hung up
    broken: dict[str, int] = field(default_factory=dict)  # by model: an answer ended too early
    waited: dict[str, float] = field(default_factory=dict)  # by model: seconds spent in the queue
    in_flight: int = 0  # requests that hold a lease
    waiting: int = 0
    connections: int = 0
    connections_total: int = 0
    upstream_connections_total: int = 0
    retries: int = 0
    received: int = 0  # bytes of clients
    sent: int = 0  # bytes of models' answers

    def answered(self, model: str, status: int) -> None:
        """Count one request by what it was told."""
        key = (model, status // 100)
        self.requests[key] = self.requests.get(key, 0) + 1

    def waited_for(self, model: str, seconds: float) -> None:
        """Count the end of one wait."""
        self.waiting -= 1
        self.waited[model] = self.waited.get(model, 0.0) + seconds

    def cancel(self, model: str) -> None:
        """Count one client that hung up."""
        self.cancelled[model] = self.cancelled.get(model, 0) + 1

    def break_off(self, model: str) -> None:
        """Count one answer that ended too early."""
        self.broken[model] = self.broken.get(model, 0) + 1

"""What the gateway counts: plain numbers, which metrics read when they are asked.

Refuses to know names of metrics and who reads them.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TypeAlias

from zoosup.runtime.events.histogram import Histogram
from zoosup.web.gateway.telemetry.usage import Tokens

Histograms: TypeAlias = defaultdict[str, Histogram]
"""By model; each request looks one up, and makes it where it is the first."""


def _histograms() -> Histograms:
    return defaultdict(Histogram)


@dataclass(slots=True)
class TokenCount:
    """Of prompts, and of answers."""

    prompt: int = 0
    completion: int = 0


def _token_counts() -> defaultdict[tuple[str, str], TokenCount]:
    return defaultdict(TokenCount)


@dataclass(slots=True)
class Counters:
    """Since the gateway began. By model ("" for its own answers), and by the name of the client's key ("": none).

    Durations are seconds: `waits` in the queue, of those that had to; `first_bytes` and `answers` from when a model's
    server was asked, to the head of its answer and to its end.
    """

    requests: dict[tuple[str, str, int], int] = field(default_factory=dict)  # by model, key and status
    refusals: Counter[tuple[str, str]] = field(default_factory=Counter)  # by model and code
    cancelled: Counter[str] = field(default_factory=Counter)  # by model: the client hung up
    broken: Counter[str] = field(default_factory=Counter)  # by model: an answer ended too early
    forwarded: Counter[tuple[str, str]] = field(
        default_factory=Counter
    )  # by model and the host that answered
    waits: Histograms = field(default_factory=_histograms)
    first_bytes: Histograms = field(default_factory=_histograms)
    answers: Histograms = field(default_factory=_histograms)
    # By model and key.
    tokens: defaultdict[tuple[str, str], TokenCount] = field(default_factory=_token_counts)
    in_flight: int = 0  # requests that hold a lease
    waiting: int = 0
    connections: int = 0
    connections_total: int = 0
    upstream_connections_total: int = 0
    retries: int = 0
    received: int = 0  # bytes of clients
    sent: int = 0  # bytes of models' answers

    def answered(self, model: str, key_name: str, status: int) -> None:
        """Count one request by what it was told; `key_name` is "" where its key has none."""
        key = (model, key_name, status)
        self.requests[key] = self.requests.get(key, 0) + 1

    def waited_for(self, model: str, seconds: float) -> None:
        """Count the end of one wait."""
        self.waiting -= 1
        self.waits[model].observe(seconds)

    def took(self, model: str, key_name: str, tokens: Tokens) -> None:
        """Count the tokens of one complete answer."""
        counted = self.tokens[model, key_name]
        if tokens.prompt is not None:
            counted.prompt += tokens.prompt
        if tokens.completion is not None:
            counted.completion += tokens.completion

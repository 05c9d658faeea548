"""Why a client's request is not answered by its model: data, with what it takes to try again.

Knows the codes that clients act on (DESIGN §6); refuses to know HTTP: `web` gives each code its status.
"""

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """What a program can act on; the words of OpenAI's errors where they have one."""

    MODEL_NOT_FOUND = "model_not_found"
    MODEL_DISABLED = "model_disabled"  # known, and neither running nor to be started by a request
    QUEUE_FULL = "queue_full"
    INSUFFICIENT_MEMORY = "insufficient_memory"  # the message has the arithmetic
    MODEL_LOADING_TIMEOUT = "model_loading_timeout"
    MODEL_BACKOFF = "model_backoff"  # crashed, and not started again yet
    MODEL_FAILED = "model_failed"  # given up until something changes
    MODEL_NOT_LOADED = "model_not_loaded"  # it does not run, and looking at it is no demand
    MODEL_NOT_HERE = (
        "model_not_here"  # of several hosts, none that has it can be reached, or the one asked has it not
    )
    MODEL_EVICTED = "model_evicted"  # it had to make room before it had answered
    MODEL_STOPPED = "model_stopped"  # the file, or a person, has ended it before it had answered
    UPSTREAM_ERROR = "upstream_error"  # its server gave no answer, or none that can be read
    REQUEST_TIMEOUT = "request_timeout"  # its answer took longer than the file allows
    SHUTTING_DOWN = "shutting_down"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refused request. `retry_after` is seconds, None where nobody knows; `final`: asking again never helps.

    `details` is for clients on this host alone: the last lines that a failed start has written.
    """

    code: Code
    message: str
    retry_after: float | None = None
    final: bool = False
    details: str = ""


class RefusedError(Exception):
    """A request is refused at once."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal

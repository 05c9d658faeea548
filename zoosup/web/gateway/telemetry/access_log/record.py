"""What is noted of one request while it lasts: when it came, what was sent, how it ended.

Where requests are traced, the same steps make its spans (`tracing.spans`). Refuses to know who writes it down.
"""

import time
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from zoosup.web.gateway.telemetry.usage import Meter

_LONGEST_PATH = 512


class Ending(StrEnum):
    """How a request ends."""

    ANSWERED = "answered"
    REFUSED = "refused"  # by the gateway, with a code
    CANCELLED = "cancelled"  # its client hung up
    CUT = "cut"  # its answer ended before it was complete, with a code


class Record(Meter):
    """One request's. Seconds and bytes; `status` 0: nothing was answered."""

    __slots__ = (
        "_began",
        "_once_ended",
        "code",
        "ended",
        "ended_at",
        "key",
        "method",
        "model",
        "node",
        "path",
        "peer",
        "request_id",
        "seconds",
        "status",
        "waited",
    )

    def __init__(  # noqa: PLR0913, PLR0917 - what a line begins with
        self,
        once_ended: Callable[["Record"], None],
        request_id: str,
        key: str,
        peer: str,
        method: bytes = b"",
        target: bytes = b"",
        *,
        counts_tokens: bool = True,
    ) -> None:
        super().__init__(counts_tokens=counts_tokens)
        self._once_ended = once_ended
        self._began = time.monotonic()
        self.request_id, self.key, self.peer = request_id, key, peer
        self.method, self.path = method.decode("latin-1"), path_of(target)
        self.model, self.code = "", ""
        self.node = ""  # the other host whose answer it was
        self.status = 0
        self.waited = self.seconds = self.ended_at = 0.0
        self.ended: Ending | None = None

    def wait_over(self, model: str, seconds: float) -> None:  # noqa: ARG002 - for who inherits
        """It has waited for its model, in vain or not."""
        self.waited += seconds

    def asked(self, model: str) -> bytes:  # noqa: ARG002 - as above
        """A model's server is asked, not for the first time perhaps; lines of the head that this takes."""
        return b""

    def headed(self, status: int) -> None:
        """The head of that server's answer has come."""

    def answer(self, model: str, status: int, code: str, data: bytes) -> None:
        """The gateway itself has answered; `code`: with a refusal; `model`: in the place of this one."""
        self.model, self.status = model, status
        self.sent += len(data)
        self.end(Ending.REFUSED if code else Ending.ANSWERED, code)

    def end(self, ended: Ending, code: str = "") -> None:
        """It is over; whatever is said of that later does not count."""
        if self.ended is not None:
            return
        self.ended, self.code = ended, code
        self.ended_at = time.time()
        self.seconds = time.monotonic() - self._began
        self.tokens()
        self._once_ended(self)

    def fields(self) -> dict[str, Any]:
        """The line for programs; None for what is not known."""
        tokens = self.tokens()
        elsewhere = {"node": self.node} if self.node else {}
        return {
            "request_id": self.request_id,
            "key": self.key,
            "peer": self.peer,
            "method": self.method,
            "path": self.path,
            "model": self.model or None,
            "status": self.status or None,
            "wait": round(self.waited, 3),
            "seconds": round(self.seconds, 3),
            "bytes": self.sent,
            "prompt_tokens": tokens.prompt,
            "completion_tokens": tokens.completion,
            "end": str(self.ended),
            "code": self.code or None,
            **elsewhere,
        }

    def text(self) -> str:
        """The line for people; - for what is not known."""
        took = self.tokens()
        tokens = f"{_or_dash(took.prompt)}+{_or_dash(took.completion)}"
        end = f"{self.ended}:{self.code}" if self.code else str(self.ended)
        node = f" node={self.node}" if self.node else ""
        return (
            f"{self.peer or '-'} {self.key or '-'} {self.method or '-'} {self.path or '-'} {self.status or '-'} "
            f"model={self.model or '-'} wait={self.waited:.3f} seconds={self.seconds:.3f} bytes={self.sent} "
            f"tokens={tokens} end={end} id={self.request_id}{node}"
        )


def path_of(target: bytes) -> str:
    """The path of a request's target as it may stand in a log: without host and query, and plain."""
    path = target.partition(b"?")[0]
    if b"://" in path and not path.startswith(b"/"):
        path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
    text = path[:_LONGEST_PATH].decode("latin-1")
    plain = text.isascii() and text.isprintable() and " " not in text
    return text if plain else text.encode("unicode_escape").decode("ascii").replace(" ", "\\x20")


def _or_dash(count: int | None) -> str:
    return "-" if count is None else str(count)

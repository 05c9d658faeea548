"""A request that is refused for its own sake, before any model is asked.

Knows what a refusal of the gateway's own consists of; refuses to know why and how it is written (`answers`).
"""

from collections.abc import Mapping


class DeniedError(Exception):
    """One denied request: a status, a code for programs, a sentence for people, the parameter that is at fault."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.headers = dict(headers or {})

    @classmethod
    def too_large(cls, limit: int) -> "DeniedError":
        """A body above `gateway.max_body`; bytes."""
        return cls(413, "body_too_large", f"the body is longer than gateway.max_body, {limit} bytes")

    @classmethod
    def too_many_bodies(cls, limit: int) -> "DeniedError":
        """One body more than `gateway.max_buffered` allows; bytes."""
        message = (
            f"the bodies that wait in memory are longer than gateway.max_buffered, {limit} bytes together"
        )
        return cls(429, "too_many_bodies", message, headers={"Retry-After": "1"})

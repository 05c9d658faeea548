"""One whole answer that the gateway writes itself.

Pure. Refuses to know what it says (`proxy.rendering`).
"""

from dataclasses import dataclass
from http import HTTPStatus


@dataclass(frozen=True, slots=True)
class Response:
    """`headers` has neither Content-Length nor Connection, which `serialised` adds; `code`: it is a refusal."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    code: str = ""

    def serialised(self, more: bytes = b"", *, close: bool = False, head_only: bool = False) -> bytes:
        """Write it for HTTP/1.1; `more` are header lines, each with its line end.

        `close`: the connection ends with it, `head_only`: HEAD was asked.
        """
        lines = [f"HTTP/1.1 {self.status} {_phrase(self.status)}"]
        lines += [f"{name}: {' '.join(value.split())}" for name, value in self.headers]
        if self.status != HTTPStatus.NO_CONTENT:
            lines.append(f"Content-Length: {len(self.body)}")
        if close:
            lines.append("Connection: close")
        head = "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n" + more + b"\r\n"
        return head if head_only else head + self.body


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"

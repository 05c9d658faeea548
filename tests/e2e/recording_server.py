"""A model server that keeps what it was sent, to the byte, and calls a tool whatever it is asked.

Knows HTTP from the standard library alone; refuses to understand a request. GET /last gives the last POST back.
"""

import base64
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

ARGUMENTS = '{"city":  "Z\\u00fcrich"}'
"""Of the tool that it calls, in a spelling that no JSON library would choose."""

CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ARGUMENTS}}
MESSAGE = {"role": "assistant", "content": None, "tool_calls": [CALL]}
COMPLETION = {
    "id": "chatcmpl-recorder",
    "object": "chat.completion",
    "created": 1,
    "model": "recorder",
    "choices": [{"index": 0, "finish_reason": "tool_calls", "message": MESSAGE}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
MIB = b"\0" * (1 << 20)


class Recorder(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    last: ClassVar[dict[str, Any]] = {}

    def do_GET(self) -> None:
        if self.path.startswith("/zeros/"):
            self._zeros(int(self.path.removeprefix("/zeros/")))
        else:
            self._answer(200, json.dumps(Recorder.last).encode())

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "12345")
        self.end_headers()

    def do_OPTIONS(self) -> None:
        self.send_response(204)
        self.send_header("Allow", "BREW, GET")
        self.end_headers()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Recorder.last = {
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": base64.b64encode(body).decode(),
        }
        if b"teapot" in body:
            self._answer(418, b'{"error":   "short and stout"}')
        else:
            self._answer(200, json.dumps(COMPLETION).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its name in the library
        """Say nothing."""

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Own", "one")
        self.send_header("X-Own", "two")
        self.end_headers()
        self.wfile.write(body)

    def _zeros(self, count: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(count * len(MIB)))
        self.end_headers()
        for _ in range(count):
            self.wfile.write(MIB)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Recorder).serve_forever()

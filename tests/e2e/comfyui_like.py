"""A server that loads with its first picture and gives its memory back when asked, as ComfyUI does; its log is JSON.

`POST /free` is answered at once and carried out soon after, by the thread that paints. argv: port, MiB, log.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SOON = 0.3  # seconds

port, mib, log = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
loaded: list[bytearray] = []


class Handler(BaseHTTPRequestHandler):
    """What ComfyUI's server.py answers, as far as it matters here."""

    def do_GET(self) -> None:
        self._take()

    def do_POST(self) -> None:
        body = self._take()
        if self.path == "/prompt" and not loaded:
            loaded.append(bytearray(b"x" * (mib << 20)))
        if self.path == "/free" and body.get("unload_models") and body.get("free_memory"):
            threading.Timer(SOON, loaded.clear).start()

    def _take(self) -> dict[str, bool]:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or b"{}")
        with log.open("a") as file:
            file.write(json.dumps([self.command, self.path, body]) + "\n")
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
        return dict(body)

    def log_message(self, *_: object) -> None:
        """The log is the test's."""


ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()

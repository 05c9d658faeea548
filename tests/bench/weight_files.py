"""Files that stand in for weights, and the rest of a server that has read them.

Knows how to have a file out of memory (Linux alone).
"""

import os
from pathlib import Path

MIB = 1 << 20

ANSWERING = r"""
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "14")
        self.end_headers()
        self.wfile.write(b"data: [DONE]\n\n")
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""
"""What a script goes on with that has a `port`: it is well, and answers every request with the end of a stream."""


def write(path: Path, size: int) -> None:
    """Write so many bytes of noise, to the disk."""
    piece = os.urandom(MIB)
    with path.open("wb") as file:
        for _ in range(size // MIB):
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())


def forget(path: Path) -> None:
    """Have the file out of the page cache."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

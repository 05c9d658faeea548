"""The smallest model server: keeps a diary of its life in monotonic nanoseconds, which the bench reads.

    child.py DIARY PORT [LOAD_MS [STOP_MS [RAM_MIB]]]

`start` is written before anything else is imported. /health answers 503 while loading, 200 after; `ready` is when
the 200 began, `seen` when the first was sent, `term` the arrival of SIGTERM, `exit` the last thing done.
"""

import os
import sys
from time import monotonic_ns

diary = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def note(event: str) -> None:
    os.write(diary, f"{event} {monotonic_ns()} {os.getpid()}\n".encode())


note("start")

import select  # noqa: E402  nothing stands before the first note
import signal  # noqa: E402
import socket  # noqa: E402
import time  # noqa: E402

port, load, stop, ram = (int(x) for x in [*sys.argv[2:], "0", "0", "0", "0"][:4])


def leave(*_: object) -> None:
    note("term")
    time.sleep(stop / 1000)
    note("exit")
    os._exit(0)


def receive(client: socket.socket) -> None:
    """Take the whole of a request: closed with some of it unread, a connection is reset, and the answer lost."""
    head, end, body = b"", b"", b""
    while not end and (more := client.recv(65536)):
        head, end, body = (head + more).partition(b"\r\n\r\n")
    named = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    missing = sum(int(line.partition(b":")[2]) for line in named) - len(body)
    while missing > 0 and (more := client.recv(65536)):
        missing -= len(more)


def answer(client: socket.socket, status: bytes) -> None:
    try:
        client.settimeout(1)
        receive(client)
        client.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    except OSError:
        pass  # the prober went away
    finally:
        client.close()


def serve(server: socket.socket, status: bytes, until: float) -> bool:
    """Answer one request, or wait until the time is over; True when one was answered."""
    wait = None if until == float("inf") else max(0.0, until - time.monotonic())
    if not select.select([server], [], [], wait)[0]:
        return False
    answer(server.accept()[0], status)
    return True


signal.signal(signal.SIGTERM, leave)
loaded = time.monotonic() + load / 1000
weights = b"\1" * (ram * 1024 * 1024)
listener = socket.create_server(("127.0.0.1", port), backlog=64)
while time.monotonic() < loaded:
    serve(listener, b"503 Service Unavailable", loaded)
note("ready")
if serve(listener, b"200 OK", float("inf")):
    note("seen")
while True:
    serve(listener, b"200 OK", float("inf"))

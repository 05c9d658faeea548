"""A model server with one fault, run as `python -I -S faulty_model.py FAULT PORT` in a folder of its own.

What its health answers stands in the file `health` of that folder, so that a test can change it while it runs: a
status, a status and where it redirects to, or `hang`. Every process of it stays in the folder: by that it is counted.
"""

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

FAULT, PORT = sys.argv[1], int(sys.argv[2])

BROOD = 200
"""Children, every other one in a session of its own."""

CHATTER = 100 << 20
"""Bytes a second that a chatterbox writes."""


def health() -> str:
    with contextlib.suppress(FileNotFoundError):
        return Path("health").read_text().strip()
    return "200"


def serve() -> None:
    hung = []
    with socket.create_server(("127.0.0.1", PORT), backlog=128) as server:
        while True:
            client, _ = server.accept()
            client.recv(65536)
            said = "503" if FAULT == "exit-loading" else health()
            if said == "hang":
                hung.append(client)
                continue
            status, _, target = said.partition(" ")
            location = f"Location: {target}\r\n" if target else ""
            with contextlib.suppress(OSError):
                client.sendall(f"HTTP/1.1 {status} X\r\n{location}Content-Length: 0\r\n\r\n".encode())
            client.close()
            after_answer(said)


def after_answer(said: str) -> None:
    if FAULT == "exit-loading" or (FAULT == "exit-ready" and said == "200"):
        time.sleep(0.2)
        os._exit(3)


def grow() -> None:
    """Hold as many MiB as the file `holds` says, which is read once; a successor of this process begins small."""
    held, target = [], 0
    while True:
        with contextlib.suppress(FileNotFoundError):
            target = int(Path("holds").read_text())
            Path("holds").unlink()
        if len(held) < target:
            held += [b"x" * (1 << 20) for _ in range(4)]
        time.sleep(0.02)


def on_term(act):
    signal.signal(signal.SIGTERM, lambda *_: act())


def stray(*, session: bool, deaf: bool = False) -> None:
    """A child that does nothing until it is killed."""
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN if deaf else signal.SIG_DFL)
        if session:
            os.setsid()
        while True:
            signal.pause()


def multiply() -> None:
    """What a supervisor that asks once and waits for the leader never ends."""
    for _ in range(3):
        stray(session=True, deaf=True)
    os._exit(0)


def without_mark() -> None:
    """The leader, and a child in a session of its own, with no environment that could tell whose they are."""
    if "ZOOSUP_RUN_ID" in os.environ:
        os.execve(sys.executable, [sys.executable, "-I", "-S", *sys.argv], {})
    stray(session=True)


def chatter() -> None:
    line = b"x" * 1023 + b"\n"
    piece, began, written = line * 1024, time.monotonic(), 0
    while True:
        written += os.write(1, piece)
        time.sleep(max(0.0, written / CHATTER - (time.monotonic() - began)))


def prints() -> None:
    """Like a server that logs: 100 KB a second, and an end for whoever can't write it."""
    line = b"x" * 1023 + b"\n"
    while True:
        try:
            os.write(1, line)
        except OSError:
            os._exit(5)
        time.sleep(0.01)


match FAULT:
    case "exit-early":
        sys.exit(3)
    case "exit-stopping":
        on_term(lambda: os._exit(3))
    case "deaf":
        on_term(lambda: None)
    case "fork-on-term":
        on_term(multiply)
    case "brood":
        for i in range(BROOD):
            stray(session=bool(i % 2))
    case "cleared":
        without_mark()
    case "closed-output":
        os.closerange(0, 3)
    case "chatter":
        threading.Thread(target=chatter, daemon=True).start()
    case "prints":
        threading.Thread(target=prints, daemon=True).start()
    case "grows":
        threading.Thread(target=grow, daemon=True).start()
    case "mute":
        while True:
            signal.pause()
serve()

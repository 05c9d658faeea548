"""A model that is up in some tens of milliseconds: answers 200, ends on SIGTERM, has a helper in another session.

    python -IS model.py TOKEN NAME PORT [deaf]

Its command line is how the oracle knows it.
"""

import os
import signal
import socket
import sys
import time

TOKEN, NAME, PORT = sys.argv[1:4]
DEAF = "deaf" in sys.argv[4:]
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


def main() -> None:
    """Serve until SIGTERM, and longer when deaf."""
    if DEAF:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:  # a handler, for the kernel keeps from pid 1 of a container what it has none for
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    os.posix_spawn("/bin/sleep", [f"helper-{TOKEN}-{NAME}", "600"], os.environ, setsid=True)
    time.sleep(0.03)
    with socket.create_server(("127.0.0.1", int(PORT)), backlog=64) as server:
        while True:
            client, _ = server.accept()
            with client:
                client.settimeout(5)
                try:
                    if client.recv(4096):
                        client.sendall(ANSWER)
                except OSError:
                    continue


if __name__ == "__main__":
    main()

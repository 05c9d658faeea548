"""Asks over and over, in a process of its own, and says on its standard output what it took (JSON).

    load.py one PORT MODEL SECONDS [RATE]       one connection, one request after the other, RATE a second
    load.py many PORT MODEL SECONDS CONNECTIONS
    load.py streams PORT MODEL STREAMS TOKENS DELAY_MS
    load.py upload PORT MODEL BYTES TIMES
    load.py download PORT MODEL BYTES

Times are microseconds. Knows nothing of who answers, but that a refusal is an error.
"""

import asyncio
import json
import re
import socket
import statistics
import sys
import time

import uvloop

SETTLING = 300_000_000
"""Nanoseconds in which all streams begin at once, as they never do."""

PADDING = "A prompt of the length that one of a conversation's turns has. " * 22
TOLD_AT = re.compile(rb'"t":(\d{20})')
LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)\r\n")


def request(port: int, body: bytes) -> bytes:
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    )
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chat(model: str, **more: object) -> bytes:
    """A body as the openai package writes it: what was asked first, the model after it."""
    body = {**more, "messages": [{"role": "user", "content": PADDING}], "model": model}
    return json.dumps(body, separators=(",", ":")).encode()


class Answers:
    """One connection that blocks."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def read(self) -> int:
        """The body's length, once all of it is here."""
        data = bytearray()
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more()
        length = LENGTH.search(data[: end + 2])
        if not data.startswith(b"HTTP/1.1 200 ") or length is None:
            raise RuntimeError(bytes(data[:500]))
        left = int(length[1]) - (len(data) - end - 4)
        buffer = bytearray(1 << 18)
        while left > 0:
            got = self.socket.recv_into(buffer)
            if not got:
                raise RuntimeError(f"{left} bytes are missing")
            left -= got
        return int(length[1])

    def _more(self) -> bytes:
        if not (data := self.socket.recv(1 << 16)):
            raise RuntimeError("no answer")
        return data


def one(port: int, model: str, seconds: float, rate: float = 0) -> dict[str, float]:
    sent, answers, took = request(port, chat(model)), Answers(port), []
    due = begun = time.perf_counter()
    while due - begun < seconds:
        at = time.perf_counter()
        answers.socket.sendall(sent)
        answers.read()
        took.append((time.perf_counter() - at) * 1e6)
        due = due + 1 / rate if rate else time.perf_counter()
        time.sleep(max(0.0, due - time.perf_counter()) if rate else 0)
    return {"requests": len(took), "p50": statistics.median(took), "p99": percentile(took, 0.99)}


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


class Asker(asyncio.Protocol):
    """Asks again as soon as it is answered. An answer is as long as the first one was, but for its head's date."""

    def __init__(self, sent: bytes) -> None:
        self.sent = sent
        self.answered = 0
        self.failed = ""
        self._data = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        transport.write(self.sent)

    def connection_lost(self, exc: Exception | None) -> None:
        self.failed = self.failed or f"the connection was lost: {exc}"

    def data_received(self, data: bytes) -> None:
        data = self._data + data if self._data else data
        end = data.find(b"\r\n\r\n")
        length = LENGTH.search(data, 0, end + 2) if end >= 0 else None
        if length is None or len(data) < end + 4 + int(length[1]):
            self._data = data
            return
        if not data.startswith(b"HTTP/1.1 200 "):
            self.failed = repr(data[:500])
            return
        self._data = b""
        self.answered += 1
        self._transport.write(self.sent)


async def many(port: int, model: str, seconds: float, connections: int) -> dict[str, float]:
    loop, sent = asyncio.get_running_loop(), request(port, chat(model))
    pairs = [await loop.create_connection(lambda: Asker(sent), "127.0.0.1", port) for _ in range(connections)]
    askers = [asker for _, asker in pairs]
    before, begun = sum(a.answered for a in askers), time.perf_counter()
    await asyncio.sleep(seconds)
    answered, took = sum(a.answered for a in askers) - before, time.perf_counter() - begun
    if failed := [a.failed for a in askers if a.failed]:
        raise RuntimeError(failed[0])
    return {"requests": answered, "seconds": took}


class Listener(asyncio.Protocol):
    """Notes of each event of a stream that left `after` a time (ns) how long it was under way, in microseconds."""

    def __init__(self, sent: bytes, took: list[float], after: int) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self.tokens = 0
        self._sent = sent
        self._took = took
        self._after = after
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(self._sent)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError(f"the stream broke off after {self._data[-500:]!r}"))

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        data = self._data + data
        last = 0
        for told in TOLD_AT.finditer(data):
            at, last = int(told[1]), told.end()
            self.tokens += 1
            if at > self._after:
                self._took.append((now - at) / 1000)
        self._data = data[last:][-500:]
        if b"data: [DONE]" in self._data and not self.done.done():
            self.done.set_result(None)


async def streams(port: int, model: str, count: int, tokens: int, delay_ms: int) -> dict[str, float]:
    loop, took, after = asyncio.get_running_loop(), [], time.monotonic_ns() + SETTLING
    sent = request(port, chat(model, stream=True, max_tokens=tokens, delay_ms=delay_ms))
    pairs = [
        await loop.create_connection(lambda: Listener(sent, took, after), "127.0.0.1", port)
        for _ in range(count)
    ]
    await asyncio.gather(*(listener.done for _, listener in pairs))
    came = sum(listener.tokens for _, listener in pairs)
    if came != count * tokens:
        raise RuntimeError(f"{came} of {count * tokens} tokens came")
    return {"tokens": came, "p50": statistics.median(took), "p99": percentile(took, 0.99)}


def upload(port: int, model: str, size: int, times: int) -> dict[str, list[float]]:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "QUJD" * (size // 4)}}
    body = {"messages": [{"role": "user", "content": [image]}], "model": model}
    sent, answers, took = request(port, json.dumps(body).encode()), Answers(port), []
    for _ in range(times):
        at = time.perf_counter()
        answers.socket.sendall(sent)
        answers.read()
        took.append((time.perf_counter() - at) * 1e6)
    return {"took": took}


def download(port: int, model: str, size: int) -> dict[str, float]:
    answers = Answers(port)
    answers.socket.sendall(request(port, chat(model, bytes=size)))
    time.sleep(0.5)  # a client that is slower than the model: what nobody takes must not pile up
    at = time.perf_counter()
    if answers.read() != size:
        raise RuntimeError("it is not as long as was asked for")
    return {"took": (time.perf_counter() - at) * 1e6}


MODES = {"one": one, "many": many, "streams": streams, "upload": upload, "download": download}

if __name__ == "__main__":
    mode, port, model, *numbers = sys.argv[1:]
    figures = [float(n) if "." in n else int(n) for n in numbers]
    found = MODES[mode](int(port), model, *figures)
    print(json.dumps(uvloop.run(found) if asyncio.iscoroutine(found) else found))  # noqa: T201

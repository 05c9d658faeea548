"""A model server that costs next to nothing, so that what is measured is whoever stands before it.

    upstream.py PORT

Any POST is answered once its body is there: by a kilobyte of JSON; by a stream of events, where the body says
"stream":true, "max_tokens" of them every "delay_ms" milliseconds, each with the monotonic time (ns) at which it left;
or by so many "bytes".
"""

import asyncio
import json
import random
import sys
import time

import httptools
import uvloop

PIECE = b"\0" * (256 << 10)
_CONTENT = "The answer of a model, of about the size that a short one has. " * 12
_MESSAGE = {"role": "assistant", "content": _CONTENT}
_DOCUMENT = {"id": "chatcmpl-1", "object": "chat.completion", "choices": [{"index": 0, "message": _MESSAGE}]}
BODY = json.dumps(_DOCUMENT).encode()
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT = (
    b'data: {"t":%020d,"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m",'
    b'"choices":[{"index":0,"delta":{"content":" token"},"logprobs":null,"finish_reason":null}]}\n\n'
)
END = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"


class Server(asyncio.Protocol):
    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._start = b""
        self._end = b""
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()

    def on_message_begin(self) -> None:
        self._start = self._end = b""

    def on_body(self, data: bytes) -> None:
        # What is asked for stands at either end; ten megabytes between them need not be kept.
        if len(self._start) < 4096:
            self._start += data
        self._end = data

    def on_message_complete(self) -> None:
        asked = self._start
        if b'"stream":true' in asked:
            self._task = asyncio.create_task(self._stream(json.loads(asked)))
        elif b'"bytes":' in asked:
            self._task = asyncio.create_task(self._send(json.loads(asked)["bytes"]))
        else:
            self._transport.write(ANSWER)

    async def _stream(self, asked: dict) -> None:
        delay = asked["delay_ms"] / 1000
        self._transport.write(STREAM)
        # Streams that begin together would leave in bursts; each has a phase of its own.
        due = time.monotonic() + random.random() * delay
        for _ in range(asked["max_tokens"]):
            await asyncio.sleep(due - time.monotonic())
            event = EVENT % time.monotonic_ns()
            self._transport.write(b"%x\r\n%b\r\n" % (len(event), event))
            due += delay
        self._transport.write(END)

    async def _send(self, size: int) -> None:
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for start in range(0, size, len(PIECE)):
            self._transport.write(PIECE[: size - start])
            await self._may_write.wait()


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(
        Server, "127.0.0.1", int(sys.argv[1]), backlog=1024
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())

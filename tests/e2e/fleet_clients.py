"""Clients of a fleet that ask any of its gateways without pause, and keep what became of each request.

A plain client and a stream have each answer whole or say what it was instead. Refuses to import zoosup.
"""

import asyncio
import itertools
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException
from typing import Any

import aiohttp

PATIENCE = 60.0
"""Seconds that a client waits for the next byte."""

PAUSE = 0.02
"""Seconds before somebody who was refused a connection tries again."""

Ask = Callable[[str], None]


class Clients:
    """What they have asked and had. `may_be_refused`: they try again where nobody listens, until somebody does.

    `bad` has a line for each request that was not answered as it should be.
    """

    def __init__(
        self, host: str, port: int, headers: dict[str, str], *, may_be_refused: bool = False
    ) -> None:
        self._host, self._port = host, port
        self._headers = {"Content-Type": "application/json", **headers}
        self._may_be_refused = may_be_refused
        self._number = itertools.count()
        self.asked = 0
        self.answered = 0
        self.refused = 0
        self.bad: list[str] = []

    def plain(self, model: str) -> None:
        """One answer that must say back what was asked."""
        self._tell(model, words := self._words(20), stream=False)(
            lambda said: json.loads(said)["choices"][0]["message"]["content"].endswith(words)
        )

    def stream(self, model: str) -> None:
        """The same, word for word, for some seconds."""
        self._tell(model, words := self._words(200), stream=True)(
            lambda said: _streamed(said).endswith(words)
        )

    def _words(self, count: int) -> str:
        return f"word {next(self._number)} of {self._host} " + "and " * count + "end"

    def _tell(self, model: str, words: str, *, stream: bool) -> Callable[[Callable[[str], bool]], None]:
        """Ask, and have what was said looked at."""

        def judge(is_whole: Callable[[str], bool]) -> None:
            self.asked += 1
            try:
                status, said = self._exchange(model, words, stream=stream)
                if status == 200 and is_whole(said):
                    self.answered += 1
                    return
                self.bad.append(f"{self._host} {model} {stream=}: {status} {said[-300:]}")
            except (OSError, HTTPException, ValueError, LookupError) as error:
                self.bad.append(f"{self._host} {model} {stream=}: {error!r}")

        return judge

    def _exchange(self, model: str, words: str, *, stream: bool) -> tuple[int, str]:
        body = {"model": model, "messages": [{"role": "user", "content": words}], "stream": stream}
        with closing(self._connected()) as connection:
            connection.request("POST", "/v1/chat/completions", json.dumps(body), self._headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def _connected(self) -> HTTPConnection:
        end = time.monotonic() + PATIENCE
        while True:
            connection = HTTPConnection(self._host, self._port, timeout=PATIENCE)
            try:
                connection.connect()
            except ConnectionRefusedError:
                if not self._may_be_refused or time.monotonic() > end:
                    raise
                self.refused += 1
                time.sleep(PAUSE)
            else:
                return connection


def _streamed(said: str) -> str:
    """The text of a stream that has come to its end; ValueError for one that has not."""
    events = [line.removeprefix("data: ") for line in said.splitlines() if line.startswith("data: ")]
    if events[-1:] != ["[DONE]"]:
        raise ValueError(f"it ends with {said[-300:]!r}")
    choices = [choice for event in events[:-1] for choice in json.loads(event).get("choices", ())]
    return "".join(choice["delta"].get("content") or "" for choice in choices).strip()


class WebSocketClient:
    """Says something every tenth of a second, and hears it back; connects anew where the connection is closed."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self._url, self._headers = url, headers
        self.heard = 0
        self.closed = 0
        self.bad: list[str] = []

    def until(self, over: threading.Event) -> None:
        """Go on until then."""
        asyncio.run(self._talk(over))

    async def _talk(self, over: threading.Event) -> None:
        async with aiohttp.ClientSession(headers=self._headers) as session:
            while not over.is_set():
                try:
                    async with session.ws_connect(self._url) as socket:
                        await self._say(socket, over)
                except aiohttp.ClientError as error:
                    self.bad.append(repr(error))
                    await asyncio.sleep(PAUSE)

    async def _say(self, socket: aiohttp.ClientWebSocketResponse, over: threading.Event) -> None:
        for number in itertools.count():
            if over.is_set():
                return
            try:
                await socket.send_str(f"message {number}")
                heard: Any = await socket.receive(PATIENCE)
            except (ConnectionError, aiohttp.ClientError):
                heard = None
            if heard is None or heard.type is not aiohttp.WSMsgType.TEXT:
                self.closed += 1
                return
            if heard.data != f"message {number}":
                self.bad.append(f"said {number}, heard {heard.data}")
            self.heard += 1
            await asyncio.sleep(0.1)


@contextmanager
def without_pause(*asking: Callable[[threading.Event], None]) -> Iterator[None]:
    """Have all of them ask until the block is left, and then come to the end of what they are at."""
    over = threading.Event()
    threads = [threading.Thread(target=each, args=(over,), daemon=True) for each in asking]
    for each in threads:
        each.start()
    try:
        yield
    finally:
        over.set()
        for each in threads:
            each.join(PATIENCE)


def again_and_again(ask: Ask, *models: str) -> Callable[[threading.Event], None]:
    """Ask for one model after the other."""

    def until(over: threading.Event) -> None:
        for model in itertools.cycle(models):
            if over.is_set():
                return
            ask(model)

    return until


def main() -> None:
    """Ask a gateway for models until standard input ends, and say what came of it as JSON: HOST PORT MODEL…"""
    host, port, *models = sys.argv[1:]
    clients = Clients(host, int(port), {}, may_be_refused=True)
    with without_pause(again_and_again(clients.plain, *models), again_and_again(clients.stream, *models)):
        sys.stdin.read()
    json.dump({"asked": clients.asked, "answered": clients.answered, "bad": clients.bad}, sys.stdout)


if __name__ == "__main__":
    main()

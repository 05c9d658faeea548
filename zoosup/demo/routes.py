"""What the demonstration server can be asked for, beyond how it is: the routes of the APIs it speaks.

Knows which answer belongs to which path; refuses to know their wording (`answers` and its neighbours), framing
(`http`) and the server's life (`server`).
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Protocol

from zoosup.demo import answers, anthropic, media, responses, texts
from zoosup.demo.http import Request, Response, json_response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    Handler = Callable[[Request], Awaitable[Response]]


class Spoken(Protocol):
    """An answer of words, ready to be sent at once or token by token."""

    @property
    def tokens(self) -> tuple[str, ...]:
        """The words."""

    def document(self) -> dict[str, Any]:
        """The answer to a request that doesn't stream."""

    def opening(self) -> list[bytes]:
        """The events before the first token of a stream."""

    def token(self, token: str) -> bytes:
        """One token as an event of a stream."""

    def closing(self) -> list[bytes]:
        """The events after the last token of a stream."""


class Routes:
    """The routes by method and path, without /v1. A handler raises ValueError for a request that makes no sense."""

    def __init__(self, model: str, token_delay: float) -> None:
        self._model = model
        self._token_delay = token_delay
        self._serial = 0
        self.table: dict[tuple[str, str], Handler] = {
            ("POST", "/chat/completions"): self._chat,
            ("POST", "/completions"): self._completion,
            ("POST", "/completion"): self._native,
            ("POST", "/infill"): self._native,
            ("POST", "/responses"): self._response,
            ("POST", "/messages"): self._message,
            ("POST", "/messages/count_tokens"): self._count,
            ("POST", "/embeddings"): self._about(answers.embeddings),
            ("POST", "/rerank"): self._about(texts.rerank),
            ("POST", "/reranking"): self._about(texts.rerank),
            ("POST", "/tokenize"): self._about(lambda body, **_: texts.tokenize(body)),
            ("POST", "/detokenize"): self._about(lambda body, **_: texts.detokenize(body)),
            ("POST", "/images/generations"): self._paint,
            ("POST", "/images/edits"): self._repaint,
            ("POST", "/audio/speech"): self._say,
            ("POST", "/audio/transcriptions"): self._listen,
        }

    # words

    async def _chat(self, request: Request) -> Response:
        body = request.json()
        return await self._tell(
            body, answers.reply("chat", body, serial=self._next(), model=self._model, created=_now())
        )

    async def _completion(self, request: Request) -> Response:
        body = request.json()
        return await self._tell(
            body, answers.reply("text", body, serial=self._next(), model=self._model, created=_now())
        )

    async def _native(self, request: Request) -> Response:
        body = request.json()
        return await self._tell(body, responses.completion(body, model=self._model))

    async def _response(self, request: Request) -> Response:
        body = request.json()
        return await self._tell(
            body, responses.response(body, serial=self._next(), model=self._model, created=_now())
        )

    async def _message(self, request: Request) -> Response:
        body = request.json()
        return await self._tell(body, anthropic.message(body, serial=self._next(), model=self._model))

    async def _count(self, request: Request) -> Response:
        return json_response({"input_tokens": anthropic.input_tokens(request.json())})

    async def _tell(self, body: Mapping[str, Any], spoken: Spoken) -> Response:
        if body.get("stream"):
            return Response(self._stream(spoken), content_type="text/event-stream")
        await asyncio.sleep(self._token_delay * len(spoken.tokens))
        return json_response(spoken.document())

    async def _stream(self, spoken: Spoken) -> AsyncIterator[bytes]:
        for event in spoken.opening():
            yield event
        for token in spoken.tokens:
            await asyncio.sleep(self._token_delay)
            yield spoken.token(token)
        for event in spoken.closing():
            yield event

    # other things

    def _about(self, answer: Callable[..., dict[str, Any]]) -> Handler:
        async def handler(request: Request) -> Response:
            return json_response(answer(request.json(), model=self._model))

        return handler

    async def _paint(self, request: Request) -> Response:
        body = request.json()
        prompt = answers.text_of(body.get("prompt", ""))
        return json_response(media.images(prompt, body.get("n") or 1, created=_now()))

    async def _repaint(self, request: Request) -> Response:
        form = request.form()
        if "image" not in form and "image[]" not in form:
            raise ValueError("image: field required")
        prompt = form.get("prompt", b"").decode(errors="replace")
        return json_response(media.images(prompt, int(form.get("n", b"1")), created=_now()))

    async def _say(self, request: Request) -> Response:
        return Response(media.speech(request.json()), content_type="audio/wav")

    async def _listen(self, request: Request) -> Response:
        form = request.form()
        text = media.transcription(form, model=self._model)
        if form.get("response_format") == b"text":
            return Response(text.encode() + b"\n", content_type="text/plain; charset=utf-8")
        return json_response({"text": text})

    def _next(self) -> int:
        self._serial += 1
        return self._serial


def _now() -> int:
    return int(time.time())

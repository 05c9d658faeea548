"""The routes of the APIs that the demonstration server speaks.

Knows which answer belongs to which path and how it is sent; refuses to know its wording and the server's life.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from zoosup.demo import anthropic, llama_cpp, media, openai, responses
from zoosup.demo.generation import Answer, Body, Document

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Reader = Callable[[web.Request], Awaitable[Body]]
Author = Callable[[Body, str], Answer | Document | bytes | str]
"""From a request's body and the model's name; bytes are a sound."""

JSON: dict[str, Author] = {
    "/chat/completions": openai.chat,
    "/completions": openai.text,
    "/completion": llama_cpp.completion,
    "/infill": llama_cpp.completion,
    "/responses": responses.response,
    "/messages": anthropic.message,
    "/messages/count_tokens": anthropic.count_tokens,
    "/embeddings": openai.embeddings,
    "/rerank": llama_cpp.rerank,
    "/reranking": llama_cpp.rerank,
    "/tokenize": llama_cpp.tokenize,
    "/detokenize": llama_cpp.detokenize,
    "/images/generations": media.generate_images,
    "/audio/speech": media.speech,
}
FORMS: dict[str, Author] = {
    "/images/edits": media.edit_images,
    "/audio/transcriptions": media.transcription,
}


def api_handlers(model: str, token_delay: float) -> dict[str, Handler]:
    """What answers by path, without /v1, always to POST; a handler's ValueError is the client's mistake."""

    def handler(read: Reader, answer: Author) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            body = await read(request)
            answered = answer(body, model)
            if isinstance(answered, Answer):
                return await _send(request, answered, token_delay, stream=bool(body.get("stream")))
            if isinstance(answered, bytes):
                return web.Response(body=answered, content_type="audio/wav")
            return web.Response(text=answered) if isinstance(answered, str) else json_response(answered)

        return handle

    return {path: handler(_read_json, answer) for path, answer in JSON.items()} | {
        path: handler(_read_form, answer) for path, answer in FORMS.items()
    }


async def _send(
    request: web.Request, answer: Answer, token_delay: float, *, stream: bool
) -> web.StreamResponse:
    if not stream:
        await asyncio.sleep(token_delay * len(answer.generation.tokens))
        return json_response(answer.document)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for delay, events in ((0, answer.opening), (token_delay, answer.tokens), (0, answer.closing)):
        for event in events:
            await asyncio.sleep(delay)
            await response.write(event)
    return response


async def _read_json(request: web.Request) -> Body:
    try:
        value = json.loads(await request.read())
    except ValueError as error:
        raise ValueError(f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError("the body is not a JSON object")  # noqa: TRY004 - the client's mistake, not ours
    return value


async def _read_form(request: web.Request) -> Body:
    fields = (await request.post()).items()
    return {name: value.file.read() if isinstance(value, web.FileField) else value for name, value in fields}


def json_response(value: Any, status: int = 200) -> web.Response:
    """Answer with a JSON document and a line's end, which a terminal likes."""
    return web.json_response(text=json.dumps(value) + "\n", status=status)

"""OpenAI's chat and text completions, embeddings and list of models; the Responses API is a file of its own.

Knows the shapes of that API; the words are those of `generation`.
"""

import base64
import hashlib
import struct
import time
import uuid

from zoosup.demo.generation import Answer, Body, Document, count, generate, last_message, sse, text_of

MAX_DIMENSIONS = 4096


def chat(body: Body, model: str) -> Answer:
    """Answer /v1/chat/completions; a ValueError says what the request lacks."""
    said = generate(model, last_message(body.get("messages")), _limit(body))
    head = _head("chatcmpl", "chat.completion", model)
    chunk = {**head, "object": "chat.completion.chunk"}
    message = {"role": "assistant", "content": said.text}
    return Answer(
        said,
        {**head, **_choice(said.finish, message=message), "usage": said.usage},
        opening=[sse({**chunk, **_choice(delta={"role": "assistant", "content": ""})})],
        tokens=(sse({**chunk, **_choice(delta={"content": token})}) for token in said.tokens),
        closing=[sse({**chunk, **_choice(said.finish, delta={})}), *_end(body, chunk, said.usage)],
    )


def text(body: Body, model: str) -> Answer:
    """Answer /v1/completions; a ValueError says what the request lacks."""
    said = generate(model, text_of(body.get("prompt", "")), _limit(body))
    head = _head("cmpl", "text_completion", model)
    return Answer(
        said,
        {**head, **_choice(said.finish, text=said.text), "usage": said.usage},
        tokens=(sse({**head, **_choice(text=token)}) for token in said.tokens),
        closing=[sse({**head, **_choice(said.finish, text="")}), *_end(body, head, said.usage)],
    )


def _limit(body: Body) -> object:
    return body.get("max_completion_tokens", body.get("max_tokens"))


def _head(prefix: str, name: str, model: str) -> Document:
    serial = f"{prefix}-demo-{uuid.uuid4().hex}"
    return {"id": serial, "object": name, "created": int(time.time()), "model": model}


def _choice(finish: str | None = None, **content: object) -> Document:
    return {"choices": [{"index": 0, **content, "finish_reason": finish, "logprobs": None}]}


def _end(body: Body, chunk: Document, usage: Document) -> list[bytes]:
    asked = (body.get("stream_options") or {}).get("include_usage")
    return [*([sse({**chunk, "choices": [], "usage": usage})] if asked else []), b"data: [DONE]\n\n"]


def embeddings(body: Body, model: str) -> Document:
    """Answer /v1/embeddings: unit vectors that depend on the text alone; a ValueError says what is wrong."""
    texts = _inputs(body.get("input"))
    size = body.get("dimensions") or 64
    if not isinstance(size, int) or not 1 <= size <= MAX_DIMENSIONS:
        raise ValueError(f"dimensions must be 1 to {MAX_DIMENSIONS}")
    packed = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": i, "embedding": _packed(vector) if packed else vector}
        for i, vector in enumerate(_embedded(text, size) for text in texts)
    ]
    tokens = count(*texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "model": model, "data": data, "usage": usage}


def _inputs(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list) or not value:
        raise ValueError("input must be a string or a list of them")
    return [text_of(value)] if isinstance(value[0], int) else [text_of(item) for item in value]


def _embedded(text: str, size: int) -> list[float]:
    raw = [byte - 127.5 for byte in hashlib.shake_256(text.encode()).digest(size)]
    norm = sum(x * x for x in raw) ** 0.5
    return [x / norm for x in raw]


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def models(model: str) -> Document:
    """Answer /v1/models with the one model that this server stands for."""
    entry = {"id": model, "object": "model", "created": int(time.time()), "owned_by": "zoosup-demo"}
    return {"object": "list", "data": [entry]}

"""What the demonstration server answers: OpenAI's documents, filled with text that says what it is.

Pure: knows the shapes of the API and words, which it calls tokens; refuses to know sockets, clocks and
memory.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DISCLAIMER = "This is zoosup's demonstration server, not a language model."
DIMENSIONS = 64
MAX_DIMENSIONS = 4096

Finish = Literal["stop", "length"]
Kind = Literal["chat", "text"]


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer, ready to be sent at once or token by token."""

    kind: Kind
    id: str
    model: str
    created: int
    tokens: tuple[str, ...]
    finish: Finish
    prompt_tokens: int
    include_usage: bool = False  # at the end of a stream

    @property
    def usage(self) -> dict[str, int]:
        """OpenAI's usage counts; a token is a word."""
        spoken = len(self.tokens)
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": spoken,
            "total_tokens": self.prompt_tokens + spoken,
        }

    def document(self) -> dict[str, Any]:
        """The answer to a request that doesn't stream."""
        text = "".join(self.tokens)
        choice: dict[str, Any] = {"index": 0, "finish_reason": self.finish, "logprobs": None}
        if self.kind == "chat":
            name, choice["message"] = "chat.completion", {"role": "assistant", "content": text}
        else:
            name, choice["text"] = "text_completion", text
        return {**self._head(name), "choices": [choice], "usage": self.usage}

    def opening(self) -> list[bytes]:
        """The events before the first token of a stream."""
        return [self._event({"role": "assistant", "content": ""}, None)] if self.kind == "chat" else []

    def token(self, token: str) -> bytes:
        """One token as an event of a stream."""
        return self._event({"content": token} if self.kind == "chat" else token, None)

    def closing(self) -> list[bytes]:
        """The events after the last token of a stream."""
        events = [self._event({} if self.kind == "chat" else "", self.finish)]
        if self.include_usage:
            events.append(sse({**self._head(self._chunk_name()), "choices": [], "usage": self.usage}))
        return [*events, b"data: [DONE]\n\n"]

    def _event(self, delta: object, finish: Finish | None) -> bytes:
        field = "delta" if self.kind == "chat" else "text"
        choice = {"index": 0, field: delta, "finish_reason": finish, "logprobs": None}
        return sse({**self._head(self._chunk_name()), "choices": [choice]})

    def _chunk_name(self) -> str:
        return "chat.completion.chunk" if self.kind == "chat" else "text_completion"

    def _head(self, name: str) -> dict[str, Any]:
        return {"id": self.id, "object": name, "created": self.created, "model": self.model}


def reply(kind: Kind, body: Mapping[str, Any], *, serial: int, model: str, created: int) -> Reply:
    """Compose the answer to a chat or text completion; a ValueError says what the request lacks."""
    prompt = last_message(body.get("messages")) if kind == "chat" else text_of(body.get("prompt", ""))
    tokens, finish = speak(model, prompt, body.get("max_completion_tokens", body.get("max_tokens")))
    return Reply(
        kind=kind,
        id=f"{'chatcmpl' if kind == 'chat' else 'cmpl'}-demo-{serial}",
        model=model,
        created=created,
        tokens=tokens,
        finish=finish,
        prompt_tokens=len(prompt.split()),
        include_usage=bool((body.get("stream_options") or {}).get("include_usage")),
    )


def speak(model: str, prompt: str, limit: object) -> tuple[tuple[str, ...], Finish]:
    """The words of an answer, at most `limit` of them (None: all), and why it ends; a ValueError for a bad limit."""
    words = f"{DISCLAIMER} {model} heard: {prompt}".split()
    if limit is not None and (not isinstance(limit, int) or limit < 0):
        raise ValueError("the most tokens of an answer must be a number of them")
    kept = words if limit is None else words[:limit]
    tokens = tuple(word if i == 0 else f" {word}" for i, word in enumerate(kept))
    return tokens, "stop" if len(kept) == len(words) else "length"


def embeddings(body: Mapping[str, Any], *, model: str) -> dict[str, Any]:
    """Answer /v1/embeddings: unit vectors that depend on the text alone; a ValueError says what is wrong."""
    inputs = _inputs(body.get("input"))
    size = body.get("dimensions") or DIMENSIONS
    if not isinstance(size, int) or not 1 <= size <= MAX_DIMENSIONS:
        raise ValueError(f"dimensions must be 1 to {MAX_DIMENSIONS}")
    packed = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": i, "embedding": _pack(vector) if packed else vector}
        for i, vector in enumerate(embed(text, size) for text in inputs)
    ]
    count = sum(len(text.split()) for text in inputs)
    usage = {"prompt_tokens": count, "total_tokens": count}
    return {"object": "list", "model": model, "data": data, "usage": usage}


def embed(text: str, size: int) -> list[float]:
    """Hash a text into a unit vector; the same text gives the same vector on every host."""
    raw = [byte - 127.5 for byte in hashlib.shake_256(text.encode()).digest(size)]
    norm = sum(x * x for x in raw) ** 0.5
    return [x / norm for x in raw]


def models(model: str, created: int) -> dict[str, Any]:
    """Answer /v1/models with the one model that this server stands for."""
    entry = {"id": model, "object": "model", "created": created, "owned_by": "zoosup-demo"}
    return {"object": "list", "data": [entry]}


def sse(value: object, event: str = "") -> bytes:
    """One event of a stream, with a name where the API gives its events one."""
    name = f"event: {event}\n".encode() if event else b""
    return name + b"data: " + json.dumps(value).encode() + b"\n\n"


def _pack(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def last_message(messages: object) -> str:
    """The text of the last message; a ValueError where there is none."""
    if not isinstance(messages, list) or not messages or not isinstance(messages[-1], dict):
        raise ValueError("messages must be a list of at least one message")
    return text_of(messages[-1].get("content") or "")


def text_of(value: object) -> str:
    """The text of a string, of a list of parts, or of a list of prompts or token ids."""
    if isinstance(value, list):
        return " ".join(text_of(part.get("text", "") if isinstance(part, dict) else part) for part in value)
    return str(value)


def _inputs(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list) or not value:
        raise ValueError("input must be a string or a list of them")
    return [text_of(value)] if isinstance(value[0], int) else [text_of(item) for item in value]

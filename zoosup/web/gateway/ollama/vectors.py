"""Embeddings, handed on number by number as the model's server has written them: no vector is built. Pure."""

from typing import Any

import msgspec

from zoosup.web.gateway.ollama.answers import AnswerError, Figures
from zoosup.web.gateway.ollama.requests import Form


class _Vector(msgspec.Struct):
    embedding: msgspec.Raw
    index: int = 0


class _Vectors(msgspec.Struct):
    data: list[_Vector]
    usage: dict[str, Any] | None = None


_decoder = msgspec.json.Decoder(_Vectors)


def embeddings(form: Form, model: str, figures: Figures, body: bytes, now: float) -> bytes:
    """Ollama's answer for OpenAI's; AnswerError for what is none."""
    try:
        said = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise AnswerError(f"its answer has no embeddings: {error}") from None
    found = [each.embedding for each in sorted(said.data, key=lambda each: each.index)]
    figures.usage = said.usage or {}
    if form is Form.EMBEDDINGS:
        return msgspec.json.encode({"embedding": found[0] if found else []})
    return msgspec.json.encode({"model": model, "embeddings": found, **figures.told(now, words=False)})

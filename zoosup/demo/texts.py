"""What the demonstration server answers about texts: how they rank, and what tokens they come to.

Pure. A text ranks by the words that it shares with the query. To /tokenize a token is a byte, so that /detokenize
can undo it without a vocabulary; elsewhere, where tokens are only counted, a word is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoosup.demo.answers import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_BYTE = 256


def rerank(body: Mapping[str, Any], *, model: str) -> dict[str, Any]:
    """Answer /v1/rerank, the best first; a ValueError says what the request lacks."""
    query, documents = body.get("query"), body.get("documents")
    if not isinstance(query, str) or not isinstance(documents, list) or not documents:
        raise ValueError("query must be a text and documents a list of at least one")
    texts = [text_of([document]) for document in documents]
    scores = [_shared(query, text) for text in texts]
    order = sorted(range(len(texts)), key=lambda index: -scores[index])
    results = [{"index": index, "relevance_score": scores[index]} for index in order]
    count = sum(len(text.split()) for text in (query, *texts))
    usage = {"prompt_tokens": count, "total_tokens": count}
    return {"object": "list", "model": model, "results": results[: body.get("top_n")], "usage": usage}


def _shared(query: str, text: str) -> float:
    one, other = set(query.lower().split()), set(text.lower().split())
    return len(one & other) / len(one | other) if one or other else 0.0


def tokenize(body: Mapping[str, Any]) -> dict[str, Any]:
    """Answer llama.cpp's /tokenize."""
    content = body.get("content", "")
    if not isinstance(content, str):
        raise ValueError("content must be a text")  # noqa: TRY004 - the client's mistake, not ours
    return {"tokens": list(content.encode())}


def detokenize(body: Mapping[str, Any]) -> dict[str, Any]:
    """Answer llama.cpp's /detokenize; bytes that are no text come as replacement characters."""
    tokens = body.get("tokens")
    if not isinstance(tokens, list) or not all(isinstance(t, int) and 0 <= t < _BYTE for t in tokens):
        raise ValueError("tokens must be a list of what /tokenize has answered")
    return {"content": bytes(tokens).decode(errors="replace")}

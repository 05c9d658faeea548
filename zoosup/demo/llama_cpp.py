"""llama.cpp's own routes: completions, ranks, tokens.

A text ranks by the words that it shares with the query. To /tokenize a token is a byte, so that /detokenize can undo
it without a vocabulary.
"""

from zoosup.demo.generation import Answer, Body, Document, count, generate, sse, text_of


def completion(body: Body, model: str) -> Answer:
    """Answer /completion and /infill; a ValueError for a limit that is none."""
    prompt = text_of(body.get("prompt", "")) or text_of(body.get("input_prefix", ""))
    limit = body.get("n_predict")
    said = generate(model, prompt, None if limit == -1 else limit)
    end = {
        "content": "",
        "model": model,
        "stop": True,
        "stop_type": "eos" if said.finish == "stop" else "limit",
        "tokens_predicted": len(said.tokens),
        "tokens_evaluated": said.prompt_tokens,
    }
    return Answer(
        said,
        {**end, "content": said.text},
        tokens=(sse({"content": token, "stop": False}) for token in said.tokens),
        closing=[sse(end)],  # no [DONE] follows
    )


def rerank(body: Body, model: str) -> Document:
    """Answer /v1/rerank, the best first; a ValueError says what the request lacks."""
    query, documents = body.get("query"), body.get("documents")
    if not isinstance(query, str) or not isinstance(documents, list) or not documents:
        raise ValueError("query must be a text and documents a list of at least one")
    texts = [text_of([document]) for document in documents]
    scores = [_similarity(query, text) for text in texts]
    order = sorted(range(len(texts)), key=lambda index: -scores[index])
    results = [{"index": index, "relevance_score": scores[index]} for index in order]
    tokens = count(query, *texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "model": model, "results": results[: body.get("top_n")], "usage": usage}


def _similarity(query: str, text: str) -> float:
    one, other = set(query.lower().split()), set(text.lower().split())
    return len(one & other) / len(one | other) if one or other else 0.0


def tokenize(body: Body, _model: str) -> Document:
    """Answer /tokenize; a ValueError where there is no text."""
    content = body.get("content", "")
    if not isinstance(content, str):
        raise ValueError("content must be a text")  # noqa: TRY004 - the client's mistake, not ours
    return {"tokens": list(content.encode())}


def detokenize(body: Body, _model: str) -> Document:
    """Answer /detokenize; bytes that are no text come as replacement characters."""
    try:
        return {"content": bytes(body["tokens"]).decode(errors="replace")}
    except (KeyError, TypeError, ValueError):
        raise ValueError("tokens must be a list of what /tokenize has answered") from None

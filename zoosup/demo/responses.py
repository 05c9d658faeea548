"""OpenAI's Responses API.

Knows the shapes of that API; the words are those of `generation`.
"""

import itertools
import time
import uuid
from collections.abc import Iterable, Iterator

from zoosup.demo.generation import Answer, Body, Document, Generation, generate, last_message, sse


def response(body: Body, model: str) -> Answer:
    """Answer /v1/responses; a ValueError says what the request lacks."""
    asked = body.get("input")
    if not asked:
        raise ValueError("input must be a string or a list of items")
    prompt = asked if isinstance(asked, str) else last_message(asked)
    said = generate(model, prompt, body.get("max_output_tokens"))
    name = f"msg_demo_{uuid.uuid4().hex}"
    place = {"item_id": name, "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": said.text, "annotations": []}
    head = {"type": "message", "id": name, "role": "assistant"}
    item = {**head, "status": "completed", "content": [part]}
    begun = _begun(model)
    done = {**begun, "status": "completed", "output": [item], "usage": _usage(said)}
    opening: list[tuple[str, Document]] = [
        ("created", {"response": begun}),
        ("output_item.added", {"output_index": 0, "item": {**head, "status": "in_progress", "content": []}}),
        ("content_part.added", {**place, "part": {**part, "text": ""}}),
    ]
    tokens = (("output_text.delta", {**place, "delta": token, "logprobs": []}) for token in said.tokens)
    closing: list[tuple[str, Document]] = [
        ("output_text.done", {**place, "text": said.text, "logprobs": []}),
        ("content_part.done", {**place, "part": part}),
        ("output_item.done", {"output_index": 0, "item": item}),
        ("completed", {"response": done}),
    ]
    numbers = itertools.count()
    return Answer(said, done, _events(numbers, opening), _events(numbers, tokens), _events(numbers, closing))


def _events(numbers: Iterator[int], named: Iterable[tuple[str, Document]]) -> Iterator[bytes]:
    for name, fields in named:
        kind = f"response.{name}"
        yield sse({"type": kind, "sequence_number": next(numbers), **fields}, event=kind)


def _begun(model: str) -> Document:
    head = {"id": f"resp_demo_{uuid.uuid4().hex}", "object": "response", "created_at": int(time.time())}
    tools = {"parallel_tool_calls": False, "tool_choice": "auto", "tools": []}
    return {**head, "status": "in_progress", "model": model, "output": [], **tools, "usage": None}


def _usage(said: Generation) -> Document:
    heard, spoken = said.prompt_tokens, len(said.tokens)
    details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    return {"input_tokens": heard, "output_tokens": spoken, "total_tokens": heard + spoken, **details}

"""Anthropic's Messages API.

Knows the shapes of that API; the words are those of `generation`.
"""

import uuid

from zoosup.demo.generation import Answer, Body, Document, count, generate, last_message, sse, text_of


def message(body: Body, model: str) -> Answer:
    """Answer /v1/messages; a ValueError says what the request lacks."""
    if "max_tokens" not in body:
        raise ValueError("max_tokens: field required")
    said = generate(model, last_message(body.get("messages")), body["max_tokens"])
    head = {"id": f"msg_demo_{uuid.uuid4().hex}", "type": "message", "role": "assistant", "model": model}
    heard, spoken = {"input_tokens": _input_tokens(body)}, {"output_tokens": len(said.tokens)}
    begun = {"stop_reason": None, "stop_sequence": None, "usage": {**heard, "output_tokens": 0}}
    end = {"stop_reason": "end_turn" if said.finish == "stop" else "max_tokens", "stop_sequence": None}
    block = {"type": "text", "text": ""}
    return Answer(
        said,
        {**head, "content": [{**block, "text": said.text}], **end, "usage": heard | spoken},
        opening=[
            _event("message_start", message={**head, "content": [], **begun}),
            _event("content_block_start", index=0, content_block=block),
        ],
        tokens=(
            _event("content_block_delta", index=0, delta={"type": "text_delta", "text": token})
            for token in said.tokens
        ),
        closing=[
            _event("content_block_stop", index=0),
            _event("message_delta", delta=end, usage=spoken),
            _event("message_stop"),
        ],
    )


def count_tokens(body: Body, _model: str) -> Document:
    """Answer /v1/messages/count_tokens; a ValueError where there are no messages."""
    return {"input_tokens": _input_tokens(body)}


def _input_tokens(body: Body) -> int:
    last_message(body.get("messages"))
    said = [body.get("system") or "", *(each.get("content") or "" for each in body["messages"])]
    return count(*map(text_of, said))


def _event(kind: str, **fields: object) -> bytes:
    return sse({"type": kind, **fields}, event=kind)

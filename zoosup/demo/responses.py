"""What the demonstration server answers to OpenAI's Responses API and to llama.cpp's own completions.

Pure: knows the shapes of those APIs; the words are those of `answers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from zoosup.demo.answers import Finish, last_message, speak, sse, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Spoken:
    """A whole response, ready to be sent at once or token by token."""

    id: str
    model: str
    created: int
    tokens: tuple[str, ...]
    finish: Finish
    input_tokens: int
    numbers: Iterator[int]  # of a stream's events

    def document(self) -> dict[str, Any]:
        """The answer to a request that doesn't stream."""
        return self._response("completed", [self._item("completed", "".join(self.tokens))])

    def opening(self) -> list[bytes]:
        """The events before the first token of a stream."""
        part = {"type": "output_text", "text": "", "annotations": []}
        item = {**self._item("in_progress", ""), "content": []}
        return [
            self._event("response.created", response=self._response("in_progress", [])),
            self._event("response.output_item.added", output_index=0, item=item),
            self._event("response.content_part.added", **self._place(), part=part),
        ]

    def token(self, token: str) -> bytes:
        """One token as an event of a stream."""
        return self._event("response.output_text.delta", **self._place(), delta=token, logprobs=[])

    def closing(self) -> list[bytes]:
        """The events after the last token of a stream."""
        item = self._item("completed", "".join(self.tokens))
        [part] = item["content"]
        return [
            self._event("response.output_text.done", **self._place(), text=part["text"], logprobs=[]),
            self._event("response.content_part.done", **self._place(), part=part),
            self._event("response.output_item.done", output_index=0, item=item),
            self._event("response.completed", response=self._response("completed", [item])),
        ]

    def _event(self, kind: str, **fields: object) -> bytes:
        return sse({"type": kind, "sequence_number": next(self.numbers), **fields}, event=kind)

    def _place(self) -> dict[str, Any]:
        return {"item_id": f"msg_{self.id}", "output_index": 0, "content_index": 0}

    def _item(self, status: str, text: str) -> dict[str, Any]:
        content = [{"type": "output_text", "text": text, "annotations": []}]
        head = {"type": "message", "id": f"msg_{self.id}", "status": status, "role": "assistant"}
        return {**head, "content": content}

    def _response(self, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
        spoken = len(self.tokens) if output else 0
        usage = {
            "input_tokens": self.input_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": spoken,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": self.input_tokens + spoken,
        }
        return {
            "id": f"resp_{self.id}",
            "object": "response",
            "created_at": self.created,
            "status": status,
            "model": self.model,
            "output": output,
            "parallel_tool_calls": False,
            "tool_choice": "auto",
            "tools": [],
            "usage": usage if output else None,
        }


def response(body: Mapping[str, Any], *, serial: int, model: str, created: int) -> Spoken:
    """Compose the answer to /v1/responses; a ValueError says what the request lacks."""
    said = body.get("input")
    if not said:
        raise ValueError("input must be a string or a list of items")
    prompt = said if isinstance(said, str) else last_message(said)
    tokens, finish = speak(model, prompt, body.get("max_output_tokens"))
    return Spoken(f"demo_{serial}", model, created, tokens, finish, len(prompt.split()), count())


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer of llama.cpp's own /completion and /infill."""

    model: str
    tokens: tuple[str, ...]
    finish: Finish
    evaluated: int

    def document(self) -> dict[str, Any]:
        """The answer to a request that doesn't stream."""
        return self._end("".join(self.tokens))

    def opening(self) -> list[bytes]:
        """Nothing comes before the first token."""
        return []

    def token(self, token: str) -> bytes:
        """One token as an event of a stream."""
        return sse({"content": token, "stop": False})

    def closing(self) -> list[bytes]:
        """The last event has the counts; no [DONE] follows."""
        return [sse(self._end(""))]

    def _end(self, content: str) -> dict[str, Any]:
        why = "eos" if self.finish == "stop" else "limit"
        counts = {"tokens_predicted": len(self.tokens), "tokens_evaluated": self.evaluated}
        return {"content": content, "model": self.model, "stop": True, "stop_type": why, **counts}


def completion(body: Mapping[str, Any], *, model: str) -> Completion:
    """Compose the answer to /completion or /infill; a ValueError for a limit that is none."""
    prompt = text_of(body.get("prompt", "")) or text_of(body.get("input_prefix", ""))
    limit = body.get("n_predict")
    tokens, finish = speak(model, prompt, None if limit == -1 else limit)
    return Completion(model, tokens, finish, len(prompt.split()))

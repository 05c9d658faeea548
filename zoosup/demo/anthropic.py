"""What the demonstration server answers to Anthropic's Messages API.

Pure: knows the shapes of that API; the words are those of `answers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoosup.demo.answers import Finish, last_message, speak, sse, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_STOP_REASONS: dict[Finish, str] = {"stop": "end_turn", "length": "max_tokens"}


@dataclass(frozen=True, slots=True)
class Message:
    """A whole answer, ready to be sent at once or token by token."""

    id: str
    model: str
    tokens: tuple[str, ...]
    finish: Finish
    input_tokens: int

    def document(self) -> dict[str, Any]:
        """The answer to a request that doesn't stream."""
        return self._message(
            [{"type": "text", "text": "".join(self.tokens)}], _STOP_REASONS[self.finish], len(self.tokens)
        )

    def opening(self) -> list[bytes]:
        """The events before the first token of a stream."""
        block = {"type": "text", "text": ""}
        return [
            _event("message_start", message=self._message([], None, 0)),
            _event("content_block_start", index=0, content_block=block),
        ]

    def token(self, token: str) -> bytes:
        """One token as an event of a stream."""
        return _event("content_block_delta", index=0, delta={"type": "text_delta", "text": token})

    def closing(self) -> list[bytes]:
        """The events after the last token of a stream."""
        end = {"stop_reason": _STOP_REASONS[self.finish], "stop_sequence": None}
        return [
            _event("content_block_stop", index=0),
            _event("message_delta", delta=end, usage={"output_tokens": len(self.tokens)}),
            _event("message_stop"),
        ]

    def _message(self, content: list[dict[str, str]], end: str | None, spoken: int) -> dict[str, Any]:
        return {
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": content,
            "stop_reason": end,
            "stop_sequence": None,
            "usage": {"input_tokens": self.input_tokens, "output_tokens": spoken},
        }


def message(body: Mapping[str, Any], *, serial: int, model: str) -> Message:
    """Compose the answer to /v1/messages; a ValueError says what the request lacks."""
    if "max_tokens" not in body:
        raise ValueError("max_tokens: field required")
    prompt = last_message(body.get("messages"))
    tokens, finish = speak(model, prompt, body["max_tokens"])
    return Message(f"msg_demo_{serial}", model, tokens, finish, input_tokens(body))


def input_tokens(body: Mapping[str, Any]) -> int:
    """The words of the system prompt and of all messages; a ValueError where there are none."""
    last_message(body.get("messages"))
    said = [body.get("system") or "", *(each.get("content") or "" for each in body["messages"])]
    return sum(len(text_of(text).split()) for text in said)


def _event(kind: str, **fields: object) -> bytes:
    return sse({"type": kind, **fields}, event=kind)

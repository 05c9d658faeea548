"""The words of every answer, in whichever API they are asked for; a token is a word.

Knows prompts, limits and how an event of a stream is framed; refuses to know the shape of any API.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

DISCLAIMER = "This is zoosup's demonstration server, not a language model."

Body = Mapping[str, Any]
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Generation:
    """What is said to one prompt, and why it ends."""

    tokens: tuple[str, ...]
    finish: Literal["stop", "length"]
    prompt_tokens: int

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.tokens)

    @property
    def usage(self) -> Document:
        """The counts as OpenAI names them."""
        heard, said = self.prompt_tokens, len(self.tokens)
        return {"prompt_tokens": heard, "completion_tokens": said, "total_tokens": heard + said}


@dataclass(frozen=True, slots=True)
class Answer:
    """A generation in the words of one API: a document, or the events of a stream in three parts."""

    generation: Generation
    document: Document
    opening: Iterable[bytes] = ()
    tokens: Iterable[bytes] = ()
    closing: Iterable[bytes] = ()


def generate(model: str, prompt: str, limit: object = None) -> Generation:
    """At most `limit` words about the prompt (None: all); a ValueError for a limit that is none."""
    words = f"{DISCLAIMER} {model} heard: {prompt}".split()
    if limit is not None and (not isinstance(limit, int) or limit < 0):
        raise ValueError("the most tokens of an answer must be a number of them")
    kept = words if limit is None else words[:limit]
    tokens = tuple(f" {word}" if i else word for i, word in enumerate(kept))
    return Generation(tokens, "stop" if len(kept) == len(words) else "length", count(prompt))


def count(*texts: str) -> int:
    """The tokens of some texts."""
    return sum(len(text.split()) for text in texts)


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


def sse(value: object, event: str = "") -> bytes:
    """One event of a stream, with a name where the API gives its events one."""
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {json.dumps(value)}\n\n".encode()

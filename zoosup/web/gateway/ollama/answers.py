"""A model's answer in OpenAI's words, as Ollama's clients read it: whole, or piece by piece as it comes. Pure.

Times are seconds of a monotonic clock, and nanoseconds in answers. Where the model's server says itself how long it
took (llama.cpp's `timings`), that counts; else it is what was seen from here.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from zoosup.web.gateway.ollama.events import Events
from zoosup.web.gateway.ollama.requests import Form
from zoosup.web.wire import as_json

Document = dict[str, Any]
_NANO = 10**9


class AnswerError(Exception):
    """The model's answer can't be told in Ollama's words."""


@dataclass(slots=True)
class Figures:
    """When one request came, was sent on and got its first word; and what its answer says it has taken."""

    came: float
    sent: float
    first: float | None = None
    usage: Mapping[str, Any] = field(default_factory=dict)
    timings: Mapping[str, Any] = field(default_factory=dict)

    def note(self, document: Mapping[str, Any], now: float) -> None:
        """A piece of the answer has come."""
        self.first = now if self.first is None else self.first
        self.usage = _mapping(document.get("usage")) or self.usage
        self.timings = _mapping(document.get("timings")) or self.timings

    @property
    def prompt(self) -> int | None:
        """Tokens of the prompt; None where nobody says."""
        return _count(self.usage.get("prompt_tokens"))

    @property
    def completion(self) -> int | None:
        """Tokens of the answer, likewise."""
        return _count(self.usage.get("completion_tokens"))

    def told(self, now: float, *, words: bool = True) -> Document:
        """What the last piece of an answer says; `words`: it has some."""
        first = self.sent if self.first is None else self.first
        found: Document = {
            "total_duration": _nano(now - self.came),
            "load_duration": _nano(self.sent - self.came),
            "prompt_eval_count": self.prompt or 0,
        }
        if words:
            found["prompt_eval_duration"] = self._timed("prompt_ms", first - self.sent)
            found["eval_count"] = self.completion or 0
            found["eval_duration"] = self._timed("predicted_ms", now - first)
        return found

    def _timed(self, name: str, seen: float) -> int:
        said = self.timings.get(name)
        if isinstance(said, int | float) and 0 <= said < 10**12:  # some years, or nonsense
            return int(said * 10**6)
        return _nano(seen)


@dataclass(frozen=True, slots=True)
class Line:
    """How a piece of an answer is written: which form, whose name, and when it is said (wall time)."""

    form: Form
    model: str

    def of(self, at: float, words: Document, *, done: bool = False, **more: Any) -> Document:
        """`words` has `content` and may have `thinking` and `tool_calls`."""
        head: Document = {"model": self.model, "created_at": stamp(at)}
        if self.form is Form.CHAT:
            body: Document = {"message": {"role": "assistant", **words}}
        else:
            body = {"response": words.pop("content"), **words}
        return head | body | {"done": done} | more

    def waiting(self, at: float, why: str, *, aloud: bool) -> bytes:
        """What is sent while a model loads: nothing that anybody reads, or `aloud` the reason as a thought."""
        words: Document = {"content": "", "thinking": f"{why}\n"} if aloud else {"content": ""}
        return as_json(self.of(at, words))


class Stream:
    """One answer as it comes."""

    def __init__(self, line: Line, figures: Figures) -> None:
        self.figures = figures
        self._line = line
        self._events = Events()
        self._calls = _Calls()
        self._finish: str | None = None
        self._complete = self._failed = False

    def feed(self, data: bytes, now: float, at: float) -> bytes:
        """Lines for what has come; `now` is monotonic, `at` wall time. AnswerError or EventError for what is none."""
        return b"".join(self._told(self._events.feed(data), now, at))

    def end(self, now: float, at: float) -> bytes:
        """The last lines; nothing where the model has ended with an error, which has been said.

        AnswerError where the stream has ended, and the answer in it has not.
        """
        lines = list(self._told(self._events.end(), now, at))
        if not self._failed:
            if not self._complete:
                raise AnswerError("its stream has ended before its answer")
            lines += self._called(at)
            reason = done_reason(self._finish)
            figures = self.figures.told(now)
            lines.append(
                as_json(self._line.of(at, {"content": ""}, done=True, done_reason=reason, **figures))
            )
        return b"".join(lines)

    def _told(self, events: Iterable[bytes], now: float, at: float) -> Iterable[bytes]:
        for event in events:
            if event == b"[DONE]":
                self._complete = True
            elif not self._failed:
                yield from self._event(document(event), now, at)

    def _event(self, said: Document, now: float, at: float) -> Iterable[bytes]:
        if said.get("error"):
            self._failed = True
            yield as_json({"error": error_text(said)})
            return
        self.figures.note(said, now)
        choice = _choice(said)
        words, more = _words(choice, "delta"), _logprobs(choice)
        self._calls.add(_mapping(choice.get("delta")).get("tool_calls"))
        if any(words.values()) or more:
            yield as_json(self._line.of(at, words, **more))
        if choice.get("finish_reason"):
            self._finish, self._complete = str(choice["finish_reason"]), True
            yield from self._called(at)

    def _called(self, at: float) -> Iterable[bytes]:
        if calls := self._calls.taken(cut=self._finish == "length"):
            yield as_json(self._line.of(at, {"content": "", "tool_calls": calls}))


def whole(line: Line, figures: Figures, body: bytes, now: float, at: float) -> bytes:
    """An answer that has come as one; AnswerError for what is none."""
    said = document(body)
    figures.note(said, figures.sent)  # of its first word nothing was seen
    choice = _choice(said)
    calls = _Calls()
    calls.add(_mapping(choice.get("message")).get("tool_calls"))
    words = _words(choice, "message")
    if found := calls.taken(cut=choice.get("finish_reason") == "length"):
        words["tool_calls"] = found
    reason = done_reason(choice.get("finish_reason"))
    more = _logprobs(choice) | figures.told(now)
    return as_json(line.of(at, words, done=True, done_reason=reason, **more))


def unasked(line: Line, at: float, reason: str) -> bytes:
    """The answer where no words were asked for; `reason`: load, or unload."""
    if line.form is Form.EMBED:
        return as_json({"model": line.model, "embeddings": []})
    if line.form is Form.EMBEDDINGS:
        return as_json({"embedding": []})
    return as_json(line.of(at, {"content": ""}, done=True, done_reason=reason))


def stamp(at: float) -> str:
    """A wall time as Ollama writes it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def done_reason(finish: object) -> str:
    """Why an answer ends; a call of a tool is an end like another."""
    return "length" if finish == "length" else "stop"


def document(body: bytes) -> Document:
    """A JSON object of a model's server; AnswerError where it is none."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise AnswerError(f"its answer is no JSON object: {body[:80].decode('utf-8', 'replace')!r}")
    return value


def error_text(said: object) -> str:
    """What a server's error says to people, whichever way it is put."""
    if isinstance(said, dict):
        return next(
            (error_text(said[name]) for name in ("error", "message", "detail") if said.get(name)), str(said)
        )
    return str(said)


def _choice(said: Document) -> Document:
    choices = said.get("choices")
    return _mapping(choices[0]) if isinstance(choices, list) and choices else {}


def _words(choice: Document, where: str) -> Document:
    """`content`, and `thinking` where there is some; of a plain completion all is content."""
    said = _mapping(choice.get(where))
    found = {"content": _text(said.get("content")) or _text(choice.get("text"))}
    if thinking := _text(said.get("reasoning_content")) or _text(said.get("reasoning")):
        found["thinking"] = thinking
    return found


def _logprobs(choice: Document) -> Document:
    found = _mapping(choice.get("logprobs")).get("content")
    return {"logprobs": found} if found else {}


class _Calls:
    """Calls of tools, put together from their pieces: Ollama's clients are told whole ones."""

    def __init__(self) -> None:
        self._found: dict[int, Document] = {}

    def add(self, pieces: object) -> None:
        """What a piece of the answer says of them."""
        for number, piece in enumerate(pieces if isinstance(pieces, list) else ()):
            said, function = _mapping(piece), _mapping(_mapping(piece).get("function"))
            at = _count(said.get("index"))
            call = self._found.setdefault(
                number if at is None else at, {"id": "", "name": "", "arguments": ""}
            )
            call["id"] = _text(said.get("id")) or call["id"]
            call["name"] += _text(function.get("name"))
            call["arguments"] += _text(function.get("arguments"))

    def taken(self, *, cut: bool) -> list[Document]:
        """All that there are, once; `cut`: the answer has ended before its time, and the last may be no whole one."""
        found, self._found = list(self._found.values()), {}
        calls: list[Document] = []
        for number, said in enumerate(found):
            call = _call(number, said)
            if call is not None:
                calls.append(call)
            elif not cut:
                raise AnswerError(
                    f"it calls {said['name']} with what is no JSON object: {said['arguments'][:200]}"
                )
        return calls


def _call(number: int, call: Document) -> Document | None:
    try:
        arguments = json.loads(call["arguments"] or "{}")
    except (ValueError, RecursionError):
        return None
    if not isinstance(arguments, dict):
        return None
    told = {"function": {"index": number, "name": call["name"], "arguments": arguments}}
    return {"id": call["id"], **told} if call["id"] else told


def _mapping(value: object) -> Document:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    """A text; an object, which some servers send for arguments, as one."""
    if isinstance(value, dict):
        return json.dumps(value)
    return value if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _nano(seconds: float) -> int:
    return max(0, int(seconds * _NANO))

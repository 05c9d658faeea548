"""How many tokens an answer says it has taken: the last `usage` in what it begins and ends with, else its `timings`.

OpenAI's words, Anthropic's and llama.cpp's. In a stream that is the last event that has one. What is compressed says
nothing, nor does what has its `usage` in the middle of a long body. Refuses to keep more than a few KiB.
"""

import re
from typing import Annotated, Protocol

import msgspec

_BEGINNING = 2048
_ENDING = 4096
_MOST = 16_384  # more is cut down to these two: seldom, for that copies
_LONGEST = 2048
_LOOKS = 32
_USAGE, _TIMINGS = b'"usage"', b'"timings"'
_USAGE_IS = _USAGE + b":"
_BRACE = ord("{")  # a number is sought in bytes with a tenth of the steps that a byte takes


def _member(names: bytes) -> re.Pattern[bytes]:
    """One by name whose value is a whole number. No JSON is read: each answer is searched, in a microsecond."""
    return re.compile(rb'"(?:%b)"\s*:\s*(\d{1,15})(?![\d.eE])' % names)


_OBJECT = re.compile(rb"\s*:\s*\{")
_PROMPT, _COMPLETION = _member(b"prompt_tokens|input_tokens"), _member(b"completion_tokens|output_tokens")
_READ, _CACHED, _PREDICTED = map(_member, (b"prompt_n", b"cache_n", b"predicted_n"))


_Count = Annotated[int, msgspec.Meta(ge=0, lt=10**15)] | None


class Tokens(msgspec.Struct, frozen=True, gc=False):
    """Of the prompt and of the answer, as OpenAI's `usage` names them; None where it is not said."""

    prompt: _Count = msgspec.field(default=None, name="prompt_tokens")
    completion: _Count = msgspec.field(default=None, name="completion_tokens")


NOTHING_SAID = Tokens()
_usual = msgspec.json.Decoder(Tokens)


class _Sink(Protocol):
    """Where an answer's bytes go."""

    def write(self, data: bytes, /) -> None:
        """Take the next piece."""


class Meter:
    """Stands in the way of an answer's bytes, heads and chunks included, and holds none of them up.

    `sent` is bytes. `counts_tokens`: what the answer begins and ends with is kept, to be searched at its end.
    """

    __slots__ = ("_beginning", "_full", "_pieces", "_sink", "_tokens", "sent")

    def __init__(self, *, counts_tokens: bool) -> None:
        self.sent = 0
        self._sink: _Sink
        self._tokens: Tokens | None = None if counts_tokens else NOTHING_SAID
        self._beginning = b""  # of what is too long to be kept
        self._pieces: list[bytes] = []
        self._full = _MOST  # what `sent` is at most while the pieces are short enough

    def through(self, sink: _Sink) -> "Meter":
        """Where bytes go that are written to this."""
        self._sink = sink
        return self

    def write(self, data: bytes, /) -> None:
        """The next piece of the answer; each of a stream's events is one."""
        self.sent += len(data)
        if self._tokens is None:
            self._pieces.append(data)
            if self.sent > self._full:
                self._cut()
        self._sink.write(data)

    def _cut(self) -> None:
        text = b"".join(self._pieces)
        self._beginning = self._beginning or text[:_BEGINNING] + b"\n"  # what follows did not stand beside it
        self._pieces, self._full = [text[-_ENDING:]], self.sent + _MOST - _ENDING

    def tell(self, tokens: Tokens) -> None:
        """Whoever has put the answer into other words says what it took."""
        self._tokens = tokens
        self._pieces, self._beginning = [], b""

    def tokens(self) -> Tokens:
        """What the answer says; to be asked once it is over, for nothing more is looked at after that."""
        if self._tokens is None:
            pieces = [self._beginning, *self._pieces] if self._beginning else self._pieces
            self._tokens = tokens_in(pieces[0] if len(pieces) == 1 else b"".join(pieces))
            self._pieces, self._beginning = [], b""
        return self._tokens


def tokens_in(text: bytes) -> Tokens:
    """What the last `usage` of an answer says; where it says half of it, the one before says the rest.

    Most say all by OpenAI's names, and are read in one go.
    """
    _, found, after = text.rpartition(_USAGE_IS)
    said, _, rest = after.partition(b"}")
    if _BRACE in said[1:]:  # of details, which llama.cpp says last
        said += b"}" + rest.partition(b"}")[0]
    try:
        usual = _usual.decode(said + b"}") if found else NOTHING_SAID
    except (msgspec.DecodeError, UnicodeDecodeError):
        usual = NOTHING_SAID
    return _looked_for(text) if usual.prompt is None or usual.completion is None else usual


def _looked_for(text: bytes) -> Tokens:
    """Each half of what is said, by any names; Anthropic's streams tell of the prompt first, of the answer last."""
    prompt = completion = None
    at, looks = text.rfind(_USAGE), 0
    while at >= 0 and looks < _LOOKS:
        if _OBJECT.match(text, at + len(_USAGE)):  # null, in the events before the last
            looks += 1
            prompt = prompt or _PROMPT.search(text, at, at + _LONGEST)
            completion = completion or _COMPLETION.search(text, at, at + _LONGEST)
            if prompt and completion:
                return Tokens(int(prompt[1]), int(completion[1]))
        at = text.rfind(_USAGE, 0, at)
    return Tokens(_count(prompt), _count(completion)) if prompt or completion else _timed(text)


def _timed(text: bytes) -> Tokens:
    """What llama.cpp's own `timings` say: of the prompt it has read `prompt_n` and known `cache_n`."""
    at = text.rfind(_TIMINGS)
    if at < 0:
        return NOTHING_SAID
    read, known, completion = (
        _count(what.search(text, at, at + _LONGEST)) for what in (_READ, _CACHED, _PREDICTED)
    )
    if read is completion is None:
        return NOTHING_SAID
    return Tokens(None if read is None else read + (known or 0), completion)


def _count(found: re.Match[bytes] | None) -> int | None:
    return None if found is None else int(found[1])

"""What Ollama's clients ask of a model, as requests for OpenAI's API of the model's server. Pure.

A prompt goes the way of a chat, so that the model's own template is put around it; with `raw` it goes as it is. A
request without words asks for no answer: the model is to be loaded, or with `keep_alive` 0 given back.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from zoosup.web.gateway.errors import DeniedError
from zoosup.web.gateway.ollama import keep_alive, messages
from zoosup.web.gateway.ollama.fields import field, objects, read, wrong
from zoosup.web.gateway.ollama.parameters import parameters
from zoosup.web.wire import as_json

_STREAM = {"stream": True, "stream_options": {"include_usage": True}}
_CHAT, _TEXT, _VECTORS = b"/v1/chat/completions", b"/v1/completions", b"/v1/embeddings"


class Form(StrEnum):
    """Which of Ollama's endpoints a model answers, and so what its answer looks like."""

    CHAT = "chat"
    GENERATE = "generate"
    EMBED = "embed"
    EMBEDDINGS = "embeddings"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `stay` is seconds, see `keep_alive`; `target` and `body`: what the model's server is sent.

    The body is without its name (`named`). None: it is sent nothing, the model is to be there, or with `stay` 0 to go.
    """

    model: str
    form: Form
    stay: float | None = None
    stream: bool = False
    target: bytes = b""
    body: bytes | None = None

    def named(self, model: str) -> bytes:
        """The body, for a model of that name."""
        return b'{"model":%b,%b' % (as_json(model)[:-1], (self.body or b"{")[1:])

    @property
    def unloads(self) -> bool:
        """Whether nothing is asked but the model's memory back."""
        return self.body is None and self.stay == 0


def asked(form: Form, body: bytes) -> Asked:
    """Read one; DeniedError with 400 says what is wrong."""
    said = read(body)
    try:
        return _asked(form, said)
    except RecursionError:
        raise DeniedError(400, "invalid_json", "the body is nested too deeply") from None


def _asked(form: Form, said: Mapping[str, Any]) -> Asked:
    model, stay, stream = name_in(said), keep_alive.seconds(said.get("keep_alive")), False
    target, made = _READERS[form](said)
    if made is None:
        return Asked(model, form, stay)
    if form in {Form.CHAT, Form.GENERATE}:
        stream = said.get("stream") is not False
        made |= parameters(said) | (_STREAM if stream else {})
    return Asked(model, form, stay, stream, target, as_json(made))


def name_in(said: Mapping[str, Any]) -> str:
    """The model that a body names, by the older word too."""
    return field(said, "model", str) or field(said, "name", str)


_Read = tuple[bytes, dict[str, Any] | None]


def _chat(said: Mapping[str, Any]) -> _Read:
    conversation = objects(said, "messages")
    if not conversation:
        return _CHAT, None
    made: dict[str, Any] = {"messages": messages.messages(conversation)}
    if tools := objects(said, "tools"):
        made["tools"] = tools
    return _CHAT, made


def _generate(said: Mapping[str, Any]) -> _Read:
    text, system = field(said, "prompt", str), field(said, "system", str)
    images = field(said, "images", list)
    for name, instead in (
        ("suffix", "raw with the model's own words for it, or POST /infill"),
        ("template", "raw"),
    ):
        if field(said, name, str):
            raise DeniedError(400, "unsupported", f"{name} is not supported; send {instead}", param=name)
    if not (text or images):
        return _CHAT, None
    if field(said, "raw", bool):
        return _TEXT, {"prompt": text}
    return _CHAT, {"messages": messages.prompt(system, text, images)}


def _embed(said: Mapping[str, Any]) -> _Read:
    texts = said.get("input")
    if texts is not None and not isinstance(texts, str | list):
        raise wrong("input", "a string, or a list of strings")
    return _vectors(texts, said)


def _embeddings(said: Mapping[str, Any]) -> _Read:
    return _vectors(field(said, "prompt", str), said)


def _vectors(texts: object, said: Mapping[str, Any]) -> _Read:
    made = {"input": texts, "encoding_format": "float"}
    if said.get("dimensions"):
        made["dimensions"] = said["dimensions"]
    return _VECTORS, made if texts else None


_READERS: dict[Form, Callable[[Mapping[str, Any]], _Read]] = {
    Form.CHAT: _chat,
    Form.GENERATE: _generate,
    Form.EMBED: _embed,
    Form.EMBEDDINGS: _embeddings,
}

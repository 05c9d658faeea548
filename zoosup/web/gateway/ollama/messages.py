"""Ollama's messages in OpenAI's words: images as parts of the content, tool calls with ids. Pure.

Ollama's calls and their results follow each other without ids, or nearly so: a result is that of the first call which
has none yet, of its tool where it names one.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from zoosup.web.gateway.ollama.fields import field, objects, wrong

_KINDS = (("/9j/", "jpeg"), ("iVBOR", "png"), ("R0lGOD", "gif"), ("UklGR", "webp"))
"""How a picture begins in Base64."""

Message = dict[str, Any]


def messages(said: Iterable[Mapping[str, Any]]) -> list[Message]:
    """A whole conversation; DeniedError with 400 says which message is wrong."""
    calls = _Calls()
    return [_message(each, calls, f"messages[{number}].") for number, each in enumerate(said)]


def prompt(system: str, text: str, images: list[Any]) -> list[Message]:
    """What /api/generate asks, as a conversation."""
    asked = {"role": "user", "content": _content(text, images, "")}
    return [{"role": "system", "content": system}, asked] if system else [asked]


def _message(said: Mapping[str, Any], calls: "_Calls", where: str) -> Message:
    role, content = field(said, "role", str, where), said.get("content")
    if not isinstance(content, list):  # which is how OpenAI's clients put pictures in
        content = _content(field(said, "content", str, where), field(said, "images", list, where), where)
    made: Message = {"role": role, "content": content}
    if thinking := field(said, "thinking", str, where):
        made["reasoning_content"] = thinking
    if asked := objects(said, "tool_calls", where):
        made["tool_calls"] = calls.asked(asked, where)
    if role == "tool":
        tool = field(said, "tool_name", str, where) or field(said, "name", str, where)
        made["tool_call_id"] = field(said, "tool_call_id", str, where) or calls.answered(tool)
    return made


def _content(text: str, images: list[Any], where: str) -> str | list[Message]:
    if not images:
        return text
    pictures = [
        {"type": "image_url", "image_url": {"url": _url(each, f"{where}images[{number}]")}}
        for number, each in enumerate(images)
    ]
    return [{"type": "text", "text": text}, *pictures] if text else list(pictures)


def _url(image: object, where: str) -> str:
    if not isinstance(image, str):
        raise wrong(where, "a picture in Base64")
    if image.startswith(("data:", "http://", "https://")):
        return image
    kind = next((kind for beginning, kind in _KINDS if image.startswith(beginning)), "png")
    return f"data:image/{kind};base64,{image}"


class _Calls:
    """Those of a conversation: numbered as they come, and which of them have no result yet."""

    def __init__(self) -> None:
        self._count = 0
        self._open: dict[str, str] = {}  # tools by the id of their call

    def asked(self, calls: list[dict[str, Any]], where: str) -> list[Message]:
        """What the model wanted to have called."""
        self._open = {}
        return [self._call(each, f"{where}tool_calls[{number}].") for number, each in enumerate(calls)]

    def _call(self, call: Mapping[str, Any], where: str) -> Message:
        function = field(call, "function", dict, where)
        name, arguments = field(function, "name", str, where), function.get("arguments")
        serial = field(call, "id", str, where) or f"call_{self._count}"
        self._count += 1
        self._open[serial] = name
        text = arguments if isinstance(arguments, str) else json.dumps(arguments or {})
        return {"id": serial, "type": "function", "function": {"name": name, "arguments": text}}

    def answered(self, tool: str) -> str:
        """Whose result this is."""
        of_tool = (serial for serial, name in self._open.items() if name == tool)
        serial = next(of_tool, None) or next(iter(self._open), f"call_{max(0, self._count - 1)}")
        self._open.pop(serial, None)
        return serial

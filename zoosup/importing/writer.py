"""A draft as the text of a zoo.yaml, with comments where they belong, the same each time.

Knows how YAML and zoo.yaml quote. Refuses to change anything: what is written is what is drafted.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from zoosup.importing.draft import Draft, LeftOut, Model
from zoosup.spec.model.process.short_forms.chosen import SHORT_FORMS
from zoosup.spec.syntax.document import YamlScalar
from zoosup.spec.syntax.words import WordsError, split_words

_PLAIN = re.compile(
    r"[A-Za-z_/][A-Za-z0-9_./+@-]*(?::[A-Za-z0-9_./+@-]+)*"  # names, paths
    r"|[1-9][0-9]*[A-Za-z]+|0s"  # sizes, times
    r"|--?[A-Za-z][A-Za-z0-9-]*"  # options
)
_LIKE_OTHERS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
"""Words that YAML 1.1 reads as something else; zoosup wouldn't, but the next tool may."""

_BARE = re.compile(r"(?:[A-Za-z0-9_@%+=:,./^~-]|\$\{[A-Za-z0-9_.]+\})+")
_UNWRITABLE = re.compile(r"[^\t\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_ORDER = (
    "description", "command", "external", "container", *SHORT_FORMS,
    "cwd", "env", "port", "gpus", "memory", "on_demand", "idle_timeout",
    "max_inflight",
    "aliases", "variants", "task", "upstream_model", "strip_params", "default_params", "set_params", "ready", "stop",
)  # fmt: skip
_WIDTH = 100


def write(draft: Draft) -> str:
    """The whole file; it ends with a line end."""
    return "\n".join(_file(draft)) + "\n"


def _file(draft: Draft) -> Iterator[str]:
    for line in draft.head:
        yield from _comment(line)
    if draft.head:
        yield ""
    yield f"active: {_flow(draft.active)}"
    for key, value in draft.top.items():
        yield ""
        yield from _block(key, value, 0)
    if draft.defaults:
        yield ""
        yield from _block("defaults", draft.defaults, 0)
    yield ""
    if not any(isinstance(each, Model) for each in draft.models):
        yield "models: {}"
    else:
        yield "models:"
    for each in draft.models:
        yield from _model(each) if isinstance(each, Model) else _left_out(each)


def _model(model: Model) -> Iterator[str]:
    yield f"  # {_clean(str(model.at))}"
    for note in model.notes:
        yield from _comment(note, 2)
    yield f"  {_scalar(model.name)}:"
    fields = dict(model.fields)
    for name in sorted({*fields, *(["command"] if model.words else [])}, key=_place):
        if name == "command" and model.words:
            yield from _command(model.words)
        else:
            lines = list(_block(name, fields[name], 4))
            comment = model.comments.get(name)
            lines[0] += f"   # {_clean(comment)}" if comment else ""
            yield from lines
    yield ""


def _place(name: str) -> tuple[int, str]:
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)


def _left_out(each: LeftOut) -> Iterator[str]:
    yield f"  # {_clean(str(each.at))}"
    yield from _comment(f"{each.name} is left out: {each.why}", 2)
    for line in each.was:
        yield from _comment(f"  {line}", 2)
    yield ""


def _comment(text: str, indent: int = 0) -> Iterator[str]:
    for line in text.splitlines() or [""]:
        yield f"{' ' * indent}# {_clean(line)}".rstrip()


def _clean(text: str) -> str:
    return _UNWRITABLE.sub("?", text.replace("\n", " "))


def _command(words: Sequence[str]) -> Iterator[str]:
    """One option a line, or a list where a string can't hold the words."""
    lines = _lines(words)
    text = "\n".join(lines)
    try:
        same = not _UNWRITABLE.search(text.replace("\n", "")) and split_words(text) == tuple(words)
    except WordsError:
        same = False
    if not same or any("\n" in line for line in lines):
        yield f"    command: {_flow(list(words))}"
    else:
        yield "    command: |"
        yield from (f"      {'  ' if number else ''}{line}" for number, line in enumerate(lines))


def _lines(words: Sequence[str]) -> list[str]:
    lines: list[list[str]] = [[]]
    for word in words:
        begins = word.startswith("-") and not re.fullmatch(r"-\d+(?:\.\d+)?", word)
        if lines[-1] and (begins or len(" ".join(lines[-1])) > _WIDTH):
            lines.append([])
        lines[-1].append(_word(word))
    return [" ".join(line) for line in lines]


def _word(word: str) -> str:
    return word if _BARE.fullmatch(word) else shlex.quote(word).replace("'\"'\"'", "'\\''")


def _block(key: str, value: Any, indent: int) -> Iterator[str]:
    """A key and its value: small ones on a line, tables in lines."""
    lead = " " * indent
    line = f"{lead}{_scalar(key)}: {_flow(value)}"
    if isinstance(value, Mapping) and value and (indent == 0 or len(line) > _WIDTH):
        yield f"{lead}{_scalar(key)}:"
        for name, inner in value.items():
            yield from _block(name, inner, indent + 2)
    else:
        yield line


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(str(key))}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number(value)
    text = str(value)
    plain = _PLAIN.fullmatch(text) is not None and text.lower() not in _LIKE_OTHERS
    if plain and isinstance(YamlScalar(None, None, text=text).value, str):
        return text
    return _quoted(text)


def _number(value: float) -> str:
    if isinstance(value, float) and (value != value or value in {float("inf"), float("-inf")}):  # noqa: PLR0124
        return {"inf": ".inf", "-inf": "-.inf"}.get(str(value), ".nan")
    return repr(value)


def _quoted(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    return _UNWRITABLE.sub(_escape, quoted)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xD800 <= code <= 0xDFFF:  # noqa: PLR2004 - half of a pair is no character
        return "\ufffd"
    return f"\\U{code:08x}" if code > 0xFFFF else f"\\u{code:04x}"  # noqa: PLR2004

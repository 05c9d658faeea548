"""The kinds of value that only short forms have: how each is read, and its schema.

Refuses to know which server takes which.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainSerializer, PlainValidator, ValidationInfo, WithJsonSchema

from zoosup.spec.model.base import CHANGE_KEY, ChangeClass
from zoosup.spec.model.values.quantities import MAX_COUNT, count
from zoosup.spec.model.values.readers import choice_of_words, expected, text, wrong
from zoosup.spec.model.values.weight_names import HubName, read_name

CACHE_TYPES = ("f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1")
"""Of llama-server's KV cache."""

OTHER_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://")
MAX_TOKENS = 2**30
GGUF_WEIGHTS = "a path, hf://owner/repo:QUANT, hf://owner/repo/file.gguf or ollama://name:tag"
HUB_WEIGHTS = "a path, hf://owner/repo, or owner/repo, which the server itself fetches"
FILE = "a path or hf://owner/repo/file"

_LORA_KEYS = frozenset({"path", "scale", "name"})


@dataclass(frozen=True, slots=True)
class Lora:
    """One adapter: where it is, how strong, and by which name clients ask for it where they may choose."""

    path: str
    scale: float | None = None
    name: str | None = None

    @property
    def key(self) -> tuple[str, str | None]:
        """All but its scale, which servers may take while they run."""
        return self.path, self.name


def _whole(value: Any, least: int, most: int, what: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    raise expected(what)


def _tokens(value: Any) -> int:
    return _whole(value, 1, MAX_TOKENS, f"a whole number of tokens, 1 to {MAX_TOKENS}")


def _layers(value: Any) -> int | str:
    if isinstance(value, str) and value in {"auto", "all"}:
        return value
    return _whole(value, 0, 999, "auto, all, or a whole number of 0 to 999")


def _experts(value: Any) -> int | bool:
    return value if isinstance(value, bool) else count(value)


def _share(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1:
        return float(value)
    raise expected("a share above 0 and at most 1, such as 0.85")


def _cache_types(value: Any) -> tuple[str, str]:
    match [value, value] if isinstance(value, str) else value:
        case [str(keys), str(values)] if {keys, values} <= set(CACHE_TYPES):
            return keys, values
    raise expected(f"one of {', '.join(CACHE_TYPES)}, or two of them in a list, for keys and for values")


def _on_off(value: Any) -> str:
    """`on` is text in YAML 1.2; true means the same."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return choice_of_words("on", "off", "auto")(value)


def _filled(value: Any, info: ValidationInfo, what: str) -> str:
    found = text(value, info)
    if not found.strip():
        raise expected(what)
    return found


def _gguf(value: Any, info: ValidationInfo) -> str:
    found = _filled(value, info, GGUF_WEIGHTS)
    name = read_name(found)
    if not isinstance(name, HubName):
        fits = name is not None or not OTHER_SCHEME.match(found)
    else:
        fits = not name.file or name.file.endswith(".gguf")
    if not fits:
        raise expected(GGUF_WEIGHTS)
    return found


def _hub_or_path(value: Any, info: ValidationInfo) -> str:
    found = _filled(value, info, HUB_WEIGHTS)
    name = read_name(found)
    if OTHER_SCHEME.match(found) and not (isinstance(name, HubName) and not name.file and not name.tag):
        raise expected(HUB_WEIGHTS)
    return found


def _file(value: Any, info: ValidationInfo) -> str:
    found = _filled(value, info, FILE)
    name = read_name(found)
    if OTHER_SCHEME.match(found) and not (isinstance(name, HubName) and name.file):
        raise expected(FILE)
    return found


def _path(value: Any, info: ValidationInfo) -> str:
    found = _filled(value, info, "a path")
    if OTHER_SCHEME.match(found):
        raise expected("a path")
    return found


def _loras(value: Any, info: ValidationInfo) -> tuple[Lora, ...]:
    if not isinstance(value, list | tuple):
        raise expected("a list of adapters such as {path: /srv/lora.gguf, scale: 0.5}; [] for none")
    return tuple(_lora(each, info) for each in value)


def _lora(value: Any, info: ValidationInfo) -> Lora:
    if isinstance(value, Lora):
        return value
    if not isinstance(value, Mapping) or "path" not in value or not _LORA_KEYS.issuperset(value):
        raise expected("adapters of the form {path: /srv/lora.gguf, scale: 0.5}")
    scale, name, path = value.get("scale"), value.get("name"), _path(value["path"], info)
    if scale is not None and (isinstance(scale, bool) or not isinstance(scale, int | float)):
        raise wrong("has an adapter whose scale is no number", "a number such as 0.5")
    if name is not None and not (isinstance(name, str) and name and "=" not in name):
        raise wrong("has an adapter whose name is no text", "a name without =")
    if "," in path:
        raise wrong(
            "has an adapter with a comma in its path", "a path without one: the servers part them by it"
        )
    return Lora(path, None if scale is None else float(scale), name)


def _bits(value: Any) -> int:
    if isinstance(value, int) and value in {4, 8, 16}:
        return value
    raise expected("4, 8 or 16")


def _schema(**schema: Any) -> WithJsonSchema:
    return WithJsonSchema(schema)


def _as_data(loras: tuple[Lora, ...]) -> list[dict[str, Any]]:
    return [
        {key: value for key in ("path", "scale", "name") if (value := getattr(each, key)) is not None}
        for each in loras
    ]


def _of_lora(description: str, change: ChangeClass = ChangeClass.RESTART, **schema: Any) -> dict[str, Any]:
    return {**schema, "description": description, CHANGE_KEY: change.value}


def _of_loras(scales: ChangeClass) -> WithJsonSchema:
    """The schema of a list of adapters, by what a change of a scale alone costs."""
    properties = {
        "path": _of_lora("Where it is.", **_TEXT),
        "scale": _of_lora("How strong it is; null: 1.", scales, type=["number", "null"]),
        "name": _of_lora("How clients ask for it; null: as its file.", type=["string", "null"]),
    }
    item = {"type": "object", "required": ["path"], "additionalProperties": False, "properties": properties}
    return _schema(type="array", items=item)


_TEXT: dict[str, Any] = {"type": "string", "pattern": r"\S"}

Gguf = Annotated[str, PlainValidator(_gguf), _schema(**_TEXT)]
HubOrPath = Annotated[str, PlainValidator(_hub_or_path), _schema(**_TEXT)]
File = Annotated[str, PlainValidator(_file), _schema(**_TEXT)]
Path = Annotated[str, PlainValidator(_path), _schema(**_TEXT)]
Tokens = Annotated[int, PlainValidator(_tokens), _schema(type="integer", minimum=1, maximum=MAX_TOKENS)]
Layers = Annotated[
    int | str,
    PlainValidator(_layers),
    _schema(anyOf=[{"enum": ["auto", "all"]}, {"type": "integer", "minimum": 0, "maximum": 999}]),
]
Experts = Annotated[
    int | bool,
    PlainValidator(_experts),
    _schema(anyOf=[{"type": "boolean"}, {"type": "integer", "minimum": 1, "maximum": MAX_COUNT}]),
]
Share = Annotated[float, PlainValidator(_share), _schema(type="number", exclusiveMinimum=0, maximum=1)]
CacheTypes = Annotated[
    tuple[str, str],
    BeforeValidator(_cache_types),
    _schema(
        anyOf=[
            {"enum": list(CACHE_TYPES)},
            {"type": "array", "items": {"enum": list(CACHE_TYPES)}, "minItems": 2, "maxItems": 2},
        ]
    ),
]
OnOff = Annotated[
    str, PlainValidator(_on_off), _schema(anyOf=[{"enum": ["on", "off", "auto"]}, {"type": "boolean"}])
]
LanguageTask = Annotated[
    Literal["chat", "embed", "rerank"],
    PlainValidator(choice_of_words("chat", "embed", "rerank")),
    _schema(enum=["chat", "embed", "rerank"]),
]
Bits = Annotated[int, PlainValidator(_bits), _schema(enum=[4, 8, 16])]
Loras = Annotated[
    tuple[Lora, ...],
    PlainValidator(_loras),
    PlainSerializer(_as_data, when_used="json"),
    _of_loras(ChangeClass.RESTART),
]
LiveLoras = Annotated[
    tuple[Lora, ...],
    PlainValidator(_loras),
    PlainSerializer(_as_data, when_used="json"),
    _of_loras(ChangeClass.LIVE),
]
"""Those of a server that takes other scales while it runs."""

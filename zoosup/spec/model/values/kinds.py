"""The kinds of value that zoo.yaml has, as annotated types: the reader, the way back to text, the schema.

Knows how a kind looks in the JSON schema, which must accept what the reader accepts. Refuses to know any field.
"""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    PlainSerializer,
    PlainValidator,
    SecretStr,
    ValidationInfo,
    WithJsonSchema,
)

from zoosup.spec.model.values import quantities, readers
from zoosup.spec.syntax import units
from zoosup.spec.syntax.addresses import split_address

MODEL_NAME_PATTERN = r"^(?!.*/\.{0,2}(?:/|$))[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$"
MODEL_NAME_EXPECTED = (
    "a name of letters, digits and . _ : / @ + -, at most 128, beginning with a letter or a digit, "
    "and no part between slashes that is empty, . or .."
)
ENV_NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_.-]*$"
ENV_NAME_EXPECTED = (
    "the name of an environment variable: letters, digits and _ . -, not beginning with a digit"
)
VAR_NAME_PATTERN = r"^(?!(?:PORT|HOST|MODEL_ID)$)[A-Za-z_][A-Za-z0-9_-]*$"
VAR_NAME_EXPECTED = "a name of letters, digits, _ and -, other than PORT, HOST and MODEL_ID"
HTTP_REQUEST_EXPECTED = "a method and a path, such as POST /drain"
HTTP_CALL_PATTERN = r"^(?:GET|POST|PUT|PATCH|DELETE) /[^\s#]*$"
HTTP_PATH_PATTERN = r"^/[^\s#]*$"
LISTEN_PATTERN = r"^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9]+)?\]):[0-9]{1,5}$"
LISTEN_EXPECTED = "HOST:PORT or [IPv6]:PORT, such as 127.0.0.1:8081; a port is 0 to 65535"
MAX_PORT = quantities.MAX_PORT
DIRECTORY_PATTERN = r"^/[\s\S]*$"

_TEMPLATE = r"\$\{"
_POSITIVE_PATTERN = f"^(?=.*[1-9]){units.DURATION_PATTERN.removeprefix('^')}"
_POSITIVE = {"type": "string", "pattern": _POSITIVE_PATTERN}
_SIZE = {"type": "string", "pattern": units.SIZE_PATTERN}
_AUTO = {"const": "auto"}
_BY_GPU = {
    "type": "object",
    "minProperties": 1,
    "propertyNames": {"pattern": quantities.GPU_PATTERN},
    "additionalProperties": _SIZE,
}
_NAME = {"type": ["string", "number", "boolean"]}


def is_loopback(listen: str) -> bool:
    """Whether only this host can connect to a checked `listen`."""
    host = split_address(listen)[0].partition("%")[0]
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(value: Any, info: ValidationInfo) -> str:
    text = readers.final(value, info.context)
    if re.fullmatch(LISTEN_PATTERN, text) is None or split_address(text)[1] > MAX_PORT:
        raise readers.expected(LISTEN_EXPECTED)
    return text


def _schema(**schema: Any) -> WithJsonSchema:
    return WithJsonSchema(schema)


def _string(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern})


def _filled_in(pattern: str) -> WithJsonSchema:
    """Describe a string that the schema can check only where it holds no template."""
    return _string(f"(?:{pattern})|{_TEMPLATE}")


def _any_case(word: str) -> str:
    return "".join(f"[{c}{c.lower()}]" if c.isalpha() else c for c in word)


def _duration_text(value: float | str) -> str:
    return value if isinstance(value, str) else units.format_duration(value)


def _size_text(value: int | str) -> str:
    return value if isinstance(value, str) else units.format_size(value)


def _sizes_text(value: int | str | Mapping[str, int]) -> Any:
    if isinstance(value, Mapping):
        return {gpu: units.format_size(size) for gpu, size in value.items()}
    return _size_text(value)


_AS_SIZES = PlainSerializer(_sizes_text, when_used="json")
_AS_DURATION = PlainSerializer(_duration_text, when_used="json")
_AS_SIZE = PlainSerializer(_size_text, when_used="json")

Text = Annotated[str, PlainValidator(readers.text), _schema(type="string")]
Prose = Annotated[str, PlainValidator(readers.prose), _schema(type="string")]
Secret = Annotated[SecretStr, BeforeValidator(readers.secret), _schema(type="string", minLength=1)]
Origins = Annotated[
    tuple[str, ...],
    BeforeValidator(readers.origins),
    _schema(
        type="array",
        uniqueItems=True,
        items={"anyOf": [{"const": "*"}, {"type": "string", "pattern": readers.ORIGIN_PATTERN}]},
    ),
]
HostNames = Annotated[
    tuple[str, ...],
    BeforeValidator(readers.hosts),
    _schema(type="array", uniqueItems=True, items={"type": "string", "pattern": readers.HOST_PATTERN}),
]
ParamNames = Annotated[
    tuple[str, ...],
    BeforeValidator(readers.param_names),
    _schema(
        type="array",
        uniqueItems=True,
        items={"type": "string", "minLength": 1, "not": {"const": readers.MODEL}},
    ),
]
Params = Annotated[
    Mapping[str, Any],
    PlainValidator(readers.params),
    _schema(type="object", propertyNames={"minLength": 1, "not": {"const": readers.MODEL}}),
]
Words = Annotated[
    tuple[Text, ...],
    BeforeValidator(readers.split),
    _schema(
        anyOf=[
            {"type": "string", "pattern": r"\S"},
            {"type": "array", "items": {"type": "string"}, "minItems": 1},
        ]
    ),
]
Args = Annotated[
    tuple[Text, ...],
    BeforeValidator(readers.split_or_none),
    _schema(anyOf=[{"type": "string"}, {"type": "array", "items": {"type": "string"}}]),
]
Patterns = Annotated[
    tuple[str, ...],
    BeforeValidator(readers.patterns),
    _schema(type="array", uniqueItems=True, items={"type": "string", "pattern": r"\S"}),
]
Flag = Annotated[bool, PlainValidator(readers.flag), _schema(type="boolean")]
Size = Annotated[int, PlainValidator(quantities.size), _AS_SIZE, _schema(**_SIZE)]
SizeOrAuto = Annotated[
    int | Literal["auto"], PlainValidator(quantities.size_or_auto), _AS_SIZE, _schema(anyOf=[_AUTO, _SIZE])
]
SizeByGpu = Annotated[
    int | Mapping[str, int],
    PlainValidator(quantities.size_by_gpu),
    _AS_SIZES,
    _schema(anyOf=[_SIZE, _BY_GPU]),
]
SizeByGpuOrAuto = Annotated[
    int | Mapping[str, int] | Literal["auto"],
    PlainValidator(quantities.size_by_gpu_or_auto),
    _AS_SIZES,
    _schema(anyOf=[_AUTO, _SIZE, _BY_GPU]),
]
Gpus = Annotated[
    int | str | tuple[str, ...],
    PlainValidator(quantities.gpus),
    # pydantic 2.14 warns of a tuple that a plain validator has let into a union.
    PlainSerializer(lambda value: list(value) if isinstance(value, tuple) else value, when_used="json"),
    _schema(
        anyOf=[
            {"enum": ["auto", "none"]},
            {"type": "integer", "minimum": 1, "maximum": quantities.MAX_GPUS},
            {
                "type": "array",
                "minItems": 1,
                "uniqueItems": True,
                "items": {
                    "anyOf": [
                        {"type": "integer", "minimum": 0, "maximum": 999},
                        {"type": "string", "pattern": quantities.GPU_PATTERN},
                    ]
                },
            },
        ]
    ),
]
Duration = Annotated[
    float, PlainValidator(quantities.duration), _AS_DURATION, _string(units.DURATION_PATTERN)
]
PositiveDuration = Annotated[
    float, PlainValidator(quantities.positive_duration), _AS_DURATION, _string(_POSITIVE_PATTERN)
]
Interval = Annotated[
    float | Literal["adaptive"],
    PlainValidator(quantities.interval),
    _AS_DURATION,
    _schema(anyOf=[{"const": "adaptive"}, _POSITIVE]),
]
Factor = Annotated[
    float, PlainValidator(quantities.factor), _schema(type="number", minimum=1, maximum=quantities.MAX_FACTOR)
]
Count = Annotated[
    int, PlainValidator(quantities.count), _schema(type="integer", minimum=1, maximum=quantities.MAX_COUNT)
]
CountOrNone = Annotated[
    int,
    PlainValidator(quantities.count_or_none),
    _schema(type="integer", minimum=0, maximum=quantities.MAX_COUNT),
]
Port = Annotated[
    int | Literal["auto"],
    PlainValidator(quantities.port),
    _schema(anyOf=[_AUTO, {"type": "integer", "minimum": 1, "maximum": MAX_PORT}]),
]
SignalName = Annotated[
    str,
    PlainValidator(readers.signal),
    _string(f"^(?:{_any_case('SIG')})?(?:{'|'.join(map(_any_case, readers.SIGNALS))})$"),
]
Directory = Annotated[
    str,
    PlainValidator(readers.matching(DIRECTORY_PATTERN, "an absolute path")),
    _filled_in(DIRECTORY_PATTERN),
]
HttpPath = Annotated[
    str,
    PlainValidator(readers.matching(HTTP_PATH_PATTERN, "a path that begins with /, without blanks")),
    _filled_in(HTTP_PATH_PATTERN),
]
read_http_request = readers.matching(HTTP_CALL_PATTERN, HTTP_REQUEST_EXPECTED)
HTTP_REQUEST_SCHEMA = _filled_in(HTTP_CALL_PATTERN)
HttpRequest = Annotated[str, PlainValidator(read_http_request), HTTP_REQUEST_SCHEMA]
Listen = Annotated[str, PlainValidator(_listen), _filled_in(LISTEN_PATTERN)]
Names = Annotated[
    tuple[Annotated[str, PlainValidator(readers.name)], ...],
    BeforeValidator(readers.listed),
    _schema(oneOf=[_NAME, {"type": "array", "items": _NAME, "uniqueItems": True}]),
]
ModelName = Annotated[
    str,
    PlainValidator(readers.matching(MODEL_NAME_PATTERN, MODEL_NAME_EXPECTED, template=False)),
    _string(MODEL_NAME_PATTERN),
]
Aliases = Annotated[
    tuple[ModelName, ...],
    BeforeValidator(readers.aliases),
    _schema(type="array", uniqueItems=True, items={"type": "string", "pattern": MODEL_NAME_PATTERN}),
]
NameOrNone = Annotated[
    str | None,
    PlainValidator(readers.text_or_none),
    _schema(anyOf=[{"type": "string", "minLength": 1}, {"type": "null"}]),
]
VarName = Annotated[
    str,
    PlainValidator(readers.matching(VAR_NAME_PATTERN, VAR_NAME_EXPECTED, template=False)),
    _string(VAR_NAME_PATTERN),
]
EnvName = Annotated[
    str,
    PlainValidator(readers.matching(ENV_NAME_PATTERN, ENV_NAME_EXPECTED, template=False)),
    _string(ENV_NAME_PATTERN),
]


def not_below(name: str, longest: float, info: ValidationInfo) -> float:
    """Check a `max` against the field above it. A default is checked too, though not read: it has no unit."""
    if info.data.get(name, longest) > longest:
        raise readers.clash(f"{name} is above max", f"{name} at most max")
    return longest

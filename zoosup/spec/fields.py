"""The kinds of value that zoo.yaml has: how each is read, and how the schema describes it.

A kind is an annotated type. Read with a `Scope` as the validation context it takes what a person may write: a
size needs its unit, and `${…}` is filled in. Without one (code and tests that build models) plain numbers do.
Refuses to know any field.
"""

import math
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import PlainSerializer, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from zoosup.spec import units
from zoosup.spec.templates import Scope, TemplateError, render
from zoosup.spec.words import WordsError, split_words

MODEL_NAME_PATTERN = r"^(?!.*/\.{0,2}(?:/|$))[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$"
MODEL_NAME_EXPECTED = (
    "a name of letters, digits and . _ : / @ + -, at most 128, beginning with a letter or a digit, "
    "and no part between slashes that is empty, . or .."
)
ENV_NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_.-]*$"
VAR_NAME_PATTERN = r"^(?!(?:PORT|HOST|MODEL_ID)$)[A-Za-z_][A-Za-z0-9_-]*$"
LISTEN_PATTERN = r"^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9]+)?\]):[0-9]{1,5}$"
HTTP_CALL_PATTERN = r"^(?:GET|POST|PUT|PATCH|DELETE) /[^\s#]*$"
HTTP_PATH_PATTERN = r"^/[^\s#]*$"

_QUOTE_IT = "; put quotes around it"
MAX_SIZE = 2**63 - 1
MAX_PORT = 65535

SIGNALS = (
    *(
        "ABRT",
        "ALRM",
        "BUS",
        "CHLD",
        "CONT",
        "FPE",
        "HUP",
        "ILL",
        "INT",
        "IO",
        "KILL",
        "PIPE",
        "PROF",
        "QUIT",
    ),
    *("SEGV", "SYS", "TERM", "TRAP", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ"),
)
"""What Linux and macOS both have, without those that would only freeze a process (STOP, TSTP, TTIN, TTOU)."""


def expected(text: str, *, at: int | None = None) -> PydanticCustomError:
    """Make the one error of this house's fields: what was expected, in words; `at` is the item of a list."""
    return PydanticCustomError("expected", "expected {expected}", {"expected": text, "at": at})


def wrong(what: str, text: str = "", *, at: int | None = None) -> PydanticCustomError:
    """Make an error that also says what is wrong, where showing the value alone wouldn't."""
    return PydanticCustomError("wrong", "{what}", {"what": what, "expected": text, "at": at})


def clash(what: str, text: str) -> PydanticCustomError:
    """Make an error of two fields that are each right: it counts only once `defaults` are merged in."""
    return PydanticCustomError("clash", "{what}", {"what": what, "expected": text, "at": None})


def _text(value: Any, info: ValidationInfo) -> str:
    return _expanded(value, info.context)


def _expanded(value: Any, scope: Scope | None, at: int | None = None) -> str:
    if not isinstance(value, str):
        raise expected("a string" + _QUOTE_IT * isinstance(value, bool | int | float), at=at)
    try:
        text = value if scope is None else scope.expand(value)
    except TemplateError as error:
        raise wrong(str(error), at=at) from None
    if "\0" in text:
        raise wrong("holds a NUL character", "text without it", at=at)
    return text


def final_text(value: str, scope: Scope | None) -> str:
    """Fill in a text of a place that knows no late names, escapes included."""
    return value if scope is None else render(_expanded(value, scope), {})


def _prose(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise expected("a string" + _QUOTE_IT * isinstance(value, bool | int | float))


def _words(value: Any, info: ValidationInfo) -> tuple[str, ...]:
    whole = isinstance(value, str)
    if not isinstance(value, str | list | tuple):
        raise expected("a string or a list of strings")
    try:
        words = split_words(value) if isinstance(value, str) else value
    except WordsError as error:
        raise wrong(str(error), error.expected) from None
    if not words or not words[0]:
        raise wrong("names no program", "a program and its arguments")
    return tuple(_expanded(word, info.context, None if whole else at) for at, word in enumerate(words))


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise expected("true or false")


def _size(value: Any, info: ValidationInfo) -> int:
    size = (
        value
        if info.context is None and isinstance(value, int) and not isinstance(value, bool)
        else _parsed_size(value)
    )
    if not 0 <= size <= MAX_SIZE:
        raise expected(f"at most {units.describe_size(MAX_SIZE)}, at least 0B")
    return size


def _parsed_size(value: Any) -> int:
    if not isinstance(value, str):
        raise expected(units.SIZE_EXPECTED)
    try:
        return units.parse_size(value)
    except ValueError as error:
        raise expected(str(error)) from None


def _duration(value: Any, info: ValidationInfo) -> float:
    if info.context is None and isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str):
        try:
            seconds = units.parse_duration(value)
        except ValueError as error:
            raise expected(str(error)) from None
    else:
        raise expected(units.DURATION_EXPECTED)
    if not (math.isfinite(seconds) and seconds >= 0):
        raise expected("a duration of 0s or more")
    return seconds


def _positive_duration(value: Any, info: ValidationInfo) -> float:
    seconds = _duration(value, info)
    if seconds == 0:
        raise expected("a duration above 0s")
    return seconds


def _factor(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value <= 100:  # noqa: PLR2004 - the rule
        return float(value)
    raise expected("a number of 1 to 100")


def _count(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1_000_000:  # noqa: PLR2004 - the rule
        return value
    raise expected("a whole number of 1 to 1000000")


def _port(value: Any) -> int | Literal["auto"]:
    if value == "auto":
        return "auto"
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_PORT:
        return value
    raise expected(f"1 to {MAX_PORT} or auto")


def _size_or_auto(value: Any, info: ValidationInfo) -> int | Literal["auto"]:
    if value == "auto":
        return "auto"
    if isinstance(value, int | str):
        try:
            return _size(value, info)
        except PydanticCustomError:
            raise expected(f"{units.SIZE_EXPECTED}, or auto") from None
    raise expected(f"{units.SIZE_EXPECTED}, or auto")


def _interval(value: Any, info: ValidationInfo) -> float | Literal["adaptive"]:
    if value == "adaptive":
        return "adaptive"
    try:
        return _positive_duration(value, info)
    except PydanticCustomError:
        raise expected(f"{units.DURATION_EXPECTED}, above 0s, or adaptive") from None


def _signal(value: Any) -> str:
    name = value.upper().removeprefix("SIG") if isinstance(value, str) else ""
    if name not in SIGNALS:
        raise expected("the name of a signal, such as TERM, INT or QUIT")
    return name


def _directory(value: Any, info: ValidationInfo) -> str:
    text = _text(value, info)
    if not text.startswith("/"):
        raise expected("an absolute path")
    return text


def _matching(pattern: str, what: str, value: Any, info: ValidationInfo) -> str:
    text = _text(value, info)
    if re.fullmatch(pattern, text) is None:
        raise expected(what)
    return text


def _http_path(value: Any, info: ValidationInfo) -> str:
    return _matching(HTTP_PATH_PATTERN, "a path that begins with /", value, info)


def _http_call(value: Any, info: ValidationInfo) -> str:
    return _matching(HTTP_CALL_PATTERN, "a method and a path, such as POST /drain", value, info)


def _listen(value: Any, info: ValidationInfo) -> str:
    what = "HOST:PORT or [IPv6]:PORT, such as 127.0.0.1:8081"
    text = final_text(_matching(LISTEN_PATTERN, what, value, info), info.context)
    if split_address(text)[1] > MAX_PORT:
        raise expected(f"{what}; a port is 0 to {MAX_PORT}")
    return text


def split_address(text: str) -> tuple[str, int]:
    """Cut a checked `listen` into host (an IPv6 address without its brackets) and port (0: any free one)."""
    host, _, port = text.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _model_name(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch(MODEL_NAME_PATTERN, value):
        return value
    raise expected(MODEL_NAME_EXPECTED)


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, str | list | tuple):
        raise expected("the name of a model, a list of names, or [] for none")
    names = (value,) if isinstance(value, str) else tuple(value)
    for at, name in enumerate(names):
        if not isinstance(name, str):
            raise expected("the name of a model", at=at)
        if name in names[:at]:
            raise wrong(f"{name} stands in it twice", "each name once", at=at)
    return names


def _var_name(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch(VAR_NAME_PATTERN, value):
        return value
    raise expected("a name of letters, digits, _ and -, other than PORT, HOST and MODEL_ID")


def _env_name(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch(ENV_NAME_PATTERN, value):
        return value
    raise expected(
        "the name of an environment variable: letters, digits and _ . -, not beginning with a digit"
    )


def _schema(**schema: Any) -> WithJsonSchema:
    return WithJsonSchema(schema)


_AUTO: Mapping[str, Any] = {"const": "auto"}
_WORDS: Mapping[str, Any] = {
    "anyOf": [
        {"type": "string", "pattern": r"\S"},
        {"type": "array", "items": {"type": "string"}, "minItems": 1},
    ]
}
_SIZE_SCHEMA: Mapping[str, Any] = {"type": "string", "pattern": units.SIZE_PATTERN}
_DURATION_SCHEMA: Mapping[str, Any] = {"type": "string", "pattern": units.DURATION_PATTERN}
_POSITIVE_SCHEMA: Mapping[str, Any] = {
    "type": "string",
    "pattern": f"^(?=.*[1-9]){units.DURATION_PATTERN.removeprefix('^')}",
}


def _any_case(word: str) -> str:
    return "".join(f"[{c}{c.lower()}]" if c.isalpha() else c for c in word)


def _as_written(value: float | str) -> str:
    return value if isinstance(value, str) else units.format_duration(value)


def _size_as_written(value: int | str) -> str:
    return value if isinstance(value, str) else units.format_size(value)


_IN_SECONDS = PlainSerializer(_as_written, when_used="json")
_IN_BYTES = PlainSerializer(_size_as_written, when_used="json")

Text = Annotated[str, PlainValidator(_text), _schema(type="string")]
Prose = Annotated[str, PlainValidator(_prose), _schema(type="string")]
Words = Annotated[tuple[str, ...], PlainValidator(_words), _schema(**_WORDS)]
Flag = Annotated[bool, PlainValidator(_flag), _schema(type="boolean")]
Size = Annotated[int, PlainValidator(_size), _IN_BYTES, _schema(**_SIZE_SCHEMA)]
SizeOrAuto = Annotated[
    int | Literal["auto"], PlainValidator(_size_or_auto), _IN_BYTES, _schema(anyOf=[_AUTO, _SIZE_SCHEMA])
]
Duration = Annotated[float, PlainValidator(_duration), _IN_SECONDS, _schema(**_DURATION_SCHEMA)]
PositiveDuration = Annotated[
    float, PlainValidator(_positive_duration), _IN_SECONDS, _schema(**_POSITIVE_SCHEMA)
]
Interval = Annotated[
    float | Literal["adaptive"],
    PlainValidator(_interval),
    _IN_SECONDS,
    _schema(anyOf=[{"const": "adaptive"}, _POSITIVE_SCHEMA]),
]
Factor = Annotated[float, PlainValidator(_factor), _schema(type="number", minimum=1, maximum=100)]
Count = Annotated[int, PlainValidator(_count), _schema(type="integer", minimum=1, maximum=1_000_000)]
Port = Annotated[
    int | Literal["auto"],
    PlainValidator(_port),
    _schema(anyOf=[_AUTO, {"type": "integer", "minimum": 1, "maximum": MAX_PORT}]),
]
SignalName = Annotated[
    str,
    PlainValidator(_signal),
    _schema(
        type="string",
        pattern=f"^(?:{_any_case('SIG')})?(?:{'|'.join(map(_any_case, SIGNALS))})$",
    ),
]
Directory = Annotated[str, PlainValidator(_directory), _schema(type="string", pattern=r"^(?:/|\$\{)")]
HttpPath = Annotated[str, PlainValidator(_http_path), _schema(type="string", pattern=r"^(?:/|\$\{)\S*$")]
HttpRequest = Annotated[str, PlainValidator(_http_call), _schema(type="string", pattern=r"^(?:[A-Z]+ |\$\{)")]
Listen = Annotated[
    str, PlainValidator(_listen), _schema(type="string", pattern=rf"(?:{LISTEN_PATTERN})|\$\{{")
]
ModelName = Annotated[str, PlainValidator(_model_name), _schema(type="string", pattern=MODEL_NAME_PATTERN)]
Names = Annotated[
    tuple[str, ...],
    PlainValidator(_names),
    _schema(
        oneOf=[
            {"type": "string", "minLength": 1},
            {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        ]
    ),
]
VarName = Annotated[str, PlainValidator(_var_name), _schema(type="string", pattern=VAR_NAME_PATTERN)]
EnvName = Annotated[str, PlainValidator(_env_name), _schema(type="string", pattern=ENV_NAME_PATTERN)]


def choice(kind: type[StrEnum]) -> PlainValidator:
    """Make the validator of a closed set of words."""

    def read(value: Any) -> StrEnum:
        if isinstance(value, str) and value in list(kind):
            return kind(value)
        raise expected("one of " + ", ".join(kind))

    return PlainValidator(read)

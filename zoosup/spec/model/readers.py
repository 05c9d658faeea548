"""How each kind of value in zoo.yaml is read.

With a `Scope` as the validation context a reader takes what a person may write: a size needs its unit, and `${…}` is
filled in. Without one (code and tests that build models) plain numbers do. Refuses to know any field, and to
convert: text is never taken for a number, nor a number for text.
"""

import math
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Literal

from pydantic import SecretStr, ValidationInfo
from pydantic_core import PydanticCustomError

from zoosup.spec.syntax import units
from zoosup.spec.syntax.templates import Scope, TemplateError, render
from zoosup.spec.syntax.words import WordsError, split_words

MAX_SIZE = 2**63 - 1
MAX_PORT = 65535
MAX_COUNT = 1_000_000
MAX_FACTOR = 100
MAX_GPUS = 64
GPU_PATTERN = r"^(?:[0-9]{1,3}(?::[0-9]{1,3})?|(?:GPU|MIG)-[A-Za-z0-9/-]+)$"
GPU_EXPECTED = (
    "an index such as 0 (0:1 for a MIG device) or a UUID such as GPU-8f6f…, as nvidia-smi -L tells them"
)
MODEL = "model"
ORIGIN_PATTERN = r"^https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$"
ORIGINS_EXPECTED = "a list of origins such as https://chat.example.org, or ['*'] for any"
GPUS_EXPECTED = "auto, none, a number of GPUs, or a list of indexes and UUIDs"
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
"""What Linux and macOS both have, without those that only freeze a process (STOP, TSTP, TTIN, TTOU)."""


def expected(text: str) -> PydanticCustomError:
    """Make the one error of this house's fields: what was expected, in words."""
    return PydanticCustomError("expected", "expected {expected}", {"expected": text})


def wrong(what: str, text: str = "") -> PydanticCustomError:
    """Make an error that also says what is wrong, where showing the value alone wouldn't."""
    return PydanticCustomError("wrong", "{what}", {"what": what, "expected": text})


def clash(what: str, text: str) -> PydanticCustomError:
    """Make an error of two fields that are each right: it counts only once `defaults` are merged in."""
    return PydanticCustomError("clash", "{what}", {"what": what, "expected": text})


def _expanded(value: Any, scope: Scope | None) -> str:
    if not isinstance(value, str):
        number = isinstance(value, bool | int | float)
        raise expected("a string; put quotes around it" if number else "a string")
    try:
        text = value if scope is None else scope.expand(value)
    except TemplateError as error:
        raise wrong(str(error)) from None
    if "\0" in text:
        raise wrong("holds a NUL character", "text without it")
    return text


def final(value: Any, scope: Scope | None) -> str:
    """Read a text of a place that knows no late names, and take its escapes away."""
    text = _expanded(value, scope)
    return text if scope is None else render(text, {})


def text(value: Any, info: ValidationInfo) -> str:
    """Read a string that is a template."""
    return _expanded(value, info.context)


def text_or_none(value: Any, info: ValidationInfo) -> str | None:
    """Read a string that is not empty and knows no late names, or nothing."""
    if value is None:
        return None
    found = final(value, info.context)
    if not found:
        raise expected("a string that is not empty, or null")
    return found


def prose(value: Any) -> str:
    """Read a string as it stands."""
    return _expanded(value, None)


def matching(pattern: str, what: str, *, template: bool = True) -> Callable[[Any, ValidationInfo], str]:
    """Make the reader of strings that match a pattern once they are filled in."""

    def read(value: Any, info: ValidationInfo) -> str:
        result = _expanded(value, info.context if template else None)
        if re.fullmatch(pattern, result) is None:
            raise expected(what)
        return result

    return read


def choice(kind: type[StrEnum]) -> Callable[[Any], StrEnum]:
    """Make the reader of a closed set of words."""

    def read(value: Any) -> StrEnum:
        if isinstance(value, str) and value in list(kind):
            return kind(value)
        raise expected("one of " + ", ".join(kind))

    return read


def choice_or_none(kind: type[StrEnum]) -> Callable[[Any], StrEnum | None]:
    """Make the reader of a closed set of words, none of which is a choice too."""
    read = choice(kind)
    return lambda value: None if value is None else read(value)


def split(value: Any) -> Any:
    """Cut a program and its arguments into words, before they are filled in: a value with blanks stays one word."""
    if not isinstance(value, str | list | tuple):
        raise expected("a string or a list of strings")
    try:
        found = split_words(value) if isinstance(value, str) else value
    except WordsError as error:
        raise wrong(str(error), error.expected) from None
    if not found or found[0] == "":
        raise wrong("names no program", "a program and its arguments")
    return tuple(found)


def listed(value: Any) -> Any:
    """Make a list of a single name."""
    if not isinstance(value, str | list | tuple):
        raise expected("the name of a model, a list of names, or [] for none")
    return (value,) if isinstance(value, str) else tuple(value)


def name(value: Any) -> str:
    """Read the name of a model where it is referred to."""
    if not isinstance(value, str):
        raise expected("the name of a model")
    return value


def flag(value: Any) -> bool:
    """Read true or false; `yes` and `on` are text in YAML 1.2."""
    if isinstance(value, bool):
        return value
    raise expected("true or false")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def factor(value: Any) -> float:
    """Read a number of 1 to 100."""
    if _is_number(value) and 1 <= value <= MAX_FACTOR:
        return float(value)
    raise expected(f"a number of 1 to {MAX_FACTOR}")


def count(value: Any) -> int:
    """Read a whole number above 0."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_COUNT:
        return value
    raise expected(f"a whole number of 1 to {MAX_COUNT}")


def count_or_none(value: Any) -> int:
    """Read a whole number of 0 or more."""
    return 0 if value == 0 and value is not False and isinstance(value, int) else count(value)


def each(value: Any, what: str) -> tuple[Any, ...]:
    """Read a list, of which every item stands once."""
    if not isinstance(value, list | tuple):
        raise expected(what)
    if len(set(map(str, value))) < len(value):
        raise wrong("holds the same item twice", "each item once")
    return tuple(value)


def aliases(value: Any) -> tuple[Any, ...]:
    """Read a list of names."""
    return each(value, "a list of names; [] for none")


def secrets(value: Any) -> tuple[Any, ...]:
    """Read a list of secrets, which are compared by nobody."""
    if not isinstance(value, list | tuple):
        raise expected("a list of strings; [] for none")
    return tuple(value)


def param_names(value: Any) -> tuple[str, ...]:
    """Read the names of parameters."""
    found = each(value, "a list of names of parameters, such as [temperature, top_p]")
    if not all(isinstance(name, str) and name and name != MODEL for name in found):
        raise expected(f"names of parameters other than {MODEL}, which upstream_model sets")
    return found


def params(value: Any) -> Mapping[str, Any]:
    """Read parameters and their values, which may be anything that JSON has."""
    if not isinstance(value, Mapping):
        raise expected("a mapping of names of parameters to values")
    if MODEL in value or not all(isinstance(name, str) and name for name in value):
        raise expected(f"names of parameters other than {MODEL}, which upstream_model sets")
    return dict(value)


def origins(value: Any) -> tuple[str, ...]:
    """Read the origins of web pages."""
    found = each(value, ORIGINS_EXPECTED)
    if not all(
        isinstance(item, str) and (item == "*" or re.fullmatch(ORIGIN_PATTERN, item)) for item in found
    ):
        raise expected(ORIGINS_EXPECTED)
    return found


def port(value: Any) -> int | Literal["auto"]:
    """Read a TCP port or auto."""
    if value == "auto":
        return "auto"
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_PORT:
        return value
    raise expected(f"1 to {MAX_PORT} or auto")


def _measure(value: Any, info: ValidationInfo, parse: Callable[[str], float], what: str) -> Any:
    """Read text with a unit; a plain number only where no person wrote it."""
    if info.context is None and _is_number(value):
        return value
    try:
        return parse(value if isinstance(value, str) else "")
    except ValueError:
        raise expected(what) from None


def size(value: Any, info: ValidationInfo, what: str = units.SIZE_EXPECTED) -> int:
    """Read a size; bytes."""
    result = _measure(value, info, units.parse_size, what)
    if not (isinstance(result, int) and 0 <= result <= MAX_SIZE):
        raise expected(f"{what}, at most {units.describe_size(MAX_SIZE)}")
    return result


def size_or_auto(value: Any, info: ValidationInfo) -> int | Literal["auto"]:
    """Read a size in bytes, or auto."""
    return "auto" if value == "auto" else size(value, info, f"{units.SIZE_EXPECTED}, or auto")


def duration(value: Any, info: ValidationInfo) -> float:
    """Read a duration; seconds, 0 or more."""
    result = float(_measure(value, info, units.parse_duration, units.DURATION_EXPECTED))
    if result < 0:
        raise expected(units.DURATION_EXPECTED)
    return result


def positive_duration(
    value: Any, info: ValidationInfo, what: str = f"{units.DURATION_EXPECTED}, above 0s"
) -> float:
    """Read a duration; seconds, above 0."""
    result = float(_measure(value, info, units.parse_duration, what))
    if result <= 0:
        raise expected(what)
    return result


def interval(value: Any, info: ValidationInfo) -> float | Literal["adaptive"]:
    """Read a duration in seconds, above 0, or adaptive."""
    if value == "adaptive":
        return "adaptive"
    return positive_duration(value, info, f"{units.DURATION_EXPECTED}, above 0s, or adaptive")


def signal(value: Any) -> str:
    """Read the name of a signal, with or without SIG; the answer is without and in capitals."""
    name = value.upper().removeprefix("SIG") if isinstance(value, str) else ""
    if name not in SIGNALS:
        raise expected("the name of a signal, such as TERM, INT or QUIT")
    return name


def secret(value: Any, info: ValidationInfo) -> SecretStr:
    """Read a text that is never shown."""
    result = final(value.get_secret_value() if isinstance(value, SecretStr) else value, info.context)
    if not result:
        raise expected("a string that is not empty")
    return SecretStr(result)


def gpu(value: Any) -> str:
    """Read which GPU is meant; an index may be a number."""
    name = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(name, str) or re.fullmatch(GPU_PATTERN, name) is None:
        raise wrong(f"{value!r} names no GPU", GPU_EXPECTED)
    return name


def gpus(value: Any) -> int | str | tuple[str, ...]:
    """Read which GPUs a model may have: auto, none, how many, or which."""
    if isinstance(value, str) and value in {"auto", "none"}:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_GPUS:
        return value
    if not isinstance(value, list | tuple) or not value:
        raise expected(GPUS_EXPECTED)
    named = tuple(gpu(item) for item in value)
    if len(set(named)) < len(named):
        raise wrong("names a GPU twice", "each GPU once")
    return named


def size_by_gpu(value: Any, info: ValidationInfo) -> int | dict[str, int]:
    """Read a size, or a mapping of GPUs to sizes; bytes."""
    if not isinstance(value, Mapping):
        return size(value, info, f"{units.SIZE_EXPECTED}, or a mapping of GPUs to sizes")
    if not value:
        raise wrong("names no GPU", "a size, or a mapping of GPUs to sizes")
    return {gpu(key): size(amount, info) for key, amount in value.items()}


def size_by_gpu_or_auto(value: Any, info: ValidationInfo) -> int | dict[str, int] | Literal["auto"]:
    """Read a size, a mapping of GPUs to sizes, or auto; bytes."""
    return "auto" if isinstance(value, str) and value == "auto" else size_by_gpu(value, info)

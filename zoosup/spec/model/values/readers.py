"""How each kind of value in zoo.yaml is read.

With a `Scope` as the validation context a reader takes what a person may write: a size needs its unit, and `${…}` is
filled in. Without one (code and tests that build models) plain numbers do. Refuses to know any field, and to
convert: text is never taken for a number, nor a number for text.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from pydantic import SecretStr, ValidationInfo
from pydantic_core import PydanticCustomError

from zoosup.spec.syntax.templates import Scope, TemplateError, environment_names, render
from zoosup.spec.syntax.words import WordsError, split_words

MODEL = "model"
ORIGIN_PATTERN = r"^https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$"
ORIGINS_EXPECTED = "a list of origins such as https://chat.example.org, or ['*'] for any"
HOST_PATTERN = r"^[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$"
HOSTS_EXPECTED = "a list of host names such as gpu-box.example.org, without a port"
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
    try:
        return text if scope is None else render(text, {})
    except TemplateError as error:
        raise wrong(str(error)) from None


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


def choice_of_words(*words: str) -> Callable[[Any], str]:
    """Make the reader of a closed set of words that have no type of their own."""

    def read(value: Any) -> str:
        if isinstance(value, str) and value in words:
            return value
        raise expected("one of " + ", ".join(words))

    return read


def split(value: Any, info: ValidationInfo) -> Any:
    """Cut a program and its arguments into words, before they are filled in.

    A text of `vars` that is a whole word of a string is cut like the rest; quoted, within a word or in a list it stays
    one, blanks and all.
    """
    found = split_or_none(value, info)
    if not found or found[0] == "":
        raise wrong("names no program", "a program and its arguments")
    return found


def split_or_none(value: Any, info: ValidationInfo) -> tuple[Any, ...]:
    """Cut words as `split` does; there may be none."""
    scope: Scope | None = info.context
    if not isinstance(value, str | list | tuple):
        raise expected("a string or a list of strings")
    try:
        return tuple(split_words(value, _expander(scope)) if isinstance(value, str) else value)
    except WordsError as error:
        raise wrong(str(error), error.expected) from None


def _expander(scope: Scope | None) -> Callable[[str], Sequence[str] | None]:
    return lambda word: None if scope is None else scope.words(word, split_words)


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
    """Read a list of keys, which are compared by nobody."""
    if not isinstance(value, list | tuple):
        raise expected("a list of strings, or of mappings with name and key; [] for none")
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


def patterns(value: Any) -> tuple[str, ...]:
    """Read paths of files, in which * and ? stand for anything; as they stand: nothing is filled in."""
    found = each(value, "a list of files such as [models.d/*.yaml]; [] for none")
    if not all(isinstance(item, str) and item.strip() for item in found):
        raise expected("a list of files such as [models.d/*.yaml]; [] for none")
    return found


def origins(value: Any) -> tuple[str, ...]:
    """Read the origins of web pages."""
    found = each(value, ORIGINS_EXPECTED)
    if not all(
        isinstance(item, str) and (item == "*" or re.fullmatch(ORIGIN_PATTERN, item)) for item in found
    ):
        raise expected(ORIGINS_EXPECTED)
    return found


def hosts(value: Any) -> tuple[str, ...]:
    """Read names of hosts, in lower case."""
    found = each(value, HOSTS_EXPECTED)
    if not all(isinstance(item, str) and re.fullmatch(HOST_PATTERN, item) for item in found):
        raise expected(HOSTS_EXPECTED)
    return tuple(item.lower() for item in found)


def signal(value: Any) -> str:
    """Read the name of a signal, with or without SIG; the answer is without and in capitals."""
    name = value.upper().removeprefix("SIG") if isinstance(value, str) else ""
    if name not in SIGNALS:
        raise expected("the name of a signal, such as TERM, INT or QUIT")
    return name


class FilledSecret(SecretStr):
    """A text that is never shown, and the `variables` of the environment that the file has made it of."""

    def __init__(self, text: str, variables: Iterable[str] = ()) -> None:
        super().__init__(text)
        self.variables = frozenset(variables)


def secret(value: Any, info: ValidationInfo) -> SecretStr:
    """Read a text that is never shown."""
    result = value if isinstance(value, SecretStr) else _filled_secret(value, info.context)
    if not result.get_secret_value():
        raise expected("a string that is not empty")
    return result


def _filled_secret(value: Any, scope: Scope | None) -> FilledSecret:
    return FilledSecret(final(value, scope), environment_names(value))

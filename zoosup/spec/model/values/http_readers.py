"""How addresses of servers elsewhere, headers and names that models bear there are read.

As `readers`, on which it stands. Refuses to know any field.
"""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr, ValidationInfo

from zoosup.spec.model.values.quantities import MAX_PORT
from zoosup.spec.model.values.readers import each, expected, final, wrong

HEADER_PATTERN = (
    r"^(?!(?:[Cc]onnection|[Cc]ontent-[Ll]ength|[Ee]xpect|[Hh]ost|[Kk]eep-[Aa]live|[Tt][Ee]|"
    r"[Tt]ransfer-[Ee]ncoding|[Uu]pgrade)$)[A-Za-z0-9!#$%&'*+.^_`|~-]+$"
)
_HEADER_EXPECTED = (
    "the name of a header, but for those by which a connection is managed (Host, Connection, …)"
)
BASE_URL_PATTERN = (
    r"^[hH][tT][tT][pP][sS]?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[^\s?#]*)?$"
)
_BASE_URL_EXPECTED = "an address such as https://box2:8000/v1, without a name, a key or a query in it"
PATH_PATTERN = r"^/[^\s#]*$"
_PORT = re.compile(r"(?<=[\w\].-]):([0-9]+)(?=/|$)")


def headers(value: Any) -> Mapping[str, Any]:
    """Read headers, of which each stands once, however it is spelled."""
    if not isinstance(value, Mapping):
        raise expected("a mapping of names of headers to values")
    if len({str(name).lower() for name in value}) < len(value):
        raise wrong("holds the same header twice", "each header once")
    return value


def header_name(value: Any) -> str:
    """Read the name of a header."""
    if not isinstance(value, str) or re.fullmatch(HEADER_PATTERN, value, re.IGNORECASE) is None:
        raise expected(_HEADER_EXPECTED)
    return value


def header_value(value: Any, info: ValidationInfo) -> SecretStr:
    """Read what a header says, which is never shown."""
    found = final(value.get_secret_value() if isinstance(value, SecretStr) else value, info.context)
    if not found.isascii() or not found.isprintable():
        raise wrong("holds what no header may", "printable ASCII, in one line")
    return SecretStr(found)


def base_url(value: Any, info: ValidationInfo) -> str:
    """Read the address of an API."""
    found = final(value, info.context)
    if re.fullmatch(BASE_URL_PATTERN, found) is None or not (found.isascii() and _has_port(found)):
        raise expected(_BASE_URL_EXPECTED)
    return found


def path(value: Any, info: ValidationInfo) -> str | None:
    """Read a path that is asked for at a server elsewhere, or nothing."""
    if value is None:
        return None
    found = final(value, info.context)
    if re.fullmatch(PATH_PATTERN, found) is None or not found.isascii():
        raise expected("a path that begins with /, without blanks")
    return found


def _has_port(url: str) -> bool:
    port = _PORT.search(url.partition("://")[2].partition("/")[0])
    return port is None or 0 < int(port[1]) <= MAX_PORT


def names_there(value: Any) -> Mapping[Any, Any]:
    """Read names with those that they stand for, or a list of names that stand for themselves."""
    if isinstance(value, Mapping):
        return value
    return {
        str(name): name for name in each(value, "a mapping of names here to names there, or a list of names")
    }


def name_there(value: Any) -> str:
    """Read the name that a model bears at another server."""
    if not isinstance(value, str) or not value or not value.isprintable():
        raise expected("the name that the model bears there, a string")
    return value

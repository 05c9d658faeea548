"""A request on its way from the gateway of one host to that of another: what the two tell each other in its head.

A client that writes the same lines is not believed: without the fleet's token they say nothing, and no model's server
ever sees them. Pure. Refuses to know which host is asked, and why.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote

MARK = b"x-zoosup-hop"
"""On a request: another gateway has passed it on, and it is passed on no more. On a refusal, `ELSEWHERE`."""

TOKEN = b"x-zoosup-fleet"
CLIENT = b"x-zoosup-client"
KEY = b"x-zoosup-key"
MODEL = b"x-zoosup-model"
NAMES = frozenset({MARK, TOKEN, CLIENT, KEY, MODEL})
"""Headers, in lower case, that only gateways write."""

ELSEWHERE = {MARK.decode(): "elsewhere"}
"""No model was asked, and none will be: the gateway that has passed it on may ask the next host."""

FAREWELL = (
    b"HTTP/1.1 503 Service Unavailable\r\n%b: elsewhere\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    % MARK
)
"""What a gateway that closes an unused connection to another says: whatever was sent last has not been read."""

_ELSEWHERE_LINE = b"\r\n%b: elsewhere" % MARK


@dataclass(frozen=True, slots=True)
class Hop:
    """What the first gateway says of its client.

    `client` is who it is, to take turns by; `key` the name of its key; `model` is the name that is meant by a request
    that names none.
    """

    client: str = ""
    key: str = ""
    model: str = ""


@lru_cache(1024)
def lines(client: str, key: str, model: str) -> bytes:
    """The lines of a head that say so, each with its line end; any text comes through them as it is."""
    said = ((CLIENT, client), (KEY, key), (MODEL, model))
    return b"".join(b"%b: %b\r\n" % (name, quote(text, safe=" ").encode()) for name, text in said if text)


def read(found: Mapping[bytes, bytes]) -> Hop:
    """What a head says, by its headers in lower case."""
    client, key, model = (unquote(found.get(name, b"").decode("latin-1")) for name in (CLIENT, KEY, MODEL))
    return Hop(client, key, model)


def own_lines(token: str) -> tuple[tuple[str, str], ...]:
    """The headers that every request has which goes to another gateway; `token` "": the fleet has none."""
    marked = (MARK.decode(), "1")
    return (marked, (TOKEN.decode(), token)) if token else (marked,)


def is_token(text: str) -> bool:
    """Whether a header can carry it as it is."""
    return text.isascii() and text.isprintable() and " " not in text


def is_elsewhere(head: bytes) -> bool:
    """Whether the head of an answer says that no model was asked."""
    return _ELSEWHERE_LINE in head

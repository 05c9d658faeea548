"""Who may call the gateway: keys, the names it is called by, and the web pages that may use it.

Closed by default: no page of another origin, no name that a stranger could point here. Pure; refuses to know where
keys come from and what is asked.
"""

import base64
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from zoosup.web.gateway.caller import Caller
from zoosup.web.gateway.errors import DeniedError
from zoosup.web.hosts import host_allowed, same_origin

_OWN_SITES = frozenset({"none", "same-origin"})
_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_EXPOSED = "Retry-After, x-should-retry, x-request-id"
_PREFLIGHT_AGE = "600"
_TOKENS = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+(?:[ \t]*,[ \t]*[A-Za-z0-9!#$%&'*+.^_`|~-]+)*")


@dataclass(frozen=True, slots=True, repr=False)
class Policy:
    """What is asked of callers. `keys` (): none; `origins`: the pages allowed, "*" is any; `open`: any Host will do.

    `callers`: whose a key is, where the file says more of it than its text. `fleet_token`: what gateways of other hosts
    present, b"" where all hosts are this one; None: there are no others.
    """

    keys: tuple[bytes, ...] = ()
    origins: tuple[str, ...] = ()
    listen_host: str = ""
    hostname: str = ""
    open: bool = False
    callers: Mapping[bytes, Caller] = field(default_factory=dict)
    fleet_token: bytes | None = None


def parse_keys(text: str) -> tuple[str, ...]:
    """Read a file of keys: one a line, blanks around it aside; empty lines and those that begin with # are none."""
    lines = (line.strip() for line in text.removeprefix("\ufeff").splitlines())
    return tuple(dict.fromkeys(line for line in lines if line and not line.startswith("#")))


def presented_keys(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Every key that a request presents; `headers` by their names in lower case, their bytes as Latin-1."""
    found = (
        _authorized(headers.get("authorization", "").strip()),
        headers.get("x-api-key", "").strip(),
        headers.get("api-key", "").strip(),
    )
    return tuple(key for key in found if key)


def _authorized(value: str) -> str:
    """The key of an Authorization header: a bearer's token, or the password that comes with any name."""
    scheme, _, token = value.partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(token.strip(), validate=True).decode("latin-1").partition(":")[2]
    except ValueError:
        return ""


def key_of(presented: Iterable[str], keys: Iterable[bytes]) -> bytes:
    """The first presented that is one of the keys, b"" where none is.

    Each pair is compared, in constant time for one length.
    """
    known, found = tuple(keys), b""
    for key in presented:
        given = key.encode("latin-1", "replace")
        for expected in known:
            same = hmac.compare_digest(given, expected)
            found = found or expected * same
    return found


def check(policy: Policy, headers: Mapping[str, str], host: str) -> bytes:
    """Refuse a stranger, and say by which key anybody else comes, b"" where none is asked for.

    DeniedError with 421 for the Host, 403 for the Origin, 401 for the key.

    `headers` as for `presented_keys`; `host` is the Host header, or the authority of an absolute target. A
    preflight has no key: answer it with `preflight_headers` in place of this. With keys the Host may be any name, such
    as that of a proxy: a page that has none gets nowhere.
    """
    if not (
        policy.keys
        or policy.open
        or _has_none(host, headers)
        or host_allowed(host, policy.listen_host, policy.hostname)
    ):
        message = (
            f"Host {host[:80]!r} is not a name of this server; use its address, localhost or its host name"
        )
        raise DeniedError(421, "wrong_host", message)
    origin = headers.get("origin")
    site = headers.get("sec-fetch-site", "none")
    if origin is None and site not in _OWN_SITES and not ("*" in policy.origins or policy.keys):
        # An <img> or a link of another page: it has no Origin, and must start no model.
        raise DeniedError(
            403, "wrong_origin", f"pages of other origins may not call (Sec-Fetch-Site: {site[:20]})"
        )
    if origin is not None and not origin_allowed(origin, host, policy):
        raise DeniedError(
            403, "wrong_origin", f"pages of {origin[:80]!r} may not call; gateway.cors lists those that may"
        )
    key = key_of(presented_keys(headers), policy.keys)
    if policy.keys and not key:
        raise DeniedError(
            401,
            "invalid_api_key",
            "expected one of the gateway's keys in Authorization: Bearer, or in x-api-key",
            headers={"WWW-Authenticate": 'Bearer realm="zoosup"'},
        )
    return key


def _has_none(host: str, headers: Mapping[str, str]) -> bool:
    """Whether no Host was sent at all: HTTP/1.0 needs none, and no browser leaves it out."""
    return not host and "host" not in headers


def origin_allowed(origin: str, host: str, policy: Policy) -> bool:
    """Whether a page of this origin may call: our own, one that `gateway.cors` lists, or any for "*"."""
    return "*" in policy.origins or origin.lower() in _lowered(policy.origins) or same_origin(origin, host)


def cors_headers(origin: str | None, policy: Policy) -> dict[str, str]:
    """What an answer to a page says, so that the browser lets it read; {} where it may not, or is no page."""
    if origin is None or not ("*" in policy.origins or origin.lower() in _lowered(policy.origins)):
        return {}
    return {
        "Access-Control-Allow-Origin": "*" if "*" in policy.origins else origin,
        "Access-Control-Expose-Headers": _EXPOSED,
        "Vary": "Origin",
    }


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a browser asks for a page whether it may ask."""
    return method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers


def preflight_headers(headers: Mapping[str, str], policy: Policy) -> dict[str, str]:
    """What a preflight is told; {} is no."""
    told = cors_headers(headers.get("origin"), policy)
    if not told:
        return {}
    told |= {"Access-Control-Allow-Methods": _METHODS, "Access-Control-Max-Age": _PREFLIGHT_AGE}
    asked = headers.get("access-control-request-headers", "").strip()
    if _TOKENS.fullmatch(asked):
        told["Access-Control-Allow-Headers"] = asked
    if headers.get("access-control-request-private-network") == "true":
        told["Access-Control-Allow-Private-Network"] = "true"
    return told


def _lowered(origins: Iterable[str]) -> frozenset[str]:
    return frozenset(origin.lower() for origin in origins)

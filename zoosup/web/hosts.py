"""By which names a server may be called, so that no stranger's web page reaches it.

A page in somebody's browser can reach 127.0.0.1, and by DNS rebinding under a name of its own: the Host must be one
that no stranger can point here. Pure; refuses to know what is refused and how.
"""

import ipaddress
from urllib.parse import urlsplit


def host_allowed(header: str, listen_host: str, hostname: str) -> bool:
    """Whether a Host header names us as no stranger's DNS record can: an IP literal, localhost (RFC 6761), our name."""
    name = host_name(header)
    if name == "localhost" or name.endswith(".localhost") or _is_address(name):
        return True
    own = {listen_host.lower(), hostname.lower(), hostname.lower().partition(".")[0]}
    return bool(name) and name in own | {f"{each}.local" for each in own if "." not in each}


def host_name(header: str) -> str:
    """The host of a Host header without its port, in lower case; "" where it makes no sense."""
    try:
        return (urlsplit(f"//{header}").hostname or "").rstrip(".").lower()
    except ValueError:
        return ""


def same_origin(origin: str, host: str) -> bool:
    """Whether an Origin header is the server's own, scheme aside; `null` is nobody's."""
    return origin.partition("://")[2].lower() == host.lower() and bool(host)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True

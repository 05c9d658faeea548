"""HOST:PORT as people write it, with brackets around an IPv6 address.

Refuses to judge: whether it is an address at all its reader says.
"""


def split_address(text: str) -> tuple[str, int]:
    """Cut a checked `listen` into host (an IPv6 address without its brackets) and port (0: any free one)."""
    host, _, number = text.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(number)


def join_address(host: str, port: int | None) -> str:
    """Write HOST:PORT, HOST alone without a port."""
    name = f"[{host}]" if ":" in host else host
    return name if port is None else f"{name}:{port}"

"""Volumes and published ports, as the clients take them: -v, --mount and --tmpfs; -p.

Refuses to judge: what can't be read has empty parts, and the engine will complain.
"""

from collections.abc import Iterator
from dataclasses import dataclass

_SOURCES = ("source", "src")
_TARGETS = ("target", "destination", "dst")


@dataclass(frozen=True, slots=True)
class Volume:
    """Something mounted at a path of the container; `host` is a path, an engine's volume by name, or "" for none."""

    host: str
    container: str
    options: tuple[str, ...] = ()

    @property
    def is_bind(self) -> bool:
        """Whether it is a file or folder of the host; a relative path begins with a dot."""
        return self.host.startswith(("/", "."))


@dataclass(frozen=True, slots=True)
class Publish:
    """A port of the container on an address of the host; an empty host_port is one that the engine chooses."""

    host_ip: str
    host_port: str
    container_port: str
    protocol: str = "tcp"


def volume(text: str) -> Volume:
    """Read HOST:CONTAINER[:OPTIONS], or CONTAINER alone for a volume without a name."""
    host, colon, rest = text.partition(":")
    if not colon:
        return Volume("", host)
    container, _, options = rest.partition(":")
    return Volume(host, container, tuple(filter(None, options.split(","))))


def mount(text: str) -> Volume:
    """Read type=bind,source=HOST,target=CONTAINER,…; of any other type `host` is no path."""
    parts = [part.partition("=") for part in text.split(",")]
    said = {key.strip().lower(): value for key, _, value in parts}
    kind = said.get("type", "volume")
    host = next((said[key] for key in _SOURCES if key in said), "")
    if kind != "bind" and host.startswith(("/", ".")):
        host = ""  # an image, a cluster's volume, podman's glob: no folder of which the rest is known
    rest = (part[0] + part[1] + part[2] for part in parts if part[0] not in {"type", *_SOURCES, *_TARGETS})
    return Volume(host, next((said[key] for key in _TARGETS if key in said), ""), tuple(rest))


def tmpfs(text: str) -> Volume:
    """Read CONTAINER[:OPTIONS]."""
    container, _, options = text.partition(":")
    return Volume("", container, tuple(filter(None, options.split(","))))


def published(text: str) -> Iterator[Publish]:
    """Read [[IP:][PORT]:]PORT[/PROTOCOL], several of them with commas between (podman), or target=…,published=…."""
    if "=" in text:
        said = dict(part.partition("=")[::2] for part in text.split(","))
        ip, _, port = said.get("published", "").rpartition(":")
        yield Publish(ip, port, said.get("target", ""), said.get("protocol", "tcp"))
        return
    for each in text.split(","):
        ports, _, protocol = each.partition("/")
        rest, _, container = ports.rpartition(":")
        ip, _, host = rest.rpartition(":")
        yield Publish(ip.removeprefix("[").removesuffix("]"), host, container, protocol or "tcp")

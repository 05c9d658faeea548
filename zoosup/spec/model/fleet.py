"""What zoo.yaml says of several hosts that share it: where they meet, what each is called, where a model may run.

Frozen data. `node`, `address` and `labels` are the only ones that differ from host to host: they have defaults that the
host itself knows, or come by `${env.…}`. Knows no host, and not what the fleet runs on.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from zoosup.spec.model.base import SpecPart, at_once
from zoosup.spec.model.values import kinds, quantities, readers
from zoosup.spec.model.values.readers import HOST_PATTERN, clash, expected, wrong
from zoosup.spec.syntax.addresses import split_address

LABEL_PATTERN = r"^[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$"
LABELS_EXPECTED = "names and values of letters, digits and . _ - /, such as {gpu: a100}"
ADDRESS_PATTERN = r"^(?:[A-Za-z0-9._-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$"
HEAD_EXPECTED = "HOST:PORT such as 10.0.0.5:6379, the same on all hosts"
RANGE_PATTERN = r"^[0-9]{1,5}-[0-9]{1,5}$"
STORE_PATTERN = r"^(?:auto|memory|rocksdb|rediss?://[A-Za-z0-9._-]+(?::[0-9]{1,5})?)$"
STORE_EXPECTED = "auto, memory, rocksdb, or redis://HOST:PORT"
NODES_EXPECTED = "names of hosts such as [gpu-1, gpu-2], or labels that they bear such as {gpu: a100}"

Range = tuple[int, int]
"""The first and the last of some ports."""

_OR_TEMPLATE = r"|\$\{"


def _filled_in(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": f"(?:{pattern}){_OR_TEMPLATE}"}


_LABELS_SCHEMA = {
    "type": "object",
    "propertyNames": {"pattern": LABEL_PATTERN},
    "additionalProperties": _filled_in(LABEL_PATTERN),
}
_NODE = {"anyOf": [_filled_in(HOST_PATTERN), {"type": ["number", "boolean"]}]}


def _matching(pattern: str, what: str, *, null: bool = False) -> PlainValidator:
    """Read a text without late names that matches, or null."""

    def read(value: Any, info: ValidationInfo) -> str | None:
        if null and value is None:
            return None
        text = readers.final(value, info.context)
        if re.fullmatch(pattern, text) is None:
            raise expected(what)
        return text

    return PlainValidator(read)


def _head(value: Any, info: ValidationInfo) -> str:
    text = readers.final(value, info.context)
    if re.fullmatch(kinds.LISTEN_PATTERN, text) is None or not 0 < split_address(text)[1] <= kinds.MAX_PORT:
        raise expected(HEAD_EXPECTED)
    return text


def _labels(value: Any, info: ValidationInfo) -> Mapping[str, str]:
    if not isinstance(value, Mapping):
        raise expected(f"a mapping of {LABELS_EXPECTED}")
    found = {name: readers.final(text, info.context) for name, text in value.items()}
    if not all(isinstance(n, str) and re.fullmatch(LABEL_PATTERN, n) for n in (*found, *found.values())):
        raise expected(LABELS_EXPECTED)
    return found


def _range(value: Any, info: ValidationInfo) -> Range:
    """Read FIRST-LAST; what is built by code is two numbers."""
    text = readers.final(value, info.context) if isinstance(value, str) else ""
    ends = text.split("-") if re.fullmatch(RANGE_PATTERN, text) else value
    if isinstance(ends, list | tuple) and len(ends) == 2:  # noqa: PLR2004 - a first and a last
        first, last = map(int, ends)
        if 0 < first <= last <= quantities.MAX_PORT:
            return first, last
    raise expected("the first and the last of some ports, such as 6400-6449")


def _hosts(value: Any, info: ValidationInfo) -> tuple[str, ...] | Mapping[str, str]:
    if isinstance(value, Mapping):
        return _labels(value, info)
    listed = readers.each([value] if isinstance(value, str) else value, NODES_EXPECTED)
    found = tuple(readers.final(name, info.context) for name in listed)
    if not all(re.fullmatch(HOST_PATTERN, name) for name in found):
        raise expected(NODES_EXPECTED)
    return found


def _replicas(value: Any) -> int | Literal["all"]:
    if value == "all":
        return "all"
    try:
        return quantities.count(value)
    except ValueError:
        raise expected("a whole number of 1 or more, or all") from None


def _port(value: Any, info: ValidationInfo) -> int:
    if isinstance(value, str) and re.fullmatch("[0-9]{1,5}", text := readers.final(value, info.context)):
        value = int(text)
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= quantities.MAX_PORT:
        return value
    raise expected(f"a port of 1 to {quantities.MAX_PORT}")


Labels = Annotated[Mapping[str, str], PlainValidator(_labels), WithJsonSchema(_LABELS_SCHEMA)]
Hosts = Annotated[
    tuple[str, ...] | Mapping[str, str],
    BeforeValidator(_hosts),
    WithJsonSchema(
        {"anyOf": [_NODE, {"type": "array", "uniqueItems": True, "items": _NODE}, _LABELS_SCHEMA]}
    ),
    at_once(
        "Of several hosts, which may run it: names of hosts, or labels that they all bear, such as {gpu: a100}. "
        "[]: any."
    ),
]
Replicas = Annotated[
    int | Literal["all"],
    PlainValidator(_replicas),
    WithJsonSchema(
        {
            "anyOf": [
                {"const": "all"},
                {"type": "integer", "minimum": 1, "maximum": quantities.MAX_COUNT},
            ]
        }
    ),
    at_once(
        "Of several hosts, on how many an active model runs: a number, or all that may run it. Where fewer have room, "
        "on so many."
    ),
]
_Port = Annotated[
    int,
    PlainValidator(_port),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": quantities.MAX_PORT},
                _filled_in("^[0-9]{1,5}$"),
            ]
        }
    ),
]


class FleetPortsSpec(SpecPart):
    """The TCP ports by which the hosts speak with each other, besides the head's and the gateways'."""

    node: Annotated[_Port, at_once("The port of each host's node manager.")] = 6380
    objects: Annotated[_Port, at_once("The port of each host's object store.")] = 6381
    workers: Annotated[
        Range,
        PlainValidator(_range),
        PlainSerializer(lambda value: f"{value[0]}-{value[1]}"),
        WithJsonSchema(_filled_in(RANGE_PATTERN)),
        at_once("The ports of controller and links, FIRST-LAST.", validate_default=True),
    ] = (6400, 6449)

    @field_validator("workers", mode="after")
    @classmethod
    def _apart(cls, value: Range, info: ValidationInfo) -> Range:
        node, objects = info.data.get("node"), info.data.get("objects")
        if node is not None and node == objects:
            raise clash("node and objects are the same port", "three that are apart")
        for name, port in (("node", node), ("objects", objects)):
            if port is not None and value[0] <= port <= value[1]:
                raise clash(f"{name} is {port}, which is one of workers", "three that are apart")
        return value

    def __contains__(self, port: int) -> bool:
        """Whether it is one of them."""
        return port in {self.node, self.objects} or self.workers[0] <= port <= self.workers[1]


class FleetSpec(SpecPart):
    """Several hosts that share this file; seconds."""

    head: Annotated[
        str,
        PlainValidator(_head),
        WithJsonSchema(_filled_in(kinds.LISTEN_PATTERN)),
        at_once(
            "Where the hosts meet, HOST:PORT, the same on all: the host that has this address runs head and controller."
        ),
    ]
    node: Annotated[
        str | None,
        _matching(HOST_PATTERN, "the name of this host: letters, digits and . _ -", null=True),
        WithJsonSchema({"anyOf": [_filled_in(HOST_PATTERN), {"type": "null"}]}),
        at_once("What this host is called in `hosts` and in all that is shown. null: the host's name."),
    ] = None
    address: Annotated[
        str | None,
        _matching(ADDRESS_PATTERN, "an address of this host, such as 10.0.0.7", null=True),
        WithJsonSchema({"anyOf": [_filled_in(ADDRESS_PATTERN), {"type": "null"}]}),
        at_once("By which address the other hosts reach this one. null: that by which it reaches the head."),
    ] = None
    labels: Annotated[
        Labels, at_once("What this host is, for the `hosts` of models, such as {gpu: a100}.")
    ] = {}  # noqa: RUF012 - pydantic copies it
    token_file: Annotated[
        kinds.Directory | None,
        at_once(
            "A file with a secret that all hosts share, an absolute path, readable by zoosup alone: who has it may "
            "join, and have the gateways answer. null, only where all hosts are this one: zoosup makes one that all "
            "zoosups of this user share.",
            validate_default=True,
        ),
    ] = None
    ports: Annotated[
        FleetPortsSpec, at_once("The TCP ports by which hosts speak with each other.", validate_default=True)
    ] = FleetPortsSpec()
    lost_after: Annotated[
        kinds.PositiveDuration,
        at_once("A host that has not reported for so long is lost: its active models are started elsewhere."),
    ] = 10.0
    head_store: Annotated[
        str,
        _matching(STORE_PATTERN, STORE_EXPECTED),
        WithJsonSchema(_filled_in(STORE_PATTERN)),
        at_once(
            "Where the head keeps what it knows. rocksdb: under the state directory; memory: nowhere, it is new after "
            "each start; redis://HOST:PORT; auto: rocksdb."
        ),
    ] = "auto"

    @field_validator("token_file", mode="after")
    @classmethod
    def _guarded(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and "head" in info.data and "address" in info.data:
            head, address = info.data["head"], info.data["address"]
            if not (kinds.is_loopback(head) and (address is None or is_local(address))):
                raise clash(
                    "other hosts reach this fleet, and nothing is asked of who joins it",
                    "token_file: the path of a file with a secret, the same on all hosts",
                )
        return value

    @field_validator("ports", mode="after")
    @classmethod
    def _beside_head(cls, value: FleetPortsSpec, info: ValidationInfo) -> FleetPortsSpec:
        head = info.data.get("head")
        if head is not None and split_address(head)[1] in value:
            raise wrong(f"the head's port {split_address(head)[1]} is one of them", "ports that are apart")
        return value


def is_local(address: str) -> bool:
    """Whether only this host can connect to a checked `address`."""
    return kinds.is_loopback(f"[{address}]:1" if ":" in address else f"{address}:1")

"""What zoo.yaml says of a model that takes several hosts at once: how many, and what runs on those but the first.

Frozen data. Refuses to know which hosts, and how any of them is reached.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import PlainValidator, ValidationInfo, WithJsonSchema

from zoosup.spec.model.base import SpecPart, at_once, on_restart
from zoosup.spec.model.values import kinds, quantities
from zoosup.spec.model.values.readers import expected

PART = 0
"""`spans` of what the other hosts of such a model run: no file has it, a record of a run may."""


def _spans(value: Any, info: ValidationInfo) -> int:
    if info.context is None and value == PART and not isinstance(value, bool):
        return PART
    try:
        return quantities.count(value)
    except ValueError:
        raise expected("a whole number of hosts, 1 or more") from None


def span_clashes(spans: int, said: Mapping[str, Any]) -> tuple[str, str] | None:
    """What a model over so many hosts says besides that can't be, and what it should say; None where all is well."""
    hosts = said.get("hosts", ())
    if said.get("replicas", 1) != 1:
        return "there is one copy of it, and replicas asks for others", "spans or replicas"
    if isinstance(hosts, tuple) and 0 < len(hosts) < spans:
        return f"hosts names {len(hosts)}, and {spans} are needed", "more hosts, or a smaller number"
    if said.get("on_demand"):
        return "no request can start it on several hosts", "on_demand: false"
    if said.get("memory") == "auto":
        return (
            "what each of its hosts holds can't be reckoned",
            "memory: {ram: SIZE, vram: SIZE}, as it is on each of them",
        )
    return None


class WorkerSpec(SpecPart):
    """What runs on each host of a model over several but the first, where its own command runs."""

    command: Annotated[
        kinds.Words,
        on_restart(
            "The program and its arguments, as a model's command: with ${LEADER}, ${HOSTS}, ${ADDRESS} and ${RANK}."
        ),
    ]
    ready: Annotated[
        kinds.Words | None,
        at_once(
            "A program that says when it may be used: exit code 0 counts. null: as soon as it runs.",
            validate_default=True,
        ),
    ] = None


Spans = Annotated[
    int,
    PlainValidator(_spans),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": quantities.MAX_COUNT}),
    at_once(
        "How many hosts of a fleet it takes at once: on each of them what memory says is reserved, on all or on none. "
        "Its command runs on the first, with the addresses of the others in ${HOSTS}."
    ),
]
Worker = Annotated[
    WorkerSpec | None,
    at_once(
        "Of a model that spans several hosts, what runs on those but the first, before its command does. null: the "
        "memory is reserved there, and nothing is started."
    ),
]

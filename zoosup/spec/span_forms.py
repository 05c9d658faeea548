"""A model over several hosts as each of them runs it: its own command on the first, and on the others their part.

    ${HOSTS}     the addresses of all but the first, with commas between
    ${LEADER}    that of the first
    ${ADDRESS}   that of the host itself
    ${RANK}      its number: 0 is the first

All addresses stand in the environment of its processes, so that a run tells over which hosts it is, and is replaced
where one of them is another: a server that has lost one of its hosts is of no use to a new one.

Pure: hosts are addresses in an order that somebody else has given them. Refuses to know fleets.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from zoosup.spec.model.base import SpecPart
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.process.lifetime import ReadySpec, SessionsSpec, StopSpec
from zoosup.spec.model.process.short_forms.chosen import SHORT_FORMS
from zoosup.spec.model.spans import PART
from zoosup.spec.syntax.templates import fill

PLACEHOLDER = ("sleep", "2147483647")
"""What stands for the part of a model that starts nothing there: a process that holds nothing, as Kubernetes' pause.

So the memory is a run's like any other: admitted, shown, found again, and given back with proof.
"""

HOSTS_VARIABLE = "ZOOSUP_HOSTS"
"""The variable that has the addresses of all its hosts, the first first."""

_ALWAYS = ("true",)

_TEMPLATES = ("command", "env", "cwd", "container", "ready", "live", "stop", *SHORT_FORMS)
"""The fields in which those names may stand."""

_NONE_OF_A_PART: Mapping[str, Any] = {
    **dict.fromkeys((*SHORT_FORMS, "container", "live", "park", "task", "worker")),
    "port": "auto",
    "fetch": False,
    "sessions": SessionsSpec(),
    "spans": PART,
}


def on_host(spec: ModelSpec, hosts: Sequence[str], rank: int) -> ModelSpec:
    """What one of its hosts runs; `hosts` are the addresses of all of them, the first first."""
    values = {
        "HOSTS": ",".join(hosts[1:]),
        "LEADER": hosts[0],
        "ADDRESS": hosts[rank],
        "RANK": str(rank),
    }
    own = spec if rank == 0 else _part(spec)
    filled = {name: _filled(getattr(own, name), partial(fill, values=values)) for name in _TEMPLATES}
    return own.model_copy(update={**filled, "env": {**filled["env"], HOSTS_VARIABLE: ",".join(hosts)}})


def hosts_of(spec: ModelSpec) -> tuple[str, ...]:
    """The addresses that a run was started with, the first first; () of a model on one host."""
    return tuple(filter(None, spec.env.get(HOSTS_VARIABLE, "").split(","))) if spec.spans != 1 else ()


def is_part(spec: ModelSpec) -> bool:
    """Whether it is what another host than the first runs: it answers nobody."""
    return spec.spans == PART


def _part(spec: ModelSpec) -> ModelSpec:
    worker = spec.worker
    ready = _ALWAYS if worker is None else worker.ready or _ALWAYS
    return spec.model_copy(
        update={
            **_NONE_OF_A_PART,
            "command": PLACEHOLDER if worker is None else worker.command,
            "ready": ReadySpec(exec=ready, timeout=spec.ready.timeout, deadline=spec.ready.deadline),
            "stop": StopSpec(signal=spec.stop.signal, grace=spec.stop.grace),
        }
    )


def _filled(value: Any, fill_in: Any) -> Any:
    """The same value with the names filled in, wherever in it they stand."""
    if isinstance(value, str):
        return fill_in(value)
    if isinstance(value, tuple):
        return tuple(_filled(each, fill_in) for each in value)
    if isinstance(value, Mapping):
        return {name: _filled(each, fill_in) for name, each in value.items()}
    if isinstance(value, SpecPart):
        kept = {name: getattr(value, name) for name in type(value).model_fields}
        found = {name: _filled(each, fill_in) for name, each in kept.items()}
        return value.model_copy(update={name: each for name, each in found.items() if each != kept[name]})
    return value

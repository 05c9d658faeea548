"""What models were seen to hold, in place of what was guessed; and the draft that they are measured with.

Refuses to measure: the command line does.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from zoosup.importing.draft import NOT_RECKONED, TO_MEASURE, Draft, Model
from zoosup.importing.report import Report
from zoosup.spec.syntax.units import describe_size, format_size

_PERCENT = 110
"""Of what was seen: as what is learned from fewer than three runs."""

_TOKEN = "64MiB"  # noqa: S105 - no secret
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Held:
    """Bytes at the most: of RAM, of files in memory beside it, on all GPUs together."""

    ram: int
    mapped: int
    vram: int


def measurable(draft: Draft) -> Iterator[Model]:
    """The models that run here."""
    return (each for each in draft.models if isinstance(each, Model) and "external" not in each.fields)


def to_measure(draft: Draft) -> Draft:
    """The same models with nothing active, no keys and no addresses.

    What stands in for an unknown need is made small there, for it would keep its model from starting: each runs alone,
    and where memory runs short all the same it is the one that goes.
    """
    top = {key: value for key, value in draft.top.items() if key not in {"gateway", "status"}}
    models = [replace(each, fields=_startable(each)) for each in measurable(draft)]
    return Draft(top=top, defaults=draft.defaults, models=[*models])


def _startable(model: Model) -> dict[str, object]:
    if model.comments.get("memory") != TO_MEASURE:
        return model.fields
    return {**model.fields, "memory": {**model.fields["memory"], "ram": _TOKEN}}


def put(model: Model, held: Held, report: Report) -> None:
    """Write what one was seen to hold; what it would have had to be measured for is settled."""
    before = model.fields.get("memory", {})
    need = {"ram": _size(held.ram * _PERCENT // 100 + held.mapped)}
    if held.vram:
        need["vram"] = _size(held.vram * _PERCENT // 100)
    elif "vram" in before:
        need["vram"] = before["vram"]  # nothing tells what it held there
    model.fields["memory"] = need
    files = f", {describe_size(held.mapped)} of files" if held.mapped else ""
    on_gpus = f", {describe_size(held.vram)} on GPUs" if held.vram else ""
    model.comments["memory"] = f"measured alone: {describe_size(held.ram)}{files}{on_gpus}, and a tenth"
    report.drop(model.at, f"{model.name}: {NOT_RECKONED}")


def _size(amount: int) -> str:
    return format_size(-(-amount // _MIB) * _MIB)

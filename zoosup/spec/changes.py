"""Which fields of a model replace its process when they change.

Knows how to walk the models and read the class written at each field; refuses to know any field by name.
"""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic.fields import FieldInfo

from zoosup.spec.model.base import CHANGE_KEY, ChangeClass, SpecPart
from zoosup.spec.model.model import ModelSpec


def part_of(annotation: Any) -> type[SpecPart] | None:
    """Find the part that a field's type holds, through unions and annotations; None for a plain value."""
    if isinstance(annotation, type) and issubclass(annotation, SpecPart):
        return annotation
    inner = [part for part in map(part_of, get_args(annotation)) if part is not None]
    return inner[0] if inner else None


def change_class(field: FieldInfo) -> ChangeClass:
    """Read the class written at a field."""
    extra = field.json_schema_extra
    if not isinstance(extra, dict):
        raise TypeError(f"internal error: a field without a change class: {field.description}")
    return ChangeClass(str(extra[CHANGE_KEY]))


def leaf_fields(
    part: type[SpecPart], prefix: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Walk every field of a part that holds a plain value, with its path."""
    for name, field in part.model_fields.items():
        inner = part_of(field.annotation)
        if inner is None:
            yield (*prefix, name), field
        else:
            yield from leaf_fields(inner, (*prefix, name))


_RESTART_PATHS = tuple(
    path for path, field in leaf_fields(ModelSpec) if change_class(field) is ChangeClass.RESTART
)

_LIVE_PATHS = tuple(path for path, field in leaf_fields(ModelSpec) if change_class(field) is ChangeClass.LIVE)


def restart_fields(model: ModelSpec) -> Mapping[str, Any]:
    """Give the fields whose change needs a new process, by dotted name, `${PORT}` still unfilled.

    They are compared one by one, never hashed: a hash changes when an upgrade adds a field with a default,
    which once made the kubelet restart every container.
    """
    return {".".join(path): _value(model, path) for path in _RESTART_PATHS}


def outdated(before: ModelSpec, after: ModelSpec) -> bool:
    """Whether a process that was started by `before` has to be replaced for `after`."""
    return before is not after and restart_fields(before) != restart_fields(after)


def changed(before: ModelSpec, after: ModelSpec) -> str:
    """Name the fields for which it has to be."""
    old, new = restart_fields(before), restart_fields(after)
    return ", ".join(name for name in new if old.get(name) != new[name])


def live_changes(before: ModelSpec, after: ModelSpec) -> tuple[str, ...]:
    """Name the fields, by dotted name, that differ and are applied without touching the process."""
    return tuple(".".join(path) for path in _LIVE_PATHS if _value(before, path) != _value(after, path))


def _value(part: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        part = getattr(part, name, None)
    return part

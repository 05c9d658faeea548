"""Which fields of a model replace its process when they change.

Knows how to walk the models and read the class written at each field; refuses to know any field by name.
"""

import weakref
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, get_args, get_origin

from pydantic.fields import FieldInfo

from zoosup.spec.model.base import CHANGE_KEY, KEYS_CHANGE_KEY, ChangeClass, SpecPart
from zoosup.spec.model.external import ExternalModelSpec
from zoosup.spec.model.model import ModelSpec

_Model = TypeVar("_Model", ModelSpec, ExternalModelSpec)

_SEVERAL = (Mapping, tuple)
"""What holds parts by name, or in order."""


def part_of(annotation: Any) -> type[SpecPart] | None:
    """Find the part that a field's type holds, through unions and annotations; None for a plain value."""
    if isinstance(annotation, type) and issubclass(annotation, SpecPart):
        return annotation
    inner = [part for part in map(part_of, get_args(annotation)) if part is not None]
    return inner[0] if inner else None


def change_class(field: FieldInfo) -> ChangeClass:
    """Read the class written at a field."""
    return ChangeClass(str(_extra(field)[CHANGE_KEY]))


def _extra(field: FieldInfo) -> Mapping[str, Any]:
    if not isinstance(field.json_schema_extra, dict):
        raise TypeError(f"internal error: a field without a change class: {field.description}")
    return field.json_schema_extra


def leaf_fields(
    part: type[SpecPart], prefix: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Walk every field of a part that holds a plain value, or several parts, with its path."""
    for name, field in part.model_fields.items():
        inner = part_of(field.annotation)
        if inner is None or get_origin(field.annotation) in _SEVERAL:
            yield (*prefix, name), field
        else:
            yield from leaf_fields(inner, (*prefix, name))


_RESTART_PATHS = tuple(
    path for path, field in leaf_fields(ModelSpec) if change_class(field) is ChangeClass.RESTART
)

_KEYED_PATHS = tuple(path for path, field in leaf_fields(ModelSpec) if KEYS_CHANGE_KEY in _extra(field))

_LIVE_PATHS = {
    kind: tuple(path for path, field in leaf_fields(kind) if change_class(field) is ChangeClass.LIVE)
    for kind in (ModelSpec, ExternalModelSpec)
}


def restart_fields(model: ModelSpec) -> Mapping[str, Any]:
    """Give the fields whose change needs a new process, by dotted name, `${PORT}` still unfilled.

    They are compared one by one, never hashed: a hash changes when an upgrade adds a field with a default,
    which once made the kubelet restart every container. Of a mapping whose keys alone do so (which GPUs), the keys. Nor
    are the words compared that a short form comes to: a later version may choose others for the same.

    They are found once for each spec: a zoo that was edited asks for those of all its models several times a turn.
    """
    fields = _FOUND.get(id(model))
    if fields is None:
        fields = _FOUND[id(model)] = _restart_fields(model)
        weakref.finalize(model, _FOUND.pop, id(model)).atexit = False
    return fields


_FOUND: dict[int, Mapping[str, Any]] = {}
"""By the identity of a living spec, which has no hash. A copy that is changed is another one."""


def _restart_fields(model: ModelSpec) -> Mapping[str, Any]:
    expanded = model.expanded
    fields = {
        ".".join(path): _value(model, path)
        for path in _RESTART_PATHS
        if path[0] not in expanded and (len(path) == 1 or getattr(model, path[0]) is not None)
    }
    return fields | {
        f"{'.'.join(path)} (its keys)": keys for path in _KEYED_PATHS if (keys := _keys(model, path))
    }


def outdated(before: ModelSpec, after: ModelSpec) -> bool:
    """Whether a process that was started by `before` has to be replaced for `after`."""
    return before is not after and restart_fields(before) != restart_fields(after)


def changed(before: ModelSpec, after: ModelSpec) -> str:
    """Name the fields for which it has to be."""
    old, new = restart_fields(before), restart_fields(after)
    return ", ".join(name for name in {**new, **old} if old.get(name) != new.get(name))


def live_changes(before: _Model, after: _Model) -> tuple[str, ...]:
    """Name the fields, by dotted name, that differ and are applied without touching a process."""
    differ = (path for path in _LIVE_PATHS[type(after)] if _value(before, path) != _value(after, path))
    return tuple(".".join(path) for path in differ if _keys(before, path) == _keys(after, path))


def _keys(model: _Model, path: tuple[str, ...]) -> tuple[Any, ...]:
    """The keys of a mapping, or of what is in a list, that are of another class than the values; else none."""
    value = _value(model, path) if path in _KEYED_PATHS else None
    if isinstance(value, Mapping):
        return tuple(sorted(value))
    return tuple(item.key for item in value) if isinstance(value, tuple) else ()


def _value(part: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        part = getattr(part, name, None)
    return part

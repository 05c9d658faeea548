"""The JSON schema of zoo.yaml, for editors and for people who check files elsewhere.

Knows where the file a person writes differs from the models: defaults, `x-` keys, units. Refuses to be stricter than
the parser; what spans fields (names that exist, templates that are set) only the parser can say.
"""

import json
import sys
from collections.abc import Iterator
from copy import deepcopy
from enum import StrEnum
from itertools import combinations
from typing import Any

from pydantic import PlainSerializer
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import WithDefaultSchema

from zoosup.spec.changes import part_of
from zoosup.spec.defaults import SERVED_BY
from zoosup.spec.model.api_keys import ApiKeySpec
from zoosup.spec.model.base import CHANGE_KEY, ChangeClass, SpecPart
from zoosup.spec.model.external import ExternalModelSpec, ExternalSpec, RemoteReadySpec
from zoosup.spec.model.fleet import FleetSpec
from zoosup.spec.model.process.lifetime import PROBE_KINDS, LiveSpec, ReadySpec
from zoosup.spec.model.process.short_forms.chosen import SERVERS
from zoosup.spec.model.zoo import ZooSpec

_DEFAULTS = (
    "Any field of a model, for all models; mappings are merged key by key, and a model's own key wins."
)
_OUT_OF_REACH = frozenset({ApiKeySpec, ExternalModelSpec, ExternalSpec, FleetSpec})
"""Parts to which `defaults` bring nothing that they need."""

_FRAGMENT = "Yours: for anchors and notes. zoosup reads nothing here."


class _Generator(GenerateJsonSchema):
    """pydantic's own, without defaults: they are written with their units afterwards."""

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def schema() -> dict[str, Any]:
    """Give the schema of what a person may write (JSON Schema, draft 2020-12)."""
    found = ZooSpec.model_json_schema(schema_generator=_Generator)
    definitions = found.pop("$defs")
    for part in _parts(ZooSpec):
        described = found if part is ZooSpec else definitions[part.__name__]
        _complete(part, described["properties"])
        if part not in _OUT_OF_REACH:
            described.pop("required", None)
    for probe in (ReadySpec, LiveSpec, RemoteReadySpec):
        definitions[probe.__name__]["not"] = {"anyOf": list(_two_kinds())}
    del definitions["ModelSpec"]["properties"]["command"]["default"]
    root = _root(found) | {"$defs": definitions}
    _drop_titles(root)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "zoo.yaml of zoosup", **root}


def _root(found: dict[str, Any]) -> dict[str, Any]:
    """Add what the models don't have; a model has one way to serve, unless `defaults` bring it."""
    properties = found["properties"]
    properties["defaults"] = {
        "$ref": "#/$defs/ModelSpec",
        "description": _DEFAULTS,
        CHANGE_KEY: ChangeClass.NONE.value,
    }
    for always in ("active", "models"):
        del properties[always]["default"]
    for name in ZooSpec.apart:
        del properties[name]
    serves = {"anyOf": [{"required": [name]} for name in SERVED_BY]}
    here = {"anyOf": [{"required": [name]} for name in SERVERS]}
    elsewhere = {"$ref": "#/$defs/ExternalModelSpec"}
    properties["models"]["additionalProperties"] = {
        "if": {"required": ["external"]},
        "then": elsewhere,
        "else": properties["models"]["additionalProperties"],
    }
    return found | {
        "required": ["active", "models"],
        "patternProperties": {"^x-": {"description": _FRAGMENT, CHANGE_KEY: ChangeClass.NONE.value}},
        "if": {"required": ["defaults"], "properties": {"defaults": here}},
        "else": {"properties": {"models": {"additionalProperties": serves}}},
    }


def _parts(part: type[SpecPart]) -> Iterator[type[SpecPart]]:
    yield part
    for field in part.model_fields.values():
        inner = part_of(field.annotation)
        if inner is not None:
            yield from _parts(inner)


def _two_kinds() -> Iterator[dict[str, Any]]:
    """Describe a probe of two kinds; null and false choose none."""
    chosen = {"not": {"enum": [None, False]}}
    for kinds in combinations(PROBE_KINDS, 2):
        yield {"required": list(kinds), "properties": dict.fromkeys(kinds, chosen)}


def _complete(part: type[SpecPart], properties: dict[str, Any]) -> None:
    """Write what pydantic leaves out: defaults with units, the words at a reference, the refusal of odd keys."""
    for name, field in part.model_fields.items():
        properties[name]["description"] = field.description
        if "patternProperties" in properties[name]:
            ((pattern, values),) = properties[name].pop("patternProperties").items()
            properties[name] |= {"propertyNames": {"pattern": pattern}, "additionalProperties": values}
        if not field.is_required() and not isinstance(field.default, SpecPart):
            properties[name]["default"] = _as_written(field)


def _as_written(field: FieldInfo) -> Any:
    for step in field.metadata:
        if isinstance(step, PlainSerializer):
            write: Any = step.func
            return write(field.default)
    if isinstance(field.default, StrEnum):
        return field.default.value
    return deepcopy(list(field.default) if isinstance(field.default, tuple) else field.default)


def _drop_titles(node: Any) -> None:
    """Take away the titles that pydantic makes of the field names; they tell an editor nothing."""
    if isinstance(node, dict):
        if isinstance(node.get("title"), str):
            del node["title"]
        for inner in node.values():
            _drop_titles(inner)
    elif isinstance(node, list):
        for inner in node:
            _drop_titles(inner)


def schema_text() -> str:
    """Give the text of the committed schema file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())

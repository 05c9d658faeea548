"""The keys that clients of the gateway present: a text by itself, or with a name and with the models it is for.

Frozen data. Whether those models exist is seen once all are read (`spec.checks.gateway_names`).
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Discriminator,
    PlainValidator,
    SecretStr,
    Tag,
    ValidationInfo,
    WithJsonSchema,
)

from zoosup.spec.model.base import SpecPart, at_once
from zoosup.spec.model.values import kinds, readers

KEY_NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$"
KEY_NAME_EXPECTED = "a name of letters, digits and . _ @ + -, at most 64, beginning with a letter or a digit"

_NAME = {"type": "string", "minLength": 1}


def _models(value: Any) -> tuple[Any, ...]:
    found = readers.each(value, "a list of names that clients may use")
    if not found:
        raise readers.expected("a list of names that clients may use; left out, the key is for all")
    return found


class ApiKeySpec(SpecPart):
    """One key. `name` is "" for one that has none; `models` None: it is for all."""

    name: Annotated[
        str,
        PlainValidator(readers.matching(KEY_NAME_PATTERN, KEY_NAME_EXPECTED, template=False)),
        WithJsonSchema({"type": "string", "pattern": KEY_NAME_PATTERN}),
        at_once("What metrics and the access log call it."),
    ]
    key: Annotated[kinds.Secret, at_once("The text that its client presents.")]
    models: Annotated[
        tuple[Annotated[str, PlainValidator(readers.name)], ...] | None,
        BeforeValidator(_models),
        WithJsonSchema({"type": "array", "uniqueItems": True, "minItems": 1, "items": _NAME}),
        at_once(
            "The names that its client may use: of models, with their aliases, and of variants. Left out: all."
        ),
    ] = None

    @classmethod
    def unnamed(cls, key: SecretStr) -> "ApiKeySpec":
        """One that is a text by itself."""
        return cls.model_construct(name="", key=key, models=None)


def _unnamed(value: Any, info: ValidationInfo) -> ApiKeySpec:
    return ApiKeySpec.unnamed(readers.secret(value, info))


_ApiKey = Annotated[
    Annotated[ApiKeySpec, Tag("named")]
    | Annotated[ApiKeySpec, PlainValidator(_unnamed), WithJsonSchema(_NAME), Tag("plain")],
    Discriminator(lambda value: "named" if isinstance(value, Mapping | ApiKeySpec) else "plain"),
]

ApiKeys = Annotated[tuple[_ApiKey, ...], BeforeValidator(readers.secrets)]

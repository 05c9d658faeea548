"""HTTP requests that a model is sent: one as a text, with a body, or several that follow each other.

Frozen data. Knows neither when they are sent nor what for.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Discriminator,
    GetJsonSchemaHandler,
    PlainValidator,
    Tag,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from zoosup.spec.model.base import SpecPart, at_once
from zoosup.spec.model.values import kinds, readers


class HttpCall(SpecPart):
    """One HTTP request to the model."""

    http: Annotated[
        kinds.HttpRequest, at_once("The method and the path on the model's port, such as POST /drain.")
    ]

    @property
    def method(self) -> str:
        """The HTTP method, in capitals."""
        return self.http.partition(" ")[0]

    @property
    def path(self) -> str:
        """The path and query; a template until `templates.render`."""
        return self.http.partition(" ")[2]


_BODY_EXPECTED = "a mapping such as {free_memory: true}, which is sent as JSON"


def _body(value: Any) -> Mapping[str, Any] | None:
    if value is not None and not (isinstance(value, Mapping) and all(isinstance(key, str) for key in value)):
        raise readers.expected(_BODY_EXPECTED)
    return None if value is None else dict(value)


class CallSpec(HttpCall):
    """One HTTP request to the model, and what it is sent."""

    body: Annotated[
        Mapping[str, Any] | None,
        PlainValidator(_body),
        WithJsonSchema({"type": ["object", "null"]}),
        at_once("What the request is sent, as JSON. null: nothing."),
    ] = None


def _plain(value: Any, info: ValidationInfo) -> CallSpec:
    return CallSpec.model_construct(http=kinds.read_http_request(value, info))


def _listed(value: Any) -> tuple[Any, ...]:
    if isinstance(value, list | tuple) and not value:
        raise readers.expected(f"{kinds.HTTP_REQUEST_EXPECTED}, or a list of such requests")
    return tuple(value) if isinstance(value, list | tuple) else (value,)


class _OneOrMany:
    """A list of one may be written without its brackets."""

    @staticmethod
    def __get_pydantic_json_schema__(core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        many = handler(core)
        return {"anyOf": [many["items"], many | {"minItems": 1}]}


_Call = Annotated[
    Annotated[CallSpec, Tag("call")]
    | Annotated[CallSpec, PlainValidator(_plain), kinds.HTTP_REQUEST_SCHEMA, Tag("text")],
    Discriminator(lambda value: "call" if isinstance(value, Mapping | CallSpec) else "text"),
]
Calls = Annotated[tuple[_Call, ...], BeforeValidator(_listed), _OneOrMany]
"""Requests that are sent one after the other; a text is one without a body."""

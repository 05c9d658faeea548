"""What zoo.yaml says of the requests for a model: names, parameters, headers. The same whatever serves it.

Frozen data. Each field is written once here, with its words, and stands in the models that have it. Refuses to know
how a body is changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainValidator, SecretStr, WithJsonSchema

from zoosup.spec.model.base import SpecPart, at_once, no_effect
from zoosup.spec.model.values import http_readers, kinds

Aliases = Annotated[kinds.Aliases, at_once("Other names by which clients may ask for it.")]
UpstreamModel = Annotated[
    kinds.NameOrNone,
    at_once("The name that its server is told in place of the one that the client used. null: the client's."),
]
Headers = Annotated[
    Mapping[
        Annotated[
            str,
            PlainValidator(http_readers.header_name),
            WithJsonSchema({"type": "string", "pattern": http_readers.HEADER_PATTERN}),
        ],
        Annotated[SecretStr, BeforeValidator(http_readers.header_value), WithJsonSchema({"type": "string"})],
    ],
    BeforeValidator(http_readers.headers),
]
UpstreamHeaders = Annotated[
    Headers,
    at_once(
        "Headers that its server is sent with each request, in place of the client's of the same name. Values are "
        "never shown.",
        repr=False,
    ),
]
StripParams = Annotated[
    kinds.ParamNames, at_once("Parameters that are taken out of the body of its requests.")
]
DefaultParams = Annotated[
    kinds.Params,
    at_once("Parameters that are put into the body of its requests where the client left them out."),
]
SetParams = Annotated[
    kinds.Params,
    at_once(
        "Parameters that are set in the body of its requests, whatever the client said; mappings are merged."
    ),
]
Description = Annotated[kinds.Prose, no_effect("For people; zoosup only shows it.")]


class VariantSpec(SpecPart):
    """A further name for the same run, with other parameters; they go before the model's own."""

    strip_params: StripParams = ()
    default_params: DefaultParams = {}  # noqa: RUF012 - pydantic copies it
    set_params: SetParams = {}  # noqa: RUF012 - pydantic copies it
    description: Description = ""


Variants = Annotated[
    Mapping[kinds.ModelName, VariantSpec],
    at_once("Further names in /v1/models for the same server, each with parameters of its own."),
]


@dataclass(frozen=True, slots=True)
class BodyChanges:
    """What is changed in a body: taken out first, then filled in, then set.

    `upstream_model` is the name for the server; None: the one that the client used.
    """

    strip_params: tuple[str, ...] = ()
    default_params: Mapping[str, Any] = field(default_factory=dict)
    set_params: Mapping[str, Any] = field(default_factory=dict)
    upstream_model: str | None = None

    def __bool__(self) -> bool:
        """Whether there is anything to change."""
        return bool(
            self.strip_params or self.default_params or self.set_params or self.upstream_model is not None
        )

    def and_then(self, variant: VariantSpec) -> "BodyChanges":
        """The same with those of a variant, which go before."""
        return BodyChanges(
            tuple(dict.fromkeys((*self.strip_params, *variant.strip_params))),
            merged(self.default_params, variant.default_params),
            merged(self.set_params, variant.set_params),
            self.upstream_model,
        )


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one mapping over another, mappings inside of both likewise; any other value of `over` wins."""
    result = dict(under)
    for name, value in over.items():
        below = result.get(name)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            value = merged(below, value)  # noqa: PLW2901 - what it becomes
        result[name] = value
    return result

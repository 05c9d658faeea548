"""A model that is somebody else's server: where it is, its key, and the names that it bears there.

Frozen data. zoosup neither starts nor stops nor counts it, so that it has none of the fields about that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, PlainValidator, ValidationInfo, WithJsonSchema, field_validator

from zoosup.spec.model import requests
from zoosup.spec.model.base import SpecPart, at_once
from zoosup.spec.model.model import TaskOrNone
from zoosup.spec.model.values import http_readers, kinds
from zoosup.spec.model.values.readers import clash

V1 = "/v1"

_NAME = {"type": "string", "pattern": kinds.MODEL_NAME_PATTERN}
NamesThere = Annotated[
    Mapping[kinds.ModelName, Annotated[str, PlainValidator(http_readers.name_there)]],
    BeforeValidator(http_readers.names_there),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "object",
                    "propertyNames": {"pattern": kinds.MODEL_NAME_PATTERN},
                    "additionalProperties": {"type": "string", "minLength": 1},
                },
                {"type": "array", "uniqueItems": True, "items": _NAME},
            ]
        }
    ),
]
Path = Annotated[
    str | None,
    PlainValidator(http_readers.path),
    WithJsonSchema({"type": ["string", "null"], "pattern": rf"(?:{http_readers.PATH_PATTERN})|\$\{{"}),
]
Url = Annotated[
    str,
    PlainValidator(http_readers.base_url),
    WithJsonSchema({"type": "string", "pattern": rf"(?:{http_readers.BASE_URL_PATTERN})|\$\{{"}),
]


class ExternalSpec(SpecPart):
    """Where the server is, and by which names."""

    url: Annotated[
        Url,
        at_once(
            "The address of its API, such as https://box2:8000/v1: what its clients call the base URL. "
            "Certificates are verified."
        ),
    ]
    api_key: Annotated[
        kinds.Secret | None,
        at_once("Its key: sent as Authorization: Bearer in place of the client's. null: none."),
    ] = None
    ca_file: Annotated[
        kinds.Directory | None,
        at_once(
            "A file with the certificates of the authorities that are trusted here, PEM, an absolute path. null: "
            "the system's, or those that SSL_CERT_FILE names."
        ),
    ] = None
    models: Annotated[
        NamesThere,
        at_once(
            "Several models of that server: names here, each with the name that the model bears there; or a list of "
            "names that are the same on both sides."
        ),
    ] = {}  # noqa: RUF012 - pydantic copies it


class RemoteReadySpec(SpecPart):
    """How a server elsewhere is asked whether it is there, with its own key; seconds. Nothing follows from it."""

    http: Annotated[
        Path,
        at_once("GET this path; only a 200 counts. null: /v1/models, unless tcp is chosen."),
    ] = None
    tcp: Annotated[
        kinds.Flag, at_once("true: a connection to its port is enough.", validate_default=True)
    ] = False
    interval: Annotated[
        kinds.Interval,
        at_once(
            "The time between two attempts. adaptive: 10 s while it answers, else 1 s, and up to 10 s the longer it is "
            "away."
        ),
    ] = "adaptive"
    timeout: Annotated[kinds.PositiveDuration, at_once("How long one attempt may take.")] = 5.0

    @field_validator("tcp", mode="after")
    @classmethod
    def _one_kind(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("http"):
            raise clash("has http and tcp", "one of http and tcp")
        return value


class ExternalModelSpec(SpecPart):
    """One server elsewhere."""

    external: Annotated[ExternalSpec, at_once("Where the server is, that somebody else runs.")]
    aliases: requests.Aliases = ()
    task: TaskOrNone = None
    upstream_model: requests.UpstreamModel = None
    upstream_headers: requests.UpstreamHeaders = {}  # noqa: RUF012 - pydantic copies it
    strip_params: requests.StripParams = ()
    default_params: requests.DefaultParams = {}  # noqa: RUF012 - pydantic copies it
    set_params: requests.SetParams = {}  # noqa: RUF012 - pydantic copies it
    variants: requests.Variants = {}  # noqa: RUF012 - pydantic copies it
    ready: Annotated[
        RemoteReadySpec, at_once("How it is asked whether it is there: one of http and tcp.")
    ] = RemoteReadySpec()
    description: requests.Description = ""


@dataclass(frozen=True, slots=True)
class BaseUrl:
    """A checked `url`, taken apart. `prefix` goes before each path; `drops_v1`: the path's own /v1 is left out."""

    tls: bool
    host: str
    port: int
    authority: str
    prefix: str
    drops_v1: bool

    @classmethod
    def of(cls, url: str) -> "BaseUrl":
        """Take it apart. One that ends with /v1, or has no path, gets paths as clients send them."""
        found = urlsplit(url)
        tls, path = found.scheme.lower() == "https", found.path.rstrip("/")
        plain = not path or path.endswith(V1)
        port = found.port or (443 if tls else 80)
        return cls(tls, found.hostname or "", port, found.netloc, path.removesuffix(V1), not plain)

    def target(self, path: str) -> str:
        """What is asked of the server for a path (and query) as a client sends it."""
        rest = path.removeprefix(V1) if self.drops_v1 and path.startswith(f"{V1}/") else path
        return self.prefix + rest


def names_of(name: str, spec: ExternalModelSpec) -> Mapping[str, str | None]:
    """Every name that leads to the server, but its variants, with the name that the model bears there.

    None: the same name.
    """
    own = dict.fromkeys((name, *spec.aliases), spec.upstream_model)
    return own | dict(spec.external.models)

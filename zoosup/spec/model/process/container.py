"""A model's server in a container, which the engine's own API starts: the image, its words, and what it may see.

Frozen data. Knows neither an engine nor how a container is made.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainValidator, ValidationInfo, WithJsonSchema

from zoosup.spec.model.base import SpecPart, at_once, on_restart
from zoosup.spec.model.values import kinds
from zoosup.spec.model.values.readers import choice, each, expected, final, text, wrong
from zoosup.spec.syntax import units

_ENGINE_PATTERN = r"^(?:auto|docker|podman|unix:///\S+)$"
_ENGINE_EXPECTED = "auto, docker, podman, or a socket such as unix:///run/docker.sock"
_VOLUME_PATTERN = r"^(?:/[^:]*|\$\{[^}]+\}[^:]*|[A-Za-z0-9][A-Za-z0-9_.-]*):/[^:]*(?::[A-Za-z,]+)?$"
_VOLUME_EXPECTED = "HOST:CONTAINER or HOST:CONTAINER:ro, with absolute paths, or a volume's name for HOST"
_OPTION_PATTERN = r"^[a-z][a-z0-9_]*$"
_SIZES = frozenset({"shm_size", "memory", "memory_swap", "memory_reservation"})
"""Options that are sizes; written with a unit, kept in bytes."""


class PullPolicy(StrEnum):
    """When an image is fetched."""

    MISSING = "missing"
    ALWAYS = "always"
    NEVER = "never"


def _engine(value: Any, info: ValidationInfo) -> str:
    found = final(value, info.context)
    if re.fullmatch(_ENGINE_PATTERN, found) is None:
        raise expected(_ENGINE_EXPECTED)
    return found


def _image(value: Any, info: ValidationInfo) -> str:
    found = final(value, info.context)
    if not found or re.search(r"\s", found):
        raise expected("the name of an image, such as ghcr.io/ggml-org/llama.cpp:server-cuda")
    return found


def _volume(value: Any, info: ValidationInfo) -> str:
    found = text(value, info)
    if re.fullmatch(_VOLUME_PATTERN, found) is None:
        raise expected(_VOLUME_EXPECTED)
    return found


def _volumes(value: Any) -> tuple[Any, ...]:
    return each(value, "a list of volumes; [] for none")


def _inner_port(value: Any) -> int | None:
    if value is None or (
        isinstance(value, int) and not isinstance(value, bool) and 0 < value <= kinds.MAX_PORT
    ):
        return value
    raise expected(f"a port from 1 to {kinds.MAX_PORT}, or null for the host's network")


def _options(value: Any, info: ValidationInfo) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise expected("a mapping of the engine's options to values")
    for name in value:
        if not isinstance(name, str) or re.fullmatch(_OPTION_PATTERN, name) is None:
            raise wrong(f"{name!r} is no option's name", "names such as shm_size, ipc, cap_add")
    return {name: _option(name, option, info) for name, option in value.items()}


def _option(name: str, value: Any, info: ValidationInfo) -> Any:
    if name in _SIZES and isinstance(value, str):
        try:
            return units.parse_size(value)
        except ValueError as error:
            raise wrong(f"{name}: {error}", "a size such as 8GiB") from None
    return _filled(value, info)


def _filled(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, str):
        return final(value, info.context)
    if isinstance(value, Mapping):
        return {key: _filled(item, info) for key, item in value.items()}
    return [_filled(item, info) for item in value] if isinstance(value, list | tuple) else value


class ContainerSpec(SpecPart):
    """One container, made anew at each start and removed at its end."""

    image: Annotated[
        Annotated[str, PlainValidator(_image), WithJsonSchema({"type": "string", "minLength": 1})],
        on_restart("The image, such as ghcr.io/ggml-org/llama.cpp:server-cuda."),
    ]
    args: Annotated[
        kinds.Args,
        on_restart(
            "Words after the image: a list, or a string split into words. ${PORT} is the port inside, where `port` "
            "names one."
        ),
    ] = ()
    volumes: Annotated[
        Annotated[
            tuple[
                Annotated[str, PlainValidator(_volume), WithJsonSchema({"type": "string", "pattern": ":/"})],
                ...,
            ],
            BeforeValidator(_volumes),
        ],
        on_restart("What of the host it sees: HOST:CONTAINER, or HOST:CONTAINER:ro."),
    ] = ()
    port: Annotated[
        Annotated[
            int | None,
            PlainValidator(_inner_port),
            WithJsonSchema(
                {"anyOf": [{"type": "integer", "minimum": 1, "maximum": kinds.MAX_PORT}, {"type": "null"}]}
            ),
        ],
        on_restart(
            "The port on which its server listens inside, on all addresses; it is published on 127.0.0.1 only. null: "
            "it has the host's network, and listens on ${HOST}:${PORT}."
        ),
    ] = None
    engine: Annotated[
        Annotated[
            str, PlainValidator(_engine), WithJsonSchema({"type": "string", "pattern": _ENGINE_PATTERN})
        ],
        on_restart(
            "Which engine: auto (the first that answers), docker, podman, or a socket as unix:///path."
        ),
    ] = "auto"
    pull: Annotated[
        PullPolicy,
        BeforeValidator(choice(PullPolicy)),
        WithJsonSchema({"enum": [word.value for word in PullPolicy]}),
        at_once("When the image is fetched before a start: missing, always or never."),
    ] = PullPolicy.MISSING
    options: Annotated[
        Annotated[
            Mapping[str, Any],
            PlainValidator(_options),
            WithJsonSchema({"type": "object", "propertyNames": {"pattern": _OPTION_PATTERN}}),
        ],
        on_restart(
            "What else the engine may be asked for, such as shm_size: 8GiB, ipc: host, cap_add: [IPC_LOCK]."
        ),
    ] = {}

"""What zoo.yaml says of the two HTTP servers: the gateway that clients use, and the status server.

Frozen data. Knows neither YAML nor positions, and no socket.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    PlainValidator,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from zoosup.spec.model.api_keys import ApiKeys
from zoosup.spec.model.base import SpecPart, at_once
from zoosup.spec.model.values import kinds
from zoosup.spec.model.values.readers import choice, clash, expected


class LoadingStyle(StrEnum):
    """What a client that streams is sent while its model is being loaded."""

    COMMENTS = "comments"
    REASONING = "reasoning"
    OFF = "off"


class AccessLogStyle(StrEnum):
    """How a line of each answer is written to zoosup's log."""

    OFF = "off"
    TEXT = "text"
    JSON = "json"


class PrewarmStyle(StrEnum):
    """Whose weights are read into the page cache before a start asks for them; each has what those above it have."""

    OFF = "false"
    DRAINING = "draining"
    LIKELY = "likely"


def _prewarm(value: Any) -> StrEnum:
    """Read a word, or one of the booleans that were all there was before there were words."""
    if isinstance(value, bool):
        return PrewarmStyle.DRAINING if value else PrewarmStyle.OFF
    return choice(PrewarmStyle)(value)


class GatewaySpec(SpecPart):
    """The one OpenAI-compatible address by which clients reach all models; seconds and bytes."""

    listen: Annotated[
        kinds.Listen, at_once("Where clients connect, HOST:PORT or [IPv6]:PORT; port 0 is any free one.")
    ] = "127.0.0.1:8080"
    api_keys: Annotated[
        ApiKeys,
        at_once(
            "Keys, one of which a client must present: texts, or {name, key, models}. []: no key is asked for."
        ),
    ] = ()
    api_key_file: Annotated[
        kinds.Directory | None,
        at_once(
            "A file with more keys, one a line, lines with # aside; an absolute path, read again when it changes."
        ),
    ] = None
    open: Annotated[
        kinds.Flag,
        at_once(
            "true: other hosts may connect without a key.",
            validate_default=True,
        ),
    ] = False
    cors: Annotated[
        kinds.Origins,
        at_once(
            "Web pages of these origins may call, such as https://chat.example.org; '*': any page. []: none."
        ),
    ] = ()
    max_body: Annotated[kinds.Size, at_once("The longest body that a request may have.")] = 256 * 2**20
    max_buffered: Annotated[
        kinds.Size,
        at_once("The most that bodies which wait in memory may take, those of all requests together."),
    ] = 512 * 2**20
    queue_timeout: Annotated[
        kinds.PositiveDuration, at_once("How long a request waits for its model; then it is refused.")
    ] = 600.0
    request_timeout: Annotated[
        kinds.Duration,
        at_once(
            "How long an answer may take, from when its server is sent the request; then it ends with an error. 0s: as "
            "long as it does."
        ),
    ] = 0.0
    default_model: Annotated[
        kinds.NameOrNone,
        at_once(
            "Who answers where a body names no model: a name, or active: the first of `active`. null: nobody."
        ),
    ] = None
    max_queue: Annotated[
        kinds.Count,
        at_once(
            "So many requests may wait, for all models together; one more is refused, unless its model has less than "
            "its equal share of them."
        ),
    ] = 256
    patience: Annotated[
        kinds.Duration,
        at_once(
            "A busy on-demand model makes room for a request that waited so long, once those that came before are "
            "answered; later ones queue behind it."
        ),
    ] = 20.0
    min_residency: Annotated[
        kinds.Duration,
        at_once(
            "How long a model that a request has loaded stays at least, once it is ready, where others than the client "
            "who waits have used it."
        ),
    ] = 10.0
    loading: Annotated[
        LoadingStyle,
        BeforeValidator(choice(LoadingStyle)),
        WithJsonSchema({"enum": [word.value for word in LoadingStyle]}),
        at_once(
            "What a streaming client is sent while it waits. comments: SSE comments, which clients skip; reasoning: "
            "what is being waited for, as reasoning text; off: nothing."
        ),
    ] = LoadingStyle.COMMENTS
    access_log: Annotated[
        AccessLogStyle,
        BeforeValidator(choice(AccessLogStyle)),
        WithJsonSchema({"enum": [word.value for word in AccessLogStyle]}),
        at_once(
            "A line an answer in zoosup's log, without bodies. text: for people; json: an object; off: none."
        ),
    ] = AccessLogStyle.OFF
    count_tokens: Annotated[
        kinds.Flag,
        at_once(
            "Read off each answer, on its way, how many tokens it says it took, for the metrics and the access log."
        ),
    ] = True
    list_aliases: Annotated[
        kinds.Flag,
        at_once("true: GET /v1/models lists aliases too, each as an entry of its own."),
    ] = False
    prewarm: Annotated[
        PrewarmStyle,
        BeforeValidator(_prewarm),
        WithJsonSchema({"enum": ["draining", "likely", False, True]}),
        at_once(
            "Whose weights are read into the page cache ahead. draining, or true: those of the next model, while the "
            "one before it drains; likely: also those that are likely to be asked for next, while RAM is free; false: "
            "none."
        ),
    ] = PrewarmStyle.DRAINING

    @field_validator("open", mode="after")
    @classmethod
    def _guarded(cls, value: bool, info: ValidationInfo) -> bool:
        listen, keys = info.data.get("listen"), info.data.get("api_keys") or info.data.get("api_key_file")
        if (
            listen is not None
            and "api_keys" in info.data
            and not (value or keys or kinds.is_loopback(listen))
        ):
            raise clash(
                f"gateway listens on {listen}, which other hosts reach, and asks for no key",
                "api_keys or api_key_file, a loopback address such as 127.0.0.1:8080, or open: true",
            )
        return value


def _off(value: Any) -> Literal[False]:
    if value is not False:
        raise expected("a mapping, or false for no gateway")
    return False


GatewaySpecOrOff = Annotated[
    Annotated[GatewaySpec, Tag("gateway")]
    | Annotated[Literal[False], PlainValidator(_off), WithJsonSchema({"const": False}), Tag("off")],
    Discriminator(lambda value: "gateway" if isinstance(value, Mapping | GatewaySpec) else "off"),
]


STATUS_GUARDED = "status.token, a loopback address such as 127.0.0.1:8081, or status.open: true"


def exposure(listen: str) -> str:
    """What is wrong with a status server there that asks for no token; nothing for an address of this host alone."""
    if kinds.is_loopback(listen):
        return ""
    return f"the status server listens on {listen}, which other hosts reach, and asks for no token"


class StatusSpec(SpecPart):
    """The HTTP status server."""

    listen: Annotated[
        kinds.Listen | None,
        at_once(
            "Where it listens, HOST:PORT or [IPv6]:PORT; port 0 is any free one. null: no status server."
        ),
    ] = "127.0.0.1:8081"
    token: Annotated[
        kinds.Secret | None,
        at_once(
            "What a client must present to change anything over HTTP, and to read where other hosts can connect. "
            "null: only the control socket changes anything."
        ),
    ] = None
    hosts: Annotated[
        kinds.HostNames,
        at_once(
            "Further names by which clients may call it, such as gpu-box.example.org; its addresses, localhost and "
            "this host's name are allowed anyhow."
        ),
    ] = ()
    open: Annotated[
        kinds.Flag,
        at_once("true: other hosts may read everything without the token.", validate_default=True),
    ] = False

    @field_validator("open", mode="after")
    @classmethod
    def _guarded(cls, value: bool, info: ValidationInfo) -> bool:
        listen = info.data.get("listen")
        if listen is not None and "token" in info.data and info.data["token"] is None and not value:
            refusal = exposure(listen)
            if refusal:
                raise clash(refusal, STATUS_GUARDED)
        return value

    @property
    def token_text(self) -> str | None:
        """The token itself, which is shown to nobody; None where there is none."""
        return None if self.token is None else self.token.get_secret_value()

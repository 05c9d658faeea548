"""The models of zoo.yaml, and the whole of it: what each field means, its default, and what an edit of it costs.

Frozen data; parts of a model's life and of how memory is shared stand in `life` and `sharing`. Knows neither YAML nor
positions (`document`), nor how `defaults` and `${…}` are resolved (`parse`). Strings that may hold `${PORT}` stay
templates until the spawn (`templates.render`).
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

from zoosup.spec.model import values as kinds
from zoosup.spec.model.base import Part, at_once, no_effect, on_restart
from zoosup.spec.model.lifetime import Live, Park, Ready, Restart, Stop
from zoosup.spec.model.memory import Budget, MemoryOrAuto, Switch
from zoosup.spec.model.readers import choice, choice_or_none, clash, expected


class Loading(StrEnum):
    """What a client that streams is sent while its model is being loaded."""

    COMMENTS = "comments"
    REASONING = "reasoning"
    OFF = "off"


class Task(StrEnum):
    """What a model is for, as its clients see it."""

    CHAT = "chat"
    EMBED = "embed"
    RERANK = "rerank"
    IMAGE = "image"
    AUDIO = "audio"


class Gateway(Part):
    """The one OpenAI-compatible address by which clients reach all models; seconds and bytes."""

    listen: Annotated[
        kinds.Listen, at_once("Where clients connect, HOST:PORT or [IPv6]:PORT; port 0 is any free one.")
    ] = "127.0.0.1:8080"
    api_keys: Annotated[
        kinds.Secrets, at_once("Keys, one of which a client must present; []: no key is asked for.")
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
    queue_timeout: Annotated[
        kinds.PositiveDuration, at_once("How long a request waits for its model; then it is refused.")
    ] = 600.0
    max_queue: Annotated[
        kinds.Count, at_once("So many requests may wait, for all models together; one more is refused.")
    ] = 256
    patience: Annotated[
        kinds.Duration,
        at_once(
            "A busy on-demand model that is older than min_residency makes room for a request that waited so long."
        ),
    ] = 20.0
    min_residency: Annotated[
        kinds.Duration,
        at_once("How long a model that a request has loaded stays at least, once it is ready."),
    ] = 10.0
    loading: Annotated[
        Loading,
        BeforeValidator(choice(Loading)),
        WithJsonSchema({"enum": [word.value for word in Loading]}),
        at_once(
            "What a streaming client is sent while it waits. comments: SSE comments, which clients skip; reasoning: "
            "what is being waited for, as reasoning text; off: nothing."
        ),
    ] = Loading.COMMENTS
    prewarm: Annotated[
        kinds.Flag,
        at_once(
            "Read the weights of the next model into the page cache while the one before it still drains."
        ),
    ] = True

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


GatewayOrOff = Annotated[
    Annotated[Gateway, Tag("gateway")]
    | Annotated[Literal[False], PlainValidator(_off), WithJsonSchema({"const": False}), Tag("off")],
    Discriminator(lambda value: "gateway" if isinstance(value, Mapping | Gateway) else "off"),
]


class StatusSettings(Part):
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
            "What a client must present to change anything over HTTP. null: only the control socket can."
        ),
    ] = None


class ModelSpec(Part):
    """One model server."""

    command: Annotated[
        kinds.Words,
        on_restart(
            "The program and its arguments: a list, or a string, split as a shell would. Never a shell."
        ),
    ]
    env: Annotated[
        Mapping[kinds.EnvName, kinds.Text],
        on_restart("Environment variables added to zoosup's own; the values are strings.", repr=False),
    ] = {}
    cwd: Annotated[
        kinds.Directory | None, on_restart("The working directory, an absolute path. null: zoosup's own.")
    ] = None
    port: Annotated[
        kinds.Port,
        on_restart("The port on 127.0.0.1 that ${PORT} stands for. auto: a free one, chosen at each start."),
    ] = "auto"
    memory: Annotated[
        MemoryOrAuto,
        at_once(
            "What the model needs. auto: reckoned from its weights and its command line (zoosup estimate shows "
            "how), 8 GiB where they can't be read."
        ),
    ] = "auto"
    gpus: Annotated[
        kinds.Gpus,
        on_restart(
            "Which GPUs the model gets: auto (one where one suffices, else several), none, a number of them, or a "
            "list of indexes and UUIDs."
        ),
    ] = "auto"
    on_demand: Annotated[
        kinds.Flag,
        at_once(
            "true: a request may start it; and where it is active, a request for another may displace it."
        ),
    ] = False
    idle_timeout: Annotated[
        kinds.Duration,
        at_once(
            "How long a model that a request has started stays without requests; 0s: it is not stopped for that."
        ),
    ] = 600.0
    max_inflight: Annotated[
        kinds.CountOrNone, at_once("So many requests at once; more wait for their turn. 0: as many as come.")
    ] = 0
    aliases: Annotated[kinds.Aliases, at_once("Other names by which clients may ask for it.")] = ()
    task: Annotated[
        Task | None,
        BeforeValidator(choice_or_none(Task)),
        WithJsonSchema({"enum": [*(word.value for word in Task), None]}),
        at_once(
            "What it is for: chat, embed, rerank, image or audio. Shown in /v1/models, and a request of "
            "another kind is refused. null: whatever it is asked."
        ),
    ] = None
    upstream_model: Annotated[
        kinds.NameOrNone,
        at_once(
            "The name that its server is told in place of the one that the client used. null: the client's."
        ),
    ] = None
    strip_params: Annotated[
        kinds.ParamNames, at_once("Parameters that are taken out of the body of its requests.")
    ] = ()
    set_params: Annotated[
        kinds.Params,
        at_once("Parameters that are set in the body of its requests, whatever the client said."),
    ] = {}  # noqa: RUF012 - pydantic copies it
    park: Annotated[
        Park | None,
        at_once("How it gives memory back without ending. null: it can't; it is stopped to make room."),
    ] = None
    ready: Annotated[Ready, at_once("When the model may be used: one of http, tcp and exec.")] = Ready()
    live: Annotated[
        Live | None,
        at_once(
            "When the model is taken for dead: one of http, tcp and exec. null: when its process is gone."
        ),
    ] = None
    stop: Annotated[Stop, at_once("How the model is asked to end.")] = Stop()
    restart: Annotated[Restart, at_once("What happens after an exit that nobody asked for.")] = Restart()
    description: Annotated[kinds.Prose, no_effect("For people; zoosup only shows it.")] = ""

    @field_validator("gpus", mode="after")
    @classmethod
    def _agrees_with_vram(cls, value: Any, info: ValidationInfo) -> Any:
        memory = info.data.get("memory", "auto")
        vram = 0 if isinstance(memory, str) else memory.vram
        if value == "none" and vram:
            raise clash("is none, and memory.vram is not 0", "auto, a number or a list; or no memory.vram")
        if isinstance(value, int) and isinstance(vram, Mapping) and len(vram) != value:
            raise clash(f"is {value}, and memory.vram names {len(vram)} GPUs", "the same number in both")
        return value


class ZooSpec(Part):
    """The whole of zoo.yaml: what exists, what should run, what it may hold."""

    also = ("defaults", "x-…")

    active: Annotated[
        kinds.Names,
        at_once(
            "The models that run without anyone asking: a name, or a list in order of priority. []: none."
        ),
    ] = ()
    budget: Annotated[Budget, at_once("How much memory all models may hold together.")] = Budget()
    switch: Annotated[Switch, at_once("How one active model is exchanged for another.")] = Switch()
    gateway: Annotated[
        GatewayOrOff, at_once("The address by which clients reach all models; false: none.")
    ] = Gateway()
    status: Annotated[StatusSettings, at_once("The HTTP status server.")] = StatusSettings()
    vars: Annotated[
        Mapping[kinds.VarName, kinds.Prose],
        no_effect(
            "Texts for ${name} in the strings of models; an edit changes the fields that use it.", repr=False
        ),
    ] = {}
    models: Annotated[
        Mapping[kinds.ModelName, ModelSpec],
        at_once("The model servers by name. Taking one out stops it; {}: none."),
    ] = {}

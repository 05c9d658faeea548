"""The models of zoo.yaml: what each field means, its default, and what an edit of it costs.

Frozen data. Knows neither YAML nor positions (`document`), nor how `defaults` and `${…}` are resolved
(`parse`). Strings that may hold `${PORT}` stay templates until the spawn (`templates.render`).
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
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from zoosup.spec import fields as kinds
from zoosup.spec.base import Part, at_once, no_effect, on_restart
from zoosup.spec.readers import choice, choice_or_none, clash, expected

Auto = Literal["auto"]


class Strategy(StrEnum):
    """In which order a switch starts the new model and stops the old one."""

    AUTO = "auto"
    OVERLAP = "overlap"
    REPLACE = "replace"


class RestartPolicy(StrEnum):
    """After which exits a model is started again."""

    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    NEVER = "never"


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


def _not_below(name: str, longest: float, info: ValidationInfo) -> float:
    """Check a `max` against the field above it. A default is checked too, though not read: it has no unit."""
    if info.data.get(name, longest) > longest:
        raise clash(f"{name} is above max", f"{name} at most max")
    return longest


class Budget(Part):
    """How much memory all models may hold together."""

    ram: Annotated[
        kinds.SizeOrAuto,
        at_once(
            "The most RAM all models may hold together. auto: the host's or container's RAM less ram_reserve."
        ),
    ] = "auto"
    ram_reserve: Annotated[
        kinds.SizeOrAuto,
        at_once("RAM always left to the rest of the host. auto: 10 %, at least 1.5 GiB and at most 8 GiB."),
    ] = "auto"
    vram: Annotated[
        kinds.SizeByGpuOrAuto,
        at_once(
            "The most memory of each GPU all models may hold together: one size for every GPU, or a mapping of "
            "indexes and UUIDs to sizes. auto: all but vram_reserve."
        ),
    ] = "auto"
    vram_reserve: Annotated[kinds.Size, at_once("Memory always left free on each GPU.")] = 512 * 2**20


class Cooldown(Part):
    """How long to wait, after a stop, for the memory to be back; seconds."""

    min: Annotated[
        kinds.Duration, at_once("Wait at least this long after a stop, even if the memory is back sooner.")
    ] = 0.0
    max: Annotated[
        kinds.Duration,
        at_once("Wait at most this long for the memory, then go on without it.", validate_default=True),
    ] = 30.0

    @field_validator("max", mode="wrap")
    @classmethod
    def _ordered(cls, value: Any, read: ValidatorFunctionWrapHandler, info: ValidationInfo) -> float:
        return _not_below("min", value if value is cls.model_fields["max"].default else read(value), info)


class Switch(Part):
    """How one active model is exchanged for another."""

    strategy: Annotated[
        Strategy,
        BeforeValidator(choice(Strategy)),
        WithJsonSchema({"enum": [word.value for word in Strategy]}),
        at_once(
            "auto: start the new model before the old one stops where memory admits both, else stop first."
        ),
    ] = Strategy.AUTO
    rollback: Annotated[
        kinds.Flag, at_once("Bring the previous model back when the newly active one can't become ready.")
    ] = True
    cooldown: Annotated[Cooldown, at_once("The wait for a stopped model's memory to be back.")] = Cooldown()


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


class Memory(Part):
    """What a model needs; bytes. Declared, so final: running out of it may raise it, nothing lowers it."""

    ram: Annotated[kinds.Size, at_once("The RAM the model needs at its peak.")]
    vram: Annotated[
        kinds.SizeByGpu,
        at_once(
            "The GPU memory the model needs at its peak, all its GPUs together and shared equally between them; or a "
            "mapping of indexes and UUIDs to sizes."
        ),
    ] = 0


def _auto(value: Any) -> Auto:
    if value != "auto":
        raise expected("auto or {ram: SIZE, vram: SIZE}")
    return "auto"


def _memory_kind(value: Any) -> str:
    return "auto" if isinstance(value, str) else "memory"


MemoryOrAuto = Annotated[
    Annotated[Memory, Tag("memory")]
    | Annotated[Auto, PlainValidator(_auto), WithJsonSchema({"const": "auto"}), Tag("auto")],
    Discriminator(_memory_kind),
]

PROBE_KINDS = ("http", "tcp", "exec")
"""A probe is exactly one of these; a model's own choice replaces the one in `defaults`."""


class Probe(Part):
    """How a model is asked; `/health` over HTTP unless another way is chosen."""

    http: Annotated[
        kinds.HttpPath | None,
        at_once(
            "GET this path on the model's port; only a 200 counts. /health unless tcp or exec is chosen."
        ),
    ] = None
    tcp: Annotated[kinds.Flag, at_once("true: a connection to the model's port is enough.")] = False
    exec: Annotated[
        kinds.Words | None,
        at_once(
            "A program, as a list or a string split into words; exit code 0 counts. Never a shell.",
            validate_default=True,
        ),
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _by_default_http(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and not any(data.get(kind) for kind in PROBE_KINDS):
            return {**data, "http": "/health"}
        return data

    @field_validator("exec", mode="after")
    @classmethod
    def _one_kind(cls, value: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        chosen = [kind for kind in PROBE_KINDS if (info.data | {"exec": value}).get(kind)]
        if len(chosen) > 1:
            raise clash(f"has {' and '.join(chosen)}", "one of http, tcp and exec")
        return value


class Ready(Probe):
    """When a model that was started may be used; seconds."""

    interval: Annotated[
        kinds.Interval,
        at_once("The time between two attempts. adaptive: 10 ms at first, then a share of the time waited."),
    ] = "adaptive"
    timeout: Annotated[kinds.PositiveDuration, at_once("How long one attempt may take.")] = 2.0
    deadline: Annotated[
        kinds.PositiveDuration,
        at_once("How long a model may take to become ready; after that it is stopped and counts as crashed."),
    ] = 600.0


class Live(Probe):
    """When a model that was ready is taken for dead; seconds. Never asked while it answers requests."""

    period: Annotated[kinds.PositiveDuration, at_once("The time between two attempts.")] = 15.0
    timeout: Annotated[kinds.PositiveDuration, at_once("How long one attempt may take.")] = 10.0
    failures: Annotated[kinds.Count, at_once("So many failures in a row, and the model is restarted.")] = 6


class HttpCall(Part):
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


class Stop(Part):
    """How a model is asked to end; seconds."""

    signal: Annotated[
        kinds.SignalName, at_once("The signal that asks the model to end, with or without SIG.")
    ] = "TERM"
    grace: Annotated[
        kinds.Duration,
        at_once("How long the model may take to end, its running requests included; then SIGKILL."),
    ] = 30.0
    before: Annotated[
        HttpCall | None, at_once("A request sent before the signal, such as one that makes the model drain.")
    ] = None
    command: Annotated[
        kinds.Words | None,
        at_once(
            "A program run before the signal, such as docker stop for a model in a container. Never a shell."
        ),
    ] = None


class Limit(Part):
    """How many crashes, within which time, are enough; seconds."""

    count: Annotated[kinds.Count, at_once("So many crashes, and the model has failed.")]
    within: Annotated[kinds.PositiveDuration, at_once("The time in which they are counted.")]


class Restart(Part):
    """What happens after an exit that nobody asked for; seconds."""

    policy: Annotated[
        RestartPolicy,
        BeforeValidator(choice(RestartPolicy)),
        WithJsonSchema({"enum": [word.value for word in RestartPolicy]}),
        at_once("always: after any exit; on-failure: after a signal or a code other than 0; never."),
    ] = RestartPolicy.ALWAYS
    initial: Annotated[
        kinds.PositiveDuration,
        at_once("The delay after the second crash; the first one is answered at once."),
    ] = 2.0
    factor: Annotated[kinds.Factor, at_once("By what the delay grows with each crash.")] = 2.0
    max: Annotated[kinds.PositiveDuration, at_once("The longest delay.", validate_default=True)] = 300.0
    reset_after: Annotated[
        kinds.PositiveDuration,
        at_once("After being ready for this long without a break, earlier crashes are forgotten."),
    ] = 600.0
    limit: Annotated[
        Limit | None, at_once("Crashes after which the model is left failed. null: no limit.")
    ] = None

    @field_validator("max", mode="wrap")
    @classmethod
    def _ordered(cls, value: Any, read: ValidatorFunctionWrapHandler, info: ValidationInfo) -> float:
        return _not_below("initial", value if value is cls.model_fields["max"].default else read(value), info)


class Parked(Part):
    """What a model that sleeps still holds; bytes."""

    ram: Annotated[kinds.Size, at_once("The RAM that the sleeping model holds.")]
    vram: Annotated[
        kinds.Size, at_once("The GPU memory that it holds, all its GPUs together and shared equally.")
    ] = 0


class Park(Part):
    """How a model gives memory back without ending, as vLLM's sleep mode does."""

    sleep: Annotated[
        kinds.HttpRequest, at_once("The request that puts it to sleep, such as POST /sleep?level=1.")
    ]
    wake: Annotated[kinds.HttpRequest, at_once("The request that wakes it, such as POST /wake_up.")]
    holds: Annotated[
        Parked | None, at_once("What it holds while it sleeps. null: what it was last seen to hold then.")
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

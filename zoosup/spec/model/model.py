"""One model of zoo.yaml: what each field means, its default, and what an edit of it costs.

Frozen data; parts of a model's life and of its memory stand in `lifetime` and `memory`. Strings that may hold `${PORT}`
stay templates until the spawn (`templates.render`).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Field,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError

from zoosup.spec.engine.refusal import refusal
from zoosup.spec.model import fleet, requests
from zoosup.spec.model.base import SpecPart, at_once, on_restart
from zoosup.spec.model.memory import MemorySpecOrAuto
from zoosup.spec.model.process.container import ContainerSpec
from zoosup.spec.model.process.lifetime import (
    LiveSpec,
    ParkSpec,
    ReadySpec,
    RestartSpec,
    SessionsSpec,
    StopSpec,
)
from zoosup.spec.model.process.short_forms.audio import WhisperSpec
from zoosup.spec.model.process.short_forms.base import EVERY_ADDRESS, HOST, PORT, ShortForm
from zoosup.spec.model.process.short_forms.chosen import SHORT_FORMS, check_one, filled_in, short_form
from zoosup.spec.model.process.short_forms.images import SdSpec
from zoosup.spec.model.process.short_forms.llama import LlamaSpec
from zoosup.spec.model.process.short_forms.mlx import MlxImageSpec, MlxSpec
from zoosup.spec.model.process.short_forms.vllm import SglangSpec, VllmSpec
from zoosup.spec.model.values import kinds
from zoosup.spec.model.values.readers import choice_or_none, clash, wrong

_MAPPINGS = frozenset({"env", "ready", "stop"})


class Task(StrEnum):
    """What a model is for, as its clients see it."""

    CHAT = "chat"
    EMBED = "embed"
    RERANK = "rerank"
    IMAGE = "image"
    AUDIO = "audio"


TaskOrNone = Annotated[
    Task | None,
    BeforeValidator(choice_or_none(Task)),
    WithJsonSchema({"enum": [*(word.value for word in Task), None]}),
    at_once(
        "What it is for: chat, embed, rerank, image or audio. Shown in /v1/models, and a request of "
        "another kind is refused. null: what its short form is for, else whatever it is asked."
    ),
]


class ModelSpec(SpecPart):
    """One model server.

    Fields that a short form fills in stand below the short forms: pydantic reads them in this order.
    """

    llama: Annotated[
        LlamaSpec | None, on_restart("In place of command: llama.cpp's server, by its weights.")
    ] = None
    vllm: Annotated[VllmSpec | None, on_restart("In place of command: vLLM, by its weights.")] = None
    sglang: Annotated[SglangSpec | None, on_restart("In place of command: SGLang, by its weights.")] = None
    mlx: Annotated[MlxSpec | None, on_restart("In place of command: mlx_lm.server, by its weights.")] = None
    mlx_image: Annotated[
        MlxImageSpec | None, on_restart("In place of command: mlx-openai-server for images, by its weights.")
    ] = None
    whisper: Annotated[
        WhisperSpec | None, on_restart("In place of command: whisper.cpp's server, by its weights.")
    ] = None
    sd: Annotated[
        SdSpec | None, on_restart("In place of command: stable-diffusion.cpp's server, by its weights.")
    ] = None
    container: Annotated[
        ContainerSpec | None,
        on_restart(
            "A container in place of a command: started through the engine's own API. Beside a short form its "
            "words are the container's."
        ),
    ] = None
    command: Annotated[
        kinds.Words,
        on_restart(
            "The program and its arguments: a list, or a string, split as a shell would. Never a shell. In its place "
            "a container, or a short form: llama, vllm, sglang, mlx, mlx_image, whisper or sd.",
            validate_default=True,
        ),
    ] = ()
    env: Annotated[
        Mapping[kinds.EnvName, kinds.Text],
        on_restart(
            "Environment variables added to zoosup's own; the values are strings.",
            repr=False,
            validate_default=True,
        ),
    ] = {}
    cwd: Annotated[
        kinds.Directory | None, on_restart("The working directory, an absolute path. null: zoosup's own.")
    ] = None
    port: Annotated[
        kinds.Port,
        on_restart("The port on 127.0.0.1 that ${PORT} stands for. auto: a free one, chosen at each start."),
    ] = "auto"
    fetch: Annotated[
        kinds.Flag,
        at_once(
            "true: a start waits while weights that are named by hf:// and not on this host are downloaded. false: "
            "they are missing, and zoosup fetch gets them."
        ),
    ] = False
    memory: Annotated[
        MemorySpecOrAuto,
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
    hosts: fleet.Hosts = ()
    replicas: fleet.Replicas = 1
    max_inflight: Annotated[
        kinds.CountOrNone, at_once("So many requests at once; more wait for their turn. 0: as many as come.")
    ] = 0
    aliases: requests.Aliases = ()
    task: Annotated[TaskOrNone, Field(validate_default=True)] = None
    upstream_model: Annotated[requests.UpstreamModel, Field(validate_default=True)] = None
    upstream_headers: requests.UpstreamHeaders = {}  # noqa: RUF012 - pydantic copies it
    strip_params: requests.StripParams = ()
    default_params: requests.DefaultParams = {}  # noqa: RUF012 - pydantic copies it
    set_params: requests.SetParams = {}  # noqa: RUF012 - pydantic copies it
    variants: requests.Variants = {}  # noqa: RUF012 - pydantic copies it
    park: Annotated[
        ParkSpec | None,
        at_once(
            "How it gives memory back without ending. null: it can't; it is stopped to make room.",
            validate_default=True,
        ),
    ] = None
    sessions: Annotated[SessionsSpec, at_once("What a llama-server keeps of conversations over its end.")] = (
        SessionsSpec()
    )
    ready: Annotated[
        ReadySpec,
        at_once("When the model may be used: one of http, tcp and exec.", validate_default=True),
    ] = ReadySpec()
    live: Annotated[
        LiveSpec | None,
        at_once(
            "When the model is taken for dead: one of http, tcp and exec. null: when its process is gone."
        ),
    ] = None
    stop: Annotated[StopSpec, at_once("How the model is asked to end.", validate_default=True)] = StopSpec()
    restart: Annotated[RestartSpec, at_once("What happens after an exit that nobody asked for.")] = (
        RestartSpec()
    )
    description: requests.Description = ""

    @property
    def short_form(self) -> ShortForm | None:
        """The short form that says what serves; None where the command itself does."""
        return short_form({name: getattr(self, name) for name in SHORT_FORMS})

    @property
    def expanded(self) -> frozenset[str]:
        """Fields that are made of others: they say nothing of their own."""
        return frozenset() if self.short_form is None else frozenset({"command"})

    @field_validator("container", mode="after")
    @classmethod
    def _with_words_of_form(cls, value: ContainerSpec | None, info: ValidationInfo) -> ContainerSpec | None:
        """A short form's words before its own; a record of a run has them already."""
        form = short_form(info.data)
        if value is None or form is None or info.context is None:
            return value
        inside = (HOST, PORT) if value.port is None else (EVERY_ADDRESS, str(value.port))
        words = tuple(info.context.expand(word) for word in form.image_words(*inside))
        return value.model_copy(update={"args": (*words, *value.args)})

    @field_validator("command", mode="wrap")
    @classmethod
    def _one_server(cls, value: Any, read: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        """The form's words; a record of a run has both, and keeps those that were executed."""
        said = () if value == () else ("command",)
        if said and info.context is None:
            return read(value)
        check_one(info.data, said)
        form, contained = short_form(info.data), info.data.get("container") is not None
        if form is not None and not contained:
            return read(form.words())
        if not said and not contained and all(name in info.data for name in (*SHORT_FORMS, "container")):
            raise PydanticCustomError("missing", "is missing")
        # A form or a container with a mistake is told of by its own fields.
        return read(value) if said else ()

    @field_validator("env", "task", "upstream_model", "park", "ready", "stop", mode="before")
    @classmethod
    def _by_form(cls, value: Any, info: ValidationInfo) -> Any:
        form, name = short_form(info.data), info.field_name or ""
        if form is None:
            return value
        if value == cls.model_fields[name].default and not isinstance(value, dict | None):
            value = {}
        if name in _MAPPINGS and not isinstance(value, Mapping):
            return value
        return filled_in(form, name, value)

    @field_validator("task", mode="after")
    @classmethod
    def _as_started(cls, value: Any, info: ValidationInfo) -> Any:
        form = short_form(info.data)
        if form is not None and value != form.task_name():
            raise clash(
                f"is {value}, and its server is started for {form.task_name()}", form.task_name() or "none"
            )
        return value

    @field_validator("command", mode="after")
    @classmethod
    def _can_be_supervised(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        # Only of a file: what an older zoosup has accepted and kept must stay readable.
        refused = refusal(value) if info.context is not None else None
        if refused is not None:
            raise wrong(*refused)
        return value

    @field_validator("replicas", mode="after")
    @classmethod
    def _agrees_with_hosts(cls, value: int | str, info: ValidationInfo) -> int | str:
        hosts = info.data.get("hosts", ())
        if isinstance(value, int) and isinstance(hosts, tuple) and 0 < len(hosts) < value:
            raise clash(f"hosts names {len(hosts)}, and {value} are needed", "more hosts, or fewer replicas")
        return value

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

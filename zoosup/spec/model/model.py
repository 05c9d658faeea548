"""One model of zoo.yaml: what each field means, its default, and what an edit of it costs.

Frozen data; parts of a model's life and of its memory stand in `lifetime` and `memory`. Strings that may hold `${PORT}`
stay templates until the spawn (`templates.render`).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from zoosup.spec.model import values as kinds
from zoosup.spec.model.base import SpecPart, at_once, no_effect, on_restart
from zoosup.spec.model.lifetime import LiveSpec, ParkSpec, ReadySpec, RestartSpec, StopSpec
from zoosup.spec.model.memory import MemorySpecOrAuto
from zoosup.spec.model.readers import choice_or_none, clash


class Task(StrEnum):
    """What a model is for, as its clients see it."""

    CHAT = "chat"
    EMBED = "embed"
    RERANK = "rerank"
    IMAGE = "image"
    AUDIO = "audio"


class ModelSpec(SpecPart):
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
        ParkSpec | None,
        at_once("How it gives memory back without ending. null: it can't; it is stopped to make room."),
    ] = None
    ready: Annotated[ReadySpec, at_once("When the model may be used: one of http, tcp and exec.")] = (
        ReadySpec()
    )
    live: Annotated[
        LiveSpec | None,
        at_once(
            "When the model is taken for dead: one of http, tcp and exec. null: when its process is gone."
        ),
    ] = None
    stop: Annotated[StopSpec, at_once("How the model is asked to end.")] = StopSpec()
    restart: Annotated[RestartSpec, at_once("What happens after an exit that nobody asked for.")] = (
        RestartSpec()
    )
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

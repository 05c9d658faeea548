"""vLLM and SGLang as short forms: servers that take most of a GPU for the cache of many requests at once.

By `vllm serve --help`, vLLM's page on sleep mode and SGLang's server arguments. Both answer /health with 200 only once
the engine is up. Their workers are processes of their own, which need their time to end: killed too early, they keep
the GPU.
"""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, ClassVar

from pydantic import field_validator

from zoosup.spec.model.base import on_restart
from zoosup.spec.model.process.short_forms import kinds
from zoosup.spec.model.process.short_forms.base import ShortForm, flag, option
from zoosup.spec.model.values import kinds as values
from zoosup.spec.model.values.readers import wrong
from zoosup.spec.model.values.weight_names import HubName, read_name

_ENGINE: Mapping[str, Any] = {"http": "/health", "deadline": "20m"}
"""They compile, capture graphs and measure memory before they answer."""


class _EngineSpec(ShortForm):
    """What the two have in common."""

    ready: ClassVar[Mapping[str, Any]] = _ENGINE
    grace: ClassVar[str] = "1m"

    weights: Annotated[kinds.HubOrPath, on_restart(f"The model: {kinds.HUB_WEIGHTS}.")]
    context: Annotated[
        kinds.Tokens | None,
        on_restart("The most tokens of one request. null: what the model was trained with."),
    ] = None
    gpu_memory: Annotated[
        kinds.Share | None, on_restart("The share of each GPU's memory that it takes, such as 0.85.")
    ] = None
    tensor_parallel: Annotated[
        values.Count | None, on_restart("Over how many GPUs each layer is split. null: one.")
    ] = None
    quantization: Annotated[
        values.Text | None,
        on_restart("How the weights are quantized, such as awq or fp8. null: as they say."),
    ] = None
    loras: Annotated[
        kinds.Loras,
        on_restart(
            "LoRA adapters: [{path: …, name: …}]. A client asks for one by its name, which has to be one of the "
            "model's aliases. null: its file's."
        ),
    ] = ()

    @field_validator("loras", mode="after")
    @classmethod
    def _without_scale(cls, value: tuple[kinds.Lora, ...]) -> tuple[kinds.Lora, ...]:
        if any(each.scale is not None for each in value):
            raise wrong(
                "has an adapter with a scale", "path and name: the server takes the adapter's own scale"
            )
        return value

    def named_loras(self) -> Iterator[str]:
        """Each adapter as name=path."""
        for each in self.loras:
            yield f"{each.name or PurePosixPath(each.path).stem}={each.path}"


class VllmSpec(_EngineSpec):
    """A `vllm serve`."""

    usual_program: ClassVar[tuple[str, ...]] = ("vllm", "serve")

    sleep: Annotated[
        values.Flag,
        on_restart(
            "true: it sleeps instead of being stopped, its weights in RAM (vLLM's sleep mode, level 1)."
        ),
    ] = False
    task: Annotated[kinds.LanguageTask, on_restart("What it is for: chat, embed or rerank.")] = "chat"

    def options(self) -> Iterator[str]:
        """As `vllm serve --help` names them; with adapters the model is served by its own name beside them."""
        yield self.weights
        yield from option("--max-model-len", self.context)
        yield from option("--gpu-memory-utilization", self.gpu_memory)
        yield from option("--tensor-parallel-size", self.tensor_parallel)
        yield from option("--quantization", self.quantization)
        if self.loras:
            yield from ("--served-model-name", "${MODEL_ID}")
            yield from ("--enable-lora", "--lora-modules", *self.named_loras())
        elif self.served_name != self.weights:
            yield from ("--served-model-name", self.served_name)
        yield from flag("--enable-sleep-mode", given=self.sleep)
        yield from ("--runner", "pooling") if self.task != "chat" else ()

    @property
    def served_name(self) -> str:
        """What it calls the model: a path, or owner/repo wherever on this host that lies."""
        name = read_name(self.weights)
        return name.repo if isinstance(name, HubName) else self.weights

    def task_name(self) -> str:
        """What it was started for."""
        return self.task

    def upstream_model(self) -> str | None:
        """It refuses names it does not serve; with adapters the client's choice has to come through."""
        return None if self.loras else self.served_name

    def env(self) -> Mapping[str, str]:
        """The calls that put it to sleep exist in its development mode alone."""
        return {"VLLM_SERVER_DEV_MODE": "1"} if self.sleep else {}

    def park(self) -> Mapping[str, Any] | None:
        """Level 1 keeps the weights in RAM, so that waking needs nothing else."""
        return {"sleep": "POST /sleep?level=1", "wake": "POST /wake_up"} if self.sleep else None


class SglangSpec(_EngineSpec):
    """An SGLang server."""

    usual_program: ClassVar[tuple[str, ...]] = ("python3", "-m", "sglang.launch_server")

    task: Annotated[kinds.LanguageTask, on_restart("What it is for: chat, embed or rerank.")] = "chat"

    def options(self) -> Iterator[str]:
        """As its page on server arguments names them; `gpu_memory` is for weights and cache alone."""
        yield from ("--model-path", self.weights)
        yield from option("--context-length", self.context)
        yield from option("--mem-fraction-static", self.gpu_memory)
        yield from option("--tp-size", self.tensor_parallel)
        yield from option("--quantization", self.quantization)
        if self.loras:
            yield from ("--enable-lora", "--lora-paths", *self.named_loras())
        yield from flag("--is-embedding", given=self.task != "chat")

    def image_words(self, host: str, port: str) -> tuple[str, ...]:
        """Its image begins with no program."""
        return self.words(host, port)

    def task_name(self) -> str:
        """What it was started for."""
        return self.task

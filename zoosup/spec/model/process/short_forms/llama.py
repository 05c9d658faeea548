"""llama.cpp's server as a short form: llama-server, or `llama serve`.

By tools/server/README.md of ggml-org/llama.cpp: options; /health answers 503 while it loads; SIGTERM ends it.
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from zoosup.spec.model.base import at_once_but_keys, on_restart
from zoosup.spec.model.process.short_forms import kinds
from zoosup.spec.model.process.short_forms.base import ShortForm, flag, option
from zoosup.spec.model.values import kinds as values

MIB = 2**20


class LlamaSpec(ShortForm):
    """A llama-server."""

    usual_program: ClassVar[tuple[str, ...]] = ("llama-server",)

    weights: Annotated[kinds.Gguf, on_restart(f"The model: {kinds.GGUF_WEIGHTS}.")]
    mmproj: Annotated[
        kinds.File | None,
        on_restart(
            "The projector of a model that sees or hears, a path or hf://owner/repo/file.gguf; that of weights named "
            "by hf:// or ollama:// is found by itself."
        ),
    ] = None
    context: Annotated[
        kinds.Tokens | None,
        on_restart(
            "Tokens of context, shared by what runs in parallel. null: what the model was trained with."
        ),
    ] = None
    parallel: Annotated[
        values.Count | None, on_restart("How many requests are answered at once. null: as it thinks right.")
    ] = None
    gpu_layers: Annotated[
        kinds.Layers | None, on_restart("Layers on GPUs: a number, auto or all. null: auto.")
    ] = None
    kv: Annotated[
        kinds.CacheTypes | None,
        on_restart("How keys and values are kept, such as q8_0; a list of two: keys, values. null: f16."),
    ] = None
    flash: Annotated[kinds.OnOff | None, on_restart("Flash attention: on, off or auto. null: auto.")] = None
    batch: Annotated[
        kinds.Tokens | None,
        on_restart(
            "Tokens of a prompt read in one go; for embed and rerank also the longest text. null: 2048."
        ),
    ] = None
    draft: Annotated[
        kinds.Gguf | None,
        on_restart("A small model that proposes tokens, named as `weights` are. null: none."),
    ] = None
    cpu_moe: Annotated[
        kinds.Experts, on_restart("true: experts stay in RAM; a number: those of the first so many layers.")
    ] = False
    cache_ram: Annotated[
        values.Size | None, on_restart("The most that old prompts may take of RAM; 0B: none. null: 8 GiB.")
    ] = None
    chat_template: Annotated[
        kinds.Path | None,
        on_restart("A file with a Jinja template, or the name of a built-in one. null: the model's own."),
    ] = None
    loras: Annotated[
        kinds.LiveLoras,
        at_once_but_keys(
            "LoRA adapters: [{path: …, scale: 0.5}]. Other scales are applied without a restart."
        ),
    ] = ()
    task: Annotated[kinds.LanguageTask, on_restart("What it is for: chat, embed or rerank.")] = "chat"

    def options(self) -> Iterator[str]:
        """As the manual names them."""
        yield from ("-m", self.weights)
        yield from option("--mmproj", self.mmproj)
        yield from option("-c", self.context)
        yield from option("-np", self.parallel)
        yield from option("-ngl", self.gpu_layers)
        yield from (*option("-ctk", self.kv[0]), *option("-ctv", self.kv[1])) if self.kv else ()
        yield from option("-fa", self.flash)
        yield from option("-b", self.batch)
        yield from option("-md", self.draft)
        yield from self._experts()
        yield from option("--cache-ram", None if self.cache_ram is None else self.cache_ram // MIB)
        yield from self._template()
        if self.loras:
            yield from ("--lora-scaled", ",".join(f"{each.path}:{scale:g}" for each, scale in self.scaled))
        yield from self._task()

    @property
    def scaled(self) -> Iterator[tuple[kinds.Lora, float]]:
        """The adapters, and how strong each is."""
        return ((each, 1.0 if each.scale is None else each.scale) for each in self.loras)

    def task_name(self) -> str:
        """What it was started for: with --embedding it does nothing else."""
        return self.task

    def _experts(self) -> tuple[str, ...]:
        if isinstance(self.cpu_moe, bool):
            return flag("--cpu-moe", given=self.cpu_moe)
        return option("--n-cpu-moe", self.cpu_moe)

    def _template(self) -> tuple[str, ...]:
        name = self.chat_template
        is_file = name is not None and ("/" in name or name.endswith(".jinja"))
        return option("--chat-template-file" if is_file else "--chat-template", name)

    def _task(self) -> Iterator[str]:
        """A text to embed or to rank has to fit into one physical batch, which is 512 unless told otherwise."""
        if self.task != "chat":
            yield "--embedding" if self.task == "embed" else "--reranking"
            yield from option("-ub", self.batch)

"""MLX servers as short forms, on Apple Silicon: mlx_lm.server for text, mlx-openai-server for images.

By mlx_lm/SERVER.md and `--help`, and mlx-openai-server's README.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from zoosup.spec.model.base import on_restart
from zoosup.spec.model.process.short_forms import kinds
from zoosup.spec.model.process.short_forms.base import HOST, PORT, ShortForm, option
from zoosup.spec.model.values import kinds as values

_SHORTEST = '{"messages": [{"role": "user", "content": "."}], "max_tokens": 1}'


class MlxSpec(ShortForm):
    """An mlx_lm.server."""

    usual_program: ClassVar[tuple[str, ...]] = ("mlx_lm.server",)
    ready: ClassVar[Mapping[str, Any]] = {
        "exec": [
            "curl", "-sf", "-o", "/dev/null", "-H", "Content-Type: application/json", "-d", _SHORTEST,
            f"http://{HOST}:{PORT}/v1/chat/completions",
        ],
        "interval": "1s",
        "timeout": "1m",
    }  # fmt: skip
    """Its /health is 200 before anything is loaded; a request for one token is answered after."""

    weights: Annotated[kinds.HubOrPath, on_restart(f"The model: {kinds.HUB_WEIGHTS}.")]
    adapter: Annotated[kinds.Path | None, on_restart("A directory with a LoRA adapter. null: none.")] = None
    draft: Annotated[
        kinds.HubOrPath | None, on_restart("A small model that proposes tokens. null: none.")
    ] = None
    parallel: Annotated[
        values.Count | None, on_restart("How many requests are answered at once. null: as it thinks right.")
    ] = None
    cache_ram: Annotated[
        values.Size | None, on_restart("The most that old prompts may take of RAM. null: as it thinks right.")
    ] = None
    chat_template: Annotated[
        values.Text | None, on_restart("A Jinja template as text. null: the model's own.")
    ] = None

    def options(self) -> Iterator[str]:
        """As `mlx_lm.server --help` names them."""
        yield from ("--model", self.weights)
        yield from option("--adapter-path", self.adapter)
        yield from option("--draft-model", self.draft)
        yield from option("--decode-concurrency", self.parallel)
        yield from option("--prompt-cache-bytes", self.cache_ram)
        yield from option("--chat-template", self.chat_template)

    def upstream_model(self) -> str:
        """Any other name it takes for a repository to load."""
        return "default_model"


class MlxImageSpec(ShortForm):
    """An mlx-openai-server that makes or edits images."""

    usual_program: ClassVar[tuple[str, ...]] = ("mlx-openai-server", "launch")

    weights: Annotated[kinds.HubOrPath, on_restart(f"The model: {kinds.HUB_WEIGHTS}.")]
    config: Annotated[
        values.Text | None,
        on_restart("Which kind of model it is, such as flux-schnell or flux-dev. null: as it thinks right."),
    ] = None
    edit: Annotated[values.Flag, on_restart("true: it edits images instead of making them.")] = False
    quantize: Annotated[kinds.Bits | None, on_restart("Bits a weight: 4, 8 or 16. null: 8.")] = None
    loras: Annotated[kinds.Loras, on_restart("LoRA adapters: [{path: …, scale: 0.8}].")] = ()

    def options(self) -> Iterator[str]:
        """As its README names them; what it has to say belongs into the model's log, not into ./logs."""
        yield from ("--model-path", self.weights)
        yield from ("--model-type", "image-edit" if self.edit else "image-generation")
        yield from option("--config-name", self.config)
        yield from option("--quantize", self.quantize)
        if self.loras:
            scales = (1.0 if each.scale is None else each.scale for each in self.loras)
            yield from ("--lora-paths", ",".join(each.path for each in self.loras))
            yield from ("--lora-scales", ",".join(f"{scale:g}" for scale in scales))
        yield "--no-log-file"

    def task_name(self) -> str:
        """Images."""
        return "image"

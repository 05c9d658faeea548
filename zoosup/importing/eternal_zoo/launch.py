"""One of Eternal Zoo's models as what zoosup starts: the command lines that it would have built, by backend and task.

    gguf, chat     llama-server with its templates, all layers on GPUs, a projector for those that see
    gguf, embed    llama-server that embeds, mean pooling, texts of 4096 tokens
    mlx-lm         mlx-openai-server for language models
    mlx-flux       mlx-openai-server for images, with LoRA adapters

Refuses to know where the entry stands and how weights are found.
"""

from dataclasses import dataclass, field
from typing import Any

from zoosup.importing.draft import LeftOut, Model
from zoosup.importing.report import Origin, Report
from zoosup.importing.words import template
from zoosup.spec.model.values.weight_names import HUB

CONTEXT = 32768
"""Tokens, where the entry says nothing."""

_LONGEST_TEXT = 4096


@dataclass(slots=True)
class Entry:
    """What an entry comes to: `weights` is a path, hf://… or, for mlx, owner/repo."""

    name: str
    at: Origin
    backend: str
    task: str
    weights: str
    mmproj: str = ""
    context: int | None = None
    architecture: str = ""
    loras: list[dict[str, Any]] = field(default_factory=list)


def launch(entry: Entry, report: Report) -> Model | LeftOut:
    """The model, or why there is none."""
    model = Model(entry.name, entry.at)
    weights = template(entry.weights)
    if entry.task.startswith("image") or entry.backend == "mlx-flux":
        model.fields["mlx_image"] = _image(entry, weights)
    elif entry.backend == "mlx-lm":
        model.words = _mlx(entry, weights)
        if entry.task == "embed":
            model.fields["task"] = "embed"
    elif entry.backend == "gguf":
        model.fields["llama"] = _gguf(entry, weights)
        if entry.context is None and entry.task != "embed":
            model.comments["llama"] = "context: Eternal Zoo chose; as much as your conversations need"
    else:
        why = f"its backend is {entry.backend!r}, which is unknown here"
        report.add(entry.at, f"{entry.name} is left out: {why}")
        return LeftOut(entry.name, entry.at, why, [entry.weights])
    if weights.startswith(HUB) and model.words is None:
        model.fields["fetch"] = True  # it is told of weights that it would have downloaded
    return model


def _gguf(entry: Entry, weights: str) -> dict[str, Any]:
    common = {"weights": weights, "gpu_layers": "all", "flash": "on"}
    if entry.task == "embed":
        return {**common, "task": "embed", "batch": _LONGEST_TEXT, "args": ["--pooling", "mean"]}
    seeing = {"mmproj": template(entry.mmproj)} if entry.mmproj else {}
    args = ["--jinja", "--no-webui", "--no-context-shift"]
    return {**common, **seeing, "context": entry.context or CONTEXT, "args": args}


def _mlx(entry: Entry, weights: str) -> list[str]:
    kind = "embeddings" if entry.task == "embed" else "lm"
    length = [] if entry.context is None else ["--context-length", str(entry.context)]
    words = [
        "mlx-openai-server",
        "launch",
        "--model-path",
        weights.removeprefix(HUB),
        "--model-type",
        kind,
        *length,
    ]
    return [*words, "--port", "${PORT}", "--host", "${HOST}", "--no-log-file"]


def _image(entry: Entry, weights: str) -> dict[str, Any]:
    found: dict[str, Any] = {"weights": weights}
    if entry.architecture:
        found["config"] = entry.architecture
    if entry.task == "image-edit":
        found["edit"] = True
    if entry.loras:
        found["loras"] = entry.loras
    return found

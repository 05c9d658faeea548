"""Which keys of a model say what serves, and what the one that was chosen fills into the other fields.

Exactly one of `SERVERS` is said. Another way to serve gets its name here and a field in the model, and nothing else.
"""

from collections.abc import Mapping
from typing import Any

from zoosup.spec.model.process.lifetime import PROBE_KINDS
from zoosup.spec.model.process.short_forms.audio import WhisperSpec
from zoosup.spec.model.process.short_forms.base import ShortForm
from zoosup.spec.model.process.short_forms.images import SdSpec
from zoosup.spec.model.process.short_forms.llama import LlamaSpec
from zoosup.spec.model.process.short_forms.mlx import MlxImageSpec, MlxSpec
from zoosup.spec.model.process.short_forms.vllm import SglangSpec, VllmSpec
from zoosup.spec.model.values.readers import clash

SHORT_FORMS: Mapping[str, type[ShortForm]] = {
    "llama": LlamaSpec,
    "vllm": VllmSpec,
    "sglang": SglangSpec,
    "mlx": MlxSpec,
    "mlx_image": MlxImageSpec,
    "whisper": WhisperSpec,
    "sd": SdSpec,
}
SERVERS = ("command", "container", *SHORT_FORMS)
"""Exactly one of these says what serves; but a short form may stand with the container in which it runs."""


def short_form(data: Mapping[str, Any]) -> ShortForm | None:
    """The form that was chosen among fields that have been read; None for none."""
    return next((form for name in SHORT_FORMS if (form := data.get(name)) is not None), None)


def check_one(data: Mapping[str, Any], own: tuple[str, ...] = ()) -> None:
    """Refuse two that are said; `own` is the command, where it is."""
    said = [*own, *(name for name in SHORT_FORMS if data.get(name) is not None)]
    if data.get("container") is not None and (own or not said):
        said.append("container")
    if len(said) > 1:
        raise clash(f"has {' and '.join(said)}", f"one of {', '.join(SERVERS)}")


def filled_in(form: ShortForm, name: str, value: Any) -> Any:
    """A field as the form has it, where the file says no other; `value` is what was said, None or {} for nothing."""
    match name:
        case "env":
            return {**form.env(), **value}
        case "ready":
            chosen = any(value.get(kind) for kind in PROBE_KINDS)
            usual = {k: v for k, v in form.ready.items() if not (chosen and k != "deadline")}
            return {**usual, **value}
        case "stop":
            return {"grace": form.grace, **value}
        case "task":
            return form.task_name() if value is None else value
        case "upstream_model":
            return form.upstream_model() if value is None else value
        case "park":
            return form.park() if value is None else value
    raise AssertionError(f"internal error: no short form fills in {name}")

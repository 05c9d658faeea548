"""stable-diffusion.cpp's server as a short form.

By examples/server/README.md of leejet/stable-diffusion.cpp: it has no /health, and listens once it has loaded.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import ValidationInfo, field_validator

from zoosup.spec.model.base import on_restart
from zoosup.spec.model.process.short_forms import kinds
from zoosup.spec.model.process.short_forms.base import ShortForm, flag, option
from zoosup.spec.model.values import kinds as values
from zoosup.spec.model.values.readers import clash


class SdSpec(ShortForm):
    """An sd-server."""

    usual_program: ClassVar[tuple[str, ...]] = ("sd-server",)
    ready: ClassVar[Mapping[str, Any]] = {"http": "/v1/models"}

    weights: Annotated[kinds.File | None, on_restart(f"A whole model in one file: {kinds.FILE}.")] = None
    diffusion: Annotated[
        kinds.File | None,
        on_restart(
            f"The diffusion model alone, {kinds.FILE}; the encoders beside it.", validate_default=True
        ),
    ] = None
    vae: Annotated[kinds.File | None, on_restart(f"The VAE, {kinds.FILE}.")] = None
    llm: Annotated[
        kinds.File | None, on_restart(f"The language model that reads the prompt, {kinds.FILE}.")
    ] = None
    clip_l: Annotated[kinds.File | None, on_restart(f"The CLIP-L encoder, {kinds.FILE}.")] = None
    clip_g: Annotated[kinds.File | None, on_restart(f"The CLIP-G encoder, {kinds.FILE}.")] = None
    t5xxl: Annotated[kinds.File | None, on_restart(f"The T5-XXL encoder, {kinds.FILE}.")] = None
    lora_dir: Annotated[
        kinds.Path | None, on_restart("The directory of the LoRA adapters that prompts may name.")
    ] = None
    flash: Annotated[values.Flag, on_restart("true: flash attention in the diffusion model.")] = False
    offload: Annotated[
        values.Flag, on_restart("true: weights wait in RAM and come to the GPU when they are needed.")
    ] = False

    @field_validator("diffusion", mode="after")
    @classmethod
    def _one_model(cls, value: str | None, info: ValidationInfo) -> str | None:
        if "weights" in info.data and (value is None) == (info.data["weights"] is None):
            said = "neither weights nor diffusion" if value is None else "weights and diffusion"
            raise clash(f"has {said}", "one of the two")
        return value

    def options(self) -> Iterator[str]:
        """As its README names them."""
        yield from option("-m", self.weights)
        yield from option("--diffusion-model", self.diffusion)
        yield from option("--vae", self.vae)
        yield from option("--llm", self.llm)
        yield from option("--clip_l", self.clip_l)
        yield from option("--clip_g", self.clip_g)
        yield from option("--t5xxl", self.t5xxl)
        yield from option("--lora-model-dir", self.lora_dir)
        yield from flag("--diffusion-fa", given=self.flash)
        yield from flag("--offload-to-cpu", given=self.offload)

    def address(self, host: str, port: str) -> tuple[str, ...]:
        """It has names of its own for it."""
        return ("--listen-ip", host, "--listen-port", port)

    def task_name(self) -> str:
        """Images."""
        return "image"

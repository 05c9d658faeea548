"""What llama-fit-params, a program of llama.cpp's own, was asked of a model, and what it has said; bytes.

Data only. `fitparams` puts the question and reckons with the answer; who runs the program is `host.fitparams`.
"""

from dataclasses import dataclass

FIT_PARAMS = "llama-fit-params"


@dataclass(frozen=True, slots=True)
class FitQuestion:
    """`beside`: the word of the model's command that names its llama-server. `on_gpu`: as if one GPU took it all in."""

    beside: str
    words: tuple[str, ...]
    on_gpu: bool


@dataclass(frozen=True, slots=True)
class DeviceNeed:
    """What one device would hold: weights, keys and values and states, scratch memory."""

    device: str
    model: int
    context: int
    compute: int


@dataclass(frozen=True, slots=True)
class FitAnswer:
    """Of the host and of every other device."""

    question: FitQuestion
    host: DeviceNeed
    devices: tuple[DeviceNeed, ...] = ()

    @property
    def on_devices(self) -> DeviceNeed:
        """All devices together."""
        names = "+".join(part.device for part in self.devices)
        model, context, compute = (
            sum(getattr(part, each) for part in self.devices) for each in ("model", "context", "compute")
        )
        return DeviceNeed(names, model, context, compute)


@dataclass(frozen=True, slots=True)
class FitSilence:
    """Why there is no answer. `passing`: it may well come, so that it is worth asking again before long."""

    question: FitQuestion
    why: str
    passing: bool = False


@dataclass(frozen=True, slots=True)
class Fitted:
    """What was heard of one model: without GPUs, and with one where its host has any."""

    ram: FitAnswer | FitSilence | None = None
    gpu: FitAnswer | FitSilence | None = None

    @property
    def unsettled(self) -> bool:
        """Whether an answer may still come."""
        return any(isinstance(each, FitSilence) and each.passing for each in (self.ram, self.gpu))


UNASKED = Fitted()
"""Nobody was asked."""

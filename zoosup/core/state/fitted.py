"""What llama-fit-params, a program of llama.cpp's own, was asked of a model, and what it has said; bytes.

Data only. `fitparams` puts the question and reckons with the answer; who runs the program is `host.fitparams`.
"""

from dataclasses import dataclass

FIT_PARAMS = "llama-fit-params"


@dataclass(frozen=True, slots=True)
class Question:
    """`beside`: the word of the model's command that names its llama-server. `on_gpu`: as if one GPU took it all in."""

    beside: str
    words: tuple[str, ...]
    on_gpu: bool


@dataclass(frozen=True, slots=True)
class Part:
    """What one device would hold: weights, keys and values and states, scratch memory."""

    device: str
    model: int
    context: int
    compute: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Of the host and of every other device."""

    question: Question
    host: Part
    devices: tuple[Part, ...] = ()

    @property
    def on_devices(self) -> Part:
        """All devices together."""
        names = "+".join(part.device for part in self.devices)
        model, context, compute = (
            sum(getattr(part, each) for part in self.devices) for each in ("model", "context", "compute")
        )
        return Part(names, model, context, compute)


@dataclass(frozen=True, slots=True)
class Silence:
    """Why there is no answer. `passing`: it may well come, so that it is worth asking again before long."""

    question: Question
    why: str
    passing: bool = False


@dataclass(frozen=True, slots=True)
class Fitted:
    """What was heard of one model: without GPUs, and with one where its host has any."""

    ram: Answer | Silence | None = None
    gpu: Answer | Silence | None = None

    @property
    def unsettled(self) -> bool:
        """Whether an answer may still come."""
        return any(isinstance(each, Silence) and each.passing for each in (self.ram, self.gpu))


UNASKED = Fitted()
"""Nobody was asked."""

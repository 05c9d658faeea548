"""What is known of weight files, as data: where they are, what their headers say, and what llama.cpp says; bytes.

Knows no file system and no format: `host.weights` reads headers and `host.preflight` asks llama-fit-params;
`core.estimation` reckons with both. A file whose header could not be read still has its size, and the reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

Value = int | float | bool | str | tuple[int | float | bool, ...]
"""One entry of a GGUF file's metadata; strings and arrays that no estimate asks for are left out."""


@dataclass(frozen=True, slots=True, eq=False)
class FileFacts:
    """One set of weights: a file, all parts of a split one, or a directory of them.

    Compared by identity, so that a derived need can be kept by it: a file that changes gets new facts.
    """

    format: str  # gguf | safetensors | plain (its header can't be read, or is of no known kind)
    size: int  # of all parts, on disk
    parts: int = 1
    tensors: int = 0  # tensor data of all parts
    vocabulary: int = 0  # tokens
    metadata: Mapping[str, Value] = field(default_factory=dict)
    problem: str = ""  # why the header is of no use
    changed: int = 0  # when a part was last changed: nanoseconds since the epoch


# What llama-fit-params, a program of llama.cpp's own, was asked and has said

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


@dataclass(frozen=True, slots=True)
class Located:
    """Where weights are that were named by their origin: a file, or a directory where the whole repository is meant.

    `folders` hold all that the paths lead to, for a container that is to see them.
    """

    path: str
    mmproj: str = ""  # the projector that belongs to it
    folders: tuple[str, ...] = ()


Found = tuple[tuple[str, Located], ...]
"""By the words that name them."""


@dataclass(frozen=True, slots=True)
class WeightFacts:
    """What was found of the weights that one command line names, by the words it names them with.

    `located` says where those are that it names by their origin; `files` has them by their paths. `fitted` is what
    llama.cpp itself says of them, where it was asked.
    """

    files: tuple[tuple[str, FileFacts], ...] = ()
    fitted: Fitted = UNASKED
    located: Found = ()

    def of(self, path: str) -> FileFacts | None:
        """The file named so; None where it was not looked at or is not there."""
        return next((facts for named, facts in self.files if named == path), None)

"""Which files of a repository are meant by its name, as the servers themselves choose them.

    llama.cpp    by a quantization: common/download.cpp. Its projector comes by itself, with all parts of a split file
    others       the repository as a whole, without what another framework would load

Knows the names of files, in either a hub's list or a cache's. Refuses to know where any of them is.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from zoosup.spec.model.values.weight_names import HubName

_USUAL = ("Q4_K_M", "Q8_0")
"""What is taken where no quantization is named, else the first."""

NO_MODELS = ("mmproj", "imatrix", "mtp-", "eagle3-", "dflash-", "dspark-")
"""What stands in the names of files that go with a model."""

_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.IGNORECASE)
_QUANT = re.compile(r"[-.]([A-Z0-9_]+)(?:-\d{5}-of-\d{5})?\.gguf\Z", re.IGNORECASE)
_MOST_PARTS = 1024
_NUMBER = re.compile(r"\d+")

_OF_OTHERS = re.compile(
    r"original/|onnx/|openvino/|.*\.(?:gguf|h5|msgpack|onnx|ot|pt|pth|tflite)\Z|consolidated.*\Z|.*/?\.gitattributes\Z"
)
_PICKLED = re.compile(r".*\.bin\Z")
_WEIGHTS = re.compile(r".*\.(?:safetensors|bin|npz|gguf|h5|msgpack|nemo|onnx|ckpt|ot|pt|pth|tflite)\Z")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Files by their names in the repository: `parts` of the model in order, and the projector beside it."""

    parts: tuple[str, ...]
    mmproj: str
    missing: int  # parts that the list lacks

    @property
    def files(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.parts, *((self.mmproj,) if self.mmproj else ()))


def chosen(name: HubName, files: Iterable[str]) -> Chosen | None:
    """What llama.cpp takes for a name; None where nothing of the list fits."""
    listed = sorted(files)
    if name.file:
        return _with_parts(name.file, listed) if name.file in listed else None
    first = _by_quant(name.tag, listed)
    if first is None:
        return None
    found = _with_parts(first, listed)
    return Chosen(found.parts, _projector(first, listed), found.missing)


def whole(files: Iterable[str]) -> tuple[str, ...]:
    """What a server that takes the whole repository reads of it."""
    ours = [file for file in sorted(files) if not _OF_OTHERS.match(file)]
    if any(file.endswith(".safetensors") for file in ours):
        ours = [file for file in ours if not _PICKLED.match(file)]
    return tuple(ours)


def has_weights(files: Iterable[str]) -> bool:
    """Whether any of them holds weights: of many a repository a cache has only the config, or the tokenizer."""
    return any(_WEIGHTS.match(file) for file in files)


def _by_quant(tag: str, files: Sequence[str]) -> str | None:
    models = [file for file in files if _is_model(file)]
    for quant in (tag,) if tag else _USUAL:
        fits = re.compile(re.escape(quant) + r"[.-]", re.IGNORECASE)
        for file in models:
            if fits.search(file):
                return file
    return models[0] if models and not tag else None


def _is_model(file: str) -> bool:
    """Whether it may be the model: of a split one the first part."""
    last = file.rpartition("/")[2]
    part = _PART.fullmatch(file)
    first = part is None or int(part["number"]) == 1
    return file.endswith(".gguf") and first and not any(word in last for word in NO_MODELS)


def part_names(file: str) -> tuple[str, ...]:
    """All parts of the file that one of them names, in order; of one that is not split itself."""
    part = _PART.fullmatch(file)
    if part is None or not 0 < int(part["count"]) <= _MOST_PARTS:
        return (file,)
    return tuple(f"{part['stem']}-{i:05}-of-{part['count']}.gguf" for i in range(1, int(part["count"]) + 1))


def _with_parts(file: str, files: Sequence[str]) -> Chosen:
    names = part_names(file)
    there = tuple(name for name in names if name in files)
    return Chosen(there, "", len(names) - len(there))


def _projector(model: str, files: Iterable[str]) -> str:
    """The nearest: in the deepest folder above the model, then of the nearest number of bits; "" for none."""
    folder = model.split("/")[:-1]
    near = [
        (-len(above), abs(_bits(file) - _bits(model)), file)
        for file in files
        if file.endswith(".gguf") and "mmproj" in file
        for above in [file.split("/")[:-1]]
        if folder[: len(above)] == above
    ]
    return min(near)[2] if near else ""


def _bits(file: str) -> int:
    """4 of Q4_K_M, 16 of F16; 0 where its name says none."""
    quant = _QUANT.search(file)
    number = _NUMBER.search(quant[1]) if quant is not None else None
    return int(number[0]) if number is not None else 0

"""What the headers of weight files say, as data; sizes are bytes.

Knows no file system and no format: `host.weights` fills these in, `core.derive` reckons with them. A file whose header
could not be read still has its size, and the reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from zoosup.core.state.fitted import UNASKED, Fitted

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


@dataclass(frozen=True, slots=True)
class WeightFacts:
    """What was found of the weights that one command line names, by the words it names them with.

    `fitted` is what llama.cpp itself says of them, where it was asked.
    """

    files: tuple[tuple[str, FileFacts], ...] = ()
    fitted: Fitted = UNASKED

    def of(self, path: str) -> FileFacts | None:
        """The file named so; None where it was not looked at or is not there."""
        return next((facts for named, facts in self.files if named == path), None)

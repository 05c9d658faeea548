"""Looks at weight files: one file, the parts of a split GGUF, a directory of safetensors.

Reads headers only, and each set of files once as long as size and time of change stay as they are. Blocking: call it
in a thread. A file that can't be understood is no error here: its size and the reason are the answer.
"""

import re
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from zoosup.core.state.weights import FileFacts, WeightFacts
from zoosup.host.weights import gguf, safetensors
from zoosup.host.weights.gguf import WeightsError

_PART = re.compile(r"(?P<stem>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf\Z", re.DOTALL)
_MOST_PARTS = 1024
_REMEMBERED = 512
INDEX = "model.safetensors.index.json"

Stamp = tuple[tuple[str, int, int], ...]
"""Path, size and time of change of every part."""


class WeightReader:
    """Reads headers and remembers what they said."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Stamp, FileFacts]] = {}

    def look(self, paths: Iterable[str], cwd: Path) -> WeightFacts:
        """What is to be found at the paths, relative ones below `cwd`; those that lead nowhere are left out."""
        found = ((path, self._facts(cwd / path)) for path in paths)
        return WeightFacts(tuple((path, facts) for path, facts in found if facts is not None))

    def _facts(self, path: Path) -> FileFacts | None:
        try:
            files, reader, problem = _parts(path)
            seen = [part.stat() for part in files]
        except (OSError, ValueError):
            return None
        if not all(stat.S_ISREG(each.st_mode) for each in seen) or not seen:
            return None  # a FIFO would keep its reader waiting
        stamp = tuple((str(p), s.st_size, s.st_mtime_ns) for p, s in zip(files, seen, strict=True))
        key = str(path)
        known = self._known.get(key)
        if known is not None and known[0] == stamp:
            return known[1]
        facts = _read(files, sum(size for _, size, _ in stamp), reader, problem)
        facts = replace(facts, changed=max(changed for _, _, changed in stamp))
        self._remember(key, stamp, facts)
        return facts

    def _remember(self, key: str, stamp: Stamp, facts: FileFacts) -> None:
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[key] = stamp, facts


Reader = Callable[[Path], FileFacts]


def parts(path: Path) -> tuple[Path, ...]:
    """Every file of the set that a path names, in order; none where it leads nowhere, or to what is no plain file."""
    try:
        found = _parts(path)[0]
        return tuple(found) if all(stat.S_ISREG(part.stat().st_mode) for part in found) else ()
    except (OSError, ValueError):
        return ()


def shards(directory: Path) -> frozenset[str]:
    """The files that the index of a directory names; none where there is no index, or no sense in it."""
    try:
        return frozenset(_indexed(directory / INDEX))
    except (OSError, WeightsError):
        return frozenset()


def _parts(path: Path) -> tuple[Sequence[Path], Reader | None, str]:
    """The files that belong together, how to read each, and what is amiss with the set; OSError if it is not there."""
    if stat.S_ISDIR(path.stat().st_mode):
        return _shards(path)
    if path.name.endswith(".safetensors"):
        return [path], _read_safetensors, ""
    match = _PART.match(path.name)
    if match is None:
        return [path], _read_gguf, ""
    count = int(match["count"])
    if not 0 < count <= _MOST_PARTS:
        return [path], None, f"it claims to be one of {count} parts"
    named = [path.with_name(f"{match['stem']}-{i:05}-of-{count:05}.gguf") for i in range(1, count + 1)]
    there = [part for part in named if part.is_file()]
    missing = count - len(there)
    return there or [path], _read_gguf, f"{missing} of its {count} parts are missing" if missing else ""


def _shards(directory: Path) -> tuple[Sequence[Path], Reader | None, str]:
    index = directory / INDEX
    problem = ""
    if index.is_file():
        try:
            names = _indexed(index)
        except WeightsError as error:
            problem = f"{INDEX}: {error}"
        else:
            there = [directory / name for name in names if (directory / name).is_file()]
            missing = len(names) - len(there)
            problem = f"{missing} of its {len(names)} files are missing" if missing else ""
            return there, _read_safetensors, problem
    return sorted(directory.glob("*.safetensors"))[: safetensors.MAX_SHARDS], _read_safetensors, problem


def _indexed(index: Path) -> list[str]:
    with index.open("rb") as file:
        text = file.read(safetensors.MAX_HEADER + 1)
    if len(text) > safetensors.MAX_HEADER:
        raise WeightsError(f"more than {safetensors.MAX_HEADER} bytes")
    return safetensors.shards(text)


def _read(files: Sequence[Path], size: int, reader: Reader | None, problem: str) -> FileFacts:
    plain = FileFacts("plain", size, len(files), problem=problem)
    if reader is None or problem:
        return plain
    try:
        read = [reader(part) for part in files]
    except WeightsError as error:
        return replace(plain, problem=str(error))
    except OSError as error:
        return replace(plain, problem=f"can't be read: {error.strerror}")
    tensors = sum(each.tensors for each in read)
    vocabulary = max(each.vocabulary for each in read)
    return replace(read[0], size=size, parts=len(files), tensors=tensors, vocabulary=vocabulary)


def _read_gguf(path: Path) -> FileFacts:
    size = path.stat().st_size
    with path.open("rb", buffering=1 << 18) as file:
        header = gguf.read(file, size)
    return FileFacts("gguf", size, 1, header.tensors, header.vocabulary, header.metadata)


def _read_safetensors(path: Path) -> FileFacts:
    size = path.stat().st_size
    with path.open("rb") as file:
        return FileFacts("safetensors", size, 1, safetensors.tensor_bytes(file, size))

"""Reads the header of a GGUF file: metadata and tensor sizes, never tensor data.

The file is anybody's: whatever it says, no more than MAX_HEADER bytes are read and MAX_KEPT values kept, and nothing
but WeightsError is raised. Format: docs/gguf.md of ggml; versions 2 and 3, little endian.
"""

import struct
from dataclasses import dataclass, field
from typing import BinaryIO

from zoosup.core.state.weights import Value

MAX_HEADER = 64 * 2**20
"""Bytes; the largest known headers (vocabularies of 262,000 tokens with their merges) have under 16 MiB."""

MAX_KEYS, MAX_TENSORS, MAX_KEPT = 65_536, 262_144, 65_536
MAX_NAME, MAX_STRING, MAX_ARRAY = 1024, 256, 4096
"""Bytes of a name, bytes of a string that is kept, elements of an array that is kept."""

_SCALARS = {
    0: struct.Struct("<B"), 1: struct.Struct("<b"), 2: struct.Struct("<H"), 3: struct.Struct("<h"),
    4: struct.Struct("<I"), 5: struct.Struct("<i"), 6: struct.Struct("<f"), 7: struct.Struct("<?"),
    10: struct.Struct("<Q"), 11: struct.Struct("<q"), 12: struct.Struct("<d"),
}  # fmt: skip
_STRING, _ARRAY = 8, 9
_U32, _U64, _COUNTS = struct.Struct("<I"), struct.Struct("<Q"), struct.Struct("<QQ")
_MAX_DIMENSIONS = 4
_ALIGNMENT = 32

BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 40),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82),
    23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2),
    34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36), 41: (128, 18),
}  # fmt: skip
"""ggml_type -> (elements of a block, bytes of a block), from ggml.h and gguf-py."""


class WeightsError(Exception):
    """A header that can't be used; the text says why, for people."""


@dataclass(slots=True)
class Header:
    """What one file says of itself; bytes."""

    metadata: dict[str, Value] = field(default_factory=dict)
    tensors: int = 0
    vocabulary: int = 0


def read(file: BinaryIO, size: int) -> Header:
    """Read the header of a file of `size` bytes, positioned at its start; WeightsError, or OSError by the disk."""
    cursor = _Cursor(file, size)
    header = Header()
    keys, tensors = _counts(cursor)
    alignment = _read_metadata(cursor, header, keys)
    end = _read_tensors(cursor, header, tensors, alignment)
    start = -(-cursor.at // alignment) * alignment
    if tensors and start + end > size:
        raise WeightsError(f"truncated: its tensors end at byte {start + end}, the file at {size}")
    return header


class _Cursor:
    """A place in the file, and how far it may still go."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self.at = 0
        self._bound = min(size, MAX_HEADER)
        self._whole = size <= MAX_HEADER

    def take(self, count: int) -> bytes:
        self._allow(count)
        data = self._file.read(count)
        if len(data) != count:
            raise WeightsError("truncated: the file ends within its header")
        self.at += count
        return data

    def skip(self, count: int) -> None:
        self._allow(count)
        if count:
            self._file.seek(count, 1)
            self.at += count

    def _allow(self, count: int) -> None:
        if self.at + count > self._bound:
            said = "truncated: the file ends within its header"
            raise WeightsError(said if self._whole else f"its header has more than {MAX_HEADER} bytes")

    def u32(self) -> int:
        return int(_U32.unpack(self.take(4))[0])

    def u64(self) -> int:
        return int(_U64.unpack(self.take(8))[0])

    def name(self) -> str:
        length = self.u64()
        if length > MAX_NAME:
            raise WeightsError(f"a name of {length} bytes")
        return self.take(length).decode("utf-8", "replace")


def _counts(cursor: _Cursor) -> tuple[int, int]:
    if cursor.take(4) != b"GGUF":
        raise WeightsError("not a GGUF file")
    version = cursor.u32()
    if version and not version & 0xFFFF:
        raise WeightsError("a big-endian GGUF file; only little-endian ones are read")
    if version not in (2, 3):
        raise WeightsError(f"GGUF version {version}; 2 and 3 are known")
    tensors, keys = _COUNTS.unpack(cursor.take(16))
    if keys > MAX_KEYS or tensors > MAX_TENSORS:
        raise WeightsError(f"it claims {keys} keys and {tensors} tensors")
    return keys, tensors


def _read_metadata(cursor: _Cursor, header: Header, keys: int) -> int:
    """Keep what estimates ask for; answers with the alignment of the tensor data."""
    left = MAX_KEPT
    for _ in range(keys):
        name = cursor.name()
        value = _value(cursor, cursor.u32(), keep=not name.startswith("tokenizer."))
        left -= len(value) if isinstance(value, tuple) else 1
        if value is not None and left >= 0:
            header.metadata[name] = value
    alignment = header.metadata.get("general.alignment", _ALIGNMENT)
    if not isinstance(alignment, int) or not 0 < alignment <= 2**20:
        raise WeightsError(f"general.alignment is {alignment}")
    return alignment


def _value(cursor: _Cursor, kind: int, *, keep: bool) -> Value | None:
    if kind == _STRING:
        return _string(cursor, keep=keep)
    if kind == _ARRAY:
        return _array(cursor, keep=keep)
    scalar = _scalar(kind)
    value: Value = scalar.unpack(cursor.take(scalar.size))[0]
    return value if keep else None


def _scalar(kind: int) -> struct.Struct:
    if kind not in _SCALARS:
        raise WeightsError(f"a value of unknown type {kind}")
    return _SCALARS[kind]


def _string(cursor: _Cursor, *, keep: bool) -> str | None:
    length = cursor.u64()
    if not keep or length > MAX_STRING:
        cursor.skip(length)
        return None
    return cursor.take(length).decode("utf-8", "replace")


def _array(cursor: _Cursor, *, keep: bool) -> tuple[int | float | bool, ...] | None:
    kind, count = cursor.u32(), cursor.u64()
    if kind == _STRING:
        for _ in range(count):  # ends at MAX_HEADER, whatever the count: each takes eight bytes at least
            cursor.skip(cursor.u64())
        return None
    if kind == _ARRAY:
        raise WeightsError("an array of arrays, which llama.cpp does not have")
    scalar = _scalar(kind)
    if not keep or count > MAX_ARRAY:
        cursor.skip(scalar.size * count)
        return None
    data = cursor.take(scalar.size * count)
    return tuple(each[0] for each in scalar.iter_unpack(data))


def _read_tensors(cursor: _Cursor, header: Header, count: int, alignment: int) -> int:
    """Sum the tensors up; where the last one ends, counted from the start of the data."""
    end = 0
    for _ in range(count):
        name = cursor.name()
        dimensions = cursor.u32()
        if dimensions > _MAX_DIMENSIONS:
            raise WeightsError(f"{name!r} has {dimensions} dimensions")
        shape = struct.unpack(f"<{dimensions}Q", cursor.take(8 * dimensions))
        kind, offset = cursor.u32(), cursor.u64()
        taken = _tensor_bytes(name, shape, kind)
        if offset % alignment:
            raise WeightsError(f"{name!r} is not aligned")
        header.tensors += taken
        end = max(end, offset + taken)
        if name == "token_embd.weight" and len(shape) > 1:
            header.vocabulary = shape[1]
    return end


def _tensor_bytes(name: str, shape: tuple[int, ...], kind: int) -> int:
    if kind not in BLOCKS:
        raise WeightsError(f"{name!r} is of unknown type {kind}")
    elements, size = BLOCKS[kind]
    total = 1
    for each in shape:
        total *= each
    if shape and shape[0] % elements:
        raise WeightsError(f"{name!r} has rows of {shape[0]}, which its blocks of {elements} don't divide")
    return total // elements * size

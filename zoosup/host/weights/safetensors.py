"""Reads the header of a safetensors file, and the index of a split one: how many bytes of tensors there are.

Bounded as `gguf` is: at most MAX_HEADER bytes are read, and nothing but WeightsError is raised.
Format: https://huggingface.co/docs/safetensors.
"""

import json
import struct
from typing import Any, BinaryIO

from zoosup.host.weights.gguf import WeightsError

MAX_HEADER = 16 * 2**20
"""Bytes of JSON that are read; the format allows 100 MB, files of 300 GB have under 1 MB."""

MAX_SHARDS = 4096


def tensor_bytes(file: BinaryIO, size: int) -> int:
    """Bytes of tensor data in a file of `size` bytes, positioned at its start; WeightsError, or OSError by the disk."""
    start = file.read(8)
    if len(start) != 8:  # noqa: PLR2004 - the length of a length
        raise WeightsError("truncated: the file ends within its header")
    length = int(struct.unpack("<Q", start)[0])
    if length > min(MAX_HEADER, size - 8):
        raise WeightsError(f"its header claims {length} bytes")
    header = _object(file.read(length))
    end = max((_end(name, entry) for name, entry in header.items() if name != "__metadata__"), default=0)
    if 8 + length + end > size:
        raise WeightsError(f"truncated: its tensors end at byte {8 + length + end}, the file at {size}")
    return end


def shards(text: bytes) -> list[str]:
    """The files that an index names, each once; a name that leads out of its directory is a WeightsError."""
    named = _object(text).get("weight_map")
    if not isinstance(named, dict):
        raise WeightsError("its weight_map is missing")
    files = dict.fromkeys(named.values())
    if len(files) > MAX_SHARDS or not all(isinstance(f, str) and f and "/" not in f for f in files):
        raise WeightsError("its weight_map names no proper files")
    return list(files)


def _object(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"its header is no JSON: {type(error).__name__}") from None
    if not isinstance(found, dict):
        raise WeightsError("its header is no JSON object")
    return found


def _end(name: str, entry: Any) -> int:
    match entry:
        case {"data_offsets": [int(start), int(end)]} if 0 <= start <= end:
            return end
    raise WeightsError(f"{name!r} has no proper data_offsets")

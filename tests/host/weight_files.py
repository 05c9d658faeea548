"""Weight files of a few hundred bytes, good and bad, made without any library that could be wrong with us."""

import json
import struct

LLAMA = {
    "general.architecture": "llama",
    "llama.block_count": 2,
    "llama.context_length": 4096,
    "llama.embedding_length": 64,
    "llama.feed_forward_length": 128,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
}
F32, F16, Q8_0 = 0, 1, 8


def gguf(
    metadata=LLAMA, tensors=(("token_embd.weight", (64, 300), F16, 38_400),), *, version=3, order="<", pad=0
):
    """A GGUF file; tensors are (name, shape, type, bytes), their data zeros."""
    infos, offset = b"", 0
    for name, shape, kind, size in tensors:
        infos += _text(name, order) + struct.pack(f"{order}I{len(shape)}Q", len(shape), *shape)
        infos += struct.pack(f"{order}IQ", kind, offset)
        offset += -(-size // 32) * 32
    keys = b"".join(_text(name, order) + _value(value, order) for name, value in metadata.items())
    head = b"GGUF" + struct.pack(f"{order}IQQ", version, len(tensors), len(metadata)) + keys + infos
    return head + bytes(-len(head) % 32) + bytes(offset + pad)


def safetensors(sizes):
    """A safetensors file with tensors of so many bytes."""
    header, at = {}, 0
    for number, size in enumerate(sizes):
        header[f"t{number}"] = {"dtype": "U8", "shape": [size], "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(at)


def _text(text, order):
    data = text.encode()
    return struct.pack(f"{order}Q", len(data)) + data


def _value(value, order):
    if isinstance(value, str):
        return struct.pack(f"{order}I", 8) + _text(value, order)
    if not isinstance(value, tuple):
        kind, code = _scalar(value)
        return struct.pack(f"{order}I{code}", kind, value)
    if isinstance(value[0], str):
        return struct.pack(f"{order}IIQ", 9, 8, len(value)) + b"".join(_text(v, order) for v in value)
    kind, code = _scalar(value[0])
    return struct.pack(f"{order}IIQ{len(value)}{code}", 9, kind, len(value), *value)


def _scalar(value):
    return {bool: (7, "?"), int: (4, "I"), float: (6, "f")}[type(value)]

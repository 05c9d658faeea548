"""Models of any size with random weights, written as fast as the disk takes them.

Knows what llama.cpp asks of a GGUF file of the llama, gemma2, gemma3 and qwen3 kinds. What they say is noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import gguf
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Q8_0, Q4_0, F16, F32 = (gguf.GGMLQuantizationType[name] for name in ("Q8_0", "Q4_0", "F16", "F32"))


@dataclass(frozen=True)
class Shape:
    """What the model is like; `kind` is that of its matrices."""

    architecture: str = "llama"
    width: int = 512
    feed: int = 1536
    layers: int = 8
    heads: int = 8
    kv_heads: int = 2
    vocabulary: int = 32_000
    window: int = 0
    kind: gguf.GGMLQuantizationType = F16
    head: int = 0
    trained: int = 131_072

    @property
    def head_width(self) -> int:
        return self.head or self.width // self.heads


def write(path: Path, shape: Shape) -> Path:
    """Write the model."""
    writer = gguf.GGUFWriter(path, shape.architecture)
    _describe(writer, shape)
    _tokenizer(writer, shape.vocabulary)
    tensors = list(_tensors(shape))
    for name, dimensions, kind in tensors:
        block, size = gguf.GGML_QUANT_SIZES[kind]
        count = int(np.prod(dimensions)) // block * size
        of = np.dtype(np.float32 if kind is F32 else np.float16 if kind is F16 else np.uint8)
        given = dimensions if kind in {F32, F16} else (*dimensions[:-1], dimensions[-1] // block * size)
        writer.add_tensor_info(name, given, of, count, raw_dtype=None if kind in {F32, F16} else kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for _, dimensions, kind in tensors:
        writer.write_tensor_data(_noise(int(np.prod(dimensions)), kind))
    writer.close()
    return path


def _describe(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_name("random")
    writer.add_context_length(shape.trained)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_width)
    writer.add_value_length(shape.head_width)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_vocab_size(shape.vocabulary)
    if shape.window:
        writer.add_sliding_window(shape.window)


def _tokenizer(writer: gguf.GGUFWriter, size: int) -> None:
    tokens = [b"<unk>", b"<s>", b"</s>", *(f"<0x{byte:02X}>".encode() for byte in range(256))]
    tokens += [f"w{i}".encode() for i in range(len(tokens), size)]
    special = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    kinds = special + [gguf.TokenType.BYTE] * 256
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([-float(i) for i in range(size)])
    writer.add_token_types(kinds + [gguf.TokenType.NORMAL] * (size - len(kinds)))
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)


def _tensors(shape: Shape) -> Iterator[tuple[str, tuple[int, ...], gguf.GGMLQuantizationType]]:
    gemma = shape.architecture.startswith("gemma")
    queries, keys = shape.heads * shape.head_width, shape.kv_heads * shape.head_width
    yield "token_embd.weight", (shape.vocabulary, shape.width), shape.kind
    yield "output_norm.weight", (shape.width,), F32
    if not gemma:
        yield "output.weight", (shape.vocabulary, shape.width), shape.kind
    for block in (f"blk.{i}" for i in range(shape.layers)):
        norms = ["attn_norm", "ffn_norm"] + (["post_attention_norm", "post_ffw_norm"] if gemma else [])
        for name in norms:
            yield f"{block}.{name}.weight", (shape.width,), F32
        if shape.architecture in {"gemma3", "qwen3"}:
            for name in ("attn_q_norm", "attn_k_norm"):
                yield f"{block}.{name}.weight", (shape.head_width,), F32
        yield f"{block}.attn_q.weight", (queries, shape.width), shape.kind
        yield f"{block}.attn_k.weight", (keys, shape.width), shape.kind
        yield f"{block}.attn_v.weight", (keys, shape.width), shape.kind
        yield f"{block}.attn_output.weight", (shape.width, queries), shape.kind
        yield f"{block}.ffn_gate.weight", (shape.feed, shape.width), shape.kind
        yield f"{block}.ffn_up.weight", (shape.feed, shape.width), shape.kind
        yield f"{block}.ffn_down.weight", (shape.width, shape.feed), shape.kind


_RANDOM = np.random.default_rng(1)
_PIECE = (_RANDOM.standard_normal(1 << 20) * 0.02).astype(np.float16)


def _noise(count: int, kind: gguf.GGMLQuantizationType) -> np.ndarray:
    if kind is F32:
        return np.ones(count, dtype=np.float32)
    if kind is F16:
        return np.resize(_PIECE, count)
    block, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = np.resize(_RANDOM.integers(0, 256, (4096, size), dtype=np.uint8), (count // block, size))
    blocks[:, :2] = np.frombuffer(np.float16(0.0005).tobytes(), dtype=np.uint8)  # the scale of the block
    return blocks

"""A llama of 230 KB with random weights: enough for llama-server to load, tokenize, decode and stream.

Knows the least that the llama architecture needs in a GGUF file. What the model says is noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gguf
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

WIDTH, FEED_FORWARD, LAYERS, HEADS, KV_HEADS = 64, 128, 2, 4, 2
VOCABULARY = [b"<unk>", b"<s>", b"</s>", *(f"<0x{byte:02X}>".encode() for byte in range(256))]
CONTEXT = 1 << 20
KV_BYTES_PER_TOKEN = LAYERS * 2 * (WIDTH // HEADS * KV_HEADS) * 2
"""Keys and values, f16. By its context a server can be made to hold memory that the weights do not need."""


def write(path: Path, seed: int) -> Path:
    """Write the model; the same seed gives the same file."""
    writer = gguf.GGUFWriter(path, "llama")
    _describe(writer)
    _tokenizer(writer)
    _weights(writer, np.random.default_rng(seed))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_lora(path: Path, seed: int) -> Path:
    """Write a LoRA adapter for it, of rank 4 on one matrix a layer: strong enough for its words to be others."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 4.0)
    random = np.random.default_rng(seed)
    for block in (f"blk.{i}" for i in range(LAYERS)):
        for part, shape in (("lora_a", (4, WIDTH)), ("lora_b", (WIDTH, 4))):
            values = random.standard_normal(shape).astype(np.float32)
            writer.add_tensor(f"{block}.attn_output.weight.{part}", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _describe(writer: gguf.GGUFWriter) -> None:
    writer.add_name("random")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(VOCABULARY))


def _tokenizer(writer: gguf.GGUFWriter) -> None:
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(VOCABULARY)
    writer.add_token_scores([0.0] * len(VOCABULARY))
    writer.add_token_types(kinds + [gguf.TokenType.BYTE] * 256)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)


def _weights(writer: gguf.GGUFWriter, random: np.random.Generator) -> None:
    def matrix(name: str, *shape: int) -> None:
        writer.add_tensor(f"{name}.weight", (random.standard_normal(shape) * 0.05).astype(np.float16))

    def norm(name: str) -> None:
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, dtype=np.float32))

    matrix("token_embd", len(VOCABULARY), WIDTH)
    matrix("output", len(VOCABULARY), WIDTH)
    norm("output_norm")
    for block in (f"blk.{i}" for i in range(LAYERS)):
        norm(f"{block}.attn_norm")
        norm(f"{block}.ffn_norm")
        matrix(f"{block}.attn_q", WIDTH, WIDTH)
        matrix(f"{block}.attn_k", WIDTH // HEADS * KV_HEADS, WIDTH)
        matrix(f"{block}.attn_v", WIDTH // HEADS * KV_HEADS, WIDTH)
        matrix(f"{block}.attn_output", WIDTH, WIDTH)
        matrix(f"{block}.ffn_gate", FEED_FORWARD, WIDTH)
        matrix(f"{block}.ffn_up", FEED_FORWARD, WIDTH)
        matrix(f"{block}.ffn_down", WIDTH, FEED_FORWARD)

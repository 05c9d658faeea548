"""Metadata of GGUF files in a line, so that an example says only what it is about."""

from zoosup.core.estimation.kv_cache import Metadata


def meta(arch="llama", **values):
    plain = {
        "block_count": 8, "context_length": 4096, "embedding_length": 512,
        "attention.head_count": 8, "attention.head_count_kv": 2,
    }  # fmt: skip
    given_ = {name.replace("__", "."): value for name, value in values.items()}
    named = {f"{arch}.{name}": value for name, value in (plain | given_).items() if value is not None}
    return Metadata({"general.architecture": arch} | named)


def gemma3(**more):
    return meta(
        "gemma3", block_count=12, attention__head_count_kv=4, attention__key_length=128,
        attention__value_length=128, attention__sliding_window=512, **more,
    )  # fmt: skip

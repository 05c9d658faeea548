"""The options of llama-server as its presets spell them, and the words that say the same on a command line.

By common/arg.cpp and common/preset.cpp of llama.cpp. Refuses to know which of them a short form has a field for.
"""

from collections.abc import Iterator

_SAME = {
    "m": "model", "hf": "hf-repo", "hfr": "hf-repo", "hff": "hf-file", "mm": "mmproj", "c": "ctx-size",
    "np": "parallel",
    "ngl": "gpu-layers", "n-gpu-layers": "gpu-layers", "ctk": "cache-type-k", "ctv": "cache-type-v", "fa": "flash-attn",
    "b": "batch-size", "md": "model-draft", "spec-draft-model": "model-draft", "cmoe": "cpu-moe", "ncmoe": "n-cpu-moe",
    "cram": "cache-ram", "embeddings": "embedding", "rerank": "reranking", "a": "alias",
    "fit": "fit", "rea": "reasoning", "kvu": "kv-unified", "no-kvu": "no-kv-unified", "kvo": "kv-offload",
    "nkvo": "no-kv-offload", "cb": "cont-batching", "nocb": "no-cont-batching", "nr": "no-repack", "e": "escape",
    "v": "verbose", "bs": "backend-sampling", "cmoed": "cpu-moe-draft", "sp": "special",
}  # fmt: skip
"""Other spellings of an option."""

_SHORT = frozenset(
    {
        "t", "tb", "n", "ub", "sm", "ts", "mg", "ot", "dev", "ctkd", "ctvd", "ngld", "s", "l", "to", "sps", "ctxcp",
        "cms", "fitt", "fitc", "lm", "lzm", "lv", "C", "Cr", "Cb", "Crb", "dt", "ncffn", "mu", "hft", "hfd", "j", "jf",
        "td", "tbd", "Cd", "otd", "ncmoed", "devd", "lcs", "lcd", "r", "mmu", "mmdev",
    }
)  # fmt: skip
"""Those that stand behind one dash."""

_ON_OR_OFF = frozenset({"fit", "flash-attn", "log-colors", "reasoning"})
"""Options whose value is on or off."""

_ALONE = frozenset(
    {
        "swa-full", "no-host", "check-tensors", "log-disable", "verbose", "log-verbose", "offline", "ignore-eos",
        "backend-sampling", "cpu-moe", "cpu-moe-draft", "spec-draft-cpu-moe", "special", "spm-infill", "reuse-port",
        "embedding", "reranking", "metrics", "props", "lora-init-without-apply", "mlock", "list-devices",
        "spec-default",
    }
)  # fmt: skip
"""Options without a value and without an opposite: what is off is not said."""

_PAIRED = frozenset(
    {
        "agent", "cache-idle-slots", "cache-prompt", "cont-batching", "context-shift", "cors-credentials", "direct-io",
        "escape", "jinja", "kv-offload", "kv-unified", "log-jsonl", "log-prefix", "log-timestamps", "mmap", "mmproj",
        "mmproj-auto", "mmproj-offload", "models-autoload", "op-offload", "perf", "prefill-assistant",
        "reasoning-preserve", "repack", "skip-chat-parsing", "slots", "spec-draft-backend-sampling", "ui", "warmup",
        "webui",
    }
)  # fmt: skip
"""Options without a value whose opposite begins with no-."""

_YES, _NO = frozenset({"true", "on", "enabled", ""}), frozenset({"false", "off", "disabled"})


def long_name(key: str) -> str:
    """The name under which an option is kept, for any of its spellings."""
    bare = key.lstrip("-").replace("_", "-")
    return _SAME.get(bare, bare)


def is_yes(text: str) -> bool:
    """Whether llama.cpp takes it for true, where a truth value is asked for."""
    return text.lower() in _YES or text == "1"


def is_no(text: str) -> bool:
    """Whether llama.cpp takes it for false, where a truth value is asked for."""
    return text.lower() in _NO or text == "0"


def on_or_off(text: str) -> str:
    """What an option takes whose value is on or off; any other text as it is."""
    return "on" if is_yes(text) else "off" if is_no(text) else text


def option_words(key: str, value: str) -> Iterator[str]:
    """The option as words. 1 and 0 are numbers, but of options that are known to take none."""
    dashed = f"-{key}" if key in _SHORT else f"--{key}"
    positive = key.removeprefix("no-")
    known = key in _ALONE or positive in _PAIRED
    if key in _ON_OR_OFF:
        yield from (dashed, on_or_off(value))
    elif value.lower() in _YES or (known and is_yes(value)):
        yield dashed
    elif value.lower() not in _NO and not (known and is_no(value)):
        yield from (dashed, value)
    elif key not in _ALONE:
        yield f"--{positive}" if positive != key else f"--no-{key}"

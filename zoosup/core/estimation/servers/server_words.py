"""What the words and variables of one known server say about memory.

Knows the options of llama-server (common/arg.cpp of llama.cpp), llama_cpp.server, vLLM, SGLang, mlx_lm.server,
mlx-openai-server, sd-server, text-embeddings-router and TabbyAPI, and the LLAMA_ARG_* variables. Refuses to know what
lies at a path, and passes over what it does not know: the options that are not about memory are many, and change often.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from zoosup.core.estimation.servers.containers import TABBY
from zoosup.core.estimation.servers.server import (
    GIB,
    LLAMA_CPP_PYTHON,
    LLAMA_SERVER,
    TEI,
    VLLM,
    WHOLE,
    Server,
)
from zoosup.core.estimation.servers.server_options import (
    ADAPTERS,
    BY_OPTION,
    BY_OTHER_OPTION,
    GGML_TYPES,
    LLAMA_FLAGS,
    NAMED_ADAPTERS,
    PARTS,
)
from zoosup.spec.model.values.weight_names import gguf_at_hub

_SHARE = re.compile(r"(?:0?\.\d{1,6}|1(?:\.0{0,6})?)\Z")
_TOKENS = re.compile(r"(?P<number>\d{1,10}(?:\.\d{1,6})?)(?P<unit>[kKmM]?)\Z")
_UNITS = {"": 1, "k": 10**3, "K": 2**10, "m": 10**6, "M": 2**20}
_TRUE, _FALSE = frozenset({"on", "enabled", "true", "1"}), frozenset({"off", "disabled", "false", "0"})


# llama.cpp


@dataclass(slots=True)
class _Options:
    """What was said of each subject; the last word counts, and the command line's before the environment's."""

    values: dict[str, str] = field(default_factory=dict)
    flags: dict[str, bool] = field(default_factory=dict)
    adapters: list[str] = field(default_factory=list)

    def whole(self, name: str, default: int) -> int:
        text = self.values.get(name, "")
        return int(text) if WHOLE.match(text) else default

    def at_least(self, name: str, least: int, default: int) -> int:
        return max(least, self.whole(name, default))

    def truth(self, name: str, default: bool) -> bool:
        text = self.values.get(name, "").lower()
        return True if text in _TRUE else False if text in _FALSE else default


def llama(kind: str, argv: Sequence[str], env: Mapping[str, str]) -> Server:
    """One of llama.cpp's own options."""
    options = _Options()
    if kind == LLAMA_SERVER:
        _read_environment(options, env)
    _read_words(options, argv)
    python = kind == LLAMA_CPP_PYTHON
    batch = options.at_least("batch", 1, 512 if python else 2048)
    return Server(
        kind,
        model=options.values.get("model", "") or _at_hub(options),
        mmproj=options.values.get("mmproj", ""),
        mmproj_auto=options.flags.get("mmproj-auto", True),
        adapters=tuple(options.adapters),
        draft=options.values.get("draft", ""),
        draft_types=(_type(options, "draft-type-k"), _type(options, "draft-type-v")),
        context=options.at_least("context", 0, 2048 if python else 0),
        per_slot=options.at_least("per-slot", 0, 0),
        batch=batch,
        ubatch=min(batch, options.at_least("ubatch", 1, 512)),
        parallel=1 if python else options.at_least("parallel", -1, -1) or 1,
        unified=options.flags.get("unified"),
        types=(_type(options, "type-k"), _type(options, "type-v")),
        swa_full=options.flags.get("swa-full", False),
        flash=options.truth("flash", not python),
        mmap=_mapped(options),
        gpu_layers=options.values.get("layers", "0" if python else "auto"),
        prompt_cache=_python_cache(options) if python else _prompt_cache(options),
        checkpoints=0 if python else options.at_least("checkpoints", 0, 32),
        devices=options.values.get("devices", ""),
        kv_offload=options.flags.get("kv-offload", options.truth("kv-offload", default=True)),
        mmproj_offload=options.flags.get("mmproj-offload", True),
        scattered=options.flags.get("scattered", False) or "scattered" in options.values,
    )


def _at_hub(options: _Options) -> str:
    """The weights that -hf names: hf://owner/repo:QUANT, or with the file that -hff names."""
    repo, file = options.values.get("repo", ""), options.values.get("repo-file", "")
    if not repo:
        return ""
    return gguf_at_hub(repo, file)


def _read_words(options: _Options, argv: Sequence[str]) -> None:
    for index, word in enumerate(argv):
        option, equals, value = split_option(word)
        following = argv[index + 1] if index + 1 < len(argv) else ""
        given = value if equals else following
        if option in LLAMA_FLAGS:
            name, truth = LLAMA_FLAGS[option]
            options.flags[name] = truth
        elif option in ADAPTERS:
            options.adapters += _paths(given, scaled=ADAPTERS[option])
        elif option in BY_OPTION:
            options.values[BY_OPTION[option]] = given


def split_option(word: str) -> tuple[str, str, str]:
    """--flag=value in its three parts; llama.cpp takes --ctx_size for --ctx-size."""
    if not word.startswith("-"):
        return "", "", ""
    option, equals, value = word.partition("=")
    return (option.replace("_", "-") if option.startswith("--") else option), equals, value


def _paths(text: str, *, scaled: bool) -> Iterator[str]:
    for each in text.split(","):
        path = each.rpartition(":")[0] if scaled and ":" in each else each
        if path:
            yield path


def _read_environment(options: _Options, env: Mapping[str, str]) -> None:
    for variable, value in env.items():
        if variable in BY_OPTION:
            options.values[BY_OPTION[variable]] = value
        elif variable in LLAMA_FLAGS:
            name, truth = LLAMA_FLAGS[variable]
            options.flags[name] = truth if value.lower() in _TRUE else not truth


def _type(options: _Options, name: str) -> str:
    text = options.values.get(name, "f16").lower()
    return GGML_TYPES.get(text, text)


def _mapped(options: _Options) -> bool:
    """Whether the weights are mapped rather than read; it moves bytes between RssFile and RssAnon, not their sum."""
    mode = options.values.get("load-mode", "").lower()
    asked = options.flags.get("mmap", options.truth("mmap", default=True))
    return asked and mode not in {"none", "dio", "mlock"}


def _prompt_cache(options: _Options) -> int | None:
    if options.flags.get("embedding", False):
        return 0  # only completions are cached
    mebibytes = options.at_least("cache-ram", -1, 8192)
    return None if mebibytes < 0 else mebibytes * 2**20


def _python_cache(options: _Options) -> int:
    return options.at_least("cache-size", 0, 2 * GIB) if options.truth("cache", default=False) else 0


# the others


def other(kind: str, argv: Sequence[str], env: Mapping[str, str]) -> Server | None:
    """Any other; None where it names no weights."""
    options = _Options()
    parts: list[str] = []
    for index, word in enumerate(argv):
        option, equals, value = split_option(word)
        given = value if equals else "".join(argv[index + 1 : index + 2])
        if option in BY_OTHER_OPTION:
            options.values[BY_OTHER_OPTION[option]] = given
        elif option in PARTS:
            parts.append(given)
        elif option in NAMED_ADAPTERS:
            options.adapters += _named(argv[index + 1 :])
    if "model" not in options.values:
        options.values["model"] = _named_otherwise(kind, argv, options, env)
    if not options.values.get("model"):
        return None
    share = options.values.get("utilization", "")
    space = env.get("VLLM_CPU_KVCACHE_SPACE", "")
    return Server(
        kind,
        model=options.values["model"],
        mmproj=options.values.get("mmproj", ""),
        adapters=(*_paths(options.values.get("lora", ""), scaled=False), *options.adapters),
        context=_tokens(options.values.get("context", "")),
        prompt_cache=0,
        checkpoints=0,
        cpu_cache=(int(space) if WHOLE.match(space) and int(space) > 0 else 4) * GIB if kind == VLLM else 0,
        utilization=float(share) if _SHARE.match(share) else 0.9,
        parts=tuple(part for part in parts if part),
    )


def _named(following: Sequence[str]) -> Iterator[str]:
    """The paths of name=path …, up to the next option; vLLM also takes JSON, which is passed over."""
    for word in following:
        if word.startswith("-"):
            return
        path = word.partition("=")[2] or word
        if not path.startswith("{"):
            yield path


def _named_otherwise(kind: str, argv: Sequence[str], options: _Options, env: Mapping[str, str]) -> str:
    """The model, where it is not an option's value."""
    if kind == VLLM:
        return _served(argv)
    if kind == TEI:
        return env.get("MODEL_ID", "")
    if kind == TABBY:
        name = options.values.get("name") or env.get("TABBY_MODEL_MODEL_NAME", "")
        folder = options.values.get("folder") or env.get("TABBY_MODEL_MODEL_DIR", "models")
        return name and f"{folder.rstrip('/')}/{name}"
    return ""


def _tokens(text: str) -> int:
    """32768, 32k (thousands) or 32K (1024 each), as vLLM reads them; 0 for anything else."""
    found = _TOKENS.match(text)
    return int(float(found["number"]) * _UNITS[found["unit"]]) if found else 0


def _served(argv: Sequence[str]) -> str:
    """The model of `vllm serve MODEL`."""
    follows = [argv[i + 1] for i, word in enumerate(argv[:-1]) if word == "serve"]
    return follows[0] if follows and not follows[0].startswith("-") else ""

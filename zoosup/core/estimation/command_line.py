"""What the command line of a known model server says about memory.

Knows the options of llama-server (common/arg.cpp of llama.cpp), llama_cpp.server, vLLM, mlx_lm.server and
mlx-openai-server, and the LLAMA_ARG_* variables. Refuses to know what lies at a path, and passes over what it does not
know: the options that are not about memory are many, and change often.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from zoosup.core.estimation.server_options import (
    ADAPTERS,
    BY_OPTION,
    BY_OTHER_OPTION,
    GGML_TYPES,
    LLAMA_FLAGS,
)
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.syntax.templates import TemplateError, render

ELSEWHERE = frozenset({"apptainer", "docker", "kubectl", "nerdctl", "podman", "singularity", "ssh"})
"""Programs that run the model where paths and memory mean something else."""

LLAMA_SERVER, LLAMA_CPP_PYTHON, VLLM, MLX, OTHER = "llama-server", "llama_cpp.server", "vllm", "mlx", "other"

_PROGRAMS = {
    "llama-server": LLAMA_SERVER,
    "llama_cpp.server": LLAMA_CPP_PYTHON,
    "vllm": VLLM,
    "vllm.entrypoints.openai.api_server": VLLM,
    "mlx_lm.server": MLX,
    "mlx_lm": MLX,
    "mlx-openai-server": MLX,
}
_LOOKED_AT = 12
"""Words at the front among which the server is looked for: wrappers such as numactl or nice come before it."""

_WHOLE = re.compile(r"[+-]?\d{1,12}\Z")
_SHARE = re.compile(r"(?:0?\.\d{1,6}|1(?:\.0{0,6})?)\Z")
_TOKENS = re.compile(r"(?P<number>\d{1,10}(?:\.\d{1,6})?)(?P<unit>[kKmM]?)\Z")
_UNITS = {"": 1, "k": 10**3, "K": 2**10, "m": 10**6, "M": 2**20}
_TRUE, _FALSE = frozenset({"on", "enabled", "true", "1"}), frozenset({"off", "disabled", "false", "0"})
_GIB = 2**30


@dataclass(frozen=True, slots=True)
class Server:
    """One server as its command line describes it; paths are words of that line. Sizes are bytes.

    `context` 0 means what the model was trained with, `parallel` -1 as many slots as llama-server thinks right (4).
    `scattered`: some tensors are kept where no count of layers tells.
    """

    kind: str
    model: str = ""
    mmproj: str = ""
    adapters: tuple[str, ...] = ()
    draft: str = ""
    draft_types: tuple[str, str] = ("f16", "f16")
    context: int = 0
    per_slot: int = 0
    batch: int = 2048
    ubatch: int = 512
    parallel: int = -1
    unified: bool | None = None
    types: tuple[str, str] = ("f16", "f16")
    swa_full: bool = False
    flash: bool = True
    mmap: bool = True
    gpu_layers: str = "auto"
    prompt_cache: int | None = 8 * _GIB  # None: bounded by the context alone
    checkpoints: int = 32
    cpu_cache: int = 0  # vLLM's KV cache where it computes on the CPU
    devices: str = ""
    kv_offload: bool = True
    mmproj_offload: bool = True
    scattered: bool = False
    utilization: float = 0.9  # what vLLM takes of a GPU

    @property
    def files(self) -> tuple[str, ...]:
        """Every path that names weights, each once."""
        named = (self.model, self.mmproj, *self.adapters, self.draft)
        return tuple(dict.fromkeys(path for path in named if path))

    @property
    def understood(self) -> bool:
        """Whether `gpu_layers` means something to it."""
        return self.kind in {LLAMA_SERVER, LLAMA_CPP_PYTHON}

    @property
    def offloads(self) -> bool:
        """Whether it would use GPUs; of servers that aren't llama.cpp's nobody knows better."""
        return not self.understood or (self.devices != "none" and self.layers_on_gpu(1) > 0)

    def layers_on_gpu(self, layers: int) -> int:
        """How many of so many layers and the output are offloaded, the last ones; auto: all."""
        wanted = int(self.gpu_layers) if _WHOLE.match(self.gpu_layers) else -1
        return layers + 1 if wanted < 0 else min(wanted, layers + 1)


def understand(spec: ModelSpec) -> Server | None:
    """What the command and the environment of a model say; None for a command that names no weights.

    Values that can't be read (`-c many`) are passed over as if they were not there: the server itself will complain.
    """
    return _understood(spec.command, tuple(spec.env.items()))


@lru_cache(maxsize=1024)  # the list of models asks it twice of each, and 20 us each would hold the loop
def _understood(command: tuple[str, ...], variables: tuple[tuple[str, str], ...]) -> Server | None:
    found = server_among(command)
    if found is None:
        return None
    kind, _, rest = found
    env = {name: _rendered(value) for name, value in variables}
    return (_llama if kind in {LLAMA_SERVER, LLAMA_CPP_PYTHON} else _other)(kind, rest, env)


def _rendered(text: str) -> str:
    try:
        return render(text, {"PORT": "0"})
    except TemplateError:
        return text


def server_among(command: Sequence[str]) -> tuple[str, str, Sequence[str]] | None:
    """(kind, its program, its arguments); an unknown program is of kind `other`, one that runs elsewhere is None."""
    argv = [_rendered(word) for word in command]
    for index, word in enumerate(argv[:_LOOKED_AT]):
        name = word.rpartition("/")[2]
        if name in ELSEWHERE:
            return None
        if name in _PROGRAMS:
            return _PROGRAMS[name], word, argv[index + 1 :]
    return OTHER, argv[0], argv[1:]


# llama.cpp


@dataclass(slots=True)
class _Said:
    """What was said of each subject; the last word counts, and the command line's before the environment's."""

    values: dict[str, str] = field(default_factory=dict)
    flags: dict[str, bool] = field(default_factory=dict)
    adapters: list[str] = field(default_factory=list)

    def whole(self, name: str, default: int) -> int:
        text = self.values.get(name, "")
        return int(text) if _WHOLE.match(text) else default

    def at_least(self, name: str, least: int, default: int) -> int:
        return max(least, self.whole(name, default))

    def truth(self, name: str, default: bool) -> bool:
        text = self.values.get(name, "").lower()
        return True if text in _TRUE else False if text in _FALSE else default


def _llama(kind: str, argv: Sequence[str], env: Mapping[str, str]) -> Server:
    said = _Said()
    if kind == LLAMA_SERVER:
        _hear_environment(said, env)
    _hear(said, argv)
    python = kind == LLAMA_CPP_PYTHON
    batch = said.at_least("batch", 1, 512 if python else 2048)
    return Server(
        kind,
        model=said.values.get("model", ""),
        mmproj=said.values.get("mmproj", ""),
        adapters=tuple(said.adapters),
        draft=said.values.get("draft", ""),
        draft_types=(_type(said, "draft-type-k"), _type(said, "draft-type-v")),
        context=said.at_least("context", 0, 2048 if python else 0),
        per_slot=said.at_least("per-slot", 0, 0),
        batch=batch,
        ubatch=min(batch, said.at_least("ubatch", 1, 512)),
        parallel=1 if python else said.at_least("parallel", -1, -1) or 1,
        unified=said.flags.get("unified"),
        types=(_type(said, "type-k"), _type(said, "type-v")),
        swa_full=said.flags.get("swa-full", False),
        flash=said.truth("flash", not python),
        mmap=_mapped(said),
        gpu_layers=said.values.get("layers", "0" if python else "auto"),
        prompt_cache=_python_cache(said) if python else _prompt_cache(said),
        checkpoints=0 if python else said.at_least("checkpoints", 0, 32),
        devices=said.values.get("devices", ""),
        kv_offload=said.flags.get("kv-offload", said.truth("kv-offload", default=True)),
        mmproj_offload=said.flags.get("mmproj-offload", True),
        scattered=said.flags.get("scattered", False) or "scattered" in said.values,
    )


def _hear(said: _Said, argv: Sequence[str]) -> None:
    for index, word in enumerate(argv):
        option, equals, value = split_option(word)
        following = argv[index + 1] if index + 1 < len(argv) else ""
        given = value if equals else following
        if option in LLAMA_FLAGS:
            name, truth = LLAMA_FLAGS[option]
            said.flags[name] = truth
        elif option in ADAPTERS:
            said.adapters += _paths(given, scaled=ADAPTERS[option])
        elif option in BY_OPTION:
            said.values[BY_OPTION[option]] = given


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


def _hear_environment(said: _Said, env: Mapping[str, str]) -> None:
    for variable, value in env.items():
        if variable in BY_OPTION:
            said.values[BY_OPTION[variable]] = value
        elif variable in LLAMA_FLAGS:
            name, truth = LLAMA_FLAGS[variable]
            said.flags[name] = truth if value.lower() in _TRUE else not truth


def _type(said: _Said, name: str) -> str:
    text = said.values.get(name, "f16").lower()
    return GGML_TYPES.get(text, text)


def _mapped(said: _Said) -> bool:
    """Whether the weights are mapped rather than read; it moves bytes between RssFile and RssAnon, not their sum."""
    mode = said.values.get("load-mode", "auto").lower()
    asked = said.flags.get("mmap", said.truth("mmap", default=True))
    return asked and mode not in {"none", "dio", "mlock"}


def _prompt_cache(said: _Said) -> int | None:
    if said.flags.get("embedding", False):
        return 0  # only completions are cached
    mebibytes = said.at_least("cache-ram", -1, 8192)
    return None if mebibytes < 0 else mebibytes * 2**20


def _python_cache(said: _Said) -> int:
    return said.at_least("cache-size", 0, 2 * _GIB) if said.truth("cache", default=False) else 0


# the others


def _other(kind: str, argv: Sequence[str], env: Mapping[str, str]) -> Server | None:
    said = _Said()
    for index, word in enumerate(argv):
        option, equals, value = split_option(word)
        if option in BY_OTHER_OPTION:
            said.values[BY_OTHER_OPTION[option]] = value if equals else "".join(argv[index + 1 : index + 2])
    if kind == VLLM and "model" not in said.values:
        said.values["model"] = _served(argv)
    if not said.values.get("model"):
        return None
    share = said.values.get("utilization", "")
    space = env.get("VLLM_CPU_KVCACHE_SPACE", "")
    return Server(
        kind,
        model=said.values["model"],
        mmproj=said.values.get("mmproj", ""),
        adapters=tuple(_paths(said.values.get("lora", ""), scaled=False)),
        context=_tokens(said.values.get("context", "")),
        prompt_cache=0,
        checkpoints=0,
        cpu_cache=(int(space) if _WHOLE.match(space) and int(space) > 0 else 4) * _GIB if kind == VLLM else 0,
        utilization=float(share) if _SHARE.match(share) else 0.9,
    )


def _tokens(text: str) -> int:
    """32768, 32k (thousands) or 32K (1024 each), as vLLM reads them; 0 for anything else."""
    found = _TOKENS.match(text)
    return int(float(found["number"]) * _UNITS[found["unit"]]) if found else 0


def _served(argv: Sequence[str]) -> str:
    """The model of `vllm serve MODEL`."""
    follows = [argv[i + 1] for i, word in enumerate(argv[:-1]) if word == "serve"]
    return follows[0] if follows and not follows[0].startswith("-") else ""

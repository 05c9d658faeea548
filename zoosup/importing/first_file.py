"""A first zoo.yaml, from what a host has: a model for each set of weights that a server here can read.

Where there is none, the demonstration server, with what to do next. Refuses to look at anything: what was seen is
handed in.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from zoosup.core.estimation.servers.containers import Served
from zoosup.core.state.stored_weights import GGUF, REPOSITORY, WHISPER, StoredWeights
from zoosup.importing.draft import Draft, Host, LeftOut, Model
from zoosup.importing.names import Names
from zoosup.importing.report import Origin, Report

LLAMA = {"context": 8192, "cache_ram": "1GiB"}
"""For each llama-server. Of its own accord it takes as many tokens as the model was trained with, often 131,072, and
8 GiB for old prompts: on most hosts not even a small model would fit.
"""

PROGRAMS: Mapping[str, tuple[str, str]] = {
    "llama-server": (GGUF, "llama"),
    "llama": (GGUF, "llama"),
    "vllm": (REPOSITORY, "vllm"),
    "mlx_lm.server": (REPOSITORY, "mlx"),
    "whisper-server": (WHISPER, "whisper"),
}
"""By program: which weights it reads, and its short form; of two for one kind the first."""

LOOKED_FOR = (*PROGRAMS, "sglang", "sd-server", "ollama")
"""These and further ones, to be told of."""

_WANTED = {
    GGUF: "llama-server (llama.cpp)",
    REPOSITORY: "vllm or mlx_lm.server",
    WHISPER: "whisper-server (whisper.cpp)",
}
_CHAT = "/v1/chat/completions -H 'content-type: application/json' \\"
_EXAMPLE = (
    "  qwen3-4b:",
    "    llama: {weights: hf://Qwen/Qwen3-4B-GGUF:Q4_K_M}",
    "    on_demand: true",
    "    fetch: true",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen of a host. `programs` are paths by their names, `images` all that its engines have."""

    python: str
    programs: Mapping[str, str]
    engines: tuple[str, ...]
    images: tuple[str, ...]
    weights: tuple[StoredWeights, ...]
    memory: Host
    gateway: str
    status: str


def first_file(seen: Seen, report: Report) -> Draft:
    """The file, for `checked.written`."""
    draft = Draft(top={"gateway": {"listen": seen.gateway}, "status": {"listen": seen.status}})
    names = Names(report)
    draft.models += [_model(each, names, seen) for each in seen.weights]
    models = [each for each in draft.models if isinstance(each, Model)]
    if models:
        draft.defaults = {"on_demand": True}
        if any("llama" in each.fields for each in models):
            draft.defaults["llama"] = dict(LLAMA)
    else:
        draft.active = ["demo"]
        draft.models.insert(0, _demo(seen))
    draft.head = [*_found(seen), "", *_go_on(models, seen)]
    return draft


def _model(weights: StoredWeights, names: Names, seen: Seen) -> Model | LeftOut:
    at = Origin(f"{weights.cache}, {_size(weights.size)}", 0)
    why = weights.problem or ("" if _is_text(weights.path) else "its name is not UTF-8: give it another")
    server = None if why else _served(weights, seen)
    if server is None:
        why = why or f"no {_WANTED[weights.kind]} here, on PATH or as an image"
        return LeftOut(weights.name, at, why, [weights.path])
    model = Model(names.of_model(weights.name, at), at, server)
    if weights.size > (seen.memory.ram or 0) + (seen.memory.vram or 0) > 0:
        model.notes.append("larger than what models may hold here: it would be refused")
    return model


def _served(weights: StoredWeights, seen: Seen) -> dict[str, Any] | None:
    """The fields of a server for it: a program here before an image, None for neither."""
    for program, (kind, form) in PROGRAMS.items():
        if kind == weights.kind and program in seen.programs:
            own = {"program": ["llama", "serve"]} if program == "llama" else {}
            return {form: {**_form(form, weights), **own}}
    for image in _known(seen):
        kind, form = PROGRAMS[Served(image).words[0]]
        if kind == weights.kind:
            return _contained(image, form, weights, on_gpu=seen.memory.vram is not None)
    return None


def _known(seen: Seen) -> list[str]:
    """The images of servers, on a host with GPUs those for GPUs first."""
    known = [each for each in seen.images if Served(each).words[0] in PROGRAMS]
    return sorted(known, key=lambda image: ("cuda" in image) != (seen.memory.vram is not None))


def _contained(image: str, form: str, weights: StoredWeights, *, on_gpu: bool) -> dict[str, Any]:
    container: dict[str, Any] = {
        "image": image, "volumes": [f"{_literal(weights.folder)}:/models:ro"], "port": 8000
    }  # fmt: skip
    if form == "vllm":
        container["options"] = {
            "ipc": "host"
        }  # its workers share memory, of which an engine gives too little
    fields = {"container": container, form: _form(form, weights, weights.folder)}
    return {**fields, "gpus": 1} if on_gpu else fields


def _form(form: str, weights: StoredWeights, folder: str = "") -> dict[str, Any]:
    """The short form's own fields; within a container paths begin at /models."""

    def path(text: str) -> str:
        return _literal(f"/models{text.removeprefix(folder)}" if folder else text)

    at_hub = form in {"vllm", "mlx"} and not folder and weights.repository
    found = {"weights": weights.repository if at_hub else path(weights.path)}
    if form == "llama" and weights.mmproj:
        found["mmproj"] = path(weights.mmproj)
    if form == "llama" and weights.task != "chat":
        found["task"] = weights.task
    return found


def _demo(seen: Seen) -> Model:
    words = [_literal(seen.python), "-m", "zoosup.demo", "--model-id", "${MODEL_ID}", "--port", "${PORT}"]
    at = Origin("a demonstration server: speaks a model's API, understands nothing", 0)
    return Model("demo", at, {"memory": {"ram": "128MiB"}}, [*words, "--ram", "64MiB"])


def _found(seen: Seen) -> Iterator[str]:
    yield "A first zoo.yaml, by zoosup init. What it saw of this host:"
    yield ""
    memory = "unknown" if seen.memory.ram is None else _size(seen.memory.ram)
    gpus = "none" if seen.memory.vram is None else f"{_size(seen.memory.vram)} on the largest"
    yield f"  for models  {memory} of RAM; GPUs: {gpus}"
    yield f"  servers     {', '.join(f'{name} ({path})' for name, path in seen.programs.items()) or 'none on PATH'}"
    images = ", ".join(_known(seen)) or "no image of a known server"
    yield (
        f"  containers  {', '.join(seen.engines)}: {images}"
        if seen.engines
        else "  containers  no engine answers"
    )
    counts: dict[str, int] = {}
    for each in seen.weights:
        counts[each.cache] = counts.get(each.cache, 0) + 1
    listed = ", ".join(f"{count} in {cache}" for cache, count in counts.items())
    yield f"  weights     {listed or 'none in the caches of llama.cpp, Hugging Face, LM Studio, Ollama'}"


def _go_on(models: list[Model], seen: Seen) -> Iterator[str]:
    name = models[0].name if models else "demo"
    yield "Start it with `zoosup run`; it follows every save of this file. Then, for instance:"
    yield ""
    yield f"  curl http://{seen.gateway}{_CHAT}"
    yield f"""      -d '{{"model": "{name}", "messages": [{{"role": "user", "content": "hello"}}]}}'"""
    yield ""
    if models:
        yield "A request starts its model, and 10 minutes after the last one it goes. One that shall always run is"
        yield "named in `active`. `zoosup estimate MODEL` says what it needs; `context` (tokens) and `cache_ram` (for"
        yield "old prompts) are most of what can be saved or spent."
        return
    yield "For a real model install llama.cpp, so that llama-server is on PATH. With weights in one of those caches"
    yield "`zoosup init --force` writes this file anew. Or put this below `models:`: the first request downloads them"
    yield "(pip install 'zoosup[fetch]'), and then starts it:"
    yield ""
    yield from _EXAMPLE


def _is_text(path: str) -> bool:
    """Whether a file can hold the path; of any other bytes Python makes what can't be written."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _literal(text: str) -> str:
    return text.replace("${", "$${")


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"

"""What the command line of a known model server says about memory.

Finds the server among the words, behind wrappers and in containers; what its own words say, `server_words` knows. Of
one in a container it tells the paths as this host has them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from zoosup.core.estimation.servers.containers import (
    TABBY,
    Made,
    Served,
    made_of,
    rendered,
    served_by,
    what_it_is,
)
from zoosup.core.estimation.servers.located import on_disk
from zoosup.core.estimation.servers.server import (
    LLAMA_CPP_PYTHON,
    LLAMA_SERVER,
    MLX,
    OTHER,
    SGLANG,
    TEI,
    VLLM,
    Server,
)
from zoosup.core.estimation.servers.server_words import llama, other
from zoosup.core.state.weights import Found
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.values.weight_names import read_name

ELSEWHERE = frozenset({"apptainer", "docker", "kubectl", "nerdctl", "podman", "singularity", "ssh"})
"""Programs that run the model where paths and memory mean something else."""

_PROGRAMS = {
    "llama-server": LLAMA_SERVER,
    "llama_cpp.server": LLAMA_CPP_PYTHON,
    "vllm": VLLM,
    "vllm.entrypoints.openai.api_server": VLLM,
    "sglang.launch_server": SGLANG,
    "mlx_lm.server": MLX,
    "mlx_lm": MLX,
    "mlx-openai-server": MLX,
    "text-embeddings-router": TEI,
    TABBY: TABBY,
}
_SERVING = {"llama": LLAMA_SERVER, "sglang": SGLANG}
"""Programs of several commands, of which `serve` is the server."""

_LOOKED_AT = 12
"""Words at the front among which the server is looked for: wrappers such as numactl or nice come before it."""


def understand(spec: ModelSpec, found: Found = ()) -> Server | None:
    """What the command and the environment of a model say; None for a command that names no weights.

    With the paths of what was `found` of weights that are named by their origin. Values that can't be read (`-c many`)
    are passed over as if they were not there: the server itself will complain.
    """
    variables = tuple(spec.env.items())
    made = what_it_is(spec)
    server = _understood(spec.command, variables) if made is None else _contained(made, variables)
    return on_disk(server, found) if server is not None else None


@lru_cache(maxsize=1024)
def _contained(made: Made, variables: tuple[tuple[str, str], ...]) -> Server | None:
    return understand_container(made_of(made, variables))


@lru_cache(maxsize=1024)  # the list of models asks it twice of each, and 20 us each would hold the loop
def _understood(command: tuple[str, ...], variables: tuple[tuple[str, str], ...]) -> Server | None:
    inside = served_by(command, dict(variables))
    if inside is not None:
        return understand_container(inside)
    found = server_among(command)
    return _server(found, {name: rendered(value) for name, value in variables}) if found is not None else None


def understand_container(inside: Served) -> Server | None:
    """The same of a container, by what it is made of; its paths are this host's, those that lead nowhere `hidden`."""
    server = _server(_among(inside.words), inside.env)
    return _on_host(server, inside) if server is not None else None


def _server(found: tuple[str, str, Sequence[str]], env: Mapping[str, str]) -> Server | None:
    kind, _, rest = found
    return (llama if kind in {LLAMA_SERVER, LLAMA_CPP_PYTHON} else other)(kind, rest, env)


def _on_host(server: Server, inside: Served) -> Server:
    """The same server with its paths as this host has them; those that lead nowhere stay, and are hidden."""
    hidden: dict[str, str] = {}

    def mapped(path: str) -> str:
        if read_name(path) is not None:
            return path
        there, why = inside.on_host(path) if path else ("", "")
        if why:
            hidden[path] = why
        return there or path

    return replace(
        server,
        model=mapped(server.model),
        parts=tuple(map(mapped, server.parts)),
        mmproj=mapped(server.mmproj),
        adapters=tuple(map(mapped, server.adapters)),
        draft=mapped(server.draft),
        contained=True,
        hidden=tuple(hidden.items()),
    )


def server_among(command: Sequence[str]) -> tuple[str, str, Sequence[str]] | None:
    """(kind, its program, its arguments); an unknown program is of kind `other`, one that runs elsewhere is None."""
    argv = [rendered(word) for word in command]
    if any(word.rpartition("/")[2] in ELSEWHERE for word in argv[: _program_at(argv)]):
        return None
    return _among(argv)


def _program_at(argv: Sequence[str]) -> int:
    """The index of the word that names a known server, else the first that is not looked at."""
    return next((index for index in range(min(_LOOKED_AT, len(argv))) if _kind_at(argv, index)), _LOOKED_AT)


def _kind_at(argv: Sequence[str], index: int) -> str:
    """The kind of the server that a word begins, "" for none."""
    name = argv[index].rpartition("/")[2]
    if name in _SERVING and argv[index + 1 : index + 2] == ["serve"]:
        return _SERVING[name]
    return _PROGRAMS.get(name, "")


def _among(argv: Sequence[str]) -> tuple[str, str, Sequence[str]]:
    at = _program_at(argv)
    if at < _LOOKED_AT:
        word = argv[at]
        own = 1 if word.rpartition("/")[2] in _PROGRAMS else 2  # with its `serve`
        return _kind_at(argv, at), word, argv[at + own :]
    return OTHER, argv[0], argv[1:]

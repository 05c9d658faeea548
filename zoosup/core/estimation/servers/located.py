"""Weights that are named by where they come from, once this host's caches have been looked through.

The words of a command with paths in place of names, and a server as it will see them. Refuses to look for anything.
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from zoosup.core.estimation.servers.server import LLAMA_SERVER, MLX, SGLANG, TEI, VLLM, Server
from zoosup.core.state.weights import Found, Located
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.values.weight_names import HUB, REPO, named_among, read_name

_OF_HUB = frozenset({VLLM, SGLANG, MLX, TEI})
"""Servers that take owner/repo for a repository at the hub."""

_NO_PROJECTOR = frozenset({"--no-mmproj", "--no-mmproj-auto"})
_PROJECTOR = frozenset({"-mm", "--mmproj"})


def names_of(spec: ModelSpec) -> tuple[str, ...]:
    """The names for which zoosup puts paths: those that a short form's words have."""
    return named_among(_words(spec)) if spec.short_form is not None else ()


def names_among(server: Server) -> Mapping[str, str]:
    """By the words by which a server is told of weights, the names that they come to; those that are paths left out."""
    found = {word: word for word in server.files if read_name(word) is not None}
    if server.kind in _OF_HUB and REPO.fullmatch(server.model):
        found[server.model] = f"{HUB}{server.model}"
    return found


def is_whole(server: Server | None) -> bool:
    """Whether a server takes hf://owner/repo for the repository as a whole, not for one GGUF of it."""
    return server is not None and server.kind in _OF_HUB


def placed(words: Sequence[str], found: Found) -> tuple[str, ...]:
    """A command with the paths of what was found, and beside llama.cpp's model its projector."""
    by_name = dict(found)
    own = any(word in _NO_PROJECTOR | _PROJECTOR for word in words)
    return tuple(part for i, word in enumerate(words) for part in _placed(words, i, word, by_name, own=own))


def _placed(
    words: Sequence[str], index: int, word: str, found: Mapping[str, Located], *, own: bool
) -> Iterator[str]:
    there = found.get(word)
    if there is None:
        yield _within(word, found)
        return
    yield there.path
    if there.mmproj and not own and words[index - 1] in {"-m", "--model"}:
        yield from ("--mmproj", there.mmproj)


def _within(word: str, found: Mapping[str, Located]) -> str:
    """A word that a shell will split has names within it."""
    for name, there in found.items():
        path = shlex.quote(there.path).replace("\\", "\\\\")
        word = re.sub(rf"(?<!\S){re.escape(name)}(?!\S)", path, word)
    return word


def on_disk(server: Server, found: Found) -> Server:
    """The server with paths for what was found, as it will see them."""
    if not found:
        return server
    by_name = dict(found)

    def path(word: str) -> str:
        return by_name[word].path if word in by_name else word

    projector = by_name[server.model].mmproj if server.model in by_name else ""
    return replace(
        server,
        model=path(server.model),
        parts=tuple(map(path, server.parts)),
        mmproj=path(server.mmproj)
        or (projector if server.mmproj_auto and server.kind == LLAMA_SERVER else ""),
        draft=path(server.draft),
    )


def _words(spec: ModelSpec) -> tuple[str, ...]:
    return spec.command if spec.container is None else spec.container.args

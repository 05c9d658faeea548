"""Weights by where they come from: `hf://owner/repo:QUANT` and its like, `ollama://name:tag`.

Knows how such names are written. Refuses to know where on a host the files are, and which of a repository's are meant.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

HUB = "hf://"
OLLAMA = "ollama://"

REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
"""owner/repo at the Hugging Face hub."""

_HUB_NAME = re.compile(
    rf"{HUB}(?P<repo>{REPO.pattern}?)(?::(?P<tag>[\w.-]+)|/(?P<file>[^@:\s]+))?(?:@(?P<revision>[\w][\w./-]*))?"
)
_OLLAMA_NAME = re.compile(
    rf"{OLLAMA}(?:(?:(?P<host>[\w.-]+(?::\d+)?)/)?(?P<namespace>[\w.-]+)/)?(?P<model>[\w.-]+)(?::(?P<tag>[\w.-]+))?"
)
_DOTS = frozenset({".", ".."})


@dataclass(frozen=True, slots=True)
class HubName:
    """At the Hugging Face hub: one `file`, what a `tag` such as Q4_K_M means, or the repository as a whole."""

    repo: str
    file: str = ""
    tag: str = ""
    revision: str = ""  # a branch, a tag or a commit; "": main


@dataclass(frozen=True, slots=True)
class OllamaName:
    """In Ollama's own store."""

    model: str
    tag: str = "latest"
    namespace: str = "library"
    host: str = "registry.ollama.ai"


def read_name(text: str) -> HubName | OllamaName | None:
    """What a name says; None for what is none, a path too."""
    if found := _HUB_NAME.fullmatch(text):
        parts = {key: value or "" for key, value in found.groupdict().items()}
        return None if leads_out(parts["file"]) or leads_out(parts["revision"]) else HubName(**parts)
    if found := _OLLAMA_NAME.fullmatch(text):
        given = {key: value for key, value in found.groupdict().items() if value}
        return None if _DOTS & set(given.values()) else OllamaName(**given)
    return None


def gguf_at_hub(repo: str, file: str = "") -> str:
    """The name of weights for llama.cpp at the hub: owner/repo or owner/repo:QUANT, or a file of owner/repo."""
    return f"{HUB}{repo.partition(':')[0]}/{file}" if file else f"{HUB}{repo}"


def named_among(words: Iterable[str]) -> tuple[str, ...]:
    """The names that stand in a command line, each once; also those within a word that a shell will split."""
    parts = (part for word in words for part in word.split() if "://" in word)
    return tuple(dict.fromkeys(part for part in parts if read_name(part) is not None))


def leads_out(path: str) -> bool:
    """Whether a path within a repository is none: absolute, or with steps such as `..`."""
    return bool(path) and bool((_DOTS | {""}) & set(path.split("/")))

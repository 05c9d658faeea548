"""What weights lie in the caches that people have: llama.cpp's, the Hugging Face hub's, LM Studio's, Ollama's.

Reads names and headers, and changes nothing. What is no model of its own (projectors, adapters, further parts) is
passed over; one that is not whole is told with its problem. The layouts are as their makers document them. Blocking.
Refuses to know what serves them.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from zoosup.core.estimation.hub_files import NO_MODELS
from zoosup.core.state.stored_weights import GGUF, REPOSITORY, WHISPER, StoredWeights
from zoosup.core.state.weights import FileFacts
from zoosup.host.weights import hub_cache, llama_cache, lm_studio, ollama
from zoosup.host.weights.listing import below
from zoosup.host.weights.reader import WeightReader
from zoosup.spec.model.values.weight_names import OllamaName

LLAMA, HUB, LM_STUDIO, OLLAMA = "llama.cpp's cache", "the Hugging Face cache", "LM Studio", "Ollama's store"

_NO_KINDS = frozenset({"adapter", "mmproj", "imatrix", "vocab"})
_NO_LANGUAGE = frozenset({"clip", "flux", "sd1", "sdxl", "sd3", "wan", "t5encoder", "whisper"})
_EMBEDDERS = ("bert", "nomic-bert", "jina-bert", "modern-bert", "gemma-embedding")
_RANKS = 4  # llama.cpp's LLAMA_POOLING_TYPE_RANK
_OLLAMAS_PARTS = 4  # of a manifest's path
_PART = re.compile(r"-\d{5}-of-\d{5}\Z")


def stored(env: Mapping[str, str]) -> list[StoredWeights]:
    """All of them, each file once, by cache and name. `env` is a user's: HOME, and the variables that move caches."""
    look = _Look()
    found: list[StoredWeights] = []
    for root in llama_cache.roots(env):
        found += [*look.flat(root), *look.hub(root, LLAMA)]
    found += look.hub(hub_cache.root(env), HUB)
    for root in lm_studio.roots(env):
        found += look.folders(root)
    for root in ollama.roots(env):
        found += look.ollama(root)
    return found


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a file lies: whose cache, the folder that holds all that its links point to, and its repository.

    That only in the hub's own cache, where a server finds it by that name; any other it would download.
    """

    cache: str
    folder: Path
    repository: str = ""


class _Look:
    """One look through all caches; what was seen in one is not told of another."""

    def __init__(self) -> None:
        self._reader = WeightReader()
        self._seen: set[str] = set()

    def flat(self, root: Path) -> Iterator[StoredWeights]:
        """OWNER_REPO_FILE.gguf beside manifest=OWNER=REPO=TAG.json."""
        files = [each for each in _inside(root) if os.path.isfile(each)]  # noqa: PTH113 - as in `below`
        manifests = [each.name.split("=") for each in files if each.name.startswith("manifest=")]
        repos = ["_".join([*each[1:3], ""]) for each in manifests]
        for file in files:
            prefix = next((each for each in repos if file.name.startswith(each)), "")
            beside = [each for each in files if each.name.startswith(prefix)] if prefix else []
            yield from self._file(file, file.name.removeprefix(prefix), _Place(LLAMA, root), beside)

    def hub(self, root: Path, cache: str) -> Iterator[StoredWeights]:
        """models--OWNER--REPO/{refs/REV, snapshots/COMMIT/PATH}."""
        for folder in _folders(root):
            kind, _, name = folder.name.partition("--")
            snapshot = hub_cache.snapshot(folder) if kind == "models" else None
            if snapshot is not None:
                yield from self._repository(snapshot, _Place(cache, folder, name.replace("--", "/", 1)))

    def folders(self, root: Path) -> Iterator[StoredWeights]:
        """PUBLISHER/REPO/FILE.gguf."""
        for publisher in _folders(root):
            for repo in _folders(publisher):
                yield from self._repository(repo, _Place(LM_STUDIO, repo))

    def ollama(self, root: Path) -> Iterator[StoredWeights]:
        """manifests/HOST/NAMESPACE/MODEL/TAG, which name blobs by their digest."""
        manifests = root / "manifests"
        for file in below(manifests):
            parts = file.split("/")
            if len(parts) != _OLLAMAS_PARTS:
                continue
            host, namespace, model, tag = parts
            with suppress(ollama.StoreError):  # no other server could run it
                if found := ollama.find(root, OllamaName(model, tag, namespace, host)):
                    name = "/".join(parts[1 + (namespace == "library") : -1]) + f":{tag}" * (tag != "latest")
                    yield from self._gguf(
                        Path(found.path), name, _Place(OLLAMA, root / "blobs"), found.mmproj
                    )

    def _repository(self, folder: Path, place: _Place) -> Iterator[StoredWeights]:
        """Every model of a repository: its files, or all of it."""
        named = below(folder)
        files = list(named.values())
        for file in files:
            beside = [each for each in files if each.parent == file.parent]
            yield from self._file(file, file.name, place, beside)
        tensors = [each for each in files if each.suffix == ".safetensors"]
        if tensors and "config.json" in named and self._is_new(tensors[0]):
            name = (place.repository or folder.name).rpartition("/")[2]
            size = sum(map(_size, tensors))
            yield _found(folder, name, REPOSITORY, place, size)

    def _file(self, file: Path, name: str, place: _Place, beside: list[Path]) -> Iterator[StoredWeights]:
        """One file of a cache, where it is the first of a model."""
        if name.startswith("ggml-") and name.endswith(".bin") and self._is_new(file):
            yield _found(file, name.removesuffix(".bin"), WHISPER, place, _size(file))
        if not name.endswith(".gguf") or name.lower().startswith(NO_MODELS):
            return
        stem, first, _ = name.removesuffix(".gguf").partition("-00001-of-")
        if first or not _PART.search(stem):
            projectors = (
                str(each) for each in beside if "mmproj" in each.name.lower() and each.suffix == ".gguf"
            )
            yield from self._gguf(file, stem, place, next(projectors, ""))

    def _gguf(self, file: Path, name: str, place: _Place, mmproj: str) -> Iterator[StoredWeights]:
        facts = dict(self._reader.look([str(file)], file.parent).files).get(str(file))
        if facts is not None and _speaks(facts) and self._is_new(file):
            found = _found(file, name, GGUF, place, facts.size)
            yield replace(found, mmproj=mmproj, task=_task(facts, name), problem=facts.problem)

    def _is_new(self, file: Path) -> bool:
        real = os.path.realpath(file)
        new = real not in self._seen
        self._seen.add(real)
        return new


def _found(path: Path, name: str, kind: str, place: _Place, size: int) -> StoredWeights:
    folder = str(place.folder)
    return StoredWeights(name, kind, str(path), folder, place.cache, size, repository=place.repository)


def _speaks(facts: FileFacts) -> bool:
    """Whether it is a model that llama-server can serve by itself."""
    said = facts.metadata
    return said.get("general.type") not in _NO_KINDS and said.get("general.architecture") not in _NO_LANGUAGE


def _task(facts: FileFacts, name: str) -> str:
    """What it is for, by its way of pooling, else by its name."""
    architecture = str(facts.metadata.get("general.architecture", ""))
    if facts.metadata.get(f"{architecture}.pooling_type") == _RANKS or "rerank" in name.lower():
        return "rerank"
    pools = facts.metadata.get(f"{architecture}.pooling_type", 0) != 0
    return "embed" if pools or architecture.startswith(_EMBEDDERS) or "embed" in name.lower() else "chat"


def _folders(root: Path) -> list[Path]:
    return [each for each in _inside(root) if os.path.isdir(each)]  # noqa: PTH112 - as in `below`


def _inside(root: Path) -> list[Path]:
    try:
        return sorted(root.iterdir())
    except OSError:
        return []


def _size(file: Path) -> int:
    with suppress(OSError):
        return file.stat().st_size
    return 0

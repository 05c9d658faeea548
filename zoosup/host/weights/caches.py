"""The caches of weights that people have, looked through in order; and why a name leads to nothing.

    hf://      LLAMA_CACHE (llama.cpp's own), the hub's cache, LM Studio's folder
    ollama://  Ollama's store, which is only read

Blocking: call it in a thread. Every look reads the disk anew, for caches change. Refuses to download.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from zoosup.core.estimation import hub_files
from zoosup.core.state.weights import Located
from zoosup.host.weights import hub_cache, llama_cache, lm_studio, ollama
from zoosup.host.weights.listing import Listing
from zoosup.host.weights.reader import shards
from zoosup.spec.model.values.weight_names import OLLAMA, HubName, read_name


def locate(text: str, env: Mapping[str, str], whole: bool) -> Located:
    """Where weights are that are named by their origin; FileNotFoundError.

    `env` says where the caches are. `whole`: hf://owner/repo means all of the repository, not one GGUF of it.
    """
    name = read_name(text)
    if name is None:
        raise FileNotFoundError(f"{text} names no weights")
    if not isinstance(name, HubName):
        return _in_ollama(text, ollama.roots(env))
    amiss = []
    for listing in _listings(name, env):
        found = _whole(listing) if whole and not (name.file or name.tag) else _chosen(name, listing)
        if isinstance(found, Located):
            return found
        amiss += [found] if found else []
    where = "; ".join(amiss) or f"is in no cache of this host ({', '.join(map(str, places(env)))})"
    raise FileNotFoundError(f"{text} {where}: zoosup fetch {text} downloads it")


def places(env: Mapping[str, str]) -> tuple[Path, ...]:
    """The folders in which weights of the hub are looked for, whether they are there or not."""
    roots = [*llama_cache.roots(env), hub_cache.root(env), *lm_studio.roots(env)]
    return tuple(dict.fromkeys(roots))


def _listings(name: HubName, env: Mapping[str, str]) -> Iterator[Listing]:
    for root in llama_cache.roots(env):
        yield from hub_cache.listings(root, name)  # as llama.cpp has it since 2026
        yield from llama_cache.listings(root, name)
    yield from hub_cache.listings(hub_cache.root(env), name)
    for root in lm_studio.roots(env):
        yield from lm_studio.listings(root, name)


def _chosen(name: HubName, listing: Listing) -> Located | str:
    """What llama.cpp would take of it, or what is amiss with that; "" where it has nothing that fits."""
    found = listing.chosen(name)
    if found is None:
        return ""
    first = listing.files[found.parts[0]]
    if found.missing:
        whole = len(found.parts) + found.missing
        return f"is not complete: {found.missing} of its {whole} parts are missing beside {first}"
    projector = str(listing.files[found.mmproj]) if found.mmproj else ""
    return Located(str(first), projector, listing.folders(found.files))


def _whole(listing: Listing) -> Located | str:
    """The directory itself, where it has a model."""
    if "config.json" not in listing.files or listing.folder is None:
        return ""
    missing = shards(listing.folder) - set(map(str, listing.files))
    if missing:
        return f"is not complete: {', '.join(sorted(missing)[:3])} missing in {listing.folder}"
    if not hub_files.has_weights(listing.files):
        return ""
    return Located(str(listing.folder), "", listing.folders(tuple(listing.files)))


def _in_ollama(text: str, roots: tuple[Path, ...]) -> Located:
    name = read_name(text)
    assert name is not None  # noqa: S101 - it was read before
    assert not isinstance(name, HubName)  # noqa: S101
    try:
        found = next((there for root in roots if (there := ollama.find(root, name)) is not None), None)
    except ollama.StoreError as error:
        raise FileNotFoundError(f"{text} {error}") from None
    if found is None:
        asked = text.removeprefix(OLLAMA)
        where = ", ".join(map(str, roots))
        raise FileNotFoundError(
            f"{text} is not in Ollama's store ({where}): ollama pull {asked} brings it there"
        )
    return found

"""What llama.cpp downloaded before it shared the hub's cache: OWNER_REPO_FILE.gguf, and manifests that say for what.

From common/arg.cpp and common/common.cpp of ggml-org/llama.cpp up to early 2026. Such names do not tell where the
owner ends, so that a quantization is found by its manifest alone.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from zoosup.core.estimation.hub_files import part_names
from zoosup.host.weights.hub_cache import cache_home, home
from zoosup.host.weights.listing import Listing
from zoosup.spec.model.values.weight_names import HubName

_LONGEST_MANIFEST = 1 << 20


def roots(env: Mapping[str, str]) -> tuple[Path, ...]:
    """LLAMA_CACHE where it is set, and where older versions kept theirs without."""
    usual = home(env) / "Library" / "Caches" if sys.platform == "darwin" else cache_home(env)
    given = env.get("LLAMA_CACHE", "")
    return (*((Path(given),) if given else ()), usual / "llama.cpp")


def listings(root: Path, name: HubName) -> Iterator[Listing]:
    """The file that is named, or those that a manifest names for the quantization; it knows no revisions."""
    if name.revision:
        return
    if name.file:
        yield _listing(root, name.repo, name.file, "")
        return
    manifest = root / f"manifest={name.repo.replace('/', '=')}={name.tag or 'latest'}.json"
    with suppress(OSError, ValueError, RecursionError):
        said = json.loads(_text(manifest))
        if file := _named(said, "ggufFile"):
            yield _listing(root, name.repo, file, _named(said, "mmprojFile"))


def _listing(root: Path, repo: str, file: str, projector: str) -> Listing:
    names = [*part_names(file), *((projector,) if projector else ())]
    paths = {each: root / f"{repo}/{each}".replace("/", "_") for each in names}
    return Listing({each: path for each, path in paths.items() if path.is_file()}, None, (file, projector))


def _text(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        return file.read(_LONGEST_MANIFEST)


def _named(manifest: Any, key: str) -> str:
    part = manifest.get(key) if isinstance(manifest, dict) else None
    file = part.get("rfilename") if isinstance(part, dict) else None
    return file if isinstance(file, str) else ""

"""Ollama's store, which is only read: manifests/HOST/NAMESPACE/MODEL/TAG, and the blobs that they name by digest.

From its source, and OCI's image manifests. A model that is a list of tensors, or needs an adapter, is refused: no other
server could run it from there.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoosup.core.state.weights import Located
from zoosup.host.weights.hub_cache import home
from zoosup.spec.model.values.weight_names import OllamaName

_KIND = "application/vnd.ollama.image."
_LIST = "application/vnd.ollama.manifest.list"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LONGEST_MANIFEST = 4 << 20
_SERVICE = Path("/usr/share/ollama/.ollama/models")


class StoreError(Exception):
    """It is there and can't be used; the text says why, and what to do."""


def roots(env: Mapping[str, str]) -> tuple[Path, ...]:
    """OLLAMA_MODELS, else the user's own store and that of the service which its installer makes."""
    given = env.get("OLLAMA_MODELS", "")
    return (Path(given),) if given else (home(env) / ".ollama" / "models", _SERVICE)


def find(root: Path, name: OllamaName) -> Located | None:
    """The model's file, and its projector; None where this store has no such model. StoreError."""
    manifest = _manifest(root / "manifests" / name.host / name.namespace / name.model / name.tag)
    if manifest is None:
        return None
    layers = {kind.removeprefix(_KIND): digest for kind, digest in _layers(manifest)}
    model = layers.get("model")
    if model is None or "tensor" in layers:
        raise StoreError("is no GGUF in Ollama's store: its own engine alone can run it")
    if "adapter" in layers:
        raise StoreError("has a LoRA adapter in Ollama's store: name both files in `weights` and `loras`")
    blobs = root / "blobs"
    projector = str(_blob(blobs, layers["projector"])) if "projector" in layers else ""
    return Located(str(_blob(blobs, model)), projector, (str(blobs),))


def _manifest(path: Path) -> Any:
    """What is written there; None where nothing is."""
    try:
        with path.open("rb") as file:
            return json.loads(file.read(_LONGEST_MANIFEST))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        raise StoreError(
            f"can't be read in Ollama's store ({path}): permission denied; let zoosup's user read it, or set "
            "OLLAMA_MODELS to a store of your own"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"can't be read in Ollama's store ({path}): {error}") from None


def _layers(manifest: Any) -> list[tuple[str, str]]:
    """Kind and digest of each; of several of one kind the last counts."""
    if not isinstance(manifest, dict) or str(manifest.get("mediaType", "")).startswith(_LIST):
        raise StoreError("is a list of several models in Ollama's store, which zoosup can't choose from")
    found = manifest.get("layers")
    parts = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    return [
        (str(each.get("mediaType")), digest)
        for each in parts
        if _DIGEST.fullmatch(digest := str(each.get("digest")))
    ]


def _blob(blobs: Path, digest: str) -> Path:
    path = blobs / digest.replace(":", "-")
    try:
        there = path.is_file()
    except OSError as error:
        raise StoreError(f"can't be read in Ollama's store ({path}): {error.strerror}") from None
    if not there:
        raise StoreError(f"is not complete in Ollama's store: {path} is missing, ollama pull brings it back")
    return path

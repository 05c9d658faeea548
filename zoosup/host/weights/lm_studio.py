"""LM Studio's folder of models: PUBLISHER/REPO/FILE, as at the hub.

From its documentation and lmstudio-js: where its home is, and which folder it downloads to.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from zoosup.host.weights.hub_cache import home
from zoosup.host.weights.listing import Listing, below
from zoosup.spec.model.values.weight_names import HubName

_LONGEST = 1 << 20


def roots(env: Mapping[str, str]) -> tuple[Path, ...]:
    """The folder of its settings, else the usual one."""
    own = _home(home(env))
    with suppress(OSError, ValueError, AttributeError, RecursionError):
        chosen = json.loads(_text(own / "settings.json")).get("downloadsFolder")
        if isinstance(chosen, str) and chosen:
            return (Path(chosen),)
    return (own / "models",)


def listings(root: Path, name: HubName) -> Iterator[Listing]:
    """What it has of a repository; it knows no revisions."""
    folder = root / name.repo
    with suppress(OSError):
        if not name.revision and folder.is_dir():
            yield Listing(below(folder), folder)


def _home(user: Path) -> Path:
    with suppress(OSError, ValueError):
        if pointed := _text(user / ".lmstudio-home-pointer").strip():
            return Path(pointed)
    old = user / ".cache" / "lm-studio"
    return old if old.is_dir() else user / ".lmstudio"


def _text(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        return file.read(_LONGEST)

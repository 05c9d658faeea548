"""The Hugging Face hub's cache: models--OWNER--REPO/{refs,snapshots,blobs}.

Layout: https://huggingface.co/docs/hub/local-cache, made for reading by others. A download under way is a blob without
a link to it, so that a link which leads somewhere is whole.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from zoosup.host.weights.listing import Listing, below
from zoosup.spec.model.values.weight_names import HubName

_COMMIT = re.compile(r"[0-9a-f]{40}")
_LONGEST_REF = 256


def root(env: Mapping[str, str]) -> Path:
    """Where it is by the environment, as huggingface_hub has it."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if value := env.get(variable):
            return Path(value).expanduser()
    if home := env.get("HF_HOME"):
        return Path(home).expanduser() / "hub"
    return cache_home(env) / "huggingface" / "hub"


def cache_home(env: Mapping[str, str]) -> Path:
    """$XDG_CACHE_HOME or ~/.cache."""
    given = env.get("XDG_CACHE_HOME", "")
    return Path(given) if given else home(env) / ".cache"


def home(env: Mapping[str, str]) -> Path:
    """$HOME, else the user's."""
    given = env.get("HOME", "")
    return Path(given) if given else Path.home()


def listings(root: Path, name: HubName) -> Iterator[Listing]:
    """What it has of a repository: the snapshot that the revision means."""
    found = snapshot(root / f"models--{name.repo.replace('/', '--')}", name.revision)
    if found is not None:
        yield Listing(below(found), found)


def snapshot(folder: Path, revision: str = "") -> Path | None:
    """The files of a repository as they were at a revision, main's or else any; None where they are not there."""
    with suppress(OSError):
        commit = _commit(folder, revision)
        found = folder / "snapshots" / commit
        if commit and found.is_dir():
            return found
    return None


def _commit(folder: Path, revision: str) -> str:
    """The commit that a revision stood for when it was last asked; without one main's, else any; "" for none."""
    if _COMMIT.fullmatch(revision):
        return revision
    if revision:
        return _read(folder / "refs" / revision)
    refs = folder / "refs"
    named = sorted(str(path.relative_to(refs)) for path in refs.rglob("*") if path.is_file())
    known = (_read(refs / ref) for ref in sorted(named, key=lambda ref: ref != "main"))
    return next((commit for commit in known if (folder / "snapshots" / commit).is_dir() and commit), "")


def _read(ref: Path) -> str:
    try:
        with ref.open(encoding="ascii") as file:
            text = file.read(_LONGEST_REF).strip()
    except (OSError, ValueError):
        return ""
    return text if _COMMIT.fullmatch(text) else ""

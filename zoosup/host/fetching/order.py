"""Which files a name comes to at the hub, how much of them is still to come, and whether the disk has room for it.

Knows the layout of the hub's cache as far as writing goes. Refuses to transfer anything.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from zoosup.core.estimation import hub_files
from zoosup.host.fetching.hub import FetchError, Hub, Repository
from zoosup.spec.model.values.weight_names import HubName
from zoosup.spec.syntax.units import describe_size

_LEFT = 60.0  # seconds after which a name that is still being written is nobody's any more


@dataclass(frozen=True, slots=True)
class Folder:
    """One repository in a cache: models--OWNER--REPO."""

    cache: Path
    repo: str

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.cache / self._name

    @property
    def _name(self) -> str:
        return f"models--{self.repo.replace('/', '--')}"

    def blob(self, etag: str) -> Path:
        """Where content is."""
        return self.path / "blobs" / etag

    def unfinished(self, etag: str) -> Path:
        """Where it grows; no cache's reader takes it for weights."""
        return self.path / "blobs" / f"{etag}.incomplete"

    def lock(self, etag: str) -> Path:
        """What huggingface_hub locks for it too."""
        return self.cache / ".locks" / self._name / f"{etag}.lock"

    def link(self, commit: str, file: str) -> Path:
        """Where its name is."""
        return self.path / "snapshots" / commit / file

    def refer(self, revision: str, commit: str) -> None:
        """Note for what a branch or a tag stands; its snapshot is complete."""
        ref = self.path / "refs" / revision
        ref.parent.mkdir(parents=True, exist_ok=True)
        prefix = f".{ref.name}."
        for left in [each for each in ref.parent.iterdir() if each.name.startswith(prefix)]:
            with suppress(OSError):
                if time.time() - left.stat().st_mtime > _LEFT:  # by one that was killed
                    left.unlink()
        written = ref.with_name(f"{prefix}{os.getpid()}")
        try:
            written.write_text(commit, encoding="ascii")
            written.replace(ref)
        except OSError:
            written.unlink(missing_ok=True)
            raise


@dataclass(frozen=True, slots=True)
class Order:
    """What has to be there: files of one commit, those that are there already among them."""

    name: HubName
    repository: Repository
    files: tuple[str, ...]
    folder: Folder

    @property
    def missing(self) -> tuple[str, ...]:
        """Those that are not there."""
        commit = self.repository.commit
        return tuple(file for file in self.files if not self.folder.link(commit, file).is_file())

    def check_room(self) -> None:
        """FetchError where the disk has not enough for what is still to come."""
        there = next(path for path in self.folder.path.absolute().parents if path.exists())
        needed = sum(self.repository.sizes[file] for file in self.missing) - sum(self._begun())
        free = shutil.disk_usage(there).free
        if needed > free:
            wanted, left = describe_size(needed), describe_size(free)
            raise FetchError(f"{self.name.repo} takes {wanted} more, and {there} has {left} free")

    def _begun(self) -> Iterator[int]:
        """Bytes of them that earlier tries have brought, or another commit that has the same."""
        for file in self.missing:
            etag = self.repository.etags.get(file)  # None: a small file
            for path in () if etag is None else (self.folder.blob(etag), self.folder.unfinished(etag)):
                with suppress(FileNotFoundError):
                    yield path.stat().st_size


def order(hub: Hub, name: HubName, cache: Path, *, whole: bool = False) -> Order:
    """What a name comes to; FetchError. `whole`: hf://owner/repo is all of the repository, also where it has GGUFs."""
    found = hub.repository(name)
    files = _of_repository(found) if whole and not (name.file or name.tag) else _chosen(name, found)
    return Order(name, found, files, Folder(cache, name.repo))


def _chosen(name: HubName, found: Repository) -> tuple[str, ...]:
    chosen = hub_files.chosen(name, found.sizes)
    if chosen is not None and not chosen.missing:
        return chosen.files
    if name.file in found.sizes:
        return (name.file,)
    ggufs = [file for file in sorted(found.sizes) if file.endswith(".gguf")]
    if not ggufs and not name.file and not name.tag:
        return _of_repository(found)
    lacking = f"not all parts of {chosen.parts[0]}" if chosen else f"no {name.file or name.tag or 'model'}"
    there = f"; it has {', '.join(ggufs[:12])}{' …' * (len(ggufs) > 12)}" if ggufs else ""  # noqa: PLR2004 - a line
    raise FetchError(f"{name.repo} has {lacking}{there}")


def _of_repository(found: Repository) -> tuple[str, ...]:
    files = hub_files.whole(found.sizes)
    if not files:
        raise FetchError(f"{found.repo} has no files that a server could load")
    return files

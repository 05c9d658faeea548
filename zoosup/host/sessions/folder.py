"""The saved slots of one model on disk, in a folder that only we may enter. Blocks; for a thread.

A file that is written or read bears another ending meanwhile, so that what was cut short, or has ended the server
that read it, is never tried again: llama-server aborts on a file without its end. Hence the mark, which costs no time
and shows what a full disk or a power failure has left. The servers write the files themselves, in a container perhaps
as another user: the folder being ours, they can be renamed and removed all the same.
"""

import json
import os
import shutil
import zlib
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from zoosup.core.sessions.files import READ, SAVED, WRITTEN, SavedSlot, beyond, draft_name, saved_slot
from zoosup.core.sessions.worth import Paces, as_kept, paces_of

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")
_MARKED = 1 << 20  # bytes at its beginning and its end by which a file is told to be whole
_PROOF, _PACES = "without-effect.json", "paces.json"
_SERVERS = 8  # of which paces are kept; the words of one model change now and then


def folder_name(model: str) -> str:
    """A model's name as that of a folder, on file systems without capitals too."""
    return "".join(each if each in _PLAIN else f"%{ord(each):02x}" for each in model)


def folders(root: Path) -> Iterator[tuple[str, "Folder"]]:
    """Every model that has a folder, and it."""
    with suppress(FileNotFoundError):
        for path in sorted(root.iterdir()):
            if path.is_dir():
                yield unquote(path.name), Folder(path)


def sweep(root: Path, models: Collection[str]) -> None:
    """Remove what is kept of any other model."""
    for model, folder in folders(root):
        if model not in models:
            shutil.rmtree(folder.path)


class Folder:
    """One model's."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self) -> None:
        """Have it there, tidied; OSError when the disk says no."""
        for path in (self.path.parent, self.path):
            path.mkdir(mode=0o700, exist_ok=True)
        self.tidy()

    def tidy(self) -> None:
        """Take away what is half-done."""
        for path in self.path.iterdir():
            if path.suffix in {WRITTEN, READ}:
                path.unlink(missing_ok=True)

    def files(self) -> list[SavedSlot]:
        """All that are whole."""
        found = []
        with suppress(FileNotFoundError):
            for path in self.path.iterdir():
                with suppress(FileNotFoundError):
                    status = path.stat()
                    found.append(saved_slot(path.name, status.st_size, status.st_mtime))
        return [each for each in found if each is not None]

    def keep(self, fingerprint: str, slot: int) -> int:
        """Take a file for whole that has been written, in place of the slot's last one; its bytes."""
        draft = self.path / draft_name(fingerprint, slot)
        before = [each for each in self.files() if (each.fingerprint, each.slot) == (fingerprint, slot)]
        kept = SavedSlot(fingerprint, slot, _mark(draft), draft.stat().st_size, 0.0)
        draft.replace(self.path / f"{kept.stem}{SAVED}")
        for each in before:
            if each.stem != kept.stem:
                self.remove(each.stem)
        return kept.size

    def is_whole(self, saved: SavedSlot) -> bool:
        """Whether a file is as it was kept, as far as its size, its beginning and its end tell."""
        return _mark(self.path / f"{saved.stem}{SAVED}") == saved.mark

    def rename(self, stem: str, before: str, after: str) -> None:
        """Give a file another ending."""
        (self.path / f"{stem}{before}").replace(self.path / f"{stem}{after}")

    def remove(self, stem: str, ending: str = SAVED) -> None:
        """Take a file away, if it is there."""
        (self.path / f"{stem}{ending}").unlink(missing_ok=True)

    def shrink(self, limit: int) -> None:
        """Remove the oldest, so that the others take no more than so many bytes."""
        for each in beyond(self.files(), limit):
            self.remove(each.stem)

    def clear(self) -> None:
        """Remove all that is in it; OSError when the disk says no.

        The folder stays: a container may have it mounted.
        """
        for path in self.path.iterdir():
            path.unlink(missing_ok=True)

    def failures(self, fingerprint: str) -> int:
        """In how many runs, one after another, restoring was without effect."""
        count = self._noted(_PROOF).get(fingerprint, 0)
        return count if isinstance(count, int) else 0

    def note_failures(self, fingerprint: str, count: int) -> None:
        """Keep that."""
        kept = {**self._noted(_PROOF), fingerprint: count}
        self._note(_PROOF, {name: each for name, each in kept.items() if each})

    def paces(self, fingerprint: str | None = None) -> Paces:
        """How fast a server computes, saves and restores as far as it was seen; None: the one of the last note."""
        noted = self._noted(_PACES)
        return paces_of(noted.get(fingerprint or next(reversed(noted), "")))

    def note_paces(self, fingerprint: str, paces: Paces) -> None:
        """Keep that."""
        kept = self._noted(_PACES)
        kept.pop(fingerprint, None)
        last = list(kept.items())[1 - _SERVERS :]
        self._note(_PACES, {**dict(last), fingerprint: as_kept(paces)})

    def _note(self, name: str, kept: dict[str, object]) -> None:
        draft = self.path / f"{name}{WRITTEN}"
        draft.write_text(json.dumps(kept), "utf-8")
        draft.replace(self.path / name)

    def _noted(self, name: str) -> dict[str, object]:
        try:
            kept = json.loads((self.path / name).read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return kept if isinstance(kept, dict) else {}


def _mark(path: Path) -> str:
    """Eight digits that a file of another size, beginning or end does not have."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        mark = zlib.crc32(file.read(_MARKED), size & 0xFFFFFFFF)
        file.seek(max(0, size - _MARKED))
        return f"{zlib.crc32(file.read(), mark):08x}"

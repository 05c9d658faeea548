"""One file from the hub into its cache: taken up where it broke off, checked, and only then seen by anybody.

Bytes go to `blobs/ETAG.incomplete`, under the lock that huggingface_hub takes as well. Whole and with the right
checksum it becomes `blobs/ETAG`, and its name in the snapshot a link to that. Refuses to know what the file is for.
"""

import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from zoosup.host.fetching.hub import BrokenOffError, FetchError, Hub, Source
from zoosup.host.fetching.order import Order
from zoosup.spec.syntax.units import describe_size

TRIES = 6
"""How often a transfer that brings nothing more is tried in a row."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_SHA256 = 64
_CHUNK = 1 << 20

OnBytes = Callable[[int], None]
"""Told how many bytes of the file are there."""


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


class Transfer:
    """Brings the files of orders; `waiting` is told when another process brings the same."""

    def __init__(
        self,
        hub: Hub,
        waiting: Callable[[], None] = lambda: None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._hub = hub
        self._waiting = waiting
        self._pause = pause

    def bring(self, order: Order, file: str, on_bytes: OnBytes) -> None:
        """Have a file in the cache; FetchError."""
        commit = order.repository.commit
        link = order.folder.link(commit, file)
        source = self._hub.source(order.repository, file)
        _check_size(order, file, source)
        try:
            with _locked(order.folder.lock(source.etag), self._waiting):
                blob = order.folder.blob(source.etag)
                if not blob.is_file():
                    self._fill(order, file, source, on_bytes)
                    order.folder.unfinished(source.etag).replace(blob)
                _link(link, blob)
        except OSError as error:
            raise FetchError(_trouble(error, file)) from None
        on_bytes(source.size)

    def note(self, order: Order) -> None:
        """Have the revision mean the order's commit from now on, for all of it is there; FetchError."""
        revision = order.name.revision or "main"
        if revision == order.repository.commit:
            return
        try:
            order.folder.refer(revision, order.repository.commit)
        except OSError as error:
            raise FetchError(_trouble(error, f"refs/{revision}")) from None

    def _fill(self, order: Order, file: str, source: Source, on_bytes: OnBytes) -> None:
        """Have all bytes in the file, however often it breaks off, and the right ones."""
        path = order.folder.unfinished(source.etag)
        path.parent.mkdir(parents=True, exist_ok=True)
        tries = 0
        with path.open("ab+") as into:
            while (there := into.seek(0, os.SEEK_END)) < source.size:
                try:
                    self._go_on(into, source, there, on_bytes)
                    why = "the hub ended it before its end"
                except BrokenOffError as error:
                    why = str(error)
                tries = 0 if into.seek(0, os.SEEK_END) > there else tries + 1
                if tries >= TRIES:
                    raise FetchError(f"{file} broke off {tries} times in a row: {why}")
                if into.tell() < source.size:
                    self._pause(min(_FIRST_PAUSE * 2**tries, _LONGEST_PAUSE))
                    source = self._renewed(order, file, source)
            os.fsync(into.fileno())
            if not _is_right(into, source):
                path.unlink()
                raise FetchError(f"{file} is not what the hub says it is (checksum); fetch it again")

    def _renewed(self, order: Order, file: str, source: Source) -> Source:
        """The same with an address of now: that of a CDN is good for a while only."""
        try:
            found = self._hub.source(order.repository, file)
        except FetchError:
            return source  # the next try will tell
        return found if (found.etag, found.size) == (source.etag, source.size) else source

    def _go_on(self, into: BinaryIO, source: Source, there: int, on_bytes: OnBytes) -> None:
        on_bytes(there)
        with self._hub.stream(source, there) as (begin, chunks):
            into.truncate(begin)
            there = begin
            for chunk in chunks:
                into.write(chunk)
                there += len(chunk)
                on_bytes(there)
                if there > source.size:
                    return  # more than was announced: the checksum will tell


def _check_size(order: Order, file: str, source: Source) -> None:
    listed = order.repository.sizes[file]
    if listed and listed != source.size:
        said = f"{describe_size(listed)}, and then {describe_size(source.size)}"
        raise FetchError(f"the hub says that {file} has {said}: it is not to be trusted")


def _is_right(file: BinaryIO, source: Source) -> bool:
    """Whether its content has the name by which the hub knows it; an etag that is no checksum says nothing."""
    size = file.seek(0, os.SEEK_END)
    if size != source.size:
        return False
    if len(source.etag) == _SHA256:
        digest: _Digest = hashlib.sha256()
    else:
        digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)  # as git names it
        if len(source.etag) != len(digest.hexdigest()):
            return True
    file.seek(0)
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest() == source.etag


@contextmanager
def _locked(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _link(link: Path, blob: Path) -> None:
    """The name in the snapshot, as a relative link: a cache may be moved."""
    link.parent.mkdir(parents=True, exist_ok=True)
    made = link.with_name(f".{link.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        made.unlink()
    made.symlink_to(os.path.relpath(blob, link.parent))
    made.replace(link)


def _trouble(error: OSError, file: str) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"{file} can't be written: the disk is full; what has come stays, for the next try"
    return f"{file} can't be written: {error.filename or ''}: {error.strerror or error}"

"""One file of a hub that breaks off, lies or is moved, with no clock and no network."""

import errno
import fcntl
import hashlib
import os
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from zoosup.host.fetching import order as orders
from zoosup.host.fetching.hub import BrokenOffError, FetchError, Repository, Source
from zoosup.host.fetching.order import Folder, Order
from zoosup.host.fetching.transfer import TRIES, Transfer
from zoosup.spec.model.values.weight_names import HubName

CONTENT = bytes(range(256)) * 40
FILE = "m.gguf"


class BrokenHub:
    """Answers with so many bytes each time, and then breaks off; `gives` has the counts, and 0 from there on."""

    def __init__(self, *gives, content=CONTENT, etag=None):
        self.gives, self.content = list(gives), content
        self.begins = []
        self.sources = 0
        self.etag = etag or hashlib.sha256(CONTENT).hexdigest()

    def source(self, _repository, _file):
        self.sources += 1
        return Source(f"http://hub/{self.sources}", self.etag, len(CONTENT), {})

    @contextmanager
    def stream(self, source, there):
        assert source.url == f"http://hub/{self.sources}"  # the newest that was given
        self.begins.append(there)
        yield there, self._chunks(there)

    def _chunks(self, there):
        give = self.gives.pop(0) if self.gives else 0
        yield self.content[there : there + give]
        if there + give < len(CONTENT):
            raise BrokenOffError("reset")


@pytest.fixture
def asked(tmp_path):
    whole = Repository("o/r", "c" * 40, {FILE: len(CONTENT)}, {})
    return Order(HubName("o/r", FILE, "", ""), whole, (FILE,), Folder(tmp_path, "o/r"))


def brought(hub, order):
    """The file's content, how long was paused, and how far it was said to be."""
    pauses, told = [], []
    Transfer(hub, pause=pauses.append).bring(order, FILE, told.append)
    return order.folder.link("c" * 40, FILE).read_bytes(), pauses, told


def test_each_try_goes_on_where_the_last_one_ended_after_a_pause_that_grows_while_nothing_comes(asked):
    hub = BrokenHub(1000, 0, 0, 3000, len(CONTENT))
    content, pauses, told = brought(hub, asked)
    assert (CONTENT, [0, 1000, 1000, 1000, 4000]) == (content, hub.begins)
    assert [0.5, 1.0, 2.0, 0.5] == pauses
    assert (sorted(told), len(CONTENT), 5) == (told, told[-1], hub.sources)


def test_it_is_given_up_when_so_many_tries_in_a_row_have_brought_nothing(asked):
    hub = BrokenHub(*[0] * (TRIES - 1), 1)
    with pytest.raises(FetchError, match=f"{FILE} broke off {TRIES} times in a row: reset"):
        brought(hub, asked)
    assert [0] * TRIES + [1] * TRIES == hub.begins


def test_a_pause_has_a_bound(asked, monkeypatch):
    monkeypatch.setattr("zoosup.host.fetching.transfer.TRIES", 9)
    pauses = []
    with pytest.raises(FetchError):
        Transfer(BrokenHub(), pause=pauses.append).bring(asked, FILE, lambda _: None)
    assert [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0] == pauses


@pytest.mark.parametrize(
    ("etag", "right"),
    [
        (hashlib.sha256(CONTENT).hexdigest(), True),
        (hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest(), True),
        ("no-checksum", True),
        ("0" * 64, False),
        ("0" * 40, False),
    ],
)
def test_its_name_is_its_checksum(asked, etag, right):
    hub = BrokenHub(len(CONTENT), etag=etag)
    if right:
        assert CONTENT == brought(hub, asked)[0]
        return
    with pytest.raises(FetchError, match="checksum"):
        brought(hub, asked)
    assert not asked.folder.unfinished(etag).exists()


def test_more_than_was_announced_is_not_right(asked):
    hub = BrokenHub(len(CONTENT) + 1, content=CONTENT + b"x")
    with pytest.raises(FetchError, match="checksum"):
        brought(hub, asked)


def test_one_that_is_listed_with_another_size_is_not_begun(asked):
    asked.repository.sizes[FILE] = 1 << 20
    hub = BrokenHub(len(CONTENT))
    with pytest.raises(FetchError, match=r"m\.gguf has 1 MiB, and then 10 KiB: it is not to be trusted"):
        brought(hub, asked)
    assert [] == hub.begins


@pytest.mark.parametrize(
    ("code", "said"), [(errno.ENOSPC, "the disk is full"), (errno.EACCES, "can't be written: ")]
)
def test_a_disk_that_says_no_is_told(asked, monkeypatch, code, said):
    def refuse(*_):
        raise OSError(code, "no", "there")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(FetchError, match=said):
        brought(BrokenHub(len(CONTENT)), asked)


def test_room_is_looked_for_before_the_first_byte_less_what_has_come(asked, monkeypatch, tmp_path):
    asked.repository.etags[FILE] = "e"
    monkeypatch.setattr(orders.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(FetchError, match=r"o/r takes 10 KiB more, and .* has 1000 B free"):
        asked.check_room()
    begun = asked.folder.unfinished("e")
    begun.parent.mkdir(parents=True)
    begun.write_bytes(CONTENT[: len(CONTENT) - 1000])
    asked.check_room()
    begun.write_bytes(CONTENT[: len(CONTENT) - 1001])
    with pytest.raises(FetchError):
        asked.check_room()


def test_what_an_earlier_try_has_brought_is_gone_on_with_and_what_is_there_not_asked_for(asked):
    sha = hashlib.sha256(CONTENT).hexdigest()
    begun = asked.folder.unfinished(sha)
    begun.parent.mkdir(parents=True)
    begun.write_bytes(CONTENT[:3000])
    hub = BrokenHub(len(CONTENT))
    assert (CONTENT, [3000]) == (brought(hub, asked)[0], hub.begins)
    assert not begun.exists()
    asked.folder.link("c" * 40, FILE).unlink()
    content, pauses, told = brought(hub, asked)
    assert (CONTENT, [], [len(CONTENT)], [3000]) == (content, pauses, told, hub.begins)


def test_a_name_is_a_relative_link_in_place_of_whatever_was_there(asked, tmp_path):
    link = asked.folder.link("c" * 40, FILE)
    link.parent.mkdir(parents=True)
    for left in link, link.with_name(f".{FILE}.{os.getpid()}"):
        left.symlink_to("nowhere")
    brought(BrokenHub(len(CONTENT)), asked)
    sha = hashlib.sha256(CONTENT).hexdigest()
    assert Path("../../blobs", sha) == link.readlink()
    assert [FILE] == [each.name for each in link.parent.iterdir()]
    assert CONTENT == (tmp_path / "models--o--r/blobs" / sha).read_bytes()


def test_who_brings_what_another_brings_is_told_and_waits(asked):
    sha = hashlib.sha256(CONTENT).hexdigest()
    lock = asked.folder.lock(sha)
    lock.parent.mkdir(parents=True)
    with lock.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        waited = []

        def waiting():
            waited.append(asked.folder.blob(sha).exists())
            fcntl.flock(other, fcntl.LOCK_UN)

        Transfer(BrokenHub(len(CONTENT)), waiting).bring(asked, FILE, lambda _: None)
        assert [False] == waited
        Transfer(BrokenHub(len(CONTENT)), waiting).bring(asked, FILE, lambda _: None)
        assert [False] == waited


@pytest.mark.parametrize(("said", "noted"), [("", {"main"}), ("v1", {"v1"}), ("c" * 40, set())])
def test_a_branch_or_tag_is_noted_and_a_commit_is_its_own_name(asked, said, noted):
    order = replace(asked, name=HubName("o/r", FILE, "", said))
    Transfer(BrokenHub()).note(order)
    refs = asked.folder.path / "refs"
    assert noted == ({each.name for each in refs.iterdir()} if refs.exists() else set())
    assert {"c" * 40} >= {(refs / each).read_text() for each in noted}


def test_a_branch_that_can_not_be_noted_is_told(asked):
    (asked.folder.path / "refs/main/x").mkdir(parents=True)
    with pytest.raises(FetchError, match=r"refs/main can't be written: .*: Is a directory"):
        Transfer(BrokenHub()).note(asked)


def test_a_quota_is_a_full_disk_too(asked, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EDQUOT, "no", "there")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(FetchError, match="the disk is full; what has come stays"):
        brought(BrokenHub(len(CONTENT)), asked)
    assert CONTENT == asked.folder.unfinished(hashlib.sha256(CONTENT).hexdigest()).read_bytes()

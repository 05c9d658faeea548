"""Which files a name comes to, and where they lie in the hub's cache."""

import os
import time
from types import SimpleNamespace

import pytest

from zoosup.host.fetching.hub import FetchError, Repository
from zoosup.host.fetching.order import Folder, Order, order
from zoosup.spec.model.values.weight_names import HubName

COMMIT = "c" * 40
GGUFS = {"m-Q4_0.gguf": 4, "m-Q8_0.gguf": 8, "config.json": 1}
TENSORS = {"model.safetensors": 9, "config.json": 1, "README.md": 2}


def ordered(sizes, tmp_path, *, file="", tag="", whole=False):
    hub = SimpleNamespace(repository=lambda _: Repository("o/r", COMMIT, sizes, {}))
    return order(hub, HubName("o/r", file, tag, ""), tmp_path, whole=whole)


@pytest.mark.parametrize(
    ("sizes", "said", "files"),
    [
        (GGUFS, {"tag": "Q8_0"}, {"m-Q8_0.gguf"}),
        (GGUFS, {"tag": "Q8_0", "whole": True}, {"m-Q8_0.gguf"}),
        (GGUFS, {"file": "m-Q4_0.gguf", "whole": True}, {"m-Q4_0.gguf"}),
        (GGUFS, {"file": "config.json"}, {"config.json"}),
        (TENSORS, {}, {"model.safetensors", "config.json"}),
        (TENSORS | GGUFS, {"whole": True}, {"model.safetensors", "config.json"}),
    ],
)
def test_a_name_comes_to_files(tmp_path, sizes, said, files):
    assert files <= set(ordered(sizes, tmp_path, **said).files)
    if not said.get("whole") or said.get("tag") or said.get("file"):
        assert "m-Q4_0.gguf" not in set(ordered(sizes, tmp_path, **said).files) - files


@pytest.mark.parametrize(
    ("sizes", "said", "words"),
    [
        (GGUFS, {"tag": "Q6_K"}, r"o/r has no Q6_K; it has m-Q4_0\.gguf, m-Q8_0\.gguf\Z"),
        (GGUFS, {"file": "x.gguf"}, r"o/r has no x\.gguf; it has m-Q4_0\.gguf, m-Q8_0\.gguf\Z"),
        (TENSORS, {"tag": "Q6_K"}, r"o/r has no Q6_K\Z"),
        (TENSORS, {"file": "x.gguf"}, r"o/r has no x\.gguf\Z"),
        ({".gitattributes": 1}, {}, r"o/r has no files that a server could load\Z"),
        ({}, {"whole": True}, r"o/r has no files that a server could load\Z"),
        (
            {"m-Q8_0-00001-of-00003.gguf": 1, "m-Q8_0-00003-of-00003.gguf": 1},
            {"tag": "Q8_0"},
            r"o/r has not all parts of m-Q8_0-00001-of-00003\.gguf; it has ",
        ),
        ({f"m{n:02}-Q4_0.gguf": 1 for n in range(12)}, {"tag": "Q6_K"}, r"m11-Q4_0\.gguf\Z"),
        ({f"m{n:02}-Q4_0.gguf": 1 for n in range(13)}, {"tag": "Q6_K"}, r"m11-Q4_0\.gguf …\Z"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(tmp_path, sizes, said, words):
    with pytest.raises(FetchError, match=words):
        ordered(sizes, tmp_path, **said)


def test_a_repository_lies_where_the_hubs_own_library_has_it(tmp_path):
    folder = Folder(tmp_path, "o/r")
    path = tmp_path / "models--o--r"
    assert path == folder.path
    assert path / "blobs/e" == folder.blob("e")
    assert path / "blobs/e.incomplete" == folder.unfinished("e")
    assert tmp_path / ".locks/models--o--r/e.lock" == folder.lock("e")
    assert path / "snapshots" / COMMIT / "a/b.gguf" == folder.link(COMMIT, "a/b.gguf")
    for commit in COMMIT, "d" * 40:
        folder.refer("pr/1", commit)
        assert commit == (path / "refs/pr/1").read_text()
    assert ["1"] == os.listdir(path / "refs/pr")  # noqa: PTH208 - names


@pytest.mark.parametrize(("age", "left"), [(61, False), (50, True)])
def test_a_name_that_one_that_was_killed_was_writing_goes_after_a_minute(tmp_path, age, left):
    refs = tmp_path / "models--o--r/refs"
    refs.mkdir(parents=True)
    for name in ".main.999999", ".other.999999":
        (refs / name).touch()
        os.utime(refs / name, (time.time() - age,) * 2)
    Folder(tmp_path, "o/r").refer("main", COMMIT)
    assert left == (refs / ".main.999999").exists()
    assert (refs / ".other.999999").exists()


def test_a_name_that_can_not_be_written_leaves_nothing(tmp_path):
    folder = Folder(tmp_path, "o/r")
    (folder.path / "refs/main").mkdir(parents=True)
    (folder.path / "refs/main/x").touch()
    with pytest.raises(OSError, match="directory"):
        folder.refer("main", COMMIT)
    assert ["main"] == [each.name for each in (folder.path / "refs").iterdir()]


def test_what_is_there_is_not_missing_and_takes_no_room(tmp_path, monkeypatch):
    looked = []

    def usage(path):
        looked.append(path)
        return SimpleNamespace(free=8)

    monkeypatch.setattr("zoosup.host.fetching.order.shutil.disk_usage", usage)
    found = Repository("o/r", COMMIT, {"a": 5, "b": 8}, {})
    made = Order(HubName("o/r", "", "", ""), found, ("a", "b"), Folder(tmp_path / "not/yet", "o/r"))
    assert ("a", "b") == made.missing
    with pytest.raises(FetchError, match=r"o/r takes 13 B more, and .* has 8 B free"):
        made.check_room()
    link = made.folder.link(COMMIT, "a")
    link.parent.mkdir(parents=True)
    link.touch()
    assert ("b",) == made.missing
    made.check_room()
    assert [tmp_path, tmp_path / "not/yet"] == looked

"""The files that a zoo.yaml includes, found and read with it, and followed like it."""

import asyncio
import os

import pytest

from zoosup.host.config import fragments
from zoosup.host.config.file_watcher import ConfigWatch, read_content
from zoosup.host.config.fragments import watched, whole
from zoosup.host.config.text_file import UnreadableError
from zoosup.spec.fragments import split

MAIN = "active: []\ninclude: [models.d/*.yaml]\nmodels: {}\n"


@pytest.fixture
def main(tmp_path):
    (tmp_path / "models.d").mkdir()
    path = tmp_path / "zoo.yaml"
    path.write_text(MAIN)
    return path


def put(main, name, text="models: {}\n"):
    path = main.parent / name
    path.write_text(text)
    return path


def names(main, text=MAIN):
    return [each.name for each in split(whole(main, text))[1]]


def test_files_are_taken_in_the_order_of_the_patterns_and_of_their_names_each_once(main):
    for name in ("models.d/b.yaml", "models.d/a.yaml", "models.d/c.txt", "models.d/.hidden.yaml", "z.yaml"):
        put(main, name)
    (main.parent / "models.d/d.yaml").mkdir()
    text = MAIN.replace("[models.d/*.yaml]", "[z.yaml, models.d/*.yaml, models.d/b.yaml]")
    assert ["z.yaml", "models.d/a.yaml", "models.d/b.yaml"] == names(main, text)


def test_there_is_a_bound_to_how_many_files_are_read(main, monkeypatch):
    monkeypatch.setattr(fragments, "MOST", 2)
    for name in ("a", "b"):
        put(main, f"models.d/{name}.yaml")
    assert 2 == len(names(main))
    put(main, "models.d/c.yaml")
    with pytest.raises(UnreadableError, match=r"zoo\.yaml includes more than 2 files"):
        whole(main, MAIN)


def test_a_pattern_that_nothing_matches_is_nothing(main):
    assert [] == names(main)
    assert MAIN == whole(main, MAIN)


def test_an_absolute_path_is_taken_as_it_is(main, tmp_path_factory):
    far = tmp_path_factory.mktemp("far") / "x.yaml"
    far.write_text("x-a: 1\n")
    assert [str(far)] == names(main, f"include: [{far}]\n")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "more.yaml is missing"),
        (lambda path: path.write_bytes(b"a\xff"), "more.yaml is not UTF-8: byte 0xff at offset 1"),
        (lambda path: path.mkdir(), "more.yaml can't be read: Is a directory"),
        (lambda path: path.write_text("x" * (1 << 20) + "y"), "more.yaml is larger than 1 MiB"),
        (lambda path: path.write_text("x" * (1 << 20) + "é"), "more.yaml is larger than 1 MiB"),
        (os.mkfifo, "more.yaml can't be read: not a regular file"),
        (lambda path: path.write_text("a: \x1e"), "more.yaml holds the character U+001E"),
    ],
)
def test_a_named_file_that_can_not_be_read_is_the_whole_files_error(main, make, said):
    make(main.parent / "more.yaml")
    main.write_text("include: [more.yaml]\n")
    content = read_content(main)
    assert content.text is None
    assert said in content.error


def test_a_pipe_that_somebody_writes_to_keeps_nobody_waiting(main):
    pipe = main.parent / "more.yaml"
    os.mkfifo(pipe)
    with pipe.open("r+b", buffering=0), pytest.raises(UnreadableError, match="not a regular file"):
        whole(main, "include: [more.yaml]\n")


def test_a_text_with_the_separator_is_no_file_of_ours(main):
    with pytest.raises(UnreadableError, match=r"U\+001E"):
        whole(main, MAIN + "\x1emodels.d/x\n")


def test_patterns_and_files_are_what_is_watched(main):
    put(main, "models.d/a.yaml")
    found = watched(main, whole(main, MAIN))
    assert (main.parent / "models.d/*.yaml", main.parent / "models.d/a.yaml") == found


STEPS = {
    "a file appears": lambda main: put(main, "models.d/b.yaml"),
    "a file is edited": lambda main: put(main, "models.d/a.yaml", "models: {x: {command: y}}\n"),
    "a file is gone": lambda main: (main.parent / "models.d/a.yaml").unlink(),
    "a file is moved there": lambda main: put(main, "new").rename(main.parent / "models.d/a.yaml"),
}


@pytest.mark.parametrize("hints", [True, False], ids=["hints", "poll"])
@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
async def test_each_file_that_is_included_is_followed(main, step, hints):
    put(main, "models.d/a.yaml", "x-a: 1\n")
    watch = ConfigWatch(main, hints=hints)
    first = await watch.read()
    changes = watch.changes()
    async with asyncio.timeout(30):
        following = asyncio.ensure_future(anext(changes))
        await asyncio.sleep(0.3)
        step(main)
        content = await following
    assert content.text != first.text
    assert whole(main, MAIN) == content.text
    await changes.aclose()

import asyncio
import logging
import os
import shutil
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import psutil
import pytest

from zoosup.host.config import file_watcher, inotify_hints as hints
from zoosup.host.config.file_watcher import POLL, ConfigWatch
from zoosup.host.config.inotify_hints import Hints, places_on_the_way
from zoosup.host.ports.host import Content

NEVER = 1000.0


@pytest.fixture(params=["hints", "poll"])
def watching(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Each way of noticing on its own: hints with a poll that never comes, and a quick poll without hints."""
    monkeypatch.setattr(file_watcher, "POLL", NEVER if request.param == "hints" else 0.02)
    return request.param == "hints"


class Following:
    """A file that has been read once and is followed from there; every change is kept until it is asked for."""

    def __init__(self, config: ConfigWatch) -> None:
        self._config = config
        self.look = config.look
        self.told: asyncio.Queue[Content] = asyncio.Queue()

    async def run(self) -> None:
        async with aclosing(self._config.changes()) as changes:
            async for content in changes:
                self.told.put_nowait(content)

    async def next(self) -> Content:
        return await asyncio.wait_for(self.told.get(), 20)


@asynccontextmanager
async def following(path: Path, *, hints: bool = True) -> AsyncIterator[Following]:
    config = ConfigWatch(path, hints=hints)
    await config.read()
    following = Following(config)
    running = asyncio.create_task(following.run())
    await asyncio.sleep(0)
    try:
        yield following
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def run(*command: str, cwd: Path) -> None:
    environ = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    names = {f"GIT_{who}_{what}": "x@y.z" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    subprocess.run(command, cwd=cwd, env=environ | names, check=True, capture_output=True, timeout=60)


class Way:
    """One way of saving: `path` is what is followed; `save` brings new content there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.number = 0
        self.path = root / "zoo.yaml"
        self.path.write_text("first\n")

    def save(self, text: str) -> None:
        raise NotImplementedError


class InPlace(Way):
    def save(self, text: str) -> None:
        with self.path.open("r+") as file:
            file.write(text)
            file.truncate()


class TruncateAndWrite(Way):
    def save(self, text: str) -> None:
        self.path.write_text(text)


class WriteAndRename(Way):
    def save(self, text: str) -> None:
        (self.root / ".zoo.yaml.tmp").write_text(text)
        (self.root / ".zoo.yaml.tmp").rename(self.path)


class BackupAndRename(Way):
    def save(self, text: str) -> None:
        self.path.rename(self.root / "zoo.yaml~")
        self.path.write_text(text)


class DeleteAndCreate(Way):
    def save(self, text: str) -> None:
        self.path.unlink()
        self.path.write_text(text)


class Vim(Way):
    """The real one, which renames the file to a backup and writes a new one."""

    backupcopy = "no"

    def save(self, text: str) -> None:
        if shutil.which("vim") is None:
            pytest.skip("vim is not installed")
        commands = (
            "-c",
            f"set backupcopy={self.backupcopy} backup backupskip=",
            "-c",
            f"%s/.*/{text.strip()}/",
            "-c",
            "wq",
        )
        run("vim", "-Nu", "NONE", "-es", *commands, "zoo.yaml", cwd=self.root)


class VimInPlace(Vim):
    backupcopy = "yes"


class GitCheckout(Way):
    def __init__(self, root: Path) -> None:
        super().__init__(root)
        run("git", "init", "-q", "-b", "b0", cwd=root)
        run("git", "add", ".", cwd=root)
        run("git", "commit", "-qm", "0", cwd=root)

    def save(self, text: str) -> None:
        self.number += 1
        self.stash(text)
        run("git", "checkout", "-q", f"b{self.number}", cwd=self.root)

    def stash(self, text: str) -> None:
        """Commit the text to a branch without touching the work tree."""
        tree = self.root / ".git" / "elsewhere"
        run("git", "worktree", "add", "-qb", f"b{self.number}", str(tree), cwd=self.root)
        (tree / "zoo.yaml").write_text(text)
        run("git", "commit", "-qam", "next", cwd=tree)
        run("git", "worktree", "remove", str(tree), cwd=self.root)


class GitPull(Way):
    def __init__(self, root: Path) -> None:
        self.origin = root / "origin"
        self.origin.mkdir(parents=True)
        super().__init__(self.origin)
        run("git", "init", "-q", "-b", "main", cwd=self.origin)
        run("git", "add", ".", cwd=self.origin)
        run("git", "commit", "-qm", "0", cwd=self.origin)
        run("git", "clone", "-q", "origin", "clone", cwd=root)
        self.path = root / "clone" / "zoo.yaml"

    def save(self, text: str) -> None:
        (self.origin / "zoo.yaml").write_text(text)
        run("git", "commit", "-qam", "next", cwd=self.origin)
        run("git", "pull", "-q", "--ff-only", cwd=self.path.parent)


class ConfigMap(Way):
    """As the kubelet does: zoo.yaml -> ..data/zoo.yaml, ..data -> ..<number>, swapped by rename."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.path.unlink()
        self.save("first\n")
        self.path.symlink_to("..data/zoo.yaml")

    def save(self, text: str) -> None:
        self.number += 1
        (self.root / f"..{self.number}").mkdir()
        (self.root / f"..{self.number}" / "zoo.yaml").write_text(text)
        (self.root / "..data_tmp").symlink_to(f"..{self.number}")
        (self.root / "..data_tmp").rename(self.root / "..data")
        shutil.rmtree(self.root / f"..{self.number - 1}", ignore_errors=True)


class TargetEdited(Way):
    """A symbolic link, relative and over another one, to a file elsewhere, that is saved by renaming."""

    def __init__(self, root: Path) -> None:
        (root / "repository").mkdir(parents=True)
        super().__init__(root / "repository")
        (root / "hop").symlink_to("repository")
        (root / "etc").mkdir()
        self.path = root / "etc" / "zoo.yaml"
        self.path.symlink_to("../hop/zoo.yaml")

    def save(self, text: str) -> None:
        (self.root / "tmp").write_text(text)
        (self.root / "tmp").rename(self.root / "zoo.yaml")


class LinkRepointed(Way):
    def save(self, text: str) -> None:
        self.number += 1
        target = self.root / "versions" / str(self.number)
        target.mkdir(parents=True)
        (target / "zoo.yaml").write_text(text)
        (self.root / "link").symlink_to(target / "zoo.yaml")
        (self.root / "link").rename(self.path)


class CurrentRepointed(Way):
    """A release directory: `current` is a symbolic link in the middle of the path."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.save("first\n")
        self.path = root / "current" / "deep" / "er" / "zoo.yaml"

    def save(self, text: str) -> None:
        self.number += 1
        release = self.root / "releases" / str(self.number)
        (release / "deep" / "er").mkdir(parents=True)
        (release / "deep" / "er" / "zoo.yaml").write_text(text)
        (self.root / "new").symlink_to(release)
        (self.root / "new").rename(self.root / "current")


class ParentSwapped(Way):
    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.path = root / "live" / "zoo.yaml"
        (root / "live").mkdir()
        self.path.write_text("first\n")

    def save(self, text: str) -> None:
        self.number += 1
        (self.root / "next").mkdir()
        (self.root / "next" / "zoo.yaml").write_text(text)
        (self.root / "live").rename(self.root / f"old{self.number}")
        (self.root / "next").rename(self.root / "live")


WAYS = [
    InPlace,
    TruncateAndWrite,
    WriteAndRename,
    BackupAndRename,
    DeleteAndCreate,
    Vim,
    VimInPlace,
    GitCheckout,
    GitPull,
    ConfigMap,
    TargetEdited,
    LinkRepointed,
    CurrentRepointed,
    ParentSwapped,
]


@pytest.mark.parametrize("kind", WAYS)
@pytest.mark.parametrize("pause", [0.0, 0.15])
async def test_no_way_of_saving_is_missed(
    tmp_path: Path, kind: type[Way], watching: bool, pause: float
) -> None:
    (tmp_path / "root").mkdir()
    way = kind(tmp_path / "root")
    async with following(way.path, hints=watching) as change:
        for text in ("second\n", "third\n", "second\n"):
            await asyncio.sleep(pause)
            await asyncio.to_thread(way.save, text)
            assert Content(text) == await change.next()


async def test_a_file_deleted_for_long_is_missing_and_then_back(tmp_path: Path, watching: bool) -> None:
    path = tmp_path / "zoo.yaml"
    path.write_text("a\n")
    async with following(path, hints=watching) as change:
        for _ in range(3):
            path.unlink()
            assert Content(None, f"{path} is missing") == await change.next()
            path.write_text("a\n")
            assert Content("a\n") == await change.next()


@pytest.mark.parametrize("gap", ["missing", "empty", "half a line"])
async def test_a_gap_of_a_moment_is_not_news(tmp_path: Path, watching: bool, gap: str) -> None:
    path = tmp_path / "zoo.yaml"
    path.write_text("active: a\nmodels: {}\n")
    async with following(path, hints=watching) as change:
        if gap == "missing":
            path.unlink()
        else:
            path.write_text("" if gap == "empty" else "active: b\nmod")
        await asyncio.sleep(0.1)
        path.write_text("active: b\nmodels: {}\n")
        assert Content("active: b\nmodels: {}\n") == await change.next()


async def test_a_gap_of_a_moment_before_the_same_content_is_nothing_at_all(
    tmp_path: Path, watching: bool
) -> None:
    path = tmp_path / "zoo.yaml"
    path.write_text("same\n")
    async with following(path, hints=watching) as change:
        path.unlink()
        await asyncio.sleep(0.1)
        path.write_text("same\n")
        await asyncio.sleep(0.5)
        path.write_text("other\n")
        assert Content("other\n") == await change.next()


async def test_content_in_two_pieces_is_reported_whole(tmp_path: Path, watching: bool) -> None:
    path = tmp_path / "zoo.yaml"
    path.write_text("start\n")
    async with following(path, hints=watching) as change:
        for number in range(3):
            with path.open("w") as file:
                file.write(f"{number}: first pie")
                file.flush()
                await asyncio.sleep(0.05)
                file.write("ce\n")
            assert Content(f"{number}: first piece\n") == await change.next()


async def test_the_same_content_saved_again_is_no_change(tmp_path: Path, watching: bool) -> None:
    path = tmp_path / "zoo.yaml"
    path.write_text("same\n")
    async with following(path, hints=watching) as change:
        for _ in range(3):
            path.write_text("same\n")
            os.utime(path)
            await asyncio.sleep(0.1)
        assert change.told.empty()


async def test_two_hundred_edits_in_two_seconds_end_with_the_last(tmp_path: Path, watching: bool) -> None:
    path = tmp_path / "zoo.yaml"
    path.write_text("start\n")
    async with following(path, hints=watching) as change:
        for number in range(200):
            path.write_text(f"edit {number}\n" * 50)
            await asyncio.sleep(0.01)
        while (await change.next()).text != "edit 199\n" * 50:
            pass


async def test_content_that_never_rests_is_reported_all_the_same(tmp_path: Path, watching: bool) -> None:
    path = tmp_path / "zoo.yaml"
    path.write_text("start\n")
    async with following(path, hints=watching) as change:
        for number in range(2000):
            path.write_text(f"edit {number}\n")
            await asyncio.sleep(0.005)
            if not change.told.empty():
                break
        assert not change.told.empty()


async def test_a_swap_that_changes_nothing_does_not_hide_the_edit_after_it(
    tmp_path: Path, watching: bool
) -> None:
    way = ParentSwapped(tmp_path)
    async with following(way.path, hints=watching) as change:
        await asyncio.sleep(0.2)
        way.save("first\n")
        await asyncio.sleep(0.3)
        way.path.write_text("second\n")
        assert Content("second\n") == await change.next()


async def test_after_a_change_that_no_hint_told_of_hints_come_from_the_new_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_watcher, "POLL", NEVER)
    for name, text in (("live", "first\n"), ("next", "second\n")):
        (tmp_path / name / "deep" / "er").mkdir(parents=True)
        (tmp_path / name / "deep" / "er" / "zoo.yaml").write_text(text)
    path = tmp_path / "live" / "deep" / "er" / "zoo.yaml"
    async with following(path) as change:
        await asyncio.sleep(0.2)
        (tmp_path / "live").rename(tmp_path / "old")
        (tmp_path / "next").rename(tmp_path / "live")
        await asyncio.sleep(0.2)
        assert change.told.empty()
        change.look()
        assert Content("second\n") == await change.next()
        await asyncio.sleep(0.3)
        path.write_text("third\n")
        assert Content("third\n") == await change.next()


async def test_an_edit_before_the_watch_is_set_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_watcher, "POLL", NEVER)
    setting = threading.Event()
    real = hints.watch

    def slow(*args: str, **options: object) -> Iterator[object]:
        setting.set()
        time.sleep(0.05)
        return real(*args, **options)

    monkeypatch.setattr(hints, "watch", slow)
    path = tmp_path / "zoo.yaml"
    path.write_text("a\n")
    async with following(path) as change:
        await asyncio.to_thread(setting.wait, 10)
        path.write_text("b\n")
        assert Content("b\n") == await change.next()


async def test_a_directory_that_does_not_exist_yet_is_waited_for(tmp_path: Path, watching: bool) -> None:
    path = tmp_path / "not" / "yet" / "zoo.yaml"
    config = ConfigWatch(path, hints=watching)
    assert Content(None, f"{path} is missing") == await config.read()
    async with following(path, hints=watching) as change:
        await asyncio.sleep(0.2)
        path.parent.mkdir(parents=True)
        path.write_text("here\n")
        assert Content("here\n") == await change.next()


async def test_without_a_first_read_the_first_content_is_a_change(tmp_path: Path) -> None:
    (tmp_path / "zoo.yaml").write_text("a\n")
    changes = ConfigWatch(tmp_path / "zoo.yaml").changes()
    assert Content("a\n") == await anext(changes)
    await changes.aclose()


async def test_an_edit_between_the_first_read_and_the_watch_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "zoo.yaml"
    path.write_text("a\n")
    config = ConfigWatch(path)
    await config.read()
    path.write_text("b\n")
    changes = config.changes()
    assert Content("b\n") == await anext(changes)
    await changes.aclose()


async def test_a_look_is_taken_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_watcher, "POLL", NEVER)
    path = tmp_path / "zoo.yaml"
    path.write_text("a\n")
    config = ConfigWatch(path, hints=False)
    await config.read()
    changes = config.changes()
    waiting = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0.1)
    path.write_text("b\n")
    await asyncio.sleep(0.1)
    assert not waiting.done()
    config.look()
    assert Content("b\n") == await waiting
    await changes.aclose()


def unreadable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text("a\n")
    real = os.open

    def refuse(name: object, flags: int, *args: int) -> int:
        if name == path:
            raise PermissionError(13, "Permission denied")
        return real(name, flags, *args)

    monkeypatch.setattr(os, "open", refuse)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda path, _: None, "is missing"),
        (lambda path, _: path.symlink_to("nowhere"), "is missing"),
        (lambda path, _: path.mkdir(), "can't be read: Is a directory"),
        (lambda path, _: os.mkfifo(path), "can't be read: not a regular file"),
        (lambda path, _: path.symlink_to(path.name), "can't be read: Too many levels of symbolic links"),
        (lambda path, _: path.write_bytes(b"x" * ((1 << 20) + 1)), "is larger than 1 MiB"),
        (lambda path, _: path.write_bytes(b"active: \xff\n"), "is not UTF-8: byte 0xff at offset 8"),
        (unreadable, "can't be read: Permission denied"),
    ],
)
async def test_a_file_without_text_says_why_and_leaks_no_descriptor(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path, pytest.MonkeyPatch], None],
    error: str,
) -> None:
    path = tmp_path / "zoo.yaml"
    make(path, monkeypatch)
    config = ConfigWatch(path)
    await config.read()
    before = psutil.Process().num_fds()
    for _ in range(5):
        assert Content(None, f"{path} {error}") == await config.read()
    assert before == psutil.Process().num_fds()


async def test_a_mebibyte_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "zoo.yaml").write_bytes(b"x" * (1 << 20))
    assert 1 << 20 == len((await ConfigWatch(tmp_path / "zoo.yaml").read()).text or "")


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every look at the file."""
    taken: list[Path] = []
    real = file_watcher.read_content

    def counting(path: Path) -> Content:
        taken.append(path)
        return real(path)

    monkeypatch.setattr(file_watcher, "read_content", counting)
    return taken


async def test_an_idle_file_is_hardly_looked_at(tmp_path: Path, looks: list[Path]) -> None:
    (tmp_path / "zoo.yaml").write_text("a\n")
    async with following(tmp_path / "zoo.yaml"):
        await asyncio.sleep(0.5)
        taken = len(looks)
        await asyncio.sleep(2 * POLL + 0.2)
        assert len(looks) - taken in {2, 3}


async def test_a_busy_directory_costs_few_looks_and_hides_no_edit(tmp_path: Path, looks: list[Path]) -> None:
    path = tmp_path / "zoo.yaml"
    path.write_text("a\n")
    async with following(path) as change:
        for number in range(200):
            (tmp_path / "log").write_text(str(number))
            await asyncio.sleep(0.01)
        assert len(looks) < 30
        path.write_text("b\n")
        assert Content("b\n") == await change.next()


@pytest.fixture
def broken_watch(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """watchfiles as it is when inotify's limits are used up."""
    tried: list[int] = []

    def refuse(*args: object, **options: object) -> Iterator[object]:
        tried.append(1)
        raise OSError(28, "OS file watch limit reached")

    monkeypatch.setattr(hints, "watch", refuse)
    monkeypatch.setattr(hints, "RETRY", 0.01)
    return tried


async def test_without_notifications_the_poll_goes_on_and_that_is_said_once(
    tmp_path: Path, broken_watch: list[int], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_watcher, "POLL", 0.05)
    path = tmp_path / "zoo.yaml"
    path.write_text("a\n")
    with caplog.at_level(logging.INFO):
        async with following(path) as change:
            for text in ("b\n", "c\n", "d\n"):
                path.write_text(text)
                assert Content(text) == await change.next()
            await asyncio.sleep(0.2)
    assert len(broken_watch) > 2
    assert [
        f"changes of {path} are noticed by looking every two seconds: [Errno 28] OS file watch limit reached"
    ] == [record.getMessage() for record in caplog.records]


async def test_closing_ends_the_thread(tmp_path: Path) -> None:
    def threads() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if isinstance(thread, Hints)]

    (tmp_path / "zoo.yaml").write_text("a\n")
    async with following(tmp_path / "zoo.yaml"):
        await asyncio.sleep(0.1)
        (thread,) = threads()
    await asyncio.to_thread(thread.join, 10)
    assert [] == threads()


def names(places: frozenset[hints.Place], root: Path) -> set[str]:
    return {str(Path(path).relative_to(root)) for path, _, _ in places if Path(path).is_relative_to(root)}


def test_the_directory_of_every_hop_is_watched_and_its_parent(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    for directory in ("etc/x", "srv/repo/conf", "links/here"):
        (root / directory).mkdir(parents=True)
    (root / "srv/repo/conf/real.yaml").touch()
    (root / "links/here/hop").symlink_to(root / "srv/repo")
    (root / "etc/x/zoo.yaml").symlink_to("../../links/here/hop/conf/real.yaml")
    expected = {"etc/x", "etc", "links/here", "links", "srv/repo/conf", "srv/repo"}
    assert expected == names(places_on_the_way(root / "etc/x/zoo.yaml"), root)


def test_as_many_links_are_followed_as_every_kernel_follows(tmp_path: Path) -> None:
    root, hops = tmp_path.resolve(), [str(number) for number in range(32)]
    path = root / "zoo.yaml"
    path.write_text("a\n")
    for hop in hops:
        (root / hop).mkdir()
        (root / hop / "zoo.yaml").symlink_to(path)
        path = root / hop / "zoo.yaml"
    assert "a\n" == path.read_text()
    assert {*hops, "."} == names(places_on_the_way(path), root)


def test_links_in_a_circle_come_to_an_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert {"."} <= names(places_on_the_way(tmp_path / "a" / "zoo.yaml"), tmp_path.resolve())


def test_what_is_missing_is_watched_for_from_the_nearest_directory(tmp_path: Path) -> None:
    assert {"."} <= names(places_on_the_way(tmp_path / "no" / "such" / "zoo.yaml"), tmp_path.resolve())


def test_the_root_is_not_watched(tmp_path: Path) -> None:
    assert {"/etc"} == {path for path, _, _ in places_on_the_way(Path("/etc/zoo.yaml"))}
    assert {"/"} == {path for path, _, _ in places_on_the_way(Path("/zoo.yaml"))}


async def test_of_two_looks_at_a_time_the_one_that_ends_last_is_made_again(tmp_path, monkeypatch):
    """A slow look may hold an older text than a quick one that was begun later: the order has to be certain."""
    path = tmp_path / "zoo.yaml"
    path.write_text("old\n")
    config, real, held = ConfigWatch(path), file_watcher.read_content, threading.Event()
    first = iter([True])

    def slow_at_first(file: Path) -> Content:
        content = real(file)
        if next(first, False):
            assert held.wait(20)
        return content

    monkeypatch.setattr(file_watcher, "read_content", slow_at_first)
    slow = asyncio.create_task(config.read())
    await asyncio.sleep(0.1)
    path.write_text("new\n")
    quick = await config.read()
    held.set()
    late = await slow
    assert ("new\n", "new\n") == (quick.text, late.text)
    assert quick.look < late.look


class TestRevision:
    async def test_it_is_read_beside_the_file_wherever_links_lead(self, tmp_path):
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "zoo.yaml").write_text("models: {}\n")
            (tmp_path / name / ".revision").write_text(f" {name}-abc \nmore\n")
        link = tmp_path / "zoo.yaml"
        link.symlink_to(tmp_path / "one" / "zoo.yaml")
        async with following(link) as file:
            replacement = tmp_path / "new"
            replacement.symlink_to(tmp_path / "two" / "zoo.yaml")
            replacement.rename(link)
            assert "two-abc" == (await file.next()).revision

    async def test_a_new_one_of_the_same_text_is_news(self, tmp_path):
        path = tmp_path / "zoo.yaml"
        path.write_text("models: {}\n")
        async with following(path) as file:
            (tmp_path / ".revision").write_text("abc")
            assert ("models: {}\n", "abc") == ((content := await file.next()).text, content.revision)

    async def test_what_was_given_goes_before_it(self, tmp_path):
        (tmp_path / "zoo.yaml").write_text("models: {}\n")
        (tmp_path / ".revision").write_text("abc")
        assert "given" == (await ConfigWatch(tmp_path / "zoo.yaml", revision="given").read()).revision

    @pytest.mark.parametrize("said", [None, b"", b"a\x1b[31m", b"\n", "pipe"])
    async def test_without_a_plain_one_there_is_none(self, tmp_path, said):
        (tmp_path / "zoo.yaml").write_text("models: {}\n")
        if said == "pipe":
            os.mkfifo(tmp_path / ".revision")
        elif said is not None:
            (tmp_path / ".revision").write_bytes(said)
        assert "" == (await ConfigWatch(tmp_path / "zoo.yaml").read()).revision


class Typed(ConfigWatch):
    """A file in which this stands after so many seconds."""

    def __init__(self, *texts: tuple[float, str | None]) -> None:
        super().__init__(Path("/zoo.yaml"))
        self.texts = texts
        self.began = asyncio.get_running_loop().time()

    async def _content(self) -> Content:
        now = asyncio.get_running_loop().time() - self.began
        return Content([text for at, text in self.texts if at <= now + 1e-9][-1])


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("texts", "told", "settled", "after"),
    [
        ([(0, "a\n")], "a\n", "a\n", 0.0),  # nothing new needs no waiting
        ([(0, "a\n")], None, "a\n", 0.01),
        ([(0, "a")], None, "a", 0.25),
        ([(0, "")], "a\n", "", 0.25),
        ([(0, None)], "a\n", None, 0.25),
        ([(0, None), (0.2, "a\n")], "a\n", "a\n", 0.2),
        ([(0, "a"), (0.2, "a\n")], None, "a\n", 0.21),
        ([(at / 100, f"{at}") for at in range(200)], None, "100", 1.0),
    ],
)
async def test_what_is_in_the_file_is_believed_once_it_has_rested(
    texts: list[tuple[float, str | None]], told: str | None, settled: str | None, after: float
) -> None:
    config = Typed(*texts)
    found = await config._settled(None if told is None else Content(told))
    assert settled == found.text
    assert pytest.approx(after, abs=0.011) == asyncio.get_running_loop().time() - config.began


def test_what_is_watched_are_the_directories_alone_and_nothing_ends_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[tuple[object, ...], dict[str, object]]] = []
    monkeypatch.setattr(hints, "watch", lambda *places, **how: asked.append((places, how)) or ())
    watching = Hints(tmp_path / "zoo.yaml", lambda: None)
    watching._watch(places_on_the_way(tmp_path / "zoo.yaml"))
    ((places, how),) = asked
    assert {str(tmp_path.resolve()), str(tmp_path.resolve().parent)} == set(places)
    expected = {"watch_filter": None, "step": 75, "debounce": 50, "raise_interrupt": False}
    expected |= {"force_polling": False, "recursive": False, "ignore_permission_denied": True}
    assert expected == {key: value for key, value in how.items() if key != "stop_event"}
    assert how["stop_event"] is watching._again


def test_a_way_upwards_is_followed(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    (root / "a/b").mkdir(parents=True)
    (root / "c").mkdir()
    (root / "a/b/zoo.yaml").symlink_to("../../c/zoo.yaml")
    assert {"a/b", "a", "c", "."} == names(places_on_the_way(root / "a/b/zoo.yaml"), root)
    assert hints._identified(root / "none") is None


def test_a_revision_is_one_short_line(tmp_path: Path) -> None:
    (tmp_path / ".revision").write_text(f" {'r' * 300}\nmore")
    assert "r" * 199 == file_watcher.read_revision(tmp_path / "zoo.yaml")

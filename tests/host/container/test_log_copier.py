"""LogCopier on real engines: what a container prints is in the file once, whatever dies meanwhile."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.containers.engines import RealEngine
from tests.host.container.conftest import tiny
from zoosup.host.container.api_engine import ApiEngine
from zoosup.host.container.engine import ContainerState, EngineRefusedError, EngineUnreachableError, LogPiece
from zoosup.host.container.log_copier import LogCopier
from zoosup.host.storage.model_logs import ModelLogs

JSON_FILE = {"log_driver": "json-file"}

Started = Callable[..., Any]


@asynccontextmanager
async def copying(source: Any, container: str, path: Path) -> AsyncGenerator[asyncio.Task[None], None]:
    task = asyncio.ensure_future(LogCopier(source, container, path).run())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def has(path: Path, text: bytes) -> None:
    async with asyncio.timeout(60):
        while not path.exists() or text not in path.read_bytes():
            await asyncio.sleep(0.02)


def lines(count: int) -> bytes:
    return b"".join(b"line %06d\n" % each for each in range(count))


async def test_every_byte_is_copied_and_it_ends_with_the_container(
    api: ApiEngine, started: Started, tmp_path: Path
) -> None:
    made = await started("print", "first", "bytes", "long", "40000", "count", "2000", "0", "exit", "3")
    log = tmp_path / "a.log"
    async with asyncio.timeout(30):
        await LogCopier(api, made, log).run()
    long = bytes(ord("a") + each % 26 for each in range(40000)) + b"\n"
    assert log.read_bytes() == b"first\n" + bytes(range(256)) + long + lines(2000)
    assert log.stat().st_mode & 0o777 == 0o600

    async with asyncio.timeout(10):
        await LogCopier(api, made, log).run()  # all is there
    assert log.read_bytes().endswith(lines(2000))
    assert log.read_bytes().count(b"first\n") == 1


async def test_both_outputs_are_copied(api: ApiEngine, started: Started, tmp_path: Path) -> None:
    made = await started("print", "out", "sleep", "1", "err", "broken", "sleep", "1", "print", "again")
    await LogCopier(api, made, tmp_path / "a.log").run()
    assert (tmp_path / "a.log").read_bytes() == b"out\nbroken\nagain\n"


async def test_a_terminals_output_is_copied(api: ApiEngine, started: Started, tmp_path: Path) -> None:
    made = await started("print", "first", "count", "3", "0", options={"tty": True})
    await LogCopier(api, made, tmp_path / "a.log").run()
    assert (tmp_path / "a.log").read_bytes() == b"first\r\n" + lines(3).replace(b"\n", b"\r\n")


async def test_of_one_whose_output_is_kept_nowhere_nothing_is_asked_for(
    api: ApiEngine, started: Started, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = await started("print", "first", "sleep", "0", options={"log_driver": "none"})
    async with asyncio.timeout(30):
        await LogCopier(api, made, tmp_path / "a.log").run()
    assert (await api.inspect(made)).running
    assert ["its output is kept nowhere (log_driver none)"] == [
        each.getMessage().rpartition("refuses it: ")[2] for each in caplog.records
    ]


async def test_what_is_printed_is_there_soon(api: ApiEngine, started: Started, tmp_path: Path) -> None:
    made = await started("print", "first", "sleep", "0")
    async with copying(api, made, tmp_path / "a.log"), asyncio.timeout(3):
        await has(tmp_path / "a.log", b"first\n")


async def test_it_goes_on_where_it_was_left(api: ApiEngine, started: Started, tmp_path: Path) -> None:
    made = await started("count", "2000", "2000", "print", "end", "sleep", "0")
    log = tmp_path / "a.log"
    for at in (100, 700, 1300):
        async with copying(api, made, log):
            await has(log, b"line %06d\n" % at)
        await asyncio.sleep(0.2)
    async with copying(api, made, log):
        await has(log, b"end\n")
    assert log.read_bytes() == lines(2000) + b"end\n"


async def test_it_goes_on_after_kill_9(engine: RealEngine, started: Started, tmp_path: Path) -> None:
    made = await started("count", "4000", "1000", "print", "end", "sleep", "0")
    log = tmp_path / "a.log"
    program = f"""
import asyncio, pathlib
from tests.host.container.conftest import tiny
from zoosup.host.container.api_engine import ApiEngine
from zoosup.host.container.log_copier import LogCopier
asyncio.run(LogCopier(ApiEngine({engine.address!r}), {made!r}, pathlib.Path({str(log)!r})).run())
"""
    for at in (50, 900, 1800, 2700):
        with subprocess.Popen((sys.executable, "-c", program)) as copier:
            await has(log, b"line %06d\n" % at)
            copier.kill()
    with subprocess.Popen((sys.executable, "-c", program)) as copier:
        await has(log, b"end\n")
        copier.kill()
    assert log.read_bytes() == lines(4000) + b"end\n"


async def test_what_was_written_but_not_noted_is_not_written_again(
    api: ApiEngine, started: Started, tmp_path: Path
) -> None:
    made = await started("count", "100", "0", "sleep", "0")
    log, note = tmp_path / "a.log", tmp_path / "a.log.position"
    async with copying(api, made, log):
        await has(log, lines(100))
    whole = json.loads(note.read_text())
    for size in (0, 5, 12 * 40):  # killed between the write and its note
        note.write_text(
            json.dumps({"container": made, "since": 0, "skip": size, "total": size, "size": size})
        )
        async with copying(api, made, log):
            await asyncio.sleep(0.5)
        assert log.read_bytes() == lines(100)
    note.write_text(json.dumps(whole))


async def test_a_copy_that_is_cut_in_place_goes_on(api: ApiEngine, started: Started, tmp_path: Path) -> None:
    logs = ModelLogs(tmp_path, bound=20_000)
    log = await logs.begin("a")
    made = await started("count", "5000", "1000", "print", "end", "sleep", "0")
    for at in (1700, 3400):
        async with copying(api, made, log):
            await has(log, b"line %06d\n" % at)
            await logs.rotate()
        seen, after = (tmp_path / "a.log.1").read_bytes(), log.read_bytes()
        assert len(seen) == 20_000 > len(after)
        assert seen + after in lines(5000)
    async with copying(api, made, log):
        await has(log, b"end\n")
    whole = (tmp_path / "a.log.1").read_bytes() + log.read_bytes()
    assert (lines(5000) + b"end\n").endswith(whole)
    assert whole.count(b"\n") > 1700


async def test_another_container_is_copied_from_its_beginning(
    api: ApiEngine, started: Started, tmp_path: Path
) -> None:
    log = tmp_path / "a.log"
    for name in ("zoo-a", "zoo-b"):
        made = await started("print", name, name=name)
        await LogCopier(api, made, log).run()
    assert log.read_bytes() == b"zoo-a\nzoo-b\n"


async def test_an_engine_that_dies_and_comes_back_is_waited_for(
    engine: RealEngine, api: ApiEngine, started: Started, tmp_path: Path
) -> None:
    made = await started("count", "4000", "1500", "print", "end", "sleep", "0")
    log = tmp_path / "a.log"
    async with copying(api, made, log) as task:
        await has(log, b"line 000500\n")
        engine.kill()
        await asyncio.sleep(1.5)
        assert not task.done()
        await asyncio.to_thread(engine.start)
        await has(log, b"end\n")
        assert log.read_bytes() == lines(4000) + b"end\n"
        await api.remove(made)
        async with asyncio.timeout(20):
            await task


async def test_a_container_that_is_gone_ends_it(api: ApiEngine, started: Started, tmp_path: Path) -> None:
    made = await started("sleep", "0")
    await api.remove(made)
    async with asyncio.timeout(10):
        await LogCopier(api, made, tmp_path / "a.log").run()


async def test_a_full_disk_loses_nothing(api: ApiEngine, started: Started, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0:
        pytest.skip("a small disk needs root")
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk), check=True)
    try:
        made = await started("count", "20000", "0", "print", "end", "sleep", "0")
        log = disk / "a.log"
        async with copying(api, made, log) as task:
            await has(log, b"line 002000\n")
            await asyncio.sleep(1.2)
            assert not task.done()
            assert log.stat().st_size < 64 << 10
            subprocess.run(("mount", "-o", "remount,size=1m", disk), check=True)
            await has(log, b"end\n")
        assert log.read_bytes() == lines(20000) + b"end\n"
    finally:
        subprocess.run(("umount", "-l", disk), check=True)


async def test_many_short_lines_cost_little(api: ApiEngine, started: Started, tmp_path: Path) -> None:
    made = await started("count", "200000", "0", "print", "end", "sleep", "0")
    log = tmp_path / "a.log"
    begun = time.process_time()
    async with copying(api, made, log), asyncio.timeout(90):
        while not log.exists() or log.stat().st_size < 200_000 * 12 + 4:
            await asyncio.sleep(0.2)
    assert log.read_bytes() == lines(200_000) + b"end\n"
    assert time.process_time() - begun < 200_000 * 50e-6, "so that 1 MB of usual lines a second takes no core"


@pytest.mark.parametrize("kind", ["local", "json-file"])
async def test_docker_turns_its_log_over_meanwhile(docker: RealEngine, tmp_path: Path, kind: str) -> None:
    api = ApiEngine(docker.address)
    options = {"log_driver": kind, "log_opts": {"max-size": "300k", "max-file": "5"}}
    made = await api.create(tiny("count", "30000", "10", "print", "end", "sleep", "0", options=options))
    await api.start(made)
    async with copying(api, made, tmp_path / "a.log"):
        await has(tmp_path / "a.log", b"end\n")
    assert (tmp_path / "a.log").read_bytes() == lines(30000) + b"end\n"
    await api.aclose()


async def test_docker_whose_log_is_cut_under_it_is_asked_anew(
    docker: RealEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As logrotate does it with `copytruncate`; Docker then gives nothing more, and doesn't say so."""
    monkeypatch.setattr("zoosup.host.container.log_copier.SILENCE", 1.0)
    api = ApiEngine(docker.address)
    made = await api.create(
        tiny("print", "first", "sleep", "6", "count", "400", "10000", "sleep", "60", options=JSON_FILE)
    )
    await api.start(made)
    log = tmp_path / "a.log"
    async with copying(api, made, log):
        await has(log, b"first\n")
        await asyncio.sleep(3)
        os.truncate((await api._api.ask("GET", f"containers/{made}/json"))["LogPath"], 0)
        await has(log, b"line 000399\n")
    assert log.read_bytes() == b"first\n" + lines(400)
    await api.aclose()


class Source:
    """An engine whose answers are written down."""

    def __init__(self, *answers: list[list[LogPiece]] | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[float] = []

    async def log_batches(self, container_id: str, since: float) -> AsyncGenerator[list[LogPiece], None]:
        self.asked.append(since)
        answer = self.answers.pop(0) if self.answers else []
        if isinstance(answer, Exception):
            raise answer
        for batch in answer:
            yield batch

    async def last_logged(self, container_id: str) -> float | None:
        return None

    async def inspect(self, container_id: str) -> ContainerState | None:
        return None


class StuckSource(Source):
    """One whose first answer never ends, though there is more to give from the `ready`th question on."""

    def __init__(self, ready: int, *answers: list[list[LogPiece]] | Exception) -> None:
        super().__init__(*answers)
        self.ready = ready
        self.looks: list[float] = []

    async def log_batches(self, container_id: str, since: float) -> AsyncGenerator[list[LogPiece], None]:
        async for batch in super().log_batches(container_id, since):
            yield batch
        if len(self.asked) == 1:
            await asyncio.Event().wait()

    async def last_logged(self, container_id: str) -> float | None:
        self.looks.append(asyncio.get_running_loop().time())
        return 200.0 if len(self.looks) >= self.ready else 100.5


@pytest.mark.looptime
async def test_an_engine_that_is_stuck_is_asked_anew_and_one_that_has_nothing_to_say_seldom(
    tmp_path: Path,
) -> None:
    first, last = LogPiece(100.5, b"first\n"), LogPiece(200.0, b"last\n")
    source = StuckSource(8, [[first]], [[first, last]])
    await LogCopier(source, "c", tmp_path / "a.log").run()
    assert (tmp_path / "a.log").read_bytes() == b"first\nlast\n"
    pauses = [later - earlier for earlier, later in pairwise(source.looks)]
    assert pauses == pytest.approx([60, 120, 240, 480, 600, 600, 600], abs=1)


@pytest.mark.looptime
async def test_while_it_waits_for_a_silent_engine_it_can_be_ended(tmp_path: Path) -> None:
    source = StuckSource(1000, [[LogPiece(100.5, b"first\n")]])
    async with copying(source, "c", tmp_path / "a.log") as task:
        # Not for a time: virtual time runs ahead of the thread that opens the file.
        while len(source.looks) < 3:
            await asyncio.sleep(1)
        assert not task.done()
    assert task.cancelled()
    assert len(source.asked) == 1


async def test_the_last_words_that_an_engine_left_out_are_asked_for_again(tmp_path: Path) -> None:
    first, last = LogPiece(100.5, b"first\n"), LogPiece(100.7, b"last\n")
    source = Source([[first]], [[first, last]])
    await LogCopier(source, "c", tmp_path / "a.log").run()
    assert (tmp_path / "a.log").read_bytes() == b"first\nlast\n"
    assert source.asked == [0.0, 97.0, 97.0]


async def test_it_complains_once_of_an_engine_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("zoosup.host.container.log_copier.AGAIN", 0.01)
    away = EngineUnreachableError("the socket does not exist")
    source = Source(away, away, away, [[LogPiece(1.0, b"x\n")]])
    await LogCopier(source, "c" * 64, tmp_path / "a.log").run()
    assert [each.getMessage() for each in caplog.records] == [
        "container cccccccccccc: its engine is away: the socket does not exist"
    ]
    assert (tmp_path / "a.log").read_bytes() == b"x\n"


class RefusingSource(Source):
    """One whose container runs, and that says no for so many times."""

    def __init__(self, times: int) -> None:
        super().__init__(*times * [EngineRefusedError(500, "can't read")])
        self.looks: list[float] = []

    async def inspect(self, container_id: str) -> ContainerState | None:
        return None

    async def log_batches(self, container_id: str, since: float) -> AsyncGenerator[list[LogPiece], None]:
        self.looks.append(asyncio.get_running_loop().time())
        async for batch in super().log_batches(container_id, since):
            yield batch


@pytest.mark.looptime
async def test_an_engine_that_says_no_is_asked_ever_more_seldom(tmp_path: Path) -> None:
    source = RefusingSource(9)
    await LogCopier(source, "c", tmp_path / "a.log").run()
    pauses = [later - earlier for earlier, later in pairwise(source.looks)]
    assert pauses == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60, 60], abs=0.5)


async def test_a_note_that_is_no_note_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "a.log.position").write_text("{torn")
    await LogCopier(
        Source([[LogPiece(1.0, b"x\n")]], [[LogPiece(1.0, b"x\n")]]), "c", tmp_path / "a.log"
    ).run()
    assert (tmp_path / "a.log").read_bytes() == b"x\n"
    noted = json.loads((tmp_path / "a.log.position").read_text())
    assert (noted["container"], noted["size"]) == ("c", 2)


async def test_the_next_copier_goes_on_by_the_note(tmp_path: Path) -> None:
    first, last = LogPiece(100.5, b"first\n"), LogPiece(200.7, b"last\n")
    await LogCopier(Source([[first]], []), "c", tmp_path / "a.log").run()
    source = Source([[first, last]])
    await LogCopier(source, "c", tmp_path / "a.log").run()
    assert (tmp_path / "a.log").read_bytes() == b"first\nlast\n"
    assert source.asked[0] == 97.0


async def test_nobody_else_may_read_the_copy_or_the_note(tmp_path: Path) -> None:
    await LogCopier(Source([[LogPiece(1.0, b"x\n")]]), "c", tmp_path / "a.log").run()
    assert {0o600} == {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()}


async def test_a_note_is_as_long_as_it_was_so_that_a_full_disk_has_room_for_it(tmp_path: Path) -> None:
    note = tmp_path / "a.log.position"
    for answers in [], [[LogPiece(1e9, b"x" * 1000)]]:
        await LogCopier(Source(answers), "c" * 64, tmp_path / "a.log").run()
        assert note.stat().st_size == 256


async def test_the_note_of_another_container_is_not_gone_on_from(tmp_path: Path) -> None:
    await LogCopier(Source([[LogPiece(100.5, b"old\n")]]), "before", tmp_path / "a.log").run()
    source = Source([[LogPiece(100.6, b"new\n")]])
    await LogCopier(source, "c", tmp_path / "a.log").run()
    assert (source.asked[0], (tmp_path / "a.log").read_bytes()) == (0.0, b"old\nnew\n")


@pytest.mark.parametrize(
    ("written", "given"),
    [
        # killed between the write and its note
        (b"first\nla", b"first\nlast\n"),
        # cut in place, and gone on with before it was noted
        (b"la", b"last\n"),
        (b"", b"last\n"),
    ],
)
async def test_what_was_written_but_not_noted_counts(tmp_path: Path, written: bytes, given: bytes) -> None:
    first, last = LogPiece(100.5, b"first\n"), LogPiece(100.7, b"last\n")
    await LogCopier(Source([[first]]), "c", tmp_path / "a.log").run()
    (tmp_path / "a.log").write_bytes(written)
    await LogCopier(Source([[first, last]]), "c", tmp_path / "a.log").run()
    assert (tmp_path / "a.log").read_bytes() == given


class Patient(Source):
    """A source whose container runs for so many looks, or is refused so."""

    def __init__(self, looks: int, *answers: list[list[LogPiece]] | Exception) -> None:
        super().__init__(*answers)
        self.left = looks
        self.refusal: EngineRefusedError | None = None

    async def inspect(self, container_id: str) -> ContainerState | None:
        if self.refusal is not None:
            raise self.refusal
        self.left -= 1
        return ContainerState("c", "zoo", "r1", 7, self.left > 0, None, False, "")


async def test_it_ends_with_the_container_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoosup.host.container.log_copier.AGAIN", 0.01)
    source = Patient(3, [[LogPiece(1.0, b"a\n")]], [], [[LogPiece(9.0, b"b\n")]], [])
    await LogCopier(source, "c", tmp_path / "a.log").run()
    assert (source.left, (tmp_path / "a.log").read_bytes()) == (0, b"a\nb\n")


@pytest.mark.parametrize(("status", "ends"), [(404, True), (500, False)])
async def test_a_refusal_is_told_once_and_only_that_of_one_that_is_gone_ends_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    status: int,
    ends: bool,
) -> None:
    monkeypatch.setattr("zoosup.host.container.log_copier.AGAIN", 0.01)
    source = Patient(1)
    source.refusal = EngineRefusedError(status, "no")
    async with copying(source, "c" * 64, tmp_path / "a.log") as task:
        async with asyncio.timeout(20):
            while not task.done() and len(source.asked) < 5:
                await asyncio.sleep(0.01)
        assert task.done() == ends
    assert [each.getMessage() for each in caplog.records] == [
        "container cccccccccccc: its engine refuses it: no"
    ]


async def test_what_it_complained_of_and_then_could_do_is_complained_of_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("zoosup.host.container.log_copier.AGAIN", 0.01)
    away = EngineUnreachableError("away")
    source = Source(away, [[LogPiece(1.0, b"x\n")]], away, [])
    await LogCopier(source, "c", tmp_path / "a.log").run()
    assert 2 == len(caplog.records)


async def test_a_disk_that_is_full_is_waited_for_and_written_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("zoosup.host.container.log_copier.AGAIN", 0.01)
    room = [3, None, 2, None]
    write = os.write

    def full(descriptor: int, data: memoryview) -> int:
        most = room.pop(0) if room else len(data)
        if most is None:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:most])

    monkeypatch.setattr("zoosup.host.container.log_copier.os.write", full)
    await LogCopier(Source([[LogPiece(1.0, b"abcdefgh\n")]]), "c", tmp_path / "a.log").run()
    assert (tmp_path / "a.log").read_bytes() == b"abcdefgh\n"
    assert [each.getMessage() for each in caplog.records] == [
        "container c: can't write its log: [Errno 28] No space left on device"
    ]
    assert json.loads((tmp_path / "a.log.position").read_text())["size"] == 9


async def test_it_leaves_no_descriptor(tmp_path: Path) -> None:
    before = psutil.Process().num_fds()
    await LogCopier(Source([[LogPiece(1.0, b"x\n")]]), "c", tmp_path / "a.log").run()
    assert psutil.Process().num_fds() <= before


async def test_a_write_that_hangs_when_it_is_ended_gives_the_descriptors_back_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging, goes_on, closed = threading.Event(), threading.Event(), threading.Event()
    write, close = os.write, os.close

    def slow(descriptor: int, data: memoryview) -> int:
        hanging.set()
        goes_on.wait(60)
        return write(descriptor, data)

    given_back = []

    def noted(descriptor: int) -> None:
        close(descriptor)
        if goes_on.is_set():
            given_back.append(descriptor)
            if len(given_back) == 2:
                closed.set()

    copier = LogCopier(Source([[LogPiece(1.0, b"x\n")]]), "c", tmp_path / "a.log")
    monkeypatch.setattr("zoosup.host.container.log_copier.os.write", slow)
    monkeypatch.setattr("zoosup.host.container.log_copier.os.close", noted)
    task = asyncio.ensure_future(copier.run())
    await asyncio.to_thread(hanging.wait, 60)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    goes_on.set()
    assert await asyncio.to_thread(closed.wait, 60)
    with pytest.raises(OSError, match="Bad file descriptor"):
        copier._copy.open()

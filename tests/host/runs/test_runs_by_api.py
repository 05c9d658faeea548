"""Runs whose container is an engine's over its API, of which no process can be seen, by a double of the engine."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from tests.host.conftest import RUN, eventually
from tests.host.container.engine_double import ID
from tests.host.runs.living_engine import HELD, LivingEngine
from zoosup.core.state.phases import ExitReason
from zoosup.host.ports.host import Ladder, RecordedRun, SpawnError
from zoosup.host.ports.launch import ContainerLaunch, Launch
from zoosup.host.process.processes import Processes
from zoosup.host.runs.engines import Engines
from zoosup.host.runs.runs import Runs
from zoosup.host.runs.tie import Kept, TieFiles

CREATE, START = "POST containers/create", f"POST containers/{ID}/start"
REFUSED = (500, {"message": "still booting"})


class Box:
    """One engine, and the runs of one zoosup; `again` is the next one's, over the same directory."""

    def __init__(self, engine: LivingEngine, place: Path) -> None:
        self.engine, self.place = engine, place
        self.exits = []
        self.made = []
        self.begin()

    def begin(self):
        processes = partial(Processes, logs=self.place)
        ended = lambda *told: self.exits.append(told)  # noqa: E731
        self.runs = Runs(processes, Engines({}), self.place / "ties", ended, wall=lambda: 7.0)
        self.made.append(self.runs)

    @property
    def launch(self):
        address = f"unix://{self.engine.socket}"
        inside = ContainerLaunch(address, "image:1", ("serve",), {"A": "b"}, (), None, "127.0.0.1", 0, {})
        return Launch(RUN, "a/model", (), {}, None, self.place / "m.log", container=inside)

    async def again(self, *, records=True):
        await self.runs.close()
        self.begin()
        recorded = {RUN: RecordedRun(self.launch, None)} if records else {}
        return dict(await self.runs.adopt(recorded, "mark"))

    async def end(self, grace=20.0):
        return await self.runs.terminate(RUN, Ladder("TERM", grace))

    @property
    def ties(self):
        return sorted(each.name for each in (self.place / "ties").iterdir())


@pytest.fixture
async def box(tmp_path):
    engine = LivingEngine(str(tmp_path / "s"))
    await engine.start()
    box = Box(engine, tmp_path)
    await box.runs.adopt({}, "mark")
    yield box
    engine.end(0)
    for each in box.made:
        await each.close()
    await engine.stop()


async def test_it_is_labelled_on_record_copied_and_measured_by_its_engine(box):
    assert 0 == await box.runs.spawn(box.launch)
    place = (box.place).stat()
    assert {
        "zoosup.run": RUN, "zoosup.instance": "mark", "zoosup.model": "a/model",
        "zoosup.place": f"{place.st_dev}.{place.st_ino}",
    } == box.engine.labels  # fmt: skip
    kept = Kept(f"unix://{box.engine.socket}", container_id=ID, apart=True)
    assert {RUN: kept} == TieFiles(box.place / "ties").load()
    assert {RUN: HELD} == dict(await box.runs.usage())
    await eventually(lambda: b"hello\n" == (box.place / "m.log").read_bytes())


async def test_what_its_engine_will_not_tell_is_left_out(box):
    await box.runs.spawn(box.launch)
    box.engine.answers[f"GET containers/{ID}/stats"] = REFUSED
    assert {} == dict(await box.runs.usage())


@pytest.mark.parametrize("code", [0, 3, 137])
async def test_its_end_is_told_once_by_its_engine_and_nothing_is_left(box, code):
    await box.runs.spawn(box.launch)
    box.engine.end(code)
    await eventually(lambda: box.exits)
    ended = await box.end()
    [(run, told)] = box.exits
    signalled = {137: (None, "SIGKILL")}
    assert (RUN, *signalled.get(code, (code, None)), 7.0) == (run, told.code, told.signal, told.at)
    assert (told, "") == (ended.exit, ended.survivors)
    assert (None, []) == (box.engine.config, box.ties)
    assert {} == dict(await box.runs.usage())


async def test_one_that_somebody_else_removes_has_ended_so(box):
    await box.runs.spawn(box.launch)
    box.engine.config = None
    box.engine.end(137)
    await eventually(lambda: box.exits)
    assert "its container was removed by somebody else" == box.exits[0][1].message
    assert "" == (await box.end()).survivors


async def test_an_engine_that_can_not_be_asked_for_a_while_is_no_end(box, monkeypatch):
    monkeypatch.setattr("zoosup.host.runs.follow._AGAIN", 0.05)
    await box.runs.spawn(box.launch)
    waits = f"POST containers/{ID}/wait"
    await eventually(lambda: waits in box.engine.calls)
    box.engine.answers |= {waits: REFUSED, f"GET containers/{ID}/json": REFUSED}
    box.engine.ended.set()
    looks = len(box.engine.calls)
    await eventually(lambda: len(box.engine.calls) > looks + 4)
    assert [] == box.exits
    box.engine.answers.clear()
    box.engine.end(3)
    await eventually(lambda: box.exits)
    assert 3 == box.exits[0][1].code


async def test_it_is_taken_down_by_its_engine_and_by_a_shorter_grace_when_that_is_asked(box):
    box.engine.deaf = ("SIGTERM",)
    await box.runs.spawn(box.launch)
    ending = asyncio.create_task(box.end(600.0))
    kills = f"POST containers/{ID}/kill"
    await eventually(lambda: kills in box.engine.calls)
    again = asyncio.create_task(box.end(600.0))
    await asyncio.sleep(0.1)
    box.runs.hasten(RUN, 0.0)
    first, second = await asyncio.wait_for(asyncio.gather(ending, again), 20)
    assert (first, "SIGKILL") == (second, first.exit.signal)
    sent = [each.query["signal"] for each in box.engine.asked if each.path.endswith("/kill")]
    assert ["SIGTERM", "SIGKILL"] == sent


async def test_an_engine_that_will_not_end_it_is_told_and_the_run_stays(box):
    await box.runs.spawn(box.launch)
    box.engine.answers[f"POST containers/{ID}/kill"] = REFUSED
    ended = await box.end()
    assert ("the engine refuses to end its container: still booting", None) == (ended.survivors, ended.exit)
    box.engine.answers.clear()
    assert "" == (await box.end()).survivors
    assert [] == box.ties


async def test_an_end_waits_for_the_start(box):
    box.engine.late[CREATE] = 0.5
    starting = asyncio.create_task(box.runs.spawn(box.launch))
    await eventually(lambda: CREATE in box.engine.calls)
    ended = await box.end()
    assert ("", 0, None) == (ended.survivors, await starting, box.engine.config)


async def test_a_start_that_nobody_waits_for_goes_on_and_can_be_ended(box):
    box.engine.late[CREATE] = 0.5
    starting = asyncio.create_task(box.runs.spawn(box.launch))
    await eventually(lambda: CREATE in box.engine.calls)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    assert "" == (await box.end()).survivors
    assert START in box.engine.calls
    assert box.engine.config is None


async def test_a_start_that_does_not_come_to_its_end_is_told_after_the_grace(box, monkeypatch):
    monkeypatch.setattr("zoosup.host.runs.runs.GIVE_UP", 0.1)
    box.engine.late[CREATE] = 60.0
    starting = asyncio.create_task(box.runs.spawn(box.launch))
    await eventually(lambda: CREATE in box.engine.calls)
    ended = await asyncio.wait_for(box.end(0.1), 20)
    assert ("a container that its engine is still starting", None) == (ended.survivors, ended.exit)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)


@pytest.mark.parametrize(
    ("call", "answer", "reason", "words"),
    [
        (CREATE, (404, {"message": "no such image"}), ExitReason.NOT_EXECUTABLE, "no such image"),
        (CREATE, (400, {"message": "bad option"}), ExitReason.NOT_EXECUTABLE, "bad option"),
        (START, (501, {"message": "no"}), ExitReason.NOT_EXECUTABLE, "no"),
        (START, (422, {"message": "no"}), ExitReason.NOT_EXECUTABLE, "no"),
        (START, (500, {"message": "no"}), ExitReason.ERROR, "no"),
        (START, (500, {"message": "Port is already allocated"}), ExitReason.PORT_IN_USE, "Port is"),
        (START, (500, {"message": "Address already in use"}), ExitReason.PORT_IN_USE, "Address"),
        (f"GET containers/{ID}/json", [(404, {}), (404, {})], ExitReason.ERROR, "removed as soon as it was"),
    ],
)
async def test_what_a_refusal_means_is_told_and_nothing_is_left(box, call, answer, reason, words):
    box.engine.answers[call] = answer
    with pytest.raises(SpawnError, match=words) as refused:
        await box.runs.spawn(box.launch)
    assert (reason, []) == (refused.value.reason, box.ties)
    assert [] == box.exits


async def test_the_next_zoosup_goes_on_with_it(box):
    await box.runs.spawn(box.launch)
    await eventually(lambda: (box.place / "m.log").exists() and (box.place / "m.log").read_bytes())
    assert {RUN: 0} == await box.again()
    assert {RUN: HELD} == dict(await box.runs.usage())
    box.engine.end(3)
    await eventually(lambda: box.exits)
    assert [(RUN, 3)] == [(run, told.code) for run, told in box.exits]
    assert "" == (await box.end()).survivors
    assert b"hello\n" == (box.place / "m.log").read_bytes()
    assert (None, []) == (box.engine.config, box.ties)


@pytest.mark.parametrize("kept", [True, False])
async def test_by_its_record_or_by_its_file(box, kept):
    await box.runs.spawn(box.launch)
    if not kept:
        TieFiles(box.place / "ties").forget(RUN)
    assert {RUN: 0} == await box.again(records=not kept)
    assert "" == (await box.end()).survivors
    assert box.engine.config is None


async def test_what_has_ended_meanwhile_is_cleared_away_and_forgotten(box):
    await box.runs.spawn(box.launch)
    box.engine.end(0)
    await eventually(lambda: box.exits)
    assert {} == await box.again()
    await eventually(lambda: box.engine.config is None and not box.ties)


async def test_with_an_engine_away_one_that_could_never_be_seen_may_be_there(box):
    await box.runs.spawn(box.launch)
    await box.engine.stop()
    assert {RUN: 0} == await box.again()
    await box.engine.start()
    assert "" == (await box.end()).survivors


async def test_who_closes_leaves_it_and_its_log_alone(box):
    await box.runs.spawn(box.launch)
    await eventually(lambda: box.engine.at_once == 2)
    await box.runs.close()
    await eventually(lambda: not box.engine.at_once)
    assert box.engine.running

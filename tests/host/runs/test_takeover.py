"""Containers of an earlier zoosup, in an engine that does what a test tells it."""

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest

from tests.host.conftest import RUN
from tests.host.runs.test_container_end import ID, ScriptedEngine, tie_of
from tests.host.runs.test_failed_starts import HalfEngine, begun, launch  # noqa: F401 - a fixture
from zoosup.host.container.engine import EngineRefusedError, EngineUnreachableError
from zoosup.host.ports.host import Ladder, RecordedRun
from zoosup.host.runs import takeover
from zoosup.host.runs.container_start import INSTANCE_LABEL
from zoosup.host.runs.engines import Engines
from zoosup.host.runs.takeover import Takeover
from zoosup.host.runs.tie import Kept, TieFiles


@pytest.mark.parametrize("container_id", ["", ID])
async def test_what_an_engine_makes_late_for_one_who_was_killed_is_removed(
    tmp_path, monkeypatch, container_id
):
    """Once its id is known it has been made: nothing is waited for."""
    monkeypatch.setattr(takeover, "_MAKING", 0.0 if container_id == "" else 600.0)
    files, engine = TieFiles(tmp_path), ScriptedEngine()
    engine.there = engine.running = bool(container_id)
    files.keep("r1", Kept(client=("docker",)))
    sweeping = asyncio.create_task(
        Takeover(Engines({}), files).sweep("mark", (), (tie_of(engine, container_id=container_id),))
    )
    while not engine.looks:
        await asyncio.sleep(0)
    if not container_id:
        engine.there = True
    await asyncio.wait_for(sweeping, 20)
    assert (False, {}) == (engine.there, files.load())


@pytest.mark.parametrize("runs_on", [True, False])
async def test_who_runs_on_is_taken_over_with_its_container_and_what_has_ended_is_removed(
    begun,  # noqa: F811
    tmp_path,
    runs_on,
):
    engine = HalfEngine()
    before, _ = await begun(engine)
    await before.adopt({}, "mark")
    await before.spawn(launch(tmp_path))
    await before.close()
    engine.running = runs_on

    runs, _ = await begun(engine)
    found = await runs.adopt({RUN: RecordedRun(launch(tmp_path), None)}, "mark")
    while {INSTANCE_LABEL: "mark"} not in engine.asked:
        await asyncio.sleep(0)
    assert ({RUN: 0} if runs_on else {}, runs_on) == (found, engine.made)
    assert "" == (await runs.terminate(RUN, Ladder("TERM", 1.0))).survivors
    assert not engine.made


async def test_a_container_is_on_record_before_it_is_made(begun, tmp_path):  # noqa: F811
    class LookingEngine(HalfEngine):
        async def create(self, config):
            self.on_record = TieFiles(tmp_path / "containers").load()
            return await super().create(config)

    engine = LookingEngine()
    runs, _ = await begun(engine)
    await runs.spawn(launch(tmp_path))
    assert {RUN: Kept(engine.address)} == engine.on_record


@pytest.mark.parametrize(
    ("place", "named", "removed"),
    [("1.1", False, False), ("1.1", True, True), ("", False, True), ("own", False, True)],
)
async def test_what_another_state_directory_of_the_same_path_has_is_left_alone(
    tmp_path, place, named, removed
):
    """One that an earlier release has made says nothing of its place; one that is named is ours anyhow."""
    files, engine = TieFiles(tmp_path / "containers"), ScriptedEngine()
    engine.place = files.place() if place == "own" else place
    tie = tie_of(engine)
    tie = tie if named else replace(tie, launch=replace(tie.launch, run_id="r2"))
    await Takeover(Engines({}), files).sweep("mark", (), (tie,))
    assert removed is not engine.there


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("trouble", "looks"), [(EngineRefusedError(500, "no"), 1), (EngineUnreachableError("no answer"), 2)]
)
async def test_an_engine_that_does_not_answer_is_asked_again_and_one_that_refuses_is_not(
    tmp_path, trouble, looks
):
    class OnceInTrouble(ScriptedEngine):
        async def find(self, labels):
            try:
                return await super().find(labels)
            finally:
                self.fails = None

    engine = OnceInTrouble(fails=trouble)
    await Takeover(Engines({}), TieFiles(tmp_path)).sweep("mark", (), (tie_of(engine),))
    assert looks == engine.looks


@pytest.mark.parametrize(
    ("argv", "by_client"),
    [(("docker", "run", "x"), True), (("podman", "run", "x"), True), (("serve",), None)],
)
def test_whose_tie_was_never_kept_is_known_by_its_record(tmp_path, argv, by_client):
    """One that was killed before it could write down what its client is."""
    record = RecordedRun(replace(launch(tmp_path), argv=argv, container=None), "7@1")
    ties = Takeover(Engines({}), TieFiles(tmp_path)).ties({RUN: record})
    assert by_client == (ties[RUN].led_by_client if ties else None)


class Timed(ScriptedEngine):
    """Notes when it was looked at; away for the first so many looks."""

    def __init__(self, away=0):
        super().__init__()
        self.away, self.times = away, []

    async def find(self, labels):
        self.times.append(asyncio.get_running_loop().time())
        if len(self.times) <= self.away:
            raise EngineUnreachableError("no answer")
        return await super().find(labels)


@pytest.mark.looptime
async def test_an_engine_that_is_away_is_asked_less_and_less_often(tmp_path):
    engine = Timed(away=8)
    await Takeover(Engines({}), TieFiles(tmp_path)).sweep("mark", (), (tie_of(engine),))
    pauses = [later - earlier for earlier, later in pairwise(engine.times)]
    assert [5, 10, 20, 40, 80, 160, 300, 300] == pytest.approx(pauses, abs=0.5)
    assert not engine.there


@pytest.mark.looptime
@pytest.mark.parametrize(("container_id", "pauses"), [("", [30.0]), (ID, [])])
async def test_what_may_be_made_late_is_looked_for_half_a_minute_later(tmp_path, container_id, pauses):
    engine = Timed()
    engine.there = engine.running = False
    await Takeover(Engines({}), TieFiles(tmp_path)).sweep(
        "mark", (), (tie_of(engine, container_id=container_id),)
    )
    assert pauses == pytest.approx([later - earlier for earlier, later in pairwise(engine.times)], abs=0.5)


async def test_who_lives_keeps_its_container_and_its_file(tmp_path):
    files, engine = TieFiles(tmp_path / "ties"), ScriptedEngine()
    files.keep("r1", Kept(client=("docker",)))
    await Takeover(Engines({}), files).sweep("mark", {"r1"}, (tie_of(engine, container_id=""),))
    assert (True, ["r1"], 1) == (engine.there, list(files.load()), engine.looks)


@pytest.mark.parametrize(
    ("fails", "running", "apart", "pid"),
    [
        (None, True, False, 7),
        (None, False, False, None),
        (EngineUnreachableError("no answer"), True, True, 0),
        (EngineUnreachableError("no answer"), True, False, None),
        (EngineRefusedError(500, "no"), True, True, None),
    ],
)
async def test_one_of_which_no_process_was_found_runs_where_its_engine_says_so(
    tmp_path, fails, running, apart, pid
):
    engine = ScriptedEngine(fails=fails)
    engine.running = running
    tie = tie_of(engine, container_id="", apart=apart)
    assert pid == await Takeover(Engines({}), TieFiles(tmp_path)).still_runs(tie)
    assert (ID if fails is None and running else "") == tie.container_id


@pytest.mark.parametrize(("client", "by_client"), [(("docker",), True), ((), False)])
def test_what_was_kept_goes_before_the_record_and_counts_without_one(tmp_path, client, by_client):
    files = TieFiles(tmp_path / "ties")
    files.keep(RUN, Kept("unix:///x.sock", client, {}, ID, apart=True))
    for records in {}, {RUN: RecordedRun(launch(tmp_path), None)}:
        [tie] = Takeover(Engines({}), files).ties(records).values()
        assert (RUN, by_client, ID, True) == (tie.run_id, tie.led_by_client, tie.container_id, tie.apart)
        assert bool(records) is (tie.launch == launch(tmp_path))

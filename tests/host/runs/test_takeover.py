"""Containers of an earlier zoosup, in an engine that does what a test tells it."""

import asyncio
from dataclasses import replace

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

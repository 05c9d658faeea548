"""Containers of an earlier zoosup, in an engine that does what a test tells it."""

import asyncio

import pytest

from tests.host.runs.test_container_end import ID, ScriptedEngine, tie_of
from zoosup.host.runs import takeover
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

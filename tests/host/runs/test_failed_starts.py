"""Starts of containers that fail half way, in an engine that does what a test tells it: nothing of them is left."""

from functools import partial
from pathlib import Path

import pytest

from tests.host.conftest import RUN
from zoosup.core.state.phases import ExitReason
from zoosup.host.container.engine import (
    RUN_LABEL,
    ContainerState,
    EngineRefusedError,
    EngineUnreachableError,
)
from zoosup.host.ports.host import Ladder, SpawnError
from zoosup.host.ports.launch import ContainerLaunch, Launch
from zoosup.host.process.processes import Processes
from zoosup.host.runs.runs import Runs

ID = "c" * 64
BROKEN = EngineRefusedError(500, "still booting")
AWAY = EngineUnreachableError("no answer on /run/docker.sock")


class HalfEngine:
    """Makes and starts the container, and then fails with what a test wants; `away`: from then on it doesn't answer."""

    address = "unix:///run/docker.sock"

    def __init__(self, create=None, start=None, *, away=False):
        self.fails = {"create": create, "start": start}
        self.away = away
        self.labels, self.made, self.running, self.gone = {}, False, False, False
        self.asked = []

    def _done(self, call):
        if self.fails[call] is not None:
            self.gone = self.away
            raise self.fails[call]

    def _answer(self):
        if self.gone:
            raise AWAY

    async def create(self, config):
        self.labels, self.made = config.labels, True
        self._done("create")
        return ID

    async def start(self, container_id):
        self.running = True
        self._done("start")

    async def inspect(self, container_id):
        self._answer()
        return self._state() if self.made and container_id == ID else None

    async def find(self, labels):
        self.asked.append(labels)
        self._answer()
        return (self._state(),) if self.made and labels.items() <= self.labels.items() else ()

    async def signal(self, container_id, signal):
        self._answer()
        self.running = False

    async def remove(self, container_id):
        self._answer()
        self.made = self.running = False

    def _state(self):
        run_id = self.labels[RUN_LABEL]
        return ContainerState(ID, "zoo", run_id, None, self.running, None, False, "")


class OneEngine:
    """What is asked for engines, and has this one."""

    def __init__(self, engine):
        self.engine = engine

    def by_api(self, name):
        return self.engine

    def of_kept(self, kept):
        return self.engine

    async def close(self):
        pass


@pytest.fixture
async def begun(tmp_path):
    """Runs over an engine, and whose exits they have told."""
    opened = []

    async def begin(engine):
        exits = []
        runs = Runs(
            partial(Processes, logs=tmp_path),
            OneEngine(engine),
            tmp_path / "containers",
            lambda *told: exits.append(told),
        )
        opened.append(runs)
        return runs, exits

    yield begin
    for runs in opened:
        await runs.close()


def launch(tmp_path):
    inside = ContainerLaunch("auto", "tiny", (), {}, (), None, "127.0.0.1", 0, {})
    return Launch(RUN, "m", (), {}, None, tmp_path / "m.log", container=inside)


@pytest.mark.parametrize(
    "engine",
    [
        HalfEngine(create=BROKEN),
        HalfEngine(create=AWAY),
        HalfEngine(start=BROKEN),
        HalfEngine(start=AWAY),
    ],
    ids=["create is refused", "create is cut off", "start is refused", "start is cut off"],
)
async def test_what_was_made_is_removed_before_the_start_counts_as_failed(begun, engine, tmp_path):
    runs, exits = await begun(engine)
    with pytest.raises(SpawnError, match=r"still booting|no answer"):
        await runs.spawn(launch(tmp_path))
    assert not engine.made
    assert [] == list(Path(tmp_path / "containers").iterdir())
    assert [] == exits


@pytest.mark.parametrize(
    "engine",
    [HalfEngine(create=AWAY, away=True), HalfEngine(start=AWAY, away=True)],
    ids=["at the create", "at the start"],
)
async def test_where_the_engine_dies_meanwhile_the_run_has_ended_and_is_held_until_it_answers(
    begun, engine, tmp_path
):
    runs, exits = await begun(engine)
    assert 0 == await runs.spawn(launch(tmp_path))
    assert [(RUN, ExitReason.ERROR, str(AWAY))] == [(run, e.reason, e.message) for run, e in exits]
    assert "can't be told" in (await runs.terminate(RUN, Ladder("TERM", 1.0))).survivors

    engine.gone = False
    ended = await runs.terminate(RUN, Ladder("TERM", 1.0))
    assert ("", str(AWAY)) == (ended.survivors, ended.exit.message)
    assert not engine.made
    assert [] == list(Path(tmp_path / "containers").iterdir())

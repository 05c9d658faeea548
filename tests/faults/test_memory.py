"""Memory that somebody else takes at the worst moment, in virtual time: the host says whether it ran out."""

import asyncio

import pytest

from tests.faults.table import fault
from tests.runtime.conftest import GIB, Supervised, VirtualHost, zoo_yaml

pytestmark = pytest.mark.looptime

MODELS = {"a": "8GiB", "b": "8GiB"}


@pytest.fixture(autouse=True)
def _threads_take_no_time(monkeypatch):
    """Virtual time runs on while a real thread works, so that what goes to a thread is done at once instead."""

    async def at_once(work, *args):
        return work(*args)

    monkeypatch.setattr(asyncio, "to_thread", at_once)


class Robbed(VirtualHost):
    """A host on which a stranger takes memory between the admission of a model and its spawn, or at an exit."""

    stolen_at_spawn = 0
    stolen_at_exit = 0

    async def spawn(self, launch) -> int:
        self.foreign, self.stolen_at_spawn = self.foreign + self.stolen_at_spawn, 0
        return await super().spawn(launch)

    def _end(self, process, end) -> None:
        self.foreign, self.stolen_at_exit = self.foreign + self.stolen_at_exit, 0
        super()._end(process, end)


@pytest.fixture
async def host():
    host = Robbed(total=32 * GIB)
    for name in MODELS:
        host.behave(name, holds=7 * GIB, load=4.0)
    return host


@pytest.fixture
async def zoo(host):
    zoo = Supervised(host)
    yield zoo
    await zoo.close()


@fault(
    "memory stolen between admission and spawn",
    "the next start counts it: pending with the sum, not one too many",
    2,
    9,
)
async def test_memory_stolen_between_admission_and_spawn_is_missed_by_the_next_one(host, zoo):
    host.stolen_at_spawn = 12 * GIB  # room for one, not for two
    host.save(zoo_yaml({**MODELS, "b": "9GiB"}, "[a]"))
    await zoo.until("a", "starting")
    await asyncio.sleep(0.5)
    host.save(zoo_yaml({**MODELS, "b": "9GiB"}, "[a, b]"))
    await zoo.until("b", "pending")
    await asyncio.sleep(60)
    assert ("ready", "pending", "WaitingForMemory") == (zoo.phase("a"), zoo.phase("b"), zoo.reason("b"))
    assert 1 == len(host.pids("a"))
    assert [] == host.events("b")
    host.foreign -= 12 * GIB
    await zoo.until("b", "ready", within=60)
    assert [1, 1] == [len(host.pids(name)) for name in MODELS]


@fault(
    "memory stolen while a switch waits for it",
    "the new one is refused at the re-check, the old one comes back when it can",
    2,
    9,
)
async def test_memory_stolen_during_a_switch_brings_the_old_model_back(host, zoo):
    models = {"a": "8GiB", "b": "20GiB"}
    host.save(zoo_yaml(models, "a"))
    await zoo.until("a", "ready")
    host.stolen_at_exit = 14 * GIB  # b no longer fits, a does
    host.save(zoo_yaml(models, "b"))
    await zoo.until("b", "failed", within=120)
    await zoo.until("a", "ready", within=120)
    assert [] == host.events("b")
    assert "RolledBack" == zoo.reason("b")
    await asyncio.sleep(60)
    assert 1 == len(host.pids("a"))

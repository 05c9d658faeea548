"""Several whole hosts in virtual time: real reconcilers, links and controllers; processes and memory are imagined."""

import asyncio
import itertools

import pytest

from tests.runtime.conftest import Supervised, VirtualHost
from zoosup.fleet.exchange import Exchange
from zoosup.fleet.in_process import InProcessFleet, InProcessTransport
from zoosup.fleet.transport import FleetError
from zoosup.runtime.fleet.member import Member

AGAIN = 1.0
"""Seconds after which a link that has failed begins anew."""

LOST_AFTER = 10.0


def fleet_yaml(models, active, more=None):
    """A file that all hosts share, to the last character; `models` are sizes of RAM."""
    lines = [f"active: [{', '.join(active)}]", "fleet: {head: '127.0.0.2:6379', lost_after: 10s}", "models:"]
    for name, ram in models.items():
        lines += [f"  {name}:", f"    command: [serve, {name}]", f"    memory: {{ram: {ram}}}"]
        lines += [f"    {line}" for line in (more or {}).get(name, ())]
    return "\n".join(lines) + ("\n" if models else " {}\n")


class _Zoosup:
    """The control socket, without the socket; whatever it is asked after its death hangs up."""

    def __init__(self, member: Member) -> None:
        self._member = member

    async def report(self, after: int, asked: int):
        return await self._member.report(after, asked)

    async def bring(self, told) -> None:
        self._member.hear(told)


class FleetHost:
    """One host: its machine, its zoosup and its link, each of which may die by itself."""

    def __init__(self, node: str, fleet: InProcessFleet, base: int) -> None:
        self.node = node
        self.fleet = fleet
        self.machine = VirtualHost()
        self.machine._pids = itertools.count(base)
        self.zoosup: Supervised | None = None
        self.lives: list[Supervised] = []
        self.transport = InProcessTransport
        self._beside: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        """A zoosup begins, and its link."""
        after = bool(self.machine.saved)
        if after:
            self.zoosup = await Supervised.after_adoption(self.machine, self.node)
        else:
            self.zoosup = Supervised(self.machine, node=self.node)
        self.lives.append(self.zoosup)
        member = Member(self.zoosup.zoo, self.zoosup.publisher, self.zoosup.reconciler._inbox.wake)
        self.member = member
        self._beside = [asyncio.create_task(self._link(member)), asyncio.create_task(member.watch())]

    async def _link(self, member: Member) -> None:
        while True:
            try:
                await Exchange(_Zoosup(member), self.transport(self.fleet, self.node)).run()
            except FleetError as error:
                member.trouble(error.reason, str(error))
            await asyncio.sleep(AGAIN)

    async def kill_link(self) -> None:
        """As by SIGKILL; nobody begins another."""
        for task in self._beside[:1]:
            task.cancel()
        await asyncio.gather(*self._beside[:1], return_exceptions=True)

    def begin_link(self) -> None:
        """The next one."""
        self._beside[0] = asyncio.create_task(self._link(self.member))

    async def kill_zoosup(self) -> None:
        """As by SIGKILL: the models go on."""
        for task in self._beside:
            task.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)
        if self.zoosup is not None:
            await self.zoosup.die()
            self.zoosup = None

    async def lose_power(self) -> None:
        """All of it ends."""
        await self.kill_zoosup()
        for model in {each.model for each in self.machine.living.values() if each.exit is None}:
            self.machine.kill(model)

    def pids(self) -> dict[str, int]:
        """Of the models that live here."""
        return {each.model: each.pid for each in self.machine.living.values() if each.exit is None}

    def ready(self) -> set[str]:
        """The models that answer here."""
        now = asyncio.get_running_loop().time()
        living = (each for each in self.machine.living.values() if each.exit is None)
        return {each.model for each in living if now >= each.born + each.behaviour.load}


class Fleet:
    """All of them."""

    def __init__(self) -> None:
        self.carrier = InProcessFleet(asyncio.get_event_loop().time)
        self.hosts: dict[str, FleetHost] = {}

    async def begin(self, *nodes: str, text: str, **behaviours) -> None:
        self.carrier._now = asyncio.get_running_loop().time
        self.carrier.begin()
        for place, node in enumerate(nodes):
            host = self.hosts[node] = FleetHost(node, self.carrier, 1000 * (place + 1))
            for model, behaviour in behaviours.items():
                host.machine.behave(model, **behaviour)
            await host.begin()
        self.save(text)

    def save(self, text: str) -> None:
        """On all hosts at once."""
        for host in self.hosts.values():
            host.machine.save(text)

    def where(self, model: str) -> list[str]:
        """Where it answers."""
        return [node for node, host in self.hosts.items() if model in host.ready()]

    def pids(self, but: str = "") -> dict[str, dict[str, int]]:
        return {node: host.pids() for node, host in self.hosts.items() if node != but}

    async def until(self, true, within: float) -> float:
        """Wait until it is so; how long that took."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not true():
            assert loop.time() - began < within, self.pids()
            await asyncio.sleep(0.02)
        return loop.time() - began

    async def close(self) -> None:
        self.carrier.end()
        for host in self.hosts.values():
            await host.kill_zoosup()
            for life in host.lives:
                await life.close()


@pytest.fixture(autouse=True)
def _threads_take_no_time(monkeypatch):
    async def at_once(work, *args):
        return work(*args)

    monkeypatch.setattr(asyncio, "to_thread", at_once)


@pytest.fixture
async def fleet():
    fleet = Fleet()
    yield fleet
    await fleet.close()
    assert [] == [each for host in fleet.hosts.values() for each in host.machine.broken]

"""Hosts of two releases in one fleet: what one says and the other does not know costs nobody anything."""

import asyncio
import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tests.core.fleet.test_wire import added_to
from tests.fleet.test_several_hosts import MODELS, SETTLED, started
from zoosup import __version__
from zoosup.core.fleet import wire
from zoosup.fleet import in_process, ray_controller, ray_transport
from zoosup.fleet.in_process import InProcessTransport
from zoosup.fleet.ray_controller import actor_name
from zoosup.fleet.transport import FleetError


async def upgraded(fleet, *nodes):
    """One after the other, each with its models going on."""
    for node in nodes:
        await fleet.hosts[node].kill_zoosup()
        await asyncio.sleep(2)
        await fleet.hosts[node].begin()
        await asyncio.sleep(8)


def views(fleet):
    return [host.zoosup.zoo.fleet.view for host in fleet.hosts.values()]


@pytest.mark.looptime
async def test_words_of_a_later_release_are_read_by_all_while_hosts_are_upgraded(fleet, monkeypatch):
    def sent(kind, word):
        return wire.from_json(kind, json.dumps(added_to(wire.to_wire(word))))

    await started(fleet)
    before = fleet.pids()
    monkeypatch.setattr(in_process, "_sent", sent)
    await upgraded(fleet, *fleet.hosts)
    await asyncio.sleep(20)
    assert before == fleet.pids()
    assert all(not view.settling and not view.refusals for view in views(fleet))


class Older(InProcessTransport):
    """Of a release whose assignments do not say whether their host is drained yet: it can't say it back either."""

    async def poll(self, report, version, within):
        said = replace(report, assignment=_older(report.assignment))
        answer = await super().poll(said, version, within)
        return answer if answer.assignment is None else replace(answer, assignment=_older(answer.assignment))


def _older(assignment):
    return replace(assignment, drained=False)


@pytest.mark.looptime
async def test_a_host_that_can_not_say_back_all_that_it_was_told_is_taken_for_no_other_controllers(fleet):
    await started(fleet)
    host = fleet.hosts["c"]
    await host.kill_link()
    host.transport = Older
    host.begin_link()
    await asyncio.sleep(5)
    epoch = max(view.epoch for view in views(fleet))
    before = fleet.pids(but="c")
    assert "" == await InProcessTransport(fleet.carrier, "a").drain("c", on=True)
    await fleet.until(lambda: not host.ready(), SETTLED)
    await asyncio.sleep(30)
    assert [1, 1, 1, 1] == [len(fleet.where(model)) for model in MODELS]
    after = fleet.pids(but="c")
    assert all(pids.items() <= after[node].items() for node, pids in before.items())
    assert {epoch} == {view.epoch for view in views(fleet)}


class Ray:
    """What of it the way to the controller asks for: actors by name, of which one may be killed."""

    def __init__(self, *names, version=__version__):
        self.actors = {name: SimpleNamespace(version=_Call(version)) for name in names}
        self.killed, self.made = [], []
        self.util = SimpleNamespace(list_named_actors=lambda: [*self.actors])

    def get_actor(self, name):
        if name not in self.actors:
            raise ValueError(name)
        return self.actors[name]

    def kill(self, actor, *, no_restart):
        assert no_restart
        name = next(name for name, each in self.actors.items() if each is actor)
        self.killed.append(name)
        del self.actors[name]

    def remote(self, kind):
        return SimpleNamespace(options=lambda name, **_: SimpleNamespace(remote=lambda: self._make(name)))

    def _make(self, name):
        self.made.append(name)
        self.actors[name] = SimpleNamespace()
        return self.actors[name]


class _Call:
    def __init__(self, answer):
        self._answer = answer

    async def remote(self):
        return self._answer


def put(ray, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setitem(sys.modules, "ray.util", ray.util)
    return ray


OLDER, NEWER = f"{ray_controller.NAME}-0", f"{ray_controller.NAME}-{ray_controller.PROTOCOL + 1}"


@pytest.mark.parametrize("other", [OLDER, NEWER])
async def test_the_heads_link_ends_a_controller_of_another_protocol_and_begins_its_own(other, monkeypatch):
    ray = put(Ray(other, "somebody-elses"), monkeypatch)
    await ray_transport.controller(of_head=True)
    assert ([other], [actor_name()]) == (ray.killed, ray.made)


async def test_the_heads_link_keeps_the_controller_of_its_own_release_and_follows_another(monkeypatch):
    ray = put(Ray(actor_name()), monkeypatch)
    await ray_transport.controller(of_head=True)
    assert ([], []) == (ray.killed, ray.made)
    ray = put(Ray(actor_name(), version="0.0.1"), monkeypatch)
    await ray_transport.controller(of_head=True)
    assert ([actor_name()], [actor_name()]) == (ray.killed, ray.made)


async def test_a_host_joins_the_controller_of_its_protocol_though_its_release_is_another(monkeypatch):
    ray = put(Ray(actor_name(), OLDER, version="0.0.1"), monkeypatch)
    await ray_transport.controller(of_head=False)
    assert ([], []) == (ray.killed, ray.made)


@pytest.mark.parametrize(("names", "reason"), [((), "NoController"), ((NEWER,), "OtherProtocol")])
async def test_a_host_without_a_controller_that_it_understands_is_told_what_is_missing(
    names, reason, monkeypatch
):
    monkeypatch.setattr(ray_transport, "APPEARS", 0.5)
    ray = put(Ray(*names), monkeypatch)
    with pytest.raises(FleetError) as caught:
        await ray_transport.controller(of_head=False)
    assert reason == caught.value.reason
    assert ([], []) == (ray.killed, ray.made)

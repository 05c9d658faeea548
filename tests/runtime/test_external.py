"""Servers elsewhere, over a virtual host: probed, shown, listed and lent; never started, stopped or counted."""

import asyncio

import pytest

from zoosup.core.state.refusal import Code, RefusedError
from zoosup.errors import ZoosupError
from zoosup.runtime.state.inbox import ShutdownAsked

pytestmark = pytest.mark.looptime

TEXT = """\
active: [a]
models:
  a: {command: [serve, a], memory: {ram: 1GiB}}
  box:
    external: {url: 'https://box2:8000/v1', api_key: hunter2, models: {big: org/big, box: org/small}}
    aliases: [b2]
    task: chat
    description: Theirs
    upstream_headers: {X-Team: hunter3}
    variants: {box-fast: {set_params: {n: 1}}}
"""


class Client:
    client = "me"

    def granted(self, lease):
        raise AssertionError("nobody waits for a server elsewhere")

    refused = cut = granted


@pytest.fixture
async def running(host, zoo):
    host.behave("a", load=0.01)  # time is virtual in tests, and real in fixtures
    host.save(TEXT)
    await zoo.until("a", "ready")
    return zoo


async def shown(zoo, what, value):
    async with asyncio.timeout(60):
        while zoo.publisher.snapshot["models"]["box"][what] != value:
            await asyncio.sleep(0.01)
    return zoo.publisher.snapshot["models"]["box"]


async def test_it_is_asked_with_its_own_key_and_shown_with_what_it_says(running, host):
    ((endpoint, ready),) = host.remote_asked
    assert ("box2:8000", None) == (endpoint.url.authority, ready.http)
    assert (("Authorization", "Bearer hunter2"), ("X-Team", "hunter3")) == endpoint.headers
    found = await shown(running, "phase", "unready")
    assert "not asked yet" == found["message"]
    host.hear("box2:8000", False, "connection refused")
    await shown(running, "message", "connection refused")
    host.hear("box2:8000", True)
    found = await shown(running, "phase", "ready")
    expected = {
        "message": "", "external": True, "url": "https://box2:8000/v1", "aliases": ["b2"], "pid": None,
        "variants": ["box-fast"], "models": {"big": "org/big", "box": "org/small"}, "task": "chat", "memory": {},
        "description": "Theirs", "active": False, "on_demand": False,
    }  # fmt: skip
    assert expected == {name: found[name] for name in expected}
    assert set(found) >= set(running.publisher.snapshot["models"]["a"])
    assert "hunter" not in repr(running.publisher.snapshot) + repr(running.journal.since())


async def test_its_news_are_events(running, host):
    host.hear("box2:8000", True)
    await shown(running, "phase", "ready")
    host.hear("box2:8000", False, "no answer within 5 s")
    await shown(running, "phase", "unready")
    told = [(e.reason, e.message) for e in running.journal.since() if e.model == "box"]
    assert [("ready", ""), ("unready", "no answer within 5 s")] == told


async def test_a_probe_that_could_not_be_made_says_nothing_of_it(running, host, caplog):
    host.hear("box2:8000", True)
    await shown(running, "phase", "ready")
    host.hear("box2:8000", None, "no descriptors are left")
    await asyncio.sleep(1)
    found = running.publisher.snapshot["models"]["box"]
    assert ("ready", "") == (found["phase"], found["message"])
    assert ["ready"] == [e.reason for e in running.journal.since() if e.model == "box"]
    (said,) = [record.getMessage() for record in caplog.records if "probe" in record.getMessage()]
    assert said.endswith("says nothing of box: no descriptors are left")


async def test_it_is_lent_to_whoever_asks_whatever_a_probe_says(running):
    leases = running.reconciler.leases
    lease = leases.ask("box", Client())
    assert ("box", "box2", 8000) == (lease.model, lease.host, lease.port)
    assert lease.upstream is leases.ask("box", Client()).upstream
    assert (True, True) == (lease.upstream.own_key, lease.upstream.url.tls)
    running.reconciler.zoo.externals["box"].message = "x"
    assert 2 == len(running.zoo.externals["box"].leases)
    lease.release()
    lease.release()
    assert 1 == len(running.zoo.externals["box"].leases)
    assert running.zoo.externals["box"].last_used is not None


async def test_a_look_at_it_is_no_use(running):
    running.reconciler.leases.look("box", Client()).release()
    assert running.zoo.externals["box"].last_used is None


async def test_one_that_can_t_be_reached_is_not_waited_for(running):
    lease = running.reconciler.leases.ask("box", Client())
    with pytest.raises(RefusedError) as caught:
        lease.unreachable()
    assert Code.UPSTREAM_ERROR is caught.value.refusal.code
    assert not running.zoo.externals["box"].leases


async def test_its_names_lead_to_it_with_the_names_there(running):
    find = running.reconciler.leases.find
    names = {name: find(name) for name in ("box", "b2", "big", "box-fast")}
    assert {"box"} == {served.model for served in names.values()}
    told = {name: served.changes and served.changes.upstream_model for name, served in names.items()}
    assert {"box": "org/small", "b2": None, "big": "org/big", "box-fast": "org/small"} == told


async def test_its_models_are_listed_with_its_phase(running, host):
    host.hear("box2:8000", True)
    await shown(running, "phase", "ready")
    cards = running.reconciler.leases.cards()
    assert [("a", ""), ("box", ""), ("big", "box"), ("box-fast", "box")] == [(c.name, c.model) for c in cards]
    assert {"ready"} == {card.phase.value for card in cards}


@pytest.mark.parametrize("verb", ["start", "stop", "restart", "auto", "estimate"])
async def test_nobody_starts_or_stops_it(running, verb):
    said = "box is somebody else's server at https://box2:8000/v1; zoosup neither starts nor stops it"
    with pytest.raises(ZoosupError, match=said):
        await getattr(running.commands, verb)("box")


async def test_an_edit_of_what_it_is_asked_asks_anew_and_another_one_does_not(running, host):
    host.hear("box2:8000", True)
    await shown(running, "phase", "ready")
    lease = running.reconciler.leases.ask("box", Client())
    host.save(TEXT.replace("Theirs", "Ours"))
    found = await shown(running, "description", "Ours")
    assert ("ready", 1, 1) == (found["phase"], found["inflight"], len(host.remote_asked))
    host.save(TEXT.replace("hunter2", "hunter4"))
    found = await shown(running, "description", "Theirs")
    assert ("unready", "not asked yet") == (found["phase"], found["message"]) or 2 == len(host.remote_asked)
    await shown(running, "phase", "ready")
    assert ("Authorization", "Bearer hunter4") == host.remote_asked[1][0].headers[0]
    lease.release()
    assert not running.zoo.externals["box"].leases
    host.save(TEXT.partition("  box:")[0])
    async with asyncio.timeout(60):
        while "box" in running.publisher.snapshot["models"]:
            await asyncio.sleep(0.01)
    assert running.reconciler.leases.find("box") is None


async def test_no_plan_has_it_and_the_zoo_converges_without_it(running):
    plan = await running.commands.plan(None, "zoo.yaml")
    assert "box" not in plan["models"]
    assert not plan["changes"]
    expected = {"box": {"url": "https://box2:8000/v1", "phase": "unready", "message": "not asked yet"}}
    assert expected == plan["external"]
    assert running.publisher.snapshot["converged"]


async def test_a_plan_says_what_an_edit_of_it_applies(running):
    plan = await running.commands.plan(
        TEXT.replace("org/big", "org/huge").replace("Theirs", "Ours"), "zoo.yaml"
    )
    assert {"box": ["external.models"]} == plan["live"]
    plan = await running.commands.plan(TEXT.replace("  box:", "  box3:"), "zoo.yaml")
    assert {"box3": ["external"]} == plan["live"]
    assert "box" in running.zoo.externals
    assert ["box3"] == list(plan["external"])


async def test_a_zoosup_that_ends_lends_it_no_more(running):
    running.reconciler.post(ShutdownAsked(None))
    running.zoo.shutdown = True
    with pytest.raises(RefusedError) as caught:
        running.reconciler.leases.ask("box", Client())
    assert Code.SHUTTING_DOWN is caught.value.refusal.code
    await running.turning

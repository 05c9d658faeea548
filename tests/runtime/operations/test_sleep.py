"""Models that sleep instead of being stopped: the real reconciler in virtual time, judged by the host."""

import asyncio

import pytest

from tests.runtime.leasing.test_leases import Client, put
from zoosup.core.state.phases import Phase
from zoosup.runtime.publish import plan_report
from zoosup.runtime.state.dry_run import copy_with

pytestmark = pytest.mark.looptime

GIB = 2**30
BUDGET = 6 * GIB


def text(holds="holds: {ram: 1GiB}", active="[]", extra="", **models):
    """A budget for one of two models of 4 GiB beside another's sleep."""
    lines = [f"active: {active}", "budget: {ram: 6GiB}", extra, "models:"]
    usual = f"park: {{sleep: POST /sleep, wake: POST /wake_up, {holds}}}"
    for name, fields in models.items():
        rest = fields if "park:" in fields else f"{usual}, {fields}"
        lines += [f"  {name}: {{command: [serve, {name}], memory: {{ram: 4GiB}}, on_demand: true, {rest}}}"]
    return "\n".join(lines)


@pytest.fixture
async def books(zoo):
    """Looks at the invariants as often as anything can happen; what was broken is in the list."""
    broken = []

    async def look():
        while True:
            if zoo.reserved() > BUDGET:
                broken.append(f"{zoo.reserved()} bytes are reserved")
            await asyncio.sleep(0.01)

    looking = asyncio.create_task(look())
    yield
    looking.cancel()
    assert [] == broken


async def use(zoo, model, seconds=10.0):
    """One request, and the time after which its model may make room."""
    client = Client(zoo, model)
    assert "granted" == await client.answered()
    client.lease.release()
    await asyncio.sleep(seconds)


def sleepy(host, *models, **behaviour):
    for model in models:
        host.behave(model, **{"holds": 4 * GIB, "asleep": GIB, "load": 20.0} | behaviour)


@pytest.mark.usefixtures("books")
async def test_two_models_take_turns_asleep_and_neither_is_ever_stopped(host, zoo):
    sleepy(host, "a", "b")
    await put(zoo, host, text(a="", b=""))
    await use(zoo, "a")
    pids = host.pids("a")
    await use(zoo, "b")
    assert ["spawn", "ready", "sleep"] == host.events("a")
    assert ("parked", GIB) == (zoo.phase("a"), zoo.zoo.models["a"].run.reserved["ram"])
    client = Client(zoo, "a")
    asked = asyncio.get_running_loop().time()
    assert "granted" == await client.answered()
    assert client.at - asked < 2, "it woke, it was not loaded anew"
    assert ["spawn", "ready", "sleep", "wake", "ready"] == host.events("a")
    assert (pids, "parked", 5 * GIB) == (host.pids("a"), zoo.phase("b"), zoo.reserved())


PREPARE = "{http: POST /prepare, body: {deep: true}}"


async def test_the_steps_of_a_sleep_are_taken_one_after_the_other(host, zoo):
    sleepy(host, "a", "b")
    park = f"park: {{sleep: [{PREPARE}, POST /sleep], wake: [POST /wake_up], holds: {{ram: 1GiB}}}}"
    await put(zoo, host, text(a=park, b=""))
    await use(zoo, "a")
    await use(zoo, "b")
    assert ["spawn", "ready", "drain POST /prepare {'deep': True}", "sleep"] == host.events("a")
    assert "parked" == zoo.phase("a")


@pytest.mark.usefixtures("books")
async def test_what_a_model_holds_asleep_is_learned(host, zoo):
    sleepy(host, "a", "b")
    await put(zoo, host, text("holds: null", a="", b=""))
    await use(zoo, "a")
    await use(zoo, "b")
    assert ("parked", GIB) == (zoo.phase("a"), zoo.zoo.models["a"].run.reserved["ram"])
    assert {"ram": GIB} == zoo.zoo.models["a"].asleep.held


@pytest.mark.usefixtures("books")
async def test_one_that_gives_too_little_back_is_stopped_and_not_tried_again(host, zoo):
    sleepy(host, "a", "b", asleep=3 * GIB)
    await put(zoo, host, text("holds: null", a="", b="park: null"))
    await use(zoo, "a")
    await use(zoo, "b", 30)
    assert ["spawn", "ready", "sleep", "term", "exit", "gone"] == host.events("a")
    await use(zoo, "a")
    await use(zoo, "b")
    assert 1 == host.events("a").count("sleep")


async def test_nor_by_the_next_zoosup(host, zoo, successor):
    sleepy(host, "a", "b", asleep=3 * GIB)
    await put(zoo, host, text("holds: null", a="", b="park: null"))
    await use(zoo, "a")
    await use(zoo, "b", 30)
    later = await successor()
    await use(later, "a")
    await use(later, "b")
    assert 1 == host.events("a").count("sleep")


@pytest.mark.usefixtures("books")
async def test_one_that_refuses_to_sleep_is_stopped_and_both_clients_are_answered(host, zoo):
    sleepy(host, "a", "b", wont_sleep=True)
    await put(zoo, host, text(a="", b=""))
    await use(zoo, "a")
    await use(zoo, "b")
    assert ["spawn", "ready", "sleep", "term", "exit", "gone"] == host.events("a")
    assert (0, "stopped") == (zoo.zoo.models["a"].restarts, zoo.phase("a"))


@pytest.mark.usefixtures("books")
async def test_one_that_refuses_to_wake_is_started_anew(host, zoo):
    sleepy(host, "a", "b", wont_wake=True)
    await put(zoo, host, text(a="", b=""))
    await use(zoo, "a")
    await use(zoo, "b")
    client = Client(zoo, "a")
    await zoo.until("a", "stopping")
    assert "it would not wake: POST /wake_up: POST /wake_up answered 500" == zoo.zoo.models["a"].message
    await zoo.until("a", "ready")
    assert 2 == host.events("a").count("spawn")
    assert 1 == zoo.zoo.models["a"].restarts
    assert client.refusal is not None or client.lease is not None


@pytest.mark.usefixtures("books")
async def test_one_that_dies_in_its_sleep_gives_its_booking_back_and_starts_when_it_is_asked_for(host, zoo):
    sleepy(host, "a", "b")
    await put(zoo, host, text(a="", b=""))
    await use(zoo, "a")
    await use(zoo, "b")
    host.kill("a")
    await zoo.until("a", "stopped")
    assert 4 * GIB == zoo.reserved()
    assert "granted" == await Client(zoo, "a").answered()


@pytest.mark.usefixtures("books")
async def test_a_request_that_comes_while_its_model_falls_asleep_is_served_after_it_has_woken(host, zoo):
    sleepy(host, "a", "b", falls_asleep_in=2.0)
    await put(zoo, host, text(a="", b=""))
    await use(zoo, "a")
    other = Client(zoo, "b")
    await zoo.until("a", "parking")
    client = Client(zoo, "a")
    assert client.lease is None
    assert "granted" == await other.answered()
    other.lease.release()
    assert "granted" == await client.answered()
    assert ["spawn", "ready", "sleep", "wake", "ready"] == host.events("a")


@pytest.mark.usefixtures("books")
async def test_one_that_sleeps_is_stopped_after_its_idle_timeout(host, zoo):
    sleepy(host, "a", "b")
    await put(zoo, host, text(a="idle_timeout: 60s", b="idle_timeout: 1h"))
    await use(zoo, "a")
    await use(zoo, "b", 60)
    assert ["spawn", "ready", "sleep", "term", "exit", "gone"] == host.events("a")


async def test_it_is_stopped_when_zoosup_ends(host, zoo):
    sleepy(host, "a", "b")
    await put(zoo, host, text(a="", b=""))
    await use(zoo, "a")
    await use(zoo, "b")
    await zoo.leave()
    assert {} == host.living
    assert {} == host.records


async def test_it_is_stopped_while_it_is_being_put_to_sleep_or_woken(host, zoo):
    sleepy(host, "a", "b", falls_asleep_in=5.0, wakes_in=5.0)
    await put(zoo, host, text(a="", b=""))
    await use(zoo, "a")
    Client(zoo, "b")
    await zoo.until("a", "parking")
    await zoo.leave()
    assert ["spawn", "ready", "sleep", "term", "exit", "gone"] == host.events("a")


async def test_a_zoosup_that_takes_over_knows_that_it_sleeps(host, zoo, successor):
    sleepy(host, "a", "b")
    await put(zoo, host, text(a="", b=""))
    await use(zoo, "a")
    await use(zoo, "b")
    pids = host.pids("a")
    second = await successor()
    await second.until("b", "ready")
    await asyncio.sleep(30)
    assert ("parked", GIB, pids) == (
        second.phase("a"), second.zoo.models["a"].run.reserved["ram"], host.pids("a"),
    )  # fmt: skip
    assert "granted" == await Client(second, "a").answered()
    assert ["spawn", "ready", "sleep", "wake", "ready"] == host.events("a")


@pytest.mark.parametrize("phase", ["parking", "starting"])
async def test_one_found_between_sleeping_and_waking_keeps_its_booking_and_can_be_woken(
    host, zoo, successor, phase
):
    sleepy(host, "a", "b", falls_asleep_in=1.0, wakes_in=2.0)
    await put(zoo, host, text(a="", b=""))
    await use(zoo, "a")
    other = Client(zoo, "b")
    await zoo.until("a", "parking")
    if phase == "starting":
        assert "granted" == await other.answered()
        other.lease.release()
        Client(zoo, "a")
        await zoo.until("a", "starting")
    await asyncio.sleep(0.1)
    second = await successor()
    assert (Phase.ASLEEP, 4 * GIB) == (
        second.zoo.models["a"].phase, second.zoo.models["a"].run.reserved["ram"],
    )  # fmt: skip
    assert "granted" == await Client(second, "a").answered()
    assert 1 == host.events("a").count("spawn")


async def test_a_snapshot_tells_what_it_holds_asleep(host, zoo):
    sleepy(host, "a", "b")
    await put(zoo, host, text(a="", b=""))
    await use(zoo, "a")
    await use(zoo, "b")
    seen = zoo.publisher.snapshot["models"]["a"]
    assert ("parked", "MadeRoom", "makes room for b") == (seen["phase"], seen["reason"], seen["message"])
    assert {"need": 4 * GIB, "reserved": GIB, "held": GIB} == {
        k: v for k, v in seen["memory"]["ram"].items() if k in {"need", "reserved", "held"}
    }
    assert zoo.publisher.snapshot["converged"] is True


async def test_zoosup_plan_says_who_would_sleep_and_who_would_wake(host, zoo):
    def foretold():
        zoo.zoo.demand = zoo.reconciler.leases.demand()
        actions = plan_report.next_pass(copy_with(zoo.zoo, None, "zoo.yaml"))["actions"]
        return [a for a in actions if a["action"] in {"park", "wake"}]

    sleepy(host, "a", "b")
    await put(zoo, host, text(a="", b=""))
    await use(zoo, "a")
    await use(zoo, "b")
    ahead = Client(zoo, "a")
    sleep = {"action": "park", "model": "b", "cause": "MadeRoom", "asleep": {"ram": GIB}}
    said = "makes room for a"
    assert [sleep | {"message": said, "words": said}] == foretold()
    ahead.ticket.cancel()
    host.kill("b")
    await zoo.until("b", "stopped")
    await asyncio.sleep(5)
    Client(zoo, "a")
    assert [("wake", "a", {"ram": 4 * GIB})] == [(a["action"], a["model"], a["need"]) for a in foretold()]

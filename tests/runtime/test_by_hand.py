"""What each act by hand and of clients makes of a model on demand and of an active one, and the way back from it."""

import asyncio

import pytest

from tests.runtime.leasing.test_leases import Client, put, text
from zoosup.core.state.phases import Override
from zoosup.core.state.refusal import Code
from zoosup.errors import ZoosupError

pytestmark = pytest.mark.looptime

DEMAND = text(a="idle_timeout: 60s", b="")
ACTIVE = text("a", a="on_demand: false").replace("on_demand: true, on", "on")
FILES = {"on demand": DEMAND, "active": ACTIVE}


async def served(zoo, model="a"):
    """One request, answered."""
    client = Client(zoo, model)
    how = await client.answered(within=300)
    if client.lease is not None:
        client.lease.release()
    return how


async def begin(zoo, host, kind):
    """The model runs, for a client who has gone or by the file."""
    await put(zoo, host, FILES[kind])
    assert "granted" == await served(zoo)


@pytest.mark.parametrize(
    ("kind", "act", "override", "later"),
    [
        ("on demand", "start", Override.START, "ready"),
        ("on demand", "stop", Override.STOP, "stopped"),
        ("on demand", "restart", None, "stopped"),
        ("on demand", "unload", Override.UNLOAD, "stopped"),
        ("on demand", "request", None, "stopped"),
        ("on demand", "hang-up", None, "stopped"),
        ("active", "start", None, "ready"),
        ("active", "stop", Override.STOP, "stopped"),
        ("active", "restart", None, "ready"),
        ("active", "request", None, "ready"),
        ("active", "hang-up", None, "ready"),
    ],
)
async def test_what_an_act_leaves_behind_and_the_way_back(host, zoo, kind, act, override, later):
    await begin(zoo, host, kind)
    if act == "request":
        await served(zoo)
    elif act == "hang-up":
        Client(zoo, "a").lease.release()
    else:
        await getattr(zoo.commands, act)("a")
    assert override is zoo.zoo.models["a"].override
    await asyncio.sleep(100)
    assert later == zoo.phase("a")
    await zoo.commands.auto("a")
    assert zoo.zoo.models["a"].override is None
    assert "granted" == await served(zoo)
    await asyncio.sleep(100)
    assert ("stopped" if kind == "on demand" else "ready") == zoo.phase("a")


@pytest.mark.parametrize("kind", FILES)
async def test_after_a_stop_by_hand_requests_are_refused_until_it_is_given_back(host, zoo, kind):
    await begin(zoo, host, kind)
    await zoo.commands.stop("a")
    await asyncio.sleep(5)
    assert Code.MODEL_DISABLED == await served(zoo)
    await zoo.commands.auto("a")
    assert "granted" == await served(zoo)


async def test_a_restart_by_hand_ends_a_stop_by_hand(host, zoo):
    await begin(zoo, host, "on demand")
    await zoo.commands.stop("a")
    await zoo.commands.restart("a")
    assert "granted" == await served(zoo)


async def test_a_restarted_model_keeps_nobody_out(host, zoo):
    await begin(zoo, host, "on demand")
    await zoo.commands.restart("a")
    assert "granted" == await served(zoo)
    assert "granted" == await served(zoo, "b")


async def test_a_pinned_model_that_is_restarted_stays_pinned(host, zoo):
    await begin(zoo, host, "on demand")
    await zoo.commands.start("a")
    await zoo.commands.restart("a")
    await asyncio.sleep(100)
    assert ("ready", Override.START) == (zoo.phase("a"), zoo.zoo.models["a"].override)


async def test_what_was_given_back_is_so_after_a_restart_of_zoosup(host, zoo, successor):
    await begin(zoo, host, "on demand")
    await zoo.commands.start("a")
    await zoo.commands.auto("a")
    await asyncio.sleep(1)
    assert (await successor()).zoo.models["a"].override is None


RESTING = text("a", a="", b="")


async def test_an_active_one_that_is_unloaded_stays_away_until_a_request_loads_it_again(host, zoo):
    await put(zoo, host, RESTING)
    await zoo.until("a", "ready")
    await zoo.commands.unload("a")
    await zoo.until("a", "stopped")
    assert 0 == zoo.reserved()
    await asyncio.sleep(100)
    assert ("stopped", "Unloaded", True) == (
        zoo.phase("a"),
        zoo.reason("a"),
        zoo.publisher.snapshot["converged"],
    )
    assert "granted" == await served(zoo)
    assert zoo.zoo.models["a"].override is None
    await asyncio.sleep(700)
    assert "ready" == zoo.phase("a")


async def test_one_that_answers_drains_first_and_who_comes_meanwhile_has_it_loaded_again(host, zoo):
    await put(zoo, host, DEMAND)
    first = Client(zoo, "a")
    assert "granted" == await first.answered()
    shown = await zoo.commands.unload("a")
    assert ("draining", "unload") == (shown["phase"], shown["override"])
    later = Client(zoo, "a")
    await asyncio.sleep(5)
    assert ("draining", None, []) == (zoo.phase("a"), later.lease, first.cuts)
    first.lease.release()
    assert "granted" == await later.answered()
    assert ["spawn", "ready"] * 2 == [what for what in host.events("a") if what in {"spawn", "ready"}]
    later.lease.release()


async def test_what_no_request_could_load_again_is_not_unloaded(host, zoo):
    await put(
        zoo, host, text("a", a="on_demand: false", b="on_demand: false").replace("on_demand: true, on", "on")
    )
    await zoo.until("a", "ready")
    with pytest.raises(
        ZoosupError, match="a is active and not on_demand: no request would load it again; zoosup stop a"
    ):
        await zoo.commands.unload("a")
    await zoo.commands.start("b")
    with pytest.raises(
        ZoosupError, match="b is not on_demand: no request would load it again; zoosup stop b"
    ):
        await zoo.commands.unload("b")
    assert zoo.zoo.models["b"].override is Override.START


async def test_one_that_was_stopped_by_hand_stays_so(host, zoo):
    await begin(zoo, host, "on demand")
    await zoo.commands.stop("a")
    await zoo.commands.unload("a")
    assert zoo.zoo.models["a"].override is Override.STOP


async def test_one_that_was_started_by_hand_is_demands_again(host, zoo):
    await put(zoo, host, DEMAND)
    await zoo.commands.start("a")
    await zoo.until("a", "ready")
    await zoo.commands.unload("a")
    await zoo.until("a", "stopped")
    assert "granted" == await served(zoo)
    assert zoo.zoo.models["a"].override is None


async def test_a_successor_knows_what_was_unloaded(host, zoo, successor):
    await put(zoo, host, RESTING)
    await zoo.until("a", "ready")
    await zoo.commands.unload("a")
    await zoo.until("a", "stopped")
    await asyncio.sleep(10)
    after = await successor()
    await asyncio.sleep(10)
    assert ("stopped", "Unloaded") == (after.phase("a"), after.reason("a"))

"""Room for what is no model, from the question for it to its end, over a virtual host."""

import asyncio

import pytest

from tests.runtime.conftest import GIB, Supervised
from zoosup.errors import NoSuchHoldError, ZoosupError
from zoosup.runtime.api.commands import HoldRequest

pytestmark = pytest.mark.looptime

ON_DEMAND = (
    "defaults: {on_demand: true, idle_timeout: 0s}\nbudget: {ram: 20GiB}\ngateway: {min_residency: 0s}"
)
PINNED = "budget: {ram: 20GiB}"


async def begin(zoo, host, file, models, active, extra=PINNED):
    host.save(file(models, active, extra))
    if active != "[]":
        await zoo.until(active.strip("[]"), "ready")
    else:
        while not zoo.publisher.snapshot:
            await asyncio.sleep(0.01)


async def had(zoo: Supervised, hold_id: str, within: float = 60) -> dict:
    async with asyncio.timeout(within):
        while zoo.publisher.snapshot["holds"][hold_id]["state"] != "held":
            await asyncio.sleep(0.01)
    return zoo.publisher.snapshot["holds"][hold_id]


def holds(zoo: Supervised) -> dict:
    return zoo.publisher.snapshot["holds"]


def zoo_reserved(zoo: Supervised) -> int:
    return zoo.publisher.snapshot["pools"][0]["reserved"]


def told(zoo: Supervised) -> list[str]:
    return [event.message for event in zoo.journal.since(0) if event.type == "Hold"]


async def test_room_is_had_at_once_and_stands_in_the_status(host, zoo, file):
    await begin(zoo, host, file, {"a": "4GiB"}, "[a]")
    asked = await zoo.commands.hold(HoldRequest(ram=8 * GIB, command="game"))
    found = await had(zoo, asked["id"], within=0.1)
    assert ("held", {"ram": {"reserved": 8 * GIB, "held": 0}}) == (found["state"], found["memory"])
    pool = zoo.publisher.snapshot["pools"][0]
    assert (12 * GIB, {found["id"]: {"reserved": 8 * GIB, "held": 0}}) == (pool["reserved"], pool["holds"])
    assert found == await zoo.commands.release(found["id"])
    assert ({}, 4 * GIB) == (holds(zoo), zoo.publisher.snapshot["pools"][0]["reserved"])


async def test_what_can_not_be_had_is_refused_with_the_sum_and_leaves_nothing(host, zoo, file):
    await begin(zoo, host, file, {"a": "14GiB"}, "[a]")
    with pytest.raises(ZoosupError, match=r"no room: ram is short of 1 GiB: .*less a 14 GiB"):
        await zoo.commands.hold(HoldRequest(ram=7 * GIB))
    assert {} == holds(zoo)
    assert "ready" == zoo.phase("a")


async def test_a_model_on_demand_leaves_for_it_and_what_it_waits_for_is_told(host, zoo, file):
    await begin(zoo, host, file, {"a": "14GiB"}, "[a]", ON_DEMAND)
    host.behave("a", stop=2.0)
    asked = await zoo.commands.hold(HoldRequest(ram=7 * GIB))
    assert ("waiting", "waits for a to leave") == (asked["state"], asked["message"])
    assert "held" == (await had(zoo, asked["id"]))["state"]
    assert [] == host.pids("a")
    await zoo.commands.release(asked["id"])
    await zoo.until("a", "ready")


async def test_who_has_room_waits_no_longer_for_what_the_last_one_has_not_given_back(host, zoo, file):
    host.behave("a", holds=14 * GIB)
    await begin(zoo, host, file, {"a": "14GiB"}, "[a]", ON_DEMAND)
    asked = await zoo.commands.hold(HoldRequest(ram=7 * GIB))
    await had(zoo, asked["id"])
    [event] = [each for each in zoo.journal.since(0) if each.type == "CoolDown"]
    assert ("a", "Satisfied") == (event.model, event.reason)


async def test_active_models_leave_for_a_forced_one_and_come_back_after_its_time(host, zoo, file):
    await begin(zoo, host, file, {"a": "14GiB"}, "[a]")
    asked = await zoo.commands.hold(HoldRequest(ram=7 * GIB, forced=True, lasts=100.0))
    found = await had(zoo, asked["id"])
    assert 100 == pytest.approx(found["until"] - found["held_since"], abs=0.2)
    began = asyncio.get_running_loop().time()
    assert ("pending", "WaitingForMemory") == (zoo.phase("a"), zoo.reason("a"))
    assert f"less hold {asked['id']} 7 GiB" in zoo.zoo.models["a"].message
    await zoo.until("a", "ready")
    assert 100 <= asyncio.get_running_loop().time() - began < 103
    assert f"hold {asked['id']} has ended: its time is over" in told(zoo)


async def test_it_ends_with_its_process_whether_it_was_had_or_not(host, zoo, file):
    await begin(zoo, host, file, {"a": "14GiB"}, "[a]", ON_DEMAND)
    host.behave("a", stop=2.0)
    host.strangers = {7: 0, 8: 0}
    waiting = await zoo.commands.hold(HoldRequest(ram=7 * GIB, pid=7))
    host.end_stranger(7)
    await asyncio.sleep(0.1)
    assert waiting["id"] not in holds(zoo)
    asked = await zoo.commands.hold(HoldRequest(ram=7 * GIB, pid=8))
    await had(zoo, asked["id"])
    host.end_stranger(8)
    await asyncio.sleep(0.1)
    assert ({}, {}) == (holds(zoo), host.watched)


async def test_a_process_that_is_not_there_holds_nothing(host, zoo, file):
    await begin(zoo, host, file, {}, "[]")
    with pytest.raises(ZoosupError, match="pid 7 is no process of this host"):
        await zoo.commands.hold(HoldRequest(ram=GIB, pid=7))
    assert {} == holds(zoo)


async def test_what_is_kept_outlives_the_process_that_has_waited_for_it(host, zoo, file):
    await begin(zoo, host, file, {}, "[]")
    host.strangers = {7: 0}
    asked = await zoo.commands.hold(HoldRequest(ram=GIB, pid=7, keep=True))
    host.end_stranger(7)
    await asyncio.sleep(5)
    assert ("held", None) == (holds(zoo)[asked["id"]]["state"], holds(zoo)[asked["id"]]["pid"])


async def test_what_its_process_holds_is_seen_and_counted_once(host, zoo, file):
    await begin(zoo, host, file, {}, "[]")
    host.strangers = {7: 0}
    asked = await zoo.commands.hold(HoldRequest(ram=8 * GIB, pid=7))
    host.strangers[7] = 6 * GIB
    async with asyncio.timeout(3):
        while not holds(zoo)[asked["id"]]["memory"]["ram"]["held"]:
            await asyncio.sleep(0.1)
    pool = zoo.publisher.snapshot["pools"][0]
    assert (8 * GIB, 6 * GIB, 2 * GIB) == (pool["reserved"], pool["held"], pool["foreign"])
    host.strangers[7] = 9 * GIB
    await asyncio.sleep(13)
    pool = zoo.publisher.snapshot["pools"][0]
    assert (8 * GIB, 8 * GIB, 3 * GIB) == (pool["reserved"], pool["held"], pool["foreign"])


@pytest.mark.parametrize("lives", [True, False])
async def test_it_outlives_zoosup_as_long_as_its_process_does(host, zoo, file, successor, lives):
    await begin(zoo, host, file, {"a": "14GiB"}, "[a]")
    host.strangers = {7: 6 * GIB}
    asked = await zoo.commands.hold(HoldRequest(ram=7 * GIB, forced=True, pid=7))
    await had(zoo, asked["id"])
    host.watched.clear()
    other = await successor(lambda: None if lives else host.strangers.clear())
    if not lives:
        await other.until("a", "ready")
        assert {} == holds(other)
        return
    await other.until("a", "pending")
    await asyncio.sleep(20)
    assert ("pending", "held") == (other.phase("a"), holds(other)[asked["id"]]["state"])
    assert 1 == host.events("a").count("spawn"), "an active model was started before what was held was known"
    host.end_stranger(7)
    await other.until("a", "ready")


async def test_nobody_is_told_that_he_has_room_before_a_next_zoosup_would_know(host, zoo, file):
    await begin(zoo, host, file, {}, "[]")
    slow, save = asyncio.Event(), zoo.ports.store.save

    async def hang(state):
        await slow.wait()
        await save(state)

    for store in (zoo.ports.store, zoo.reconciler._state_saver._store):
        store.save = hang
    asked = await zoo.commands.hold(HoldRequest(ram=GIB))
    await asyncio.sleep(5)
    now = holds(zoo)[asked["id"]]
    assert ("waiting", "is being written down", GIB) == (now["state"], now["message"], zoo_reserved(zoo))
    slow.set()
    await asyncio.sleep(0.1)
    assert "held" == holds(zoo)[asked["id"]]["state"]
    assert [asked["id"]] == [each["id"] for each in host.saved["holds"]]


async def test_a_disk_that_refuses_keeps_nobody_from_his_room(host, zoo, file):
    await begin(zoo, host, file, {}, "[]")

    async def refuse(state):
        raise OSError("disk full")

    zoo.reconciler._state_saver._store.save = refuse
    asked = await zoo.commands.hold(HoldRequest(ram=GIB))
    assert "held" == (await had(zoo, asked["id"], within=1))["state"]


async def test_the_time_of_one_goes_on_while_no_zoosup_is_there(host, zoo, file, successor):
    await begin(zoo, host, file, {}, "[]")
    asked = await zoo.commands.hold(HoldRequest(ram=GIB, lasts=100.0))
    await asyncio.sleep(60)
    other = await successor()
    await asyncio.sleep(30)
    assert [asked["id"]] == list(holds(other))
    await asyncio.sleep(13)
    assert {} == holds(other)


async def test_one_that_is_waited_for_is_not_kept_for_the_next_zoosup(host, zoo, file, successor):
    await begin(zoo, host, file, {"a": "14GiB"}, "[a]", ON_DEMAND)
    host.behave("a", stop=25.0)
    await zoo.commands.hold(HoldRequest(ram=7 * GIB))
    other = await successor()
    await asyncio.sleep(3)
    assert {} == holds(other)


async def test_no_plan_changes_what_is_held_and_all_tell_of_it(host, zoo, file):
    await begin(zoo, host, file, {"a": "4GiB"}, "[a]")
    asked = await zoo.commands.hold(HoldRequest(ram=8 * GIB))
    await had(zoo, asked["id"])
    ahead = await zoo.commands.plan(file({"a": "14GiB"}, "[a]", PINNED), "zoo.yaml")
    assert {asked["id"]: "held"} == {name: each["state"] for name, each in ahead["holds"].items()}
    assert [] == ahead["steps"]
    assert {asked["id"]} == set(holds(zoo))


async def test_an_unknown_one_can_not_be_released(host, zoo, file):
    await begin(zoo, host, file, {}, "[]")
    with pytest.raises(NoSuchHoldError, match="no hold 'x'; there are none"):
        await zoo.commands.release("x")

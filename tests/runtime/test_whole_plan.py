"""`zoosup plan` shows the whole way: pass after pass on a copy of the zoo, until nothing changes any more."""

import asyncio

import pytest

from tests.runtime.leasing.test_leases import put
from tests.runtime.operations.test_sleep import sleepy, text, use

pytestmark = pytest.mark.looptime

ROOM_FOR_ONE = "budget: {ram: 6GiB}"


async def foretold(zoo, text):
    return await zoo.commands.plan(text, "zoo.yaml")


def steps(told):
    return [(step["action"], step["model"]) for step in told["steps"]]


async def test_a_switch_in_place_shows_the_stop_and_the_start(host, zoo, file):
    models = {"a": "4GiB", "b": "4GiB"}
    host.save(file(models, "a", ROOM_FOR_ONE))
    await zoo.until("a", "ready")
    told = await foretold(zoo, file(models, "b", ROOM_FOR_ONE))
    assert [("stop", "a"), ("start", "b")] == steps(told)
    assert (True, True, []) == (told["settled"], told["changes"], told["refused"])
    assert ["spawn", "ready"] == host.events("a")


async def test_a_switch_side_by_side_shows_the_start_before_the_stop(host, zoo, file):
    models = {"a": "1GiB", "b": "1GiB"}
    host.save(file(models, "a"))
    await zoo.until("a", "ready")
    told = await foretold(zoo, file(models, "b"))
    assert [("start", "b"), ("stop", "a")] == steps(told)


async def test_one_that_falls_asleep_for_another_does_so_in_the_copy(host, zoo):
    sleepy(host, "a")
    models = {"a": "", "b": "park: null"}
    await put(zoo, host, text(**models))
    await use(zoo, "a")
    told = await foretold(zoo, text(active="[b]", **models))
    assert [("park", "a"), ("start", "b")] == steps(told)
    assert told["settled"]
    assert "admitted" == told["outcome"]["b"]["verdict"]


async def test_an_edit_that_replaces_the_process_is_a_restart(host, zoo, file):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    told = await foretold(zoo, file({"a": "1GiB"}, "a").replace("serve", "serve --more"))
    assert [("restart", "a")] == steps(told)
    assert "SpecChanged" == told["steps"][0]["cause"]


async def test_a_live_edit_is_told_and_touches_nobody(host, zoo, file):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    told = await foretold(zoo, file({"a": "2GiB"}, "a", "budget: {ram: 9GiB}"))
    assert ([], True) == (steps(told), told["changes"])
    assert {"": ["budget"], "a": ["memory.ram"]} == told["live"]


async def test_what_the_file_wants_and_can_not_have_is_named_with_one_sum(host, zoo, file):
    told = await foretold(zoo, file({"a": "1GiB", "huge": "900GiB"}, "[a, huge]"))
    assert ([("start", "a")], ["huge"]) == (steps(told), told["refused"])
    assert ("refused", "ExceedsBudget") == (
        told["outcome"]["huge"]["verdict"],
        told["outcome"]["huge"]["reason"],
    )
    host.save(file({"a": "1GiB", "huge": "900GiB"}, "[a, huge]"))
    await zoo.until("a", "ready")
    told = await foretold(zoo, None)
    assert ([], ["huge"], False) == (steps(told), told["refused"], told["changes"])


async def test_an_edit_that_a_serving_model_can_not_have_is_refused(host, zoo, file):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    told = await foretold(zoo, file({"a": "900GiB"}, "a").replace("serve", "serve --more"))
    assert ([], ["a"]) == (steps(told), told["refused"])


@pytest.mark.parametrize("count", [1, 30])
async def test_the_way_ends_as_the_host_would_and_the_copy_is_thrown_away(host, zoo, file, count):
    models = {f"m{n}": "100MiB" for n in range(count)}
    told = await foretold(zoo, file(models, f"[{', '.join(models)}]"))
    assert (True, [("start", name) for name in models]) == (told["settled"], steps(told))
    assert {} == zoo.zoo.models


async def test_a_switch_among_all_that_an_edit_can_be_is_told_whole_and_in_order(host, zoo, file):
    models = {"a": "4GiB", "b": "4GiB", "live": "100MiB", "anew": "100MiB", "huge": "900GiB"}
    host.save(file(models, "[a, live, anew]", ROOM_FOR_ONE))
    for name in ("a", "live", "anew"):
        await zoo.until(name, "ready")
    after = file(models | {"live": "120MiB"}, "[b, live, anew, huge]", ROOM_FOR_ONE)
    at = after.index("  anew:")
    told = await foretold(zoo, after[:at] + after[at:].replace("serve", "serve --more", 1))
    assert [("stop", "a"), ("stop", "anew"), ("start", "b"), ("start", "anew")] == steps(told)
    assert {"live": ["memory.ram"]} == told["live"]
    assert ["huge"] == told["refused"]
    said = ["makes room for b", "restarted for an edit: command changed in the file"]
    assert said == [step["words"] for step in told["steps"][:2]]
    assert (True, True) == (told["settled"], told["changes"])
    assert "admitted" == told["outcome"]["b"]["verdict"]


@pytest.mark.parametrize("slow", [{"stop": 30.0}, {"release": 30.0}])
async def test_memory_that_is_on_its_way_back_is_counted_on(host, zoo, file, slow):
    models = {"a": "4GiB", "b": "4GiB"}
    host.behave("a", holds=4 * 2**30, **slow)
    host.save(file(models, "a", ROOM_FOR_ONE))
    await zoo.until("a", "ready")
    host.save(file(models, "[]", ROOM_FOR_ONE))
    await zoo.until("a", "stopping")
    await asyncio.sleep(2)
    told = await foretold(zoo, file(models, "b", ROOM_FOR_ONE))
    assert [("start", "b")] == steps(told)
    assert (True, []) == (told["settled"], told["refused"])


async def test_one_that_is_still_loading_has_loaded_in_the_copy_and_holds_what_it_is_promised(
    host, zoo, file
):
    models, budget = {"a": "20GiB", "b": "8GiB"}, "budget: {ram: 32GiB}"
    host.foreign = 6 * 2**30
    host.behave("a", load=3600.0)
    host.save(file(models, "a", budget))
    await zoo.until("a", "starting")
    told = await foretold(zoo, file(models, "[a, b]", budget))
    assert ([], True) == (steps(told), told["settled"])
    assert ("waits", "WaitingForMemory") == (
        told["outcome"]["b"]["verdict"],
        told["outcome"]["b"]["reason"],
    )


async def test_a_sleeper_that_is_wanted_wakes_and_what_it_holds_awake_is_counted(host, zoo):
    sleepy(host, "a")
    models = {"a": "", "b": "park: null"}
    await put(zoo, host, text(**models))
    await use(zoo, "a")
    await use(zoo, "b")
    assert "parked" == zoo.phase("a")
    told = await foretold(zoo, text(active="[a]", **models))
    assert [("stop", "b"), ("wake", "a")] == steps(told)
    assert told["settled"]

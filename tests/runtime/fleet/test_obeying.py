"""What a host of a fleet runs: its file, narrowed to what the fleet has last given it."""

import asyncio
from dataclasses import replace

import pytest

from tests.runtime.fleet.fleet_file import answer, fleet_yaml
from zoosup.core.fleet.words import Answer, HostReport, HostView

pytestmark = pytest.mark.looptime

MODELS = {"a1": "1GiB", "a2": "2GiB", "a3": "3GiB"}


def tell(zoo, said: Answer) -> None:
    if zoo.zoo.fleet.hear(said):
        zoo.reconciler._inbox.wake()


def conditions(zoo):
    return {each["type"]: each for each in zoo.publisher.snapshot["conditions"]}


@pytest.fixture
def text(host):
    def save(active=("a1", "a2"), models=MODELS, **more):
        host.save(fleet_yaml(models, active, **more))
        return host.text

    return save


async def test_before_any_answer_only_those_run_that_nobody_else_may_have(host, zoo, text):
    text(more={"a1": ["hosts: [a]"], "a2": ["hosts: [a, b]"]}, active=("a1", "a2", "a3"))
    await zoo.until("a1", "ready")
    await asyncio.sleep(5)
    assert [["a1"], []] == [[m for m in MODELS if host.pids(m)], host.pids("a2")]
    assert not zoo.publisher.snapshot["converged"]
    said = conditions(zoo)["FleetConnected"]
    assert ("InProgress", False) == (said["reason"], said["problem"])
    assert "the fleet has not answered yet" in said["message"]


async def test_one_that_has_not_answered_for_long_is_a_problem(host, zoo, text):
    text()
    await asyncio.sleep(30)
    said = conditions(zoo)["FleetConnected"]
    assert ("NoAnswer", True) == (said["reason"], said["problem"])


async def test_what_is_given_runs_and_what_is_taken_away_is_stopped(host, zoo, text):
    file = text()
    await asyncio.sleep(1)
    tell(zoo, answer(file, "a1", number=1))
    await zoo.until("a1", "ready")
    assert zoo.publisher.snapshot["converged"]
    assert "FleetConnected" not in conditions(zoo)
    tell(zoo, answer(file, "a2", number=2))
    await zoo.until("a2", "ready")
    await zoo.until("a1", "stopped")
    assert {"a1": False, "a2": True, "a3": False} == {
        name: model["active"] for name, model in zoo.publisher.snapshot["models"].items()
    }
    assert (["a1", "a2"], ["a2"]) == tuple(zoo.publisher.snapshot["fleet"][k] for k in ("active", "here"))


@pytest.mark.parametrize(
    "late",
    [
        {"number": 4},
        {"epoch": 1, "number": 99},
        {"generation": 1, "epoch": 9, "number": 99},
    ],
)
async def test_an_answer_that_is_overtaken_changes_nothing(host, zoo, text, late):
    file = text()
    await asyncio.sleep(1)
    now = {"generation": 2, "epoch": 2, "number": 5}
    tell(zoo, answer(file, "a1", **now))
    await zoo.until("a1", "ready")
    tell(zoo, answer(file, "a2", **(now | late)))
    tell(zoo, answer(file, "a1", **now))
    await asyncio.sleep(5)
    assert (1, 0) == (len(host.pids("a1")), len(host.pids("a2")))
    assert ["spawn", "ready"] == host.events("a1")


async def test_what_was_last_told_is_in_force_after_a_restart_without_a_fleet(host, zoo, successor, text):
    file = text()
    await asyncio.sleep(1)
    tell(zoo, answer(file, "a2"))
    await zoo.until("a2", "ready")
    await asyncio.sleep(1)
    (pid,) = host.pids("a2")
    after = await successor()
    await asyncio.sleep(30)
    assert [pid] == host.pids("a2")
    assert [] == host.pids("a1")
    assert ("a2",) == after.zoo.spec.active
    assert {"a", "b"} == set(after.zoo.fleet.view.hosts)
    assert after.zoo.fleet.age > 25
    assert "stays in force" in conditions(after)["FleetConnected"]["message"]


async def test_an_edit_made_while_no_zoosup_watched_is_based_on_what_the_fleet_had(
    host, zoo, successor, text
):
    file = text()
    await asyncio.sleep(1)
    tell(zoo, answer(file, "a2", generation=7))
    await zoo.until("a2", "ready")
    await asyncio.sleep(1)
    after = await successor(lambda: text(active=("a2", "a3")))
    await asyncio.sleep(1)
    assert (0, 7) == (after.zoo.fleet.generation, after.zoo.fleet.base)
    assert host.pids("a2")


async def test_nobody_stops_before_the_fleet_has_said_who_comes_in_its_place(host, zoo, text):
    file = text(active=("a1",))
    await asyncio.sleep(1)
    tell(zoo, answer(file, "a1"))
    await zoo.until("a1", "ready")
    file = text(active=("a2",))
    await asyncio.sleep(3)
    assert host.pids("a1")
    assert not zoo.publisher.snapshot["converged"]
    tell(zoo, answer(file, "a2", generation=2, number=2))
    await zoo.until("a1", "stopped")
    order = [(who, what) for _, who, what in host.history]
    assert order.index(("a2", "ready")) < order.index(("a1", "term"))
    assert zoo.publisher.snapshot["converged"]


async def test_one_whose_successor_comes_elsewhere_stops(host, zoo, text):
    file = text(active=("a1",))
    await asyncio.sleep(1)
    tell(zoo, answer(file, "a1"))
    await zoo.until("a1", "ready")
    file = text(active=("a2",))
    await asyncio.sleep(1)
    tell(zoo, answer(file, generation=2, number=2))
    await zoo.until("a1", "stopped")
    assert [] == host.events("a2")


async def test_a_fleet_that_is_silent_leaves_the_file_its_word(host, zoo, text):
    file = text(active=("a1",))
    await asyncio.sleep(1)
    tell(zoo, answer(file, "a1"))
    await zoo.until("a1", "ready")
    began = asyncio.get_running_loop().time()
    text(active=("a2",))
    await zoo.until("a1", "stopped")
    assert 10 <= host.at("a1", "term") - began <= 13


async def test_a_roll_back_never_brings_back_what_the_fleet_has_moved(host, zoo, text):
    host.behave("a2", dies_after=0.5)
    file = text(active=("a1",))
    await asyncio.sleep(1)
    tell(zoo, answer(file, "a1"))
    await zoo.until("a1", "ready")
    file = text(active=("a2",))
    await asyncio.sleep(1)
    file = text(active=("a2", "a1"))
    tell(zoo, answer(file, "a2", generation=2, number=2))
    await asyncio.sleep(60)
    assert [] == host.pids("a1")
    assert 1 == host.events("a1").count("spawn")


async def test_a_roll_back_of_the_files_own_switch_is_as_on_one_host(host, zoo, text):
    host.behave("a2", dies_after=0.5)
    host.total = 5 * 2**30 + 2**28  # no room for both
    host.behave("a1", holds=2**30)
    file = text(active=("a1",), models={"a1": "1GiB", "a2": "1500MiB"})
    await asyncio.sleep(1)
    tell(zoo, answer(file, "a1"))
    await zoo.until("a1", "ready")
    file = text(active=("a2",), models={"a1": "1GiB", "a2": "1500MiB"})
    await asyncio.sleep(1)
    tell(zoo, answer(file, "a2", generation=2, number=2))
    async with asyncio.timeout(60):
        while zoo.zoo.switch is None or zoo.zoo.switch.outcome.value != "rolled-back":
            await asyncio.sleep(0.1)
    await zoo.until("a1", "ready")
    # It is the file's to take it out, and the fleet's to have its successor tried elsewhere.
    tell(zoo, answer(file, generation=2, number=3))
    await zoo.until("a1", "stopped")


async def test_a_host_that_is_drained_starts_nothing_for_requests_either(host, zoo, text):
    file = text(active=(), more={"a1": ["on_demand: true"]})
    await asyncio.sleep(1)
    tell(zoo, answer(file, drained=True))
    await asyncio.sleep(1)
    assert not zoo.zoo.spec.models["a1"].on_demand
    tell(zoo, answer(file, number=2))
    await asyncio.sleep(1)
    assert zoo.zoo.spec.models["a1"].on_demand


async def test_a_request_starts_a_model_only_where_the_file_lets_it(host, zoo, text):
    text(active=(), more={"a1": ["on_demand: true", "hosts: [b]"], "a2": ["on_demand: true", "hosts: [a]"]})
    await asyncio.sleep(1)
    assert [False, True] == [zoo.zoo.spec.models[name].on_demand for name in ("a1", "a2")]


async def test_a_file_without_a_fleet_runs_all_that_is_active(host, zoo, text, file):
    told = text()
    await asyncio.sleep(1)
    tell(zoo, answer(told, "a1"))
    await zoo.until("a1", "ready")
    (pid,) = host.pids("a1")
    host.save(file(MODELS, "[a1, a2]"))
    await zoo.until("a2", "ready")
    assert ([pid], None, None) == (host.pids("a1"), zoo.zoo.fleet, zoo.publisher.snapshot["fleet"])


async def test_a_file_that_loses_its_fleet_says_so_until_it_is_edited_again(host, zoo, text, file):
    told = text()
    await asyncio.sleep(1)
    tell(zoo, answer(told, "a1"))
    await zoo.until("a1", "ready")
    host.save(file(MODELS, "[a1, a2]"))
    await zoo.until("a2", "ready")
    said = conditions(zoo)["FleetLeft"]
    assert ("NoFleetInFile", True) == (said["reason"], said["problem"])
    assert "has left that of 127.0.0.2:6379, runs all of active by itself" in said["message"]
    host.save(file(MODELS, "[a1, a2, a3]"))
    await zoo.until("a3", "ready")
    assert "FleetLeft" not in conditions(zoo)
    text()
    await asyncio.sleep(1)
    host.save(file(MODELS, "[a1]"))
    await asyncio.sleep(1)
    assert "FleetLeft" in conditions(zoo)
    text()
    await asyncio.sleep(1)
    assert "FleetLeft" not in conditions(zoo)


@pytest.mark.parametrize("moved", [False, True])
async def test_one_that_has_lost_it_while_no_zoosup_watched_too(host, zoo, successor, text, file, moved):
    told = text()
    await asyncio.sleep(1)
    tell(zoo, answer(told, "a1"))
    await zoo.until("a1", "ready")
    await asyncio.sleep(1)

    def lose():
        host.save(file(MODELS, "[a1, a2]"))
        if moved:
            host.saved["file"]["path"] = "/elsewhere/zoo.yaml"

    after = await successor(lose)
    await after.until("a2", "ready")
    assert "FleetLeft" in conditions(after)
    again = await successor()
    await asyncio.sleep(5)
    assert "FleetLeft" not in conditions(again)


async def test_conditions_say_what_is_amiss_of_the_fleet(host, zoo, text):
    file = text()
    await asyncio.sleep(1)
    tell(zoo, answer(file, "a1", partitioned=True, old=("a",)))
    await asyncio.sleep(1)
    found = conditions(zoo)
    assert [True, True] == [found[each]["problem"] for each in ("FleetPartitioned", "FleetFileOld")]
    tell(zoo, answer(file, "a1", number=2))
    await asyncio.sleep(1)
    assert not {"FleetPartitioned", "FleetFileOld"} & set(conditions(zoo))


async def test_a_plan_for_a_file_shows_what_of_it_is_this_hosts(host, zoo, text):
    file = text()
    await asyncio.sleep(1)
    tell(zoo, answer(file, "a1"))
    await zoo.until("a1", "ready")
    plan = await zoo.commands.plan(fleet_yaml(MODELS, ("a1", "a2", "a3")), "zoo.yaml")
    assert (["a1"], False) == (plan["wanted"], plan["changes"])


async def test_what_another_release_has_written_of_the_fleet_costs_nothing_else(host, zoo, successor, text):
    file = text()
    await asyncio.sleep(1)
    tell(zoo, answer(file, "a1"))
    await zoo.until("a1", "ready")
    await asyncio.sleep(1)

    def newer():
        host.saved["fleet"]["assignment"] = {"models": "?"}

    after = await successor(newer)
    await asyncio.sleep(1)
    assert after.zoo.fleet.assignment is None


async def test_a_host_whose_name_another_has_is_told_so_and_obeys_nothing_that_is_meant_for_that_one(
    host, zoo, text
):
    file = text()
    await asyncio.sleep(1)
    zoo.zoo.fleet.address = "127.0.0.2"

    def said(number, *models, at):
        found = answer(file, *models, number=number)
        hosts = {**found.view.hosts, "a": HostView(HostReport("a", at))}
        return replace(found, view=replace(found.view, hosts=hosts))

    tell(zoo, said(1, "a1", at="127.0.0.2"))
    await asyncio.sleep(1)
    tell(zoo, said(2, "a2", at="127.0.0.9"))
    await asyncio.sleep(1)
    assert ["a1"] == list(zoo.zoo.spec.active)
    found = conditions(zoo)["FleetConnected"]
    assert (True, "NameTaken") == (found["problem"], found["reason"])
    assert "127.0.0.9 is called a too" in found["message"]
    tell(zoo, said(3, "a2", at="127.0.0.2"))
    await asyncio.sleep(1)
    assert ["a2"] == list(zoo.zoo.spec.active)
    assert "FleetConnected" not in conditions(zoo)

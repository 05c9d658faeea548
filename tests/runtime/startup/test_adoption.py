"""A second zoosup over what a first one, killed without a word, has left: virtual time, judged by the host."""

import asyncio
import copy
from dataclasses import replace

import pytest

from tests.runtime.conftest import WALL, Process, Supervised
from zoosup.core.scheduler.plan import plan
from zoosup.core.state.phases import ExitReason
from zoosup.core.state.runs import Exit, Preflight
from zoosup.runtime.persistence import run_records
from zoosup.runtime.startup.adoption import adopt
from zoosup.runtime.startup.resume import apply_pending_edit, restore

pytestmark = pytest.mark.looptime

GIB = 2**30


def order(host):
    return [(who, what) for _, who, what in host.history]


def record_of(host, model):
    return next(r for r in host.records.values() if r["model"] == model)


def now():
    return asyncio.get_running_loop().time()


async def test_what_runs_keeps_its_pid_and_nothing_is_restarted(host, zoo, file, successor):
    host.save(file({"a": "1GiB", "b": "2GiB"}, "[a, b]"))
    await zoo.until("b", "ready")
    await zoo.until("a", "ready")
    await asyncio.sleep(3)
    before = {name: host.pids(name) for name in "ab"}
    second = await successor()
    await second.until("a", "ready")
    await second.until("b", "ready")
    await asyncio.sleep(60)
    assert before == {name: host.pids(name) for name in "ab"}
    assert [] == [(who, what) for who, what in order(host) if what in {"term", "exit"}]
    assert before == {name: [second.publisher.snapshot["models"][name]["pid"]] for name in "ab"}
    assert second.publisher.snapshot["converged"] is True


async def test_it_outlives_one_zoosup_after_another(host, zoo, file, successor):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    before = host.pids("a")
    for _ in range(5):
        second = await successor()
        await second.until("a", "ready")
    assert before == host.pids("a")
    assert 1 == host.events("a").count("spawn")


async def test_it_has_been_ready_since_it_was_first_ready(host, zoo, file, successor):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    ready_at = zoo.zoo.models["a"].run.ready_at
    await asyncio.sleep(100)
    second = await successor()
    await second.until("a", "ready")
    assert ready_at == pytest.approx(second.zoo.models["a"].run.ready_at, abs=0.01)


async def test_a_model_that_was_loading_goes_on_loading(host, zoo, file, successor):
    host.behave("a", load=20.0)
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "starting")
    await asyncio.sleep(2)
    before = host.pids("a")
    second = await successor()
    assert "starting" == second.phase("a")
    await second.until("a", "ready")
    assert before == host.pids("a")
    assert ["spawn", "ready"] == host.events("a")


async def test_it_crashes_after_adoption_and_is_restarted(host, zoo, file, successor):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    second = await successor()
    await second.until("a", "ready")
    host.kill("a")
    await second.until("a", "starting")
    await second.until("a", "ready")
    assert 2 == host.events("a").count("spawn")
    assert 1 == second.zoo.models["a"].restarts


async def test_a_changed_restart_field_replaces_it_by_the_ladder(host, zoo, file, successor):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    before = host.pids("a")
    await zoo.die()
    host.text = file({"a": "1GiB"}, "a").replace("[serve, a]", "[serve, a, --more]")
    second = await successor()
    await second.until("a", "stopping")
    await second.until("a", "ready")
    assert before != host.pids("a")
    events = [what for what in host.events("a") if what != "ready"]
    assert ["spawn", "term", "exit", "gone", "spawn"] == events


async def test_a_changed_live_field_keeps_the_pid(host, zoo, file, successor):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    before = host.pids("a")
    await zoo.die()
    host.text = file({"a": "1GiB"}, "a").replace(
        "memory: {ram: 1GiB}", "memory: {ram: 1GiB}\n    stop: {grace: 7s}"
    )
    second = await successor()
    await second.until("a", "ready")
    await asyncio.sleep(30)
    assert before == host.pids("a")
    assert 1 == host.events("a").count("spawn")
    assert 7 == second.zoo.spec.models["a"].stop.grace


async def test_one_that_the_file_no_longer_wants_is_ended_by_the_ladder(host, zoo, file, successor):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    await zoo.die()
    host.text = file({"a": "1GiB"}, "[]")
    second = await successor()
    await second.until("a", "stopped")
    await asyncio.sleep(1)
    assert [] == host.pids("a")
    assert ["term", "exit", "gone"] == host.events("a")[-3:]
    assert {} == host.records


async def test_one_that_is_gone_from_the_file_is_ended_by_the_ladder(host, zoo, file, successor):
    host.behave("a", stop=5.0)
    host.save(file({"a": "1GiB", "b": "1GiB"}, "[a, b]"))
    await zoo.until("a", "ready")
    await zoo.until("b", "ready")
    before = host.pids("b")
    await zoo.die()
    host.text = file({"b": "1GiB"}, "b")
    second = await successor()
    await second.until("b", "ready")
    async with asyncio.timeout(60):
        while "a" in second.zoo.models:
            await asyncio.sleep(0.1)
    await asyncio.sleep(1)
    assert ([], before) == (host.pids("a"), host.pids("b"))
    assert ["term", "exit", "gone"] == host.events("a")[-3:]
    assert ["b"] == [r["model"] for r in host.records.values()]


async def test_a_record_without_a_process_is_forgotten_and_the_model_starts_afresh(
    host, zoo, file, successor
):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    old = zoo.zoo.models["a"].run.id
    await zoo.die()
    host.kill("a")
    second = await successor()
    assert old not in host.records
    await second.until("a", "ready")
    assert 1 == len(host.pids("a"))
    gone = [e.message for e in second.journal.since(0) if e.type == "Gone"]
    assert ["ended while no supervisor watched"] == gone


async def test_a_run_whose_record_knew_no_process_yet_is_adopted(host, zoo, file, successor):
    host.behave("a", load=5.0)
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "starting")
    await asyncio.sleep(0.1)
    await zoo.die()
    record_of(host, "a").update(pid=None, identity=None)
    before = host.pids("a")
    second = await successor()
    assert before == [second.zoo.models["a"].run.pid]
    await second.until("a", "ready")
    await asyncio.sleep(1)
    assert before == host.pids("a") == [record_of(host, "a")["pid"]]


def _corrupt(host, run_id):
    host.unreadable.add(run_id)


def _from_the_future(host, run_id):
    host.records[run_id]["format"] = run_records.FORMAT + 1


def _half_written(host, run_id):
    del host.records[run_id]["spec"]


def _deleted(host, run_id):
    del host.records[run_id]


@pytest.mark.parametrize("spoil", [_corrupt, _from_the_future, _half_written, _deleted])
async def test_a_run_nothing_can_be_known_of_is_ended_before_anything_starts(
    host, zoo, file, successor, spoil
):
    host.behave("a", stop=4.0)
    host.save(file({"a": "1GiB", "b": "1GiB"}, "[a, b]"))
    await zoo.until("a", "ready")
    await zoo.until("b", "ready")
    run_id, kept = zoo.zoo.models["a"].run.id, host.pids("b")
    await zoo.die()
    spoil(host, run_id)
    host.history.clear()
    second = await successor()
    assert [] == host.pids("a")
    await second.until("a", "ready")
    events = [(who, what) for who, what in order(host) if what != "ready"]
    assert [("a", "term"), ("a", "exit"), ("a", "gone"), ("a", "spawn")] == events
    assert kept == host.pids("b")
    host.unreadable.clear()
    assert {"a": 1, "b": 1} == {name: len(host.pids(name)) for name in "ab"}


async def test_a_stray_that_can_not_be_ended_does_not_keep_the_zoo_down(host, zoo, file, successor):
    host.behave("a", immortal=True)
    host.save(file({"a": "1GiB", "b": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    await zoo.die()
    host.records.clear()
    host.text = file({"a": "1GiB", "b": "1GiB"}, "b")
    second = await successor()
    await second.until("b", "ready")
    stuck = [e.reason for e in second.journal.since(0) if e.type == "Stuck"]
    assert ["TerminationStuck"] == stuck


async def test_of_two_live_runs_of_one_model_one_is_ended(host, zoo, file, successor):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    await zoo.die()
    run_id, record = next(iter(host.records.items()))
    twin = "mark-twin"
    host.records[twin] = copy.deepcopy(record) | {"run_id": twin, "pid": 4711, "port": 20999}
    host.living[twin] = Process(4711, "a", twin, replace(host.living[run_id].behaviour), now())
    second = await successor()
    await second.until("a", "ready")
    await asyncio.sleep(10)
    assert 1 == len(host.pids("a"))
    assert 1 == host.events("a").count("spawn")
    assert 1 == len(host.records)
    assert host.pids("a") == [second.zoo.models["a"].run.pid]


async def test_of_two_live_runs_of_one_model_the_one_on_its_way_out_is_ended(host, zoo, file, successor):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    await zoo.die()
    run_id, record = next(iter(host.records.items()))
    first = "mark-"  # before the other in any order of names
    host.records = {first: copy.deepcopy(record) | {"run_id": first, "pid": 4711, "leaving": "NotWanted"}}
    host.records[run_id] = record
    host.living[first] = Process(4711, "a", first, replace(host.living[run_id].behaviour), now())
    kept = host.living[run_id].pid
    second = await successor()
    await second.until("a", "ready")
    await asyncio.sleep(10)
    assert [kept] == host.pids("a")


async def test_a_run_that_was_leaving_goes_on_leaving_and_then_starts_afresh(host, zoo, file, successor):
    host.behave("a", stop=20.0)
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    host.save(file({"a": "1GiB"}, "[]"))
    await zoo.until("a", "stopping")
    await asyncio.sleep(1)
    await zoo.die()
    host.text = file({"a": "1GiB"}, "a")
    before = host.pids("a")
    second = await successor()
    assert "stopping" == second.phase("a")
    await second.until("a", "ready")
    assert before != host.pids("a")
    assert 2 == host.events("a").count("spawn")


async def test_a_drain_that_was_cut_short_ends_in_a_stop(host, zoo, file, successor):
    host.behave("a", drains=20.0)
    text = file({"a": "1GiB"}, "a") + "    stop: {before: {http: POST /drain}}\n"
    host.save(text)
    await zoo.until("a", "ready")
    host.save(text.replace("active: a", "active: []"))
    await zoo.until("a", "draining")
    await asyncio.sleep(1)
    second = await successor()
    await second.until("a", "stopped")
    assert [] == host.pids("a")


async def test_memory_of_an_adopted_model_is_not_promised_again(host, zoo, file, successor):
    models = {"a": "20GiB", "b": "6GiB", "c": "4GiB"}
    host.behave("a", holds=20 * GIB)
    host.behave("b", holds=6 * GIB)
    host.behave("c", holds=4 * GIB)
    host.save(file(models, "[a, b]"))
    await zoo.until("a", "ready")
    await zoo.until("b", "ready")
    await asyncio.sleep(10)
    await zoo.die()
    host.text = file(models, "[a, b, c]")
    second = await successor()
    await second.until("a", "ready")
    await second.until("b", "ready")
    assert 26 * GIB == second.reserved()
    await asyncio.sleep(60)
    assert ("pending", []) == (second.phase("c"), host.pids("c"))


async def test_a_run_from_before_the_host_was_renamed_counts_in_every_sum(host, zoo, file, successor):
    models = {"a": "4GiB", "b": "4GiB"}
    budget = "budget: {ram: 6GiB}"
    host.save(file(models, "[a]", budget))
    await zoo.until("a", "ready")
    await zoo.die()
    record_of(host, "a")["node"] = "as it was called before"
    host.text = file(models, "[a, b]", budget)
    second = await successor()
    await second.until("a", "ready")
    await asyncio.sleep(30)
    assert ("pending", []) == (second.phase("b"), host.pids("b"))
    assert 4 * GIB == second.publisher.snapshot["pools"][0]["reserved"]


async def test_a_run_from_before_the_host_was_renamed_follows_an_edit_of_its_command(
    host, zoo, file, successor
):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    await zoo.die()
    record_of(host, "a")["node"] = "as it was called before"
    second = await successor()
    await second.until("a", "ready")
    host.save(file({"a": "1GiB"}, "a").replace("[serve, a]", "[serve, a, --more]"))
    await second.until("a", "stopping", within=10)
    await second.until("a", "ready", within=10)


async def test_nobody_leaves_for_memory_that_an_adopted_model_holds_already(
    host, zoo, file, successor, monkeypatch
):
    models = {"a": "14GiB", "b": "10GiB"}
    host.behave("a", holds=14 * GIB)
    host.behave("b", holds=10 * GIB)
    host.save(file(models, "[a, b]"))
    await zoo.until("a", "ready")
    await zoo.until("b", "ready")
    await asyncio.sleep(10)
    await zoo.die()
    usage, looks = host.usage, []

    async def slow_but_for_the_first():
        if looks:
            await asyncio.sleep(1)
        looks.append(1)
        return await usage()

    monkeypatch.setattr(host, "usage", slow_but_for_the_first)
    host.text = file(models | {"c": "2GiB"}, "[c, a, b]")
    second = await successor()
    await second.until("c", "ready", within=5)
    assert [] == [event for _, _, event in host.history if event == "term"]


async def test_a_full_host_is_taken_over_without_a_move(host, zoo, file, successor):
    """What the adopted hold is seen before the first plan, else it would count as promised to them once more."""
    models = {"a": "14GiB", "b": "10GiB"}
    host.behave("a", holds=14 * GIB)
    host.behave("b", holds=10 * GIB)
    host.save(file(models, "[a, b]"))
    await zoo.until("a", "ready")
    await zoo.until("b", "ready")
    await asyncio.sleep(10)
    await zoo.die()
    host.text = file(models | {"c": "2GiB"}, "[a, b, c]")
    second = await successor()
    await second.until("c", "ready", within=5)
    assert [1, 1, 1] == [host.events(name).count("spawn") for name in "abc"]


async def test_a_back_off_goes_on_where_it_was(host, zoo, file, successor):
    host.behave("a", dies_after=1.5)
    host.save(file({"a": "1GiB"}, "a"))
    for _ in range(3):
        await zoo.until("a", "starting")
        await zoo.until("a", "backoff")
        await zoo.until("a", "starting")
    await zoo.until("a", "backoff")
    await asyncio.sleep(0.1)
    backoff = zoo.zoo.models["a"].backoff
    second = await successor()
    assert backoff.count == second.zoo.models["a"].backoff.count
    assert backoff.until == pytest.approx(second.zoo.models["a"].backoff.until, abs=0.2)
    spawns = host.events("a").count("spawn")
    await asyncio.sleep(backoff.until - now() - 0.3)
    assert spawns == host.events("a").count("spawn")
    await second.until("a", "starting")


async def test_a_model_stopped_by_hand_stays_stopped(host, zoo, file, successor):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    await zoo.commands.stop("a")
    await zoo.until("a", "stopped")
    await asyncio.sleep(1)
    second = await successor()
    await asyncio.sleep(30)
    assert ("stopped", []) == (second.phase("a"), host.pids("a"))


async def test_a_switch_cut_short_ends_where_the_file_says(host, zoo, file, successor):
    models = {"a": "4GiB", "b": "4GiB"}
    host.behave("a", stop=5.0)
    host.save(file(models, "a", "budget: {ram: 6GiB}"))
    await zoo.until("a", "ready")
    host.save(file(models, "b", "budget: {ram: 6GiB}"))
    await zoo.until("a", "stopping")
    await asyncio.sleep(0.5)
    second = await successor()
    await second.until("b", "ready")
    assert ([], 1) == (host.pids("a"), len(host.pids("b")))
    assert host.at("b", "spawn") > host.at("a", "gone")


async def test_one_that_dies_while_it_is_adopted_is_restarted(host, zoo, file, successor, monkeypatch):
    """Its exit is noticed before anybody could listen; it must not be lost."""
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    usage = host.usage

    async def dies_meanwhile():
        host.usage = usage
        host._end(next(iter(host.living.values())), Exit(ExitReason.ERROR, WALL, code=1))
        return {}

    host.usage = dies_meanwhile
    second = await successor()
    await second.until("a", "ready")
    await asyncio.sleep(1)
    assert 1 == len(host.pids("a"))
    assert 2 == host.events("a").count("spawn")


async def test_a_process_table_that_can_not_be_read_starts_nothing(host, zoo, file, successor):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")

    async def unreadable(traces, mark):
        raise OSError("no descriptor is left")

    host.adopt = unreadable
    before = host.pids("a")
    with pytest.raises(OSError, match="no descriptor"):
        await successor()
    assert (before, 1) == (host.pids("a"), host.events("a").count("spawn"))


ON_DEMAND = """
active: {active}
models:
  a: {{command: [serve, a], memory: {{ram: 1GiB}}, on_demand: true, idle_timeout: 60s}}
"""


class Client:
    """One that uses a model and gives it back."""

    cut = granted = refused = staticmethod(lambda *_: None)

    client = ""

    def __init__(self, zoo, model):
        self.asked = zoo.reconciler.leases.ask(model, self)

    def goes(self):
        self.asked.release()


@pytest.mark.parametrize("jump", [0.0, 3600.0, -3600.0])
@pytest.mark.parametrize("active", ["[]", "a"])
async def test_what_was_used_a_moment_ago_is_as_lately_used_after_a_restart(
    host, zoo, successor, active, jump
):
    host.save(ON_DEMAND.format(active=active))
    await zoo.commands.reload()
    Client(zoo, "a")
    await zoo.until("a", "ready")
    for _ in range(20):
        client = Client(zoo, "a")
        await asyncio.sleep(4)
        client.goes()
    await asyncio.sleep(4)
    before, used = host.pids("a"), zoo.reconciler.leases.demand()["a"].last_used

    def set_the_clock():
        host.wall_offset += jump

    second = await successor(set_the_clock)
    await second.until("a", "ready")
    assert before == host.pids("a")
    kept = second.reconciler.leases.demand()["a"].last_used
    assert 0 <= kept - used <= 5
    await asyncio.sleep(50)
    assert before == host.pids("a")
    await asyncio.sleep(20)
    assert (before if active == "a" else []) == host.pids("a")


async def test_who_was_being_served_at_a_crash_counts_as_a_use_until_then(host, zoo, successor):
    host.save(ON_DEMAND.format(active="[]"))
    await zoo.commands.reload()
    Client(zoo, "a")
    await zoo.until("a", "ready")
    Client(zoo, "a")
    await asyncio.sleep(300)
    second = await successor()
    await second.until("a", "ready")
    await asyncio.sleep(50)
    assert ["spawn", "ready", "ready"] == host.events("a")


async def test_a_model_that_nobody_ever_used_is_idle_since_it_was_ready_whatever_the_clock(
    host, zoo, file, successor
):
    host.save(ON_DEMAND.format(active="[]"))
    await zoo.commands.reload()
    await zoo.commands.start("a")
    await zoo.until("a", "ready")
    ready_at = zoo.zoo.models["a"].run.ready_at

    def an_hour_on():
        host.wall_offset += 3600

    second = await successor(an_hour_on)
    assert ready_at == pytest.approx(second.zoo.models["a"].run.ready_at, abs=0.01)


async def test_a_crash_loop_is_given_up_though_zoosup_was_restarted_meanwhile(host, zoo, file, successor):
    host.behave("a", dies_after=1.0)
    host.save(file({"a": "1GiB"}, "a") + "    restart: {limit: {count: 3, within: 10m}}\n")
    await zoo.until("a", "starting")
    await zoo.until("a", "backoff")
    second = await successor()
    await second.until("a", "failed")
    assert 3 == host.events("a").count("spawn")


async def test_what_adopted_models_hold_is_measured_before_the_first_plan(host, zoo, file):
    """Else it would count as promised to them once more, and one of them would leave for that."""
    models = {"a": "14GiB", "b": "10GiB"}
    host.behave("a", holds=14 * GIB)
    host.behave("b", holds=10 * GIB)
    host.save(file(models, "[a, b]"))
    await zoo.until("a", "ready")
    await zoo.until("b", "ready")
    await asyncio.sleep(10)
    await zoo.die()
    host.text = file(models | {"c": "2GiB"}, "[c, a, b]")
    second = Supervised(host, at_once=False)
    edit = await restore(second.zoo, await host.read_file(), host.saved, {})
    await adopt(second.zoo, second.ports, {})
    apply_pending_edit(second.zoo, edit)
    assert [14 * GIB, 10 * GIB] == [second.zoo.models[name].run.measured["ram"] for name in "ab"]
    second.zoo.models["c"] = replace(second.zoo.models["c"], preflight=Preflight(now()))
    second.zoo.sample(host.read())
    decided = plan(second.zoo.spec, second.zoo.observed())
    assert [("Start", "c")] == [(type(action).__name__, action.model) for action in decided.actions]

"""The single writer over a virtual host, in virtual time."""

import asyncio
from dataclasses import replace

import pytest

from zoosup.core.estimation.learned import HEALTHY
from zoosup.core.memory.ledger import NOISE
from zoosup.core.scheduler.placement import candidates, place
from zoosup.core.state.facts import Inspected
from zoosup.core.state.phases import Reason
from zoosup.core.state.runs import Preflight
from zoosup.errors import ZoosupError
from zoosup.runtime.loop.executor import Executor
from zoosup.runtime.loop.measure_pace import RESTING, SETTLED, WARMING
from zoosup.runtime.loop.reconciler import HEARTBEAT, LOOKOUT, REST
from zoosup.runtime.state import overrides
from zoosup.runtime.state.inbox import FactLearned, ShutdownAsked, UsageMeasured

pytestmark = pytest.mark.looptime

GIB = 2**30
MIB = 1 << 20


async def test_an_active_model_is_started_and_becomes_ready(host, zoo, file):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready", within=10)
    assert ["spawn", "ready"] == host.events("a")
    assert zoo.publisher.snapshot["converged"] is True


async def test_a_switch_with_room_for_both_starts_the_new_before_the_old_ends(host, zoo, file):
    models = {"a": "4GiB", "b": "4GiB"}
    host.save(file(models, "a"))
    await zoo.until("a", "ready")
    host.save(file(models, "b"))
    await zoo.until("a", "stopped")
    assert "ready" == zoo.phase("b")
    order = [(who, what) for _, who, what in host.history]
    assert order.index(("b", "ready")) < order.index(("a", "term"))


async def test_a_switch_without_room_for_both_stops_the_old_first(host, zoo, file):
    models = {"a": "4GiB", "b": "4GiB"}
    host.behave("a", holds=4 * GIB, release=0.7)
    host.save(file(models, "a", "budget: {ram: 6GiB}"))
    await zoo.until("a", "ready")
    host.save(file(models, "b", "budget: {ram: 6GiB}"))
    await zoo.until("b", "ready")
    assert "stopped" == zoo.phase("a")
    assert host.at("b", "spawn") > host.at("a", "gone")


async def test_a_model_that_can_never_fit_leaves_the_old_one_serving(host, zoo, file):
    models = {"a": "4GiB", "b": "40GiB"}
    host.save(file(models, "a"))
    await zoo.until("a", "ready")
    host.save(file(models, "b"))
    await zoo.until("b", "pending")
    await asyncio.sleep(60)
    assert ("ready", "ExceedsBudget") == (zoo.phase("a"), zoo.reason("b"))
    assert ["spawn", "ready"] == host.events("a")


async def test_an_address_that_is_not_listened_on_is_a_condition_of_zoosup_itself(host, zoo, file):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    zoo.zoo.gateway = replace(zoo.zoo.gateway, trouble="8080 is in use")
    zoo.zoo.status_trouble = "8081 is in use"
    zoo.reconciler._inbox.wake()
    await asyncio.sleep(2)
    said = [(c["type"], c["status"], c["message"]) for c in zoo.publisher.snapshot["conditions"]]
    assert [
        ("GatewayListening", False, "8080 is in use"),
        ("StatusListening", False, "8081 is in use"),
    ] == said


async def test_a_model_that_crashes_while_it_loads_is_rolled_back(host, zoo, file):
    models = {"a": "4GiB", "b": "4GiB"}
    host.behave("b", dies_after=0.5)
    host.save(file(models, "a", "budget: {ram: 6GiB}"))
    await zoo.until("a", "ready")
    host.save(file(models, "b", "budget: {ram: 6GiB}"))
    await zoo.until("b", "failed")
    await zoo.until("a", "ready")
    assert "RolledBack" == zoo.reason("b")
    assert ["spawn", "exit", "gone"] == host.events("b")
    switched = zoo.publisher.snapshot["conditions"][0]
    assert ("Switched", False, "RolledBack") == (switched["type"], switched["status"], switched["reason"])


async def test_memory_stolen_after_the_old_one_left_brings_it_back(host, zoo, file):
    models = {"a": "8GiB", "b": "20GiB"}
    host.behave("a", holds=8 * GIB, stop=1.0)
    host.save(file(models, "a", "budget: {ram: 24GiB}"))
    await zoo.until("a", "ready")
    await asyncio.sleep(10)
    host.save(file(models, "b", "budget: {ram: 24GiB}"))
    await zoo.until("a", "stopping")
    host.foreign += 10 * GIB
    await zoo.until("a", "ready")
    assert ("failed", "RolledBack") == (zoo.phase("b"), zoo.reason("b"))
    assert [] == host.events("b")


async def test_memory_held_by_strangers_keeps_the_old_one_serving_until_it_is_free(host, zoo, file):
    models = {"a": "8GiB", "b": "20GiB"}
    host.behave("a", holds=8 * GIB)
    host.foreign = 14 * GIB
    host.save(file(models, "a", "budget: {ram: 24GiB}"))
    await zoo.until("a", "ready")
    await asyncio.sleep(10)
    host.save(file(models, "b", "budget: {ram: 24GiB}"))
    await zoo.until("b", "pending")
    await asyncio.sleep(30)
    assert ("ready", "WaitingForMemory") == (zoo.phase("a"), zoo.reason("b"))
    host.foreign = 2 * GIB
    await zoo.until("b", "ready")
    assert "stopped" == zoo.phase("a")


async def test_a_crash_is_answered_at_once_and_the_next_one_waits(host, zoo, file):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    host.kill("a")
    killed = asyncio.get_running_loop().time()
    await zoo.until("a", "starting")
    assert asyncio.get_running_loop().time() - killed < 0.1
    await zoo.until("a", "ready")
    host.kill("a")
    await zoo.until("a", "backoff")
    waited = asyncio.get_running_loop().time()
    await zoo.until("a", "starting")
    assert 1.7 < asyncio.get_running_loop().time() - waited < 2.3


async def test_a_bad_file_changes_no_process_and_is_told(host, zoo, file):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    host.save("active: [a\n")
    await asyncio.sleep(5)
    assert "zoo.yaml:" in zoo.publisher.snapshot["config"]["error"]
    (drift,) = zoo.publisher.snapshot["conditions"]
    assert ("FileInForce", False, True) == (drift["type"], drift["status"], drift["problem"])
    assert ["spawn", "ready"] == host.events("a")
    host.save(file({"a": "1GiB"}, "a"))
    await asyncio.sleep(5)
    assert zoo.publisher.snapshot["config"]["error"] is None
    assert [] == zoo.publisher.snapshot["conditions"]
    assert (1, ["spawn", "ready"]) == (zoo.zoo.applied.generation, host.events("a"))


async def test_an_edit_of_a_live_field_keeps_the_pid(host, zoo, file):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    pids = host.pids("a")
    host.save(file({"a": "2GiB"}, "a", "switch: {rollback: false}"))
    await asyncio.sleep(5)
    assert (2, pids) == (zoo.zoo.applied.generation, host.pids("a"))


async def test_an_edit_of_what_a_model_needs_changes_its_reservation_at_once(host, zoo, file):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    for size, expected in (("2GiB", 2 * GIB), ("1GiB", 1 * GIB)):
        host.save(file({"a": size}, "a"))
        await asyncio.sleep(1)
        assert (expected, expected) == (
            zoo.reserved(),
            host.records[zoo.zoo.models["a"].run.id]["reserved"]["ram"],
        )


async def test_an_edited_command_replaces_the_process(host, zoo, file):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    before = host.pids("a")
    host.save(file({"a": "1GiB"}, "a").replace("[serve, a]", "[serve, a, --more]"))
    await zoo.until("a", "stopping")
    await zoo.until("a", "ready")
    assert before != host.pids("a")
    assert ["spawn", "ready", "term", "exit", "gone", "spawn", "ready"] == host.events("a")


async def test_an_edited_command_that_can_not_run_keeps_the_old_process(host, zoo, file):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    host.files_missing.add("/weights/none.gguf")
    host.save(file({"a": "1GiB"}, "a").replace("[serve, a]", "[serve, a, /weights/none.gguf]"))
    await asyncio.sleep(10)
    assert ["spawn", "ready"] == host.events("a")
    conditions = zoo.publisher.snapshot["models"]["a"]["conditions"]
    assert [("Current", False, "FileMissing")] == [(c["type"], c["status"], c["reason"]) for c in conditions]
    host.files_missing.clear()
    await zoo.until("a", "stopping", within=10)
    await zoo.until("a", "ready")


async def test_the_journal_tells_how_a_switch_ended(host, zoo, file):
    host.save(file({"a": "1GiB", "b": "1GiB", "c": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    host.save(file({"a": "1GiB", "b": "1GiB", "c": "1GiB"}, "b"))
    await zoo.until("a", "stopped")
    host.behave("c", dies_after=0.1)
    host.save(file({"a": "1GiB", "b": "1GiB", "c": "1GiB"}, "c"))
    await zoo.until("c", "failed")
    await asyncio.sleep(10)
    told = [(e.model, e.reason) for e in zoo.journal.since(0) if e.type == "Switch"]
    assert [(None, "Completed"), (None, "RolledBack")] == told


async def test_a_missing_file_fails_the_model_at_once_and_its_appearance_starts_it(host, zoo, file):
    host.files_missing.add("a")
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "failed")
    assert "FileMissing" == zoo.reason("a")
    host.files_missing.clear()
    await zoo.until("a", "ready", within=10)


async def test_stop_before_is_carried_out_before_the_signal(host, zoo, file):
    text = file({"a": "1GiB"}, "a") + "    stop: {before: {http: POST /drain}}\n"
    host.save(text)
    await zoo.until("a", "ready")
    host.save(text.replace("active: a", "active: []"))
    await zoo.until("a", "stopped")
    assert ["spawn", "ready", "drain POST /drain", "term", "exit", "gone"] == host.events("a")
    assert host.at("a", "term") - host.at("a", "drain POST /drain") < 1, "the whole grace was waited for"


async def test_a_model_stopped_by_hand_stays_stopped_until_it_is_started(host, zoo, file):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    await zoo.commands.stop("a")
    await zoo.until("a", "stopped")
    await asyncio.sleep(60)
    assert "StoppedByHand" == zoo.reason("a")
    await zoo.commands.start("a")
    await zoo.until("a", "ready")


async def test_restart_by_hand_ends_and_starts_afresh(host, zoo, file):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    before = host.pids("a")
    await zoo.commands.restart("a")
    await zoo.until("a", "stopping")
    await zoo.until("a", "ready")
    assert before != host.pids("a")


async def test_a_start_that_takes_too_long_is_ended_and_counts_as_a_crash(host, zoo, file):
    host.behave("a", load=100.0)
    host.save(file({"a": "1GiB"}, "a") + "    ready: {deadline: 5s}\n")
    await zoo.until("a", "stopping")
    await zoo.until("a", "starting")
    assert "StartupDeadline" == zoo.zoo.models["a"].last_exit.reason
    assert (
        "not ready within 5 s (ready.deadline): connection refused" == zoo.zoo.models["a"].last_exit.message
    )


async def test_one_that_became_ready_while_zoosup_was_held_up_is_not_ended_for_its_deadline(host, zoo, file):
    host.behave("a", load=10.0)
    host.save(file({"a": "1GiB"}, "a") + "    ready: {deadline: 30s}\n")
    await zoo.until("a", "starting")
    loop = asyncio.get_running_loop()
    loop.setup_looptime(start=loop.time() + 60, noop_cycles=0)  # a paused machine
    await zoo.until("a", "ready", within=5)
    assert ["spawn", "ready"] == host.events("a")


async def test_what_survives_sigkill_keeps_its_reservation_and_nothing_starts_in_its_place(host, zoo, file):
    models = {"a": "4GiB", "b": "4GiB"}
    host.behave("a", immortal=True)
    host.save(file(models, "a", "budget: {ram: 6GiB}"))
    await zoo.until("a", "ready")
    host.save(file(models, "b", "budget: {ram: 6GiB}"))
    await asyncio.sleep(120)
    assert ("stopping", "pending", 4 * GIB) == (zoo.phase("a"), zoo.phase("b"), zoo.reserved())
    conditions = zoo.publisher.snapshot["models"]["a"]["conditions"]
    assert ["TerminationStuck"] == [c["type"] for c in conditions]


async def test_the_least_pause_is_kept_after_a_stop(host, zoo, file):
    models = {"a": "4GiB", "b": "4GiB"}
    extra = "budget: {ram: 6GiB}\nswitch: {cooldown: {min: 2s}}"
    host.save(file(models, "a", extra))
    await zoo.until("a", "ready")
    host.save(file(models, "b", extra))
    await zoo.until("b", "ready")
    assert 2.0 <= host.at("b", "spawn") - host.at("a", "gone") < 2.1


async def test_once_memory_is_back_the_next_one_starts_within_50_ms(host, zoo, file):
    models = {"a": "4GiB", "b": "4GiB"}
    host.save(file(models, "a", "budget: {ram: 6GiB}"))
    await zoo.until("a", "ready")
    host.save(file(models, "b", "budget: {ram: 6GiB}"))
    await zoo.until("b", "ready")
    assert host.at("b", "spawn") - host.at("a", "gone") < 0.05


async def test_memory_that_comes_back_late_is_waited_for(host, zoo, file):
    models = {"a": "20GiB", "b": "20GiB"}
    host.behave("a", holds=20 * GIB, release=3.0)
    host.behave("b", holds=20 * GIB)
    host.save(file(models, "a", "budget: {ram: 24GiB}"))
    await zoo.until("a", "ready")
    await asyncio.sleep(10)
    host.save(file(models, "b", "budget: {ram: 24GiB}\nswitch: {rollback: false}"))
    await zoo.until("b", "ready")
    assert host.at("b", "spawn") - host.at("a", "exit") >= 3.0


async def test_memory_that_can_not_be_read_starts_nothing(host, zoo, file):
    host.readable = False
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "pending")
    await asyncio.sleep(30)
    assert ("MemoryUnknown", []) == (zoo.reason("a"), host.events("a"))
    host.readable = True
    await zoo.until("a", "ready")


async def test_leaving_stops_every_model_and_ends(host, zoo, file):
    host.save(file({"a": "1GiB", "b": "1GiB"}, "[a, b]"))
    await zoo.until("a", "ready")
    await zoo.until("b", "ready")
    await zoo.leave()
    assert {} == host.living
    assert ("stopped", "stopped") == (zoo.phase("a"), zoo.phase("b"))
    assert ["Asked"] == [each.reason for each in zoo.zoo.journal.since() if each.type == "Shutdown"]


async def test_a_look_that_a_start_waits_for_is_told_though_it_shows_nothing_new(
    host, zoo, file, monkeypatch
):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    await asyncio.sleep(200)
    asked = []
    monkeypatch.setattr(zoo.reconciler._operations, "measure", lambda *, news_only: asked.append(news_only))
    zoo.reconciler._measure_if_due(60.0)
    await asyncio.sleep(0.2)
    zoo.reconciler._measure_if_due(awaited=True)
    assert [True, False] == asked


async def test_a_second_wish_to_leave_shortens_the_grace(host, zoo, file):
    host.behave("a", ignores_term=True)
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    zoo.reconciler.post(ShutdownAsked(None))
    await asyncio.sleep(1)
    asked = asyncio.get_running_loop().time()
    zoo.reconciler.post(ShutdownAsked(2.0))
    await zoo.turning
    assert asyncio.get_running_loop().time() - asked < 2.1


@pytest.mark.parametrize(("grace", "ends_within"), [("2s", 2.1), ("3m", 120)])
async def test_a_shorter_grace_in_the_file_holds_for_who_is_on_the_way_out_too(
    host, zoo, file, grace, ends_within
):
    host.behave("a", ignores_term=True)
    stop = "    stop: {grace: 2m}\n"
    host.save(file({"a": "1GiB"}, "a") + stop)
    await zoo.until("a", "ready")
    host.save(file({"a": "1GiB"}, "[]") + stop)
    await zoo.until("a", "stopping")
    await asyncio.sleep(1)
    host.save(file({"a": "1GiB"}, "[]") + stop.replace("2m", grace))
    asked = asyncio.get_running_loop().time()
    await zoo.until("a", "stopped")
    took = asyncio.get_running_loop().time() - asked
    assert ends_within - 2 < took < ends_within + 0.1


async def test_the_last_good_file_and_the_wishes_are_kept(host, zoo, file):
    text = file({"a": "1GiB"}, "a")
    host.save(text)
    await zoo.until("a", "ready")
    await zoo.commands.stop("a")
    await zoo.leave()
    assert text == host.saved["file"]["text"]
    assert "stop" == host.saved["models"]["a"]["override"]
    assert 1.0 == pytest.approx(host.saved["models"]["a"]["load_time"], abs=0.1)


async def test_two_that_do_not_fit_together_run_in_order_of_priority(host, zoo, file):
    host.save(file({"a": "4GiB", "b": "4GiB"}, "[b, a]", "budget: {ram: 6GiB}"))
    await zoo.until("b", "ready")
    await asyncio.sleep(10)
    assert ("pending", "ExceedsBudget") == (zoo.phase("a"), zoo.reason("a"))
    message = zoo.publisher.snapshot["models"]["a"]["message"]
    assert "ram is short of 2 GiB: needs 4 GiB, budget 6 GiB less b 4 GiB" == message


async def test_plan_tells_what_the_next_pass_does_and_changes_nothing(host, zoo, file):
    models = {"a": "4GiB", "b": "4GiB"}
    host.save(file(models, "a", "budget: {ram: 6GiB}"))
    await zoo.until("a", "ready")
    told = await zoo.commands.plan(file(models, "b", "budget: {ram: 6GiB}"), "zoo.yaml")
    assert [("stop", "a"), ("hold", "b")] == [(a["action"], a["model"]) for a in told["actions"]]
    assert "waits for a to leave" == told["models"]["b"]["message"]
    await asyncio.sleep(5)
    assert (["spawn", "ready"], 1) == (host.events("a"), zoo.zoo.applied.generation)


async def test_plan_of_an_edit_forgives_nothing(host, zoo, file):
    host.behave("a", dies_after=0.5)
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "backoff")
    backoff = zoo.zoo.models["a"].backoff
    await zoo.commands.plan(file({"a": "2GiB", "b": "1GiB"}, "[a, b]"), "zoo.yaml")
    assert {"a"} == zoo.zoo.models.keys()
    assert ("backoff", backoff) == (zoo.phase("a"), zoo.zoo.models["a"].backoff)


async def test_the_same_file_again_is_no_change(host, zoo, file):
    text = file({"a": "1GiB"}, "a")
    host.save(text)
    await zoo.until("a", "ready")
    seen = zoo.journal.last
    for _ in range(5):
        host.save(text)
        await asyncio.sleep(1)
    assert (seen, 1) == (zoo.journal.last, zoo.zoo.applied.generation)


async def test_a_kill_by_the_kernel_is_told_from_any_other(host, zoo, file):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    host.killed_by_kernel += 1
    host.kill("a")
    await zoo.until("a", "starting")
    assert "OOMKilled" == zoo.zoo.models["a"].last_exit.reason
    await zoo.until("a", "ready")
    host.kill("a")
    await zoo.until("a", "backoff")
    assert "Signaled" == zoo.zoo.models["a"].last_exit.reason


async def test_a_drain_that_is_cut_short_by_the_second_wish_to_leave_still_ends(host, zoo, file):
    host.behave("a", drains=60.0)
    host.save(file({"a": "1GiB"}, "a") + "    stop: {before: {http: POST /drain}, grace: 2m}\n")
    await zoo.until("a", "ready")
    zoo.reconciler.post(ShutdownAsked(None))
    await zoo.until("a", "draining")
    asked = asyncio.get_running_loop().time()
    zoo.reconciler.post(ShutdownAsked(2.0))
    await zoo.turning
    assert asyncio.get_running_loop().time() - asked < 5
    assert {} == host.living


async def test_two_wishes_to_leave_in_one_turn_leave_a_drain_no_time(host, zoo, file):
    host.behave("a", drains=60.0)
    host.save(file({"a": "1GiB"}, "a") + "    stop: {before: {http: POST /drain}, grace: 2m}\n")
    await zoo.until("a", "ready")
    asked = asyncio.get_running_loop().time()
    zoo.reconciler.post(ShutdownAsked(None))
    zoo.reconciler.post(ShutdownAsked(2.0))
    await zoo.turning
    assert asyncio.get_running_loop().time() - asked < 5
    assert {} == host.living


async def test_the_answer_to_an_older_question_says_nothing_of_a_newer_one(host, zoo, file):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    older = zoo.zoo.spec.models["a"].model_copy(update={"command": ("other",)})
    missing = Preflight(asyncio.get_running_loop().time(), Reason.FILE_MISSING, "other is missing")
    seen = zoo.zoo.models["a"].preflight
    zoo.reconciler.post(FactLearned("a", Inspected(missing, older)))
    await asyncio.sleep(0.1)
    assert seen == zoo.zoo.models["a"].preflight
    zoo.reconciler.post(FactLearned("a", Inspected(missing, zoo.zoo.spec.models["a"])))
    await asyncio.sleep(0.1)
    assert missing == zoo.zoo.models["a"].preflight


async def test_a_ladder_that_fails_for_a_fault_of_ours_is_tried_again(host, zoo, file, monkeypatch):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    right = host.terminate

    async def wrong(run_id, ladder):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(host, "terminate", wrong)
    host.save(file({"a": "1GiB"}, "[]"))
    await asyncio.sleep(5)
    assert "TerminationStuck" == zoo.publisher.snapshot["models"]["a"]["conditions"][0]["type"]
    monkeypatch.setattr(host, "terminate", right)
    await zoo.until("a", "stopped")
    assert {} == host.living


async def test_what_stands_in_env_is_shown_to_nobody(host, zoo, file):
    host.save(file({"a": "1GiB"}, "a") + "    env: {TOKEN: hunter2}\n")
    await zoo.until("a", "ready")
    told = [
        zoo.publisher.snapshot,
        await zoo.commands.plan(None, "zoo.yaml"),
        *map(str, zoo.journal.since(0)),
    ]
    assert "hunter2" not in str(told)


async def test_a_stop_that_overtakes_the_spawn_leaves_nobody_behind(host, zoo, file, monkeypatch):
    spawn = host.spawn

    async def slowly(launch):
        await asyncio.sleep(5)
        return await spawn(launch)

    monkeypatch.setattr(host, "spawn", slowly)
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "starting")
    host.save(file({"a": "1GiB"}, "[]"))
    await zoo.until("a", "stopped")
    await asyncio.sleep(10)
    assert {} == host.living


def fails_for(monkeypatch, name, module, function):
    real = getattr(module, function)

    def failing(*args, **kw):
        if any(getattr(each, "name", each) == name or getattr(each, "model", "") == name for each in args):
            raise ZeroDivisionError("oops")
        return real(*args, **kw)

    monkeypatch.setattr(module, function, failing)


def internal_errors(caplog):
    return [r.getMessage() for r in caplog.records if r.getMessage().startswith("internal error")]


@pytest.mark.parametrize(
    ("module", "function"),
    [(place, "best_placement"), (place, "need_of"), (candidates, "need_of"), (Executor, "_start")],
)
async def test_a_bug_that_meets_one_model_ends_no_pass(
    host, zoo, file, monkeypatch, caplog, module, function
):
    with monkeypatch.context() as patched:
        fails_for(patched, "a", module, function)
        host.save(file({"a": "1GiB", "b": "1GiB", "c": "1GiB"}, "[a, b]"))
        await zoo.until("b", "ready", within=5)
        await zoo.commands.start("c")
        await zoo.until("c", "ready", within=5)
        await asyncio.sleep(60)
        assert zoo.reconciler.heartbeat() < 3
        shown = zoo.publisher.snapshot["models"]["a"]
        assert "InternalError" in {c["type"] for c in shown["conditions"]}
        assert [] == host.pids("a")
        assert 1 == len(internal_errors(caplog))
    await zoo.until("a", "ready", within=10)


async def test_an_edit_that_a_bug_met_is_answered(host, zoo, file, monkeypatch, caplog):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    monkeypatch.setattr(overrides, "override", lambda *_: 1 // 0)
    with pytest.raises(ZoosupError, match="internal error"):
        await zoo.commands.stop("a")
    assert ["internal error: CommandGiven was dropped"] == internal_errors(caplog)
    assert "ready" == zoo.phase("a")


async def test_what_was_seen_beyond_the_word_of_the_file_stays_booked_over_edits_and_restarts(
    host, zoo, file, successor
):
    models = {"a": "4GiB", "b": "6GiB"}
    budget = "budget: {ram: 10GiB}"
    host.behave("a", holds=6 * GIB)
    host.save(file(models, "a", budget))
    await zoo.until("a", "ready")
    await asyncio.sleep(10)
    next(iter(host.living.values())).holding = 3 * GIB
    await asyncio.sleep(10)
    host.save(file(models, "[a, b]", budget) + "# a comment\n")
    await asyncio.sleep(30)
    said = [c["type"] for c in zoo.publisher.snapshot["models"]["a"]["conditions"]]
    assert (6 * GIB, "pending", True) == (zoo.reserved(), zoo.phase("b"), "WithinEstimate" in said)
    second = await successor()
    await second.until("a", "ready")
    await asyncio.sleep(30)
    assert (6 * GIB, "pending") == (second.reserved(), second.phase("b"))
    host.save(file(models | {"a": "7GiB"}, "[a, b]", budget))
    await asyncio.sleep(30)
    said = [c["type"] for c in second.publisher.snapshot["models"]["a"]["conditions"]]
    assert (7 * GIB, False) == (second.reserved(), "WithinEstimate" in said)


async def at_rest(host, zoo, file):
    """When each snapshot is taken from now on, when nothing happens any more."""
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    await asyncio.sleep(HEALTHY + 30)
    times, publish = [], zoo.publisher.publish

    def note(snapshot):
        times.append(asyncio.get_running_loop().time())
        publish(snapshot)

    zoo.publisher.publish = note
    return times


async def test_at_rest_a_turn_is_taken_each_half_minute_and_none_for_a_look_that_shows_what_the_last_one_did(
    host, zoo, file
):
    times = await at_rest(host, zoo, file)
    await asyncio.sleep(10 * REST)
    assert 10 == pytest.approx(len(times), abs=1)
    assert zoo.reconciler.heartbeat() <= LOOKOUT


async def test_while_a_disk_refuses_a_turn_is_taken_each_heartbeat_also_at_rest(host, zoo, file, monkeypatch):
    times = await at_rest(host, zoo, file)
    monkeypatch.setattr(zoo.zoo.journal, "_trouble", "no room")
    await asyncio.sleep(10 * HEARTBEAT)
    assert 10 == pytest.approx(len(times), abs=1)


async def test_one_that_has_just_become_ready_brings_no_turns_either_and_its_health_is_noticed(
    host, zoo, file
):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    await asyncio.sleep(WARMING)
    taken = []
    take = zoo.reconciler._intake.take
    zoo.reconciler._intake.take = lambda message: (taken.append(message), take(message))
    await asyncio.sleep(HEALTHY - WARMING - 1)
    assert [] == taken
    await asyncio.sleep(SETTLED + LOOKOUT)
    assert {UsageMeasured} == {type(message) for message in taken}
    (run,) = zoo.zoo.models["a"].learned.runs
    assert run.healthy


@pytest.mark.parametrize(
    ("more", "stranger", "within"),
    [(2 * MIB, 0, RESTING), (2 * NOISE, 0, SETTLED), (-2 * NOISE, 2 * NOISE, SETTLED)],
    ids=["a little more", "what is free", "less, which a stranger takes"],
)
async def test_at_rest_what_a_model_holds_is_seen_the_sooner_the_more_has_moved(
    host, zoo, file, more, stranger, within
):
    def held():
        return zoo.publisher.snapshot["models"]["a"]["memory"]["ram"]["held"]

    await at_rest(host, zoo, file)
    await asyncio.sleep(SETTLED)
    (process,), before = host.living.values(), held()
    process.holding += more
    if stranger:
        await asyncio.sleep(1.5 * LOOKOUT)
        host.foreign += stranger
    await asyncio.sleep(within + LOOKOUT)
    assert before + more == held()


async def test_free_memory_that_moves_is_seen_by_people_within_a_heartbeat(host, zoo, file):
    times = await at_rest(host, zoo, file)
    await asyncio.sleep(SETTLED)  # just after a turn, the next may be far
    host.foreign += 2 * GIB
    began, free = asyncio.get_running_loop().time(), host.available
    while zoo.publisher.snapshot["pools"][0]["free"] != free:
        await asyncio.sleep(0.01)
    assert asyncio.get_running_loop().time() - began <= HEARTBEAT + LOOKOUT
    assert times


async def test_a_model_starts_though_no_message_wakes_the_loop(host, zoo, file, monkeypatch):
    """Each is taken in within a heartbeat, while it is still believed: or a look would follow on a look for ever."""
    await at_rest(host, zoo, file)
    monkeypatch.setattr(zoo.reconciler._inbox, "wake", lambda: None)
    host.save(file({"a": "1GiB", "b": "1GiB"}, "[a, b]"))
    await zoo.until("b", "ready", within=6 * HEARTBEAT)


async def test_a_turn_that_failed_is_taken_again_and_is_no_proof_that_the_loop_turns(
    host, zoo, file, monkeypatch
):
    await at_rest(host, zoo, file)
    with monkeypatch.context() as patched:
        patched.setattr(zoo.reconciler, "_plan_until_settled", lambda: 1 // 0)
        await asyncio.sleep(REST + 20)
        assert zoo.reconciler.heartbeat() > 10
    await asyncio.sleep(2)
    assert zoo.reconciler.heartbeat() <= LOOKOUT

"""The published pass: complete by the contract, honest about memory, silent about secrets."""

import json
from dataclasses import replace

import pytest

from tests.runtime.builders import GIB, ManualClock, a_run, a_zoo, make_ready, spec_of, text_of
from zoosup.core.scheduler.plan import plan
from zoosup.core.state.facts import Booked, Exited, Gone, Inspected, Measured, StopBegun
from zoosup.core.state.phases import Cause, ExitReason, Override, Phase
from zoosup.core.state.runs import Backoff, Exit, Leaving, Preflight
from zoosup.host.ports.host import PoolReading
from zoosup.runtime.api.gateway import ListenStatus
from zoosup.runtime.publish.condition_status import ConditionTimes
from zoosup.runtime.publish.plan_report import next_pass
from zoosup.runtime.publish.snapshot import build, end_event
from zoosup.runtime.state.overrides import override
from zoosup.spec.model.process.lifetime import RestartSpec

TOP = {
    "version", "instance", "node", "pid", "at", "phase", "config", "gateway", "converged", "switch", "conditions",
    "pools", "models", "holds", "fleet",
}  # fmt: skip
CONFIG = {"path", "generation", "observed_generation", "hash", "revision", "loaded_at", "error"}
POOL = {
    "node", "id", "kind", "name", "source", "unified", "total", "free", "reserve", "budget", "reserved", "held",
    "foreign", "models", "holds",
}  # fmt: skip
MODEL = {
    "phase", "reason", "message", "active", "pid", "port", "url", "run_id", "started_at", "ready_at", "restarts",
    "backoff_until", "last_exit", "memory", "conditions", "why", "override", "refused", "description", "aliases",
    "task", "variants", "weights", "gpus", "external", "on_demand", "inflight", "waiting", "last_used", "load_time",
    "progress", "warm", "crashes",
}  # fmt: skip
MEMORY = {"need", "source", "terms", "note", "reserved", "held", "peak", "mapped"}
EXIT = {"reason", "code", "signal", "at", "words", "message", "log"}
SUM = {
    "pool", "need", "budget", "reserve", "total", "available", "reserved", "promised", "credit", "foreign", "short",
}  # fmt: skip
CONDITION = {"type", "status", "reason", "message", "words", "problem", "since"}

FILE = text_of({"a": {}, "b": {"memory": {"ram": "40GiB"}}}, ["a", "b"])


@pytest.fixture
def clock():
    return ManualClock()


def shot(zoo, times=None):
    return build(zoo, plan(zoo.spec, zoo.observed()), times or ConditionTimes(zoo.clock.wall))


def test_every_key_of_the_contract_is_there(clock):
    zoo = a_zoo(clock, FILE)
    make_ready(zoo, "a")
    zoo.models["a"] = replace(zoo.models["a"], last_exit=Exit(ExitReason.ERROR, clock.wall, code=1))
    seen = shot(zoo)
    assert set() == TOP - set(seen)
    assert set() == CONFIG - set(seen["config"])
    assert set() == POOL - set(seen["pools"][0])
    for model in seen["models"].values():
        assert set() == MODEL - set(model)
        assert set() == MEMORY - set(model["memory"]["ram"])
    assert set() == EXIT - set(seen["models"]["a"]["last_exit"])
    refused = seen["models"]["b"]["conditions"]
    assert [("Admitted", False, "Checking")] == [(c["type"], c["status"], c["reason"]) for c in refused]
    assert CONDITION == set(refused[0])


def test_a_snapshot_is_json(clock):
    zoo = a_zoo(clock, FILE)
    make_ready(zoo, "a")
    assert shot(zoo) == json.loads(json.dumps(shot(zoo)))


def test_a_ready_model_says_where_it_is_and_since_when(clock):
    zoo = a_zoo(clock, FILE)
    make_ready(zoo, "a")
    clock.pass_time(60.0)
    model = shot(zoo)["models"]["a"]
    assert ("ready", 4711, 20000, "http://127.0.0.1:20000") == tuple(
        model[key] for key in ("phase", "pid", "port", "url")
    )
    assert clock.wall - 60.0 == model["ready_at"] == model["started_at"]


def test_a_pool_says_who_holds_what_and_what_is_foreign(clock):
    zoo = a_zoo(clock, FILE)
    make_ready(zoo, "a")
    zoo.tell("a", Measured("mark-1", {"ram": GIB // 2}))
    pool = shot(zoo)["pools"][0]
    assert (32 * GIB, 30 * GIB, GIB, GIB // 2) == tuple(
        pool[k] for k in ("total", "free", "reserved", "held")
    )
    assert 2 * GIB - GIB // 2 == pool["foreign"]
    assert {"a": {"reserved": GIB, "held": GIB // 2}} == pool["models"]


def test_what_strangers_hold_is_never_negative(clock):
    zoo = a_zoo(clock, FILE)
    make_ready(zoo, "a")
    zoo.tell("a", Measured("mark-1", {"ram": 3 * GIB}))
    assert 0 == shot(zoo)["pools"][0]["foreign"]


def test_a_pool_that_can_not_be_read_is_unknown_and_not_empty(clock):
    zoo = a_zoo(clock, FILE)
    zoo.sample((PoolReading("ram", "ram", "RAM", 32 * GIB, None, "virtual"),))
    pool = shot(zoo)["pools"][0]
    assert (None, None) == (pool["free"], pool["foreign"])


def test_back_off_is_told_only_while_it_lasts(clock):
    zoo = a_zoo(clock, FILE)
    model = replace(zoo.models["a"], backoff=Backoff(2, clock.now + 8.0))
    zoo.models["a"] = replace(model, phase=Phase.BACKOFF)
    assert clock.wall + 8.0 == shot(zoo)["models"]["a"]["backoff_until"]
    zoo.models["a"] = model
    assert shot(zoo)["models"]["a"]["backoff_until"] is None


def test_a_model_that_left_the_file_is_shown_until_it_is_gone(clock):
    zoo = a_zoo(clock, FILE)
    make_ready(zoo, "a")
    from_now_on = text_of({"b": {}}, "b")
    zoo.take_over(spec_of(from_now_on), from_now_on)
    model = shot(zoo)["models"]["a"]
    assert (False, GIB) == (model["active"], model["memory"]["ram"]["need"])
    assert {"a", "b"} == set(shot(zoo)["models"])


SECRETS = text_of(
    {
        "a": {
            "command": ["serve", "--api-key", "s3cret-one", "--token=s3cret-two", "HF_TOKEN=s3cret-three"],
            "env": {"HF_TOKEN": "s3cret-four", "DB_PASSWORD": "s3cret-five"},
        }
    },
    "a",
    vars={"key": "s3cret-six"},
    status={"listen": "127.0.0.1:0", "token": "s3cret-seven"},
)


def test_secrets_are_in_no_snapshot_plan_or_event(clock):
    zoo = a_zoo(clock, SECRETS)
    make_ready(zoo, "a")
    override(zoo, "a", Override.STOP)
    run = zoo.models["a"].run
    end = Exit(ExitReason.ERROR, clock.wall, code=1)
    zoo.tell("a", Exited(run.id, end, clock.now))
    zoo.tell("a", StopBegun(run.id, zoo.models["a"].run.leaving))
    run = zoo.models["a"].run
    zoo.tell("a", Gone(run.id, end, clock.now, RestartSpec(), 0.0))
    zoo.journal.add(*end_event(zoo.models["a"], run))
    told = [event.as_dict() for event in zoo.journal.since()]
    shown = json.dumps([shot(zoo), next_pass(zoo), told])
    assert "s3cret" not in shown
    assert "s3cret" not in repr(zoo.spec.status)


def test_an_edit_of_a_secret_argument_is_told_without_it(clock):
    zoo = a_zoo(clock, SECRETS)
    make_ready(zoo, "a")
    edited = SECRETS.replace("s3cret-one", "s3cret-new").replace("s3cret-four", "s3cret-other")
    zoo.take_over(spec_of(edited), edited)
    zoo.tell("a", Inspected(Preflight(clock.now)))
    ahead = next_pass(zoo)
    assert ["stop"] == [action["action"] for action in ahead["actions"]]
    assert "s3cret" not in json.dumps(ahead)


# an exit as an event


def test_a_farewell_says_why_how_and_the_last_words(clock):
    zoo = a_zoo(clock, FILE)
    leaving = Leaving(Cause.CRASHED, "exited with code 1", clock.now)
    run = a_run(zoo, "a", pid=7, leaving=leaving, peak={"ram": 5})
    end = Exit(ExitReason.ERROR, clock.wall, code=1, message="", log=("last line",))
    type_, model, reason, message, data = end_event(replace(zoo.models["a"], last_exit=end), run)
    assert ("Gone", "a", "Crashed", "Error") == (type_, model, reason, message)
    assert (7, ["last line"], {"ram": 5}) == (data["pid"], data["exit"]["log"], data["peak"])


def test_a_farewell_without_an_exit_still_tells(clock):
    zoo = a_zoo(clock, FILE)
    zoo.tell("a", Booked(a_run(zoo, "a")))
    _, _, reason, message, data = end_event(zoo.models["a"], zoo.models["a"].run)
    assert ("Crashed", "", None) == (reason, message, data["exit"])


# zoosup plan


def test_a_plan_shows_actions_verdicts_and_sums(clock):
    ahead = next_pass(a_zoo(clock, FILE))
    assert ("inspect", "a") == (ahead["actions"][0]["action"], ahead["actions"][0]["model"])
    verdict = ahead["models"]["a"]
    assert ("stopped", "waits", "Checking") == (verdict["phase_now"], verdict["verdict"], verdict["reason"])
    assert json.loads(json.dumps(ahead)) == ahead


def test_a_verdict_says_why_with_every_term_of_the_sum(clock):
    zoo = a_zoo(clock, FILE)
    zoo.tell("b", Inspected(Preflight(clock.now)))
    verdict = next_pass(zoo)["models"]["b"]
    assert {"phase_now", "verdict", "reason", "message", "words", "sums", "need"} == set(verdict)
    assert "ram is short of" in verdict["message"]
    (terms,) = verdict["sums"]
    assert ("ram", 40 * GIB) == (terms["pool"], terms["need"])
    assert SUM == set(terms)


def test_a_plan_in_which_only_looks_are_due_changes_nothing(clock):
    zoo = a_zoo(clock, text_of({"a": {}}, []))
    zoo.models["a"] = replace(zoo.models["a"], reason="NotWanted")
    assert next_pass(zoo)["changes"] is False


def test_a_need_is_told_with_its_terms():
    zoo = a_zoo(ManualClock(), text_of({"a": {"memory": {"ram": "2GiB"}}, "b": {"memory": "auto"}}, "a"))
    shown = build(zoo, plan(zoo.spec, zoo.observed()), ConditionTimes(zoo.clock.wall))["models"]
    (declared,) = shown["a"]["memory"]["ram"]["terms"]
    assert ("declared", 2 * GIB) == (declared["name"], declared["amount"])
    (guess,) = shown["b"]["memory"]["ram"]["terms"]
    assert guess["how"].startswith("a guess")


def test_who_can_not_be_had_is_told_apart_from_who_waits(clock):
    zoo = a_zoo(clock, FILE)
    zoo.models["a"] = replace(zoo.models["a"], phase=Phase.PENDING, reason="WaitingForMemory")
    zoo.models["b"] = replace(zoo.models["b"], phase=Phase.PENDING, reason="ExceedsBudget")
    assert {"a": False, "b": True} == {name: m["refused"] for name, m in shot(zoo)["models"].items()}


def test_a_switch_is_told_with_who_comes_and_who_goes(clock):
    zoo = a_zoo(clock, text_of({"a": {}, "b": {}}, ["a"]))
    make_ready(zoo, "a")
    assert shot(zoo)["switch"] is None
    zoo.take_over(spec_of(text_of({"a": {}, "b": {}}, ["b"])), "")
    assert {"incoming": ["b"], "outgoing": ["a"], "outcome": "open"} == shot(zoo)["switch"]


def test_a_host_whose_gateway_does_not_listen_is_not_as_the_file_says(clock):
    zoo = a_zoo(clock, text_of({"a": {}}, ["a"]))
    make_ready(zoo, "a")
    assert shot(zoo)["converged"]
    zoo.gateway = ListenStatus(None, "127.0.0.1:8080 is in use")
    assert not shot(zoo)["converged"]


def test_a_model_that_runs_between_two_crashes_says_so_until_it_is_stable(clock):
    zoo = a_zoo(clock, FILE)
    end = Exit(ExitReason.ERROR, clock.wall, code=3)
    zoo.models["a"] = replace(zoo.models["a"], backoff=Backoff(count=3), last_exit=end)
    assert 0 == shot(zoo)["models"]["a"]["crashes"]  # nobody runs it
    make_ready(zoo, "a")
    seen = shot(zoo)["models"]["a"]
    assert (3, "ready") == (seen["crashes"], seen["phase"])
    assert "crashed 3 times in a row, at last: ended with code 3; not yet stable" == seen["why"]
    clock.pass_time(600.0)
    assert (0, "") == (shot(zoo)["models"]["a"]["crashes"], shot(zoo)["models"]["a"]["why"])

"""The state of one host, and the few ways in which it changes."""

from dataclasses import replace

import pytest

from tests.runtime.builders import GIB, ManualClock, a_run, a_zoo, make_ready, spec_of, text_of
from zoosup.core.memory import reclaim
from zoosup.core.state.facts import Exited, Gone, Held, Inspected, ProbedReady, StopBegun
from zoosup.core.state.observed import Switch, SwitchOutcome
from zoosup.core.state.phases import ExitReason, Override, Phase, Reason
from zoosup.core.state.runs import Backoff, Exit, Preflight
from zoosup.host.ports.host import PoolReading
from zoosup.runtime.publish.convergence import converged
from zoosup.runtime.state.overrides import override
from zoosup.spec.model.process.lifetime import RestartSpec

AB = {"a": {}, "b": {}}


def told(zoo, type_):
    return [event for event in zoo.journal.since() if event.type == type_]


def apply_file(zoo, text):
    zoo.take_over(spec_of(text), text)


# the file


def test_a_file_taken_over_is_a_new_generation_and_is_told():
    clock = ManualClock()
    zoo = a_zoo(clock, text_of(AB, "a"))
    clock.pass_time(5.0)
    apply_file(zoo, text_of(AB, ["b", "a"]))
    assert (2, clock.wall, None) == (zoo.applied.generation, zoo.applied.loaded_at, zoo.applied.error)
    assert "generation 2 of the file is in force: active b, a" == told(zoo, "Applied")[-1].message


def test_a_file_with_nothing_active_says_so():
    assert told(a_zoo(ManualClock(), text_of(AB, [])), "Applied")[-1].message.endswith("active nothing")


def test_a_refused_file_changes_nothing_but_the_error():
    zoo = a_zoo(ManualClock(), text_of(AB, "a"))
    before, models = zoo.applied, dict(zoo.models)
    zoo.refuse("zoo.yaml:1:1: nonsense")
    assert replace(before, error="zoo.yaml:1:1: nonsense") == zoo.applied
    assert models == zoo.models
    assert not converged(zoo)


def test_the_same_error_again_is_told_once_and_another_one_anew():
    zoo = a_zoo(ManualClock(), text_of(AB, "a"))
    for error in ("one", "one", "two", "one"):
        zoo.refuse(error)
    assert ["one", "two", "one"] == [event.message for event in told(zoo, "Refused")]


def test_the_file_restored_ends_the_error_and_is_no_new_generation():
    zoo = a_zoo(ManualClock(), text_of(AB, "a"))
    zoo.refuse("nonsense")
    zoo.accept()
    zoo.accept()
    assert (1, None) == (zoo.applied.generation, zoo.applied.error)
    assert ["FileChanged", "FileRestored"] == [event.reason for event in told(zoo, "Applied")]


def test_the_revision_is_that_of_the_file_in_force():
    zoo = a_zoo(ManualClock())
    zoo.take_over(spec_of(text_of(AB, "a")), text_of(AB, "a"), "one")
    zoo.refuse("nonsense")
    assert "one" == zoo.applied.revision
    zoo.accept("two")
    assert ("two", 1) == (zoo.applied.revision, zoo.applied.generation)


def test_a_switch_says_how_long_it_took():
    clock = ManualClock()
    zoo = a_zoo(clock, text_of(AB, "a"))
    make_ready(zoo, "a")
    zoo.take_over(spec_of(text_of(AB, "b")), text_of(AB, "b"))
    clock.pass_time(2.5)
    zoo.end_switch(replace(zoo.switch, outcome=SwitchOutcome.DONE))
    assert [{"seconds": 2.5}] == [event.data for event in told(zoo, "Switch")]


def test_a_valid_file_ends_the_error_of_the_one_before():
    zoo = a_zoo(ManualClock(), text_of(AB, "a"))
    zoo.refuse("nonsense")
    apply_file(zoo, text_of(AB, "b"))
    assert zoo.applied.error is None


def test_an_edit_forgives_the_edited_model_alone():
    clock = ManualClock()
    zoo = a_zoo(clock, text_of(AB, ["a", "b"]))
    for name in AB:
        zoo.models[name] = replace(zoo.models[name], backoff=Backoff(3, clock.now + 60))
    apply_file(zoo, text_of(AB | {"a": {"description": "edited"}}, ["a", "b"]))
    assert [0, 3] == [zoo.models[n].backoff.count for n in "ab"]


def test_an_edit_of_the_need_changes_the_reservation_and_not_the_run():
    zoo = a_zoo(ManualClock(), text_of(AB, "a"))
    make_ready(zoo, "a")
    apply_file(zoo, text_of(AB | {"a": {"memory": {"ram": "3GiB"}}}, "a"))
    run = zoo.models["a"].run
    assert ("mark-1", 4711, {"ram": 3 * GIB}) == (run.id, run.pid, run.reserved)


def test_a_rolled_back_model_is_tried_again_when_the_file_changes():
    zoo = a_zoo(ManualClock(), text_of(AB, "b"))
    zoo.switch = Switch(1, ("b",), ("a",), SwitchOutcome.ROLLED_BACK)
    zoo.tell("b", Held(Phase.FAILED, Reason.ROLLED_BACK, "b: exited"))
    apply_file(zoo, text_of(AB | {"a": {"description": "edited"}}, "b"))
    assert Phase.STOPPED is zoo.models["b"].phase


def test_a_model_that_left_the_file_goes_with_its_run():
    zoo = a_zoo(ManualClock(), text_of(AB, "a"))
    make_ready(zoo, "a")
    apply_file(zoo, text_of({}, []))
    assert ["a"] == list(zoo.models)
    end = Exit(ExitReason.SIGNALED, 0.0, signal="SIGTERM")
    zoo.tell("a", Exited("mark-1", end, 100.0))
    zoo.tell("a", StopBegun("mark-1", zoo.models["a"].run.leaving))
    zoo.tell("a", Gone("mark-1", end, 100.0, RestartSpec(), 0.0))
    zoo.forget_unknown_models()
    assert {} == zoo.models


# facts and the journal


def test_the_journal_hears_of_phases_and_not_of_every_fact():
    zoo = a_zoo(ManualClock(), text_of(AB, "a"))
    make_ready(zoo, "a")
    zoo.tell("a", ProbedReady("mark-1", 101.0))
    phases = [(event.data["from"], event.data["to"]) for event in told(zoo, "Phase")]
    assert [("stopped", "starting"), ("starting", "ready")] == phases
    assert (4711, "mark-1", 20000) == tuple(told(zoo, "Phase")[-1].data[k] for k in ("pid", "run_id", "port"))


def test_a_fact_about_an_unknown_model_or_run_is_no_fact():
    zoo = a_zoo(ManualClock(), text_of(AB, "a"))
    make_ready(zoo, "a")
    before = dict(zoo.models)
    assert not zoo.tell("z", Inspected(Preflight(1.0)))
    assert not zoo.tell("a", ProbedReady("mark-0", 101.0))
    assert before == zoo.models


def test_a_look_at_a_model_that_the_file_no_longer_has_teaches_nothing():
    zoo = a_zoo(ManualClock(), text_of(AB, "a"))
    make_ready(zoo, "b")
    apply_file(zoo, text_of({"a": {}}, "a"))
    learned = zoo.models["b"].learned
    zoo.tell("b", Inspected(Preflight(1.0)))
    assert (Preflight(1.0), learned) == (zoo.models["b"].preflight, zoo.models["b"].learned)


# memory


def test_two_runs_of_one_model_cool_down_each_by_itself():
    zoo = a_zoo(ManualClock(), text_of(AB, "a"))
    first = a_run(zoo, "a", "mark-1", measured={"ram": GIB // 2})
    zoo.memory.cool_down("a", first, {"ram": 20 * GIB})
    zoo.memory.cool_down("a", a_run(zoo, "a", "mark-2", measured={"ram": 4 * GIB}), {})
    watches = list(zoo.memory.cooldowns.values())
    assert [(GIB // 2, 20 * GIB), (GIB, None)] == [(w.expected, w.baseline) for w in watches]


def test_a_sample_goes_to_what_cools_down_in_that_pool_and_unknown_is_no_sample():
    clock = ManualClock()
    zoo = a_zoo(clock, text_of(AB, "a"))
    zoo.memory.cool_down("a", a_run(zoo, "a"), {})
    clock.pass_time(1.0)
    zoo.sample(seen(None))
    clock.pass_time(1.0)
    zoo.sample(seen(7 * GIB))
    assert ((100.0, 30 * GIB), (102.0, 7 * GIB)) == samples(zoo)


def seen(free, **gpu):
    kind = "vram" if gpu else "ram"
    return (PoolReading(f"{kind}:0" if gpu else kind, kind, kind.upper(), 32 * GIB, free, "virtual", **gpu),)


def samples(zoo):
    (watch,) = zoo.memory.cooldowns.values()
    return watch.samples


def test_the_last_sample_before_all_were_gone_counts_beside_the_next():
    clock = ManualClock()
    zoo = a_zoo(clock, text_of(AB, "a"))
    zoo.sample(seen(6 * GIB))
    clock.pass_time(0.5)
    zoo.memory.cool_down("a", a_run(zoo, "a"), {})
    assert reclaim.agreed(next(iter(zoo.memory.cooldowns.values()))) is None
    clock.pass_time(0.5)
    zoo.sample(seen(7 * GIB))
    assert ((100.0, 6 * GIB), (101.0, 7 * GIB)) == samples(zoo)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"processes": {41: GIB}, "at": 99.0}, {"processes": {}, "at": 100.5}, ((100.5, 7 * GIB),)),
        ({"processes": {}, "at": 99.0}, {"processes": {}, "at": 99.5}, ((99.0, 6 * GIB),)),
        ({"processes": {}, "at": 99.0}, {"processes": {}, "at": 100.5}, ((99.0, 6 * GIB), (100.5, 7 * GIB))),
    ],
    ids=["the driver still listed it", "made before it was gone", "as it should be"],
)
def test_of_a_gpu_the_second_sample_is_one_that_was_made_after_all_were_gone(before, after, expected):
    clock = ManualClock()
    zoo = a_zoo(clock, text_of(AB, "a"))
    zoo.sample(seen(6 * GIB, **before))
    run = replace(a_run(zoo, "a"), reserved={"vram:0": GIB})
    zoo.memory.cool_down("a", run, {}, frozenset({41}))
    clock.pass_time(1.0)
    zoo.sample(seen(7 * GIB, **after))
    assert expected == samples(zoo)


def test_a_start_ends_every_cool_down_of_its_pools():
    zoo = a_zoo(ManualClock(), text_of(AB, "a"))
    zoo.memory.cool_down("a", a_run(zoo, "a"), {})
    zoo.memory.satisfy({"vram:0": 1}, "b")
    assert zoo.memory.cooldowns
    zoo.memory.satisfy({"ram": 1}, "b")
    assert {} == zoo.memory.cooldowns
    assert [("a", "Satisfied")] == [(event.model, event.reason) for event in told(zoo, "CoolDown")]


# questions


@pytest.mark.parametrize(
    ("ready", "by_hand", "expected"),
    [
        ([], {}, False),
        (["a"], {}, True),
        (["a", "b"], {}, False),
        (["a"], {"b": Override.START}, False),
        (["a", "b"], {"b": Override.START}, True),
        ([], {"a": Override.STOP}, True),
        (["a"], {"a": Override.STOP}, False),
    ],
)
def test_converged_is_every_wanted_model_ready_and_nothing_else_alive(ready, by_hand, expected):
    zoo = a_zoo(ManualClock(), text_of(AB, "a"))
    for name in ready:
        make_ready(zoo, name, f"mark-{name}")
    for name, wish in by_hand.items():
        override(zoo, name, wish)
    assert expected is converged(zoo)


@pytest.mark.parametrize("fields", [{}, {"on_demand": True}])
def test_a_zoo_has_not_converged_while_a_process_is_not_what_the_file_says(fields):
    zoo = a_zoo(ManualClock(), text_of({"a": fields}, "a"))
    make_ready(zoo, "a")
    assert converged(zoo)
    edited = text_of({"a": {"command": "serve better"} | fields}, "a")
    zoo.take_over(spec_of(edited), edited)
    assert not converged(zoo)


def test_a_rolled_back_zoo_has_not_converged_though_what_was_brought_back_is_ready():
    zoo = a_zoo(ManualClock(), text_of(AB, "b"))
    make_ready(zoo, "a")
    zoo.switch = Switch(1, ("b",), ("a",), SwitchOutcome.ROLLED_BACK)
    assert converged(zoo) is False

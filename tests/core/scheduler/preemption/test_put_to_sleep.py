"""DESIGN §6: a model that can give its memory back without ending sleeps where it would be stopped for another."""

from dataclasses import replace

import pytest

from tests.core.zoo import (
    GIB,
    NOW,
    a_host,
    a_model,
    a_zoo,
    acts,
    by_hand,
    condition,
    decide,
    idle,
    on_demand,
    parked,
    parking,
    ready,
    resting,
    served,
    starting,
    unseen,
    waits,
    why,
)
from zoosup.core.lifecycle.transitions import apply
from zoosup.core.state.actions import FallAsleep, Hold, Wake
from zoosup.core.state.facts import Adopted, FellAsleep, Measured, ProbedReady, SleepBegun, WakeBegun, Woken
from zoosup.core.state.phases import Cause, Override, Phase, Reason
from zoosup.core.state.runs import Sleep, SleepStage
from zoosup.core.state.usage import HeldAsleep

RULES = {"sleep": "POST /sleep?level=1", "wake": "POST /wake_up"}


def sleepy(ram="12GiB", holds="1GiB", **fields):
    """An on-demand model that can sleep; `holds` None: the file doesn't say what it then holds."""
    park = RULES if holds is None else RULES | {"holds": {"ram": holds}}
    return on_demand(ram, park=park, **fields)


def zoo(active=(), budget="20GiB", **models):
    return a_zoo(models, active, budget)


# to sleep


def test_one_who_could_not_be_woken_only_sleeps_again_once_nobody_asks_for_it():
    spec = zoo(a=sleepy())
    refused = a_host(spec, a=parked(reason=Reason.EVICTION))
    assert (Hold("a", Phase.ASLEEP, Cause.MADE_ROOM, "asleep"),) == decide(spec, refused).actions
    assert () == decide(spec, a_host(spec, a=parked())).actions


def test_eviction_parks_before_it_stops():
    spec = zoo(a=sleepy(), b=on_demand())
    host = a_host(spec, a=ready(), demand={"a": idle(20), "b": waits()})
    assert ["park a", "hold b pending WaitingForEviction"] == acts(spec, host)
    park = next(a for a in decide(spec, host).actions if isinstance(a, FallAsleep))
    assert FallAsleep("a", "a-1", {"ram": GIB}, known=True, message="makes room for b") == park


def test_nobody_goes_to_sleep_on_the_word_of_an_old_look():
    spec = zoo(a=sleepy(), b=on_demand())
    host = a_host(spec, a=ready(), b=unseen(NOW - 60), demand={"a": idle(20), "b": waits()})
    assert ["inspect b", "hold b pending Checking"] == acts(spec, host)


def test_one_whose_sleep_would_not_make_room_is_stopped():
    spec = zoo(a=sleepy(holds="9GiB"), b=on_demand())
    host = a_host(spec, a=ready(), demand={"a": idle(20), "b": waits()})
    assert ["stop a MadeRoom", "hold b pending WaitingForEviction"] == acts(spec, host)


def test_a_busy_model_is_not_put_to_sleep():
    spec = zoo(a=sleepy(), b=on_demand())
    host = a_host(spec, a=ready(), demand={"a": served(), "b": waits(3600)})
    assert ["drain a MadeRoom", "hold b pending WaitingForEviction"] == acts(spec, host)


def test_a_pinned_model_of_lower_priority_is_stopped_not_put_to_sleep():
    spec = zoo(["b", "a"], a=a_model("12GiB", park=RULES), b=a_model("12GiB"))
    assert ["stop a MadeRoom"] == acts(spec, a_host(spec, a=ready()))[:1]


def test_one_that_still_loads_is_stopped():
    spec = zoo(["a"], a=sleepy(), b=on_demand())
    host = a_host(spec, a=starting(), demand={"b": waits()})
    assert ["stop a MadeRoom", "hold b pending WaitingForEviction"] == acts(spec, host)


def test_a_model_that_has_to_give_its_port_up_is_stopped():
    spec = zoo(a=sleepy(port=9000), b=on_demand("4GiB", port=9000))
    host = a_host(spec, a=ready(), demand={"a": idle(20), "b": waits()})
    assert ["stop a MadeRoom", "hold b pending WaitingForEviction"] == acts(spec, host)


def test_of_two_that_must_go_the_dearer_sleeps_where_both_can_t():
    spec = zoo(a=sleepy("9GiB", "5GiB"), b=sleepy("9GiB", "3GiB"), c=on_demand("16GiB"))
    host = a_host(spec, a=ready(), b=ready(), demand={"a": idle(20), "b": idle(20), "c": waits()})
    assert ["stop a MadeRoom", "park b", "hold c pending WaitingForEviction"] == acts(spec, host)


def test_where_nobody_knows_what_it_holds_asleep_it_is_put_to_sleep_and_stays_booked_in_full():
    spec = zoo(a=sleepy(holds=None), b=on_demand())
    host = a_host(spec, a=ready(), demand={"a": idle(20), "b": waits()})
    assert ["park a", "hold b pending WaitingForEviction"] == acts(spec, host)
    park = next(a for a in decide(spec, host).actions if isinstance(a, FallAsleep))
    assert ({"ram": 12 * GIB}, False) == (park.asleep, park.known)


def test_nothing_starts_in_the_room_of_one_whose_sleep_has_not_been_measured():
    spec = zoo(a=sleepy(holds=None), b=on_demand(), c=on_demand("4GiB"))
    fell = parked("12GiB", since=NOW - 1, known=False, measured={})
    host = a_host(spec, a=fell, c=ready(), free="25GiB", demand={"b": waits(), "c": idle(20)})
    assert "hold b pending WaitingForEviction" == acts(spec, host)[-1]
    known = parked("1GiB", since=NOW - 1, known=False)
    assert ["start b"] == acts(spec, a_host(spec, a=known, c=ready(), demand={"b": waits(), "c": idle(20)}))


def test_nobody_else_is_sent_away_while_one_of_whom_nobody_knows_falls_asleep():
    spec = zoo(a=sleepy(holds=None), b=on_demand(), c=on_demand("4GiB"))
    falling = parking("12GiB", known=False)
    host = a_host(spec, a=falling, c=ready(), demand={"b": waits(), "c": idle(20)})
    assert ["hold b pending WaitingForEviction"] == acts(spec, host)
    assert "waits for a to leave" == why(spec, host, "b")


@pytest.mark.parametrize(("held", "action"), [(GIB, "park a"), (9 * GIB, "stop a MadeRoom")])
def test_what_it_was_measured_to_hold_asleep_is_remembered(held, action):
    spec = zoo(a=sleepy(holds=None), b=on_demand())

    def learned(name, declared):
        return replace(ready()(name, declared), asleep=HeldAsleep("", {"ram": held}))

    host = a_host(spec, a=learned, demand={"a": idle(20), "b": waits()})
    assert action == acts(spec, host)[0]


def test_what_another_command_held_asleep_says_nothing_of_this_one():
    spec = zoo(a=sleepy(holds=None), b=on_demand())

    def learned(name, declared):
        return replace(ready(fingerprint="new")(name, declared), asleep=HeldAsleep("old", {"ram": 9 * GIB}))

    host = a_host(spec, a=learned, demand={"a": idle(20), "b": waits()})
    assert "park a" == acts(spec, host)[0]


def test_a_sleep_that_takes_more_ram_than_there_is_now_is_not_begun():
    """The first level of vLLM's moves weights from the GPU into RAM, before anybody else has left."""
    spec = zoo(a=sleepy("4GiB", "12GiB"), b=on_demand("8GiB"), c=on_demand("9GiB"), budget="20GiB")
    host = a_host(spec, a=ready(), b=ready(), demand={"a": idle(900), "b": served(), "c": waits()})
    assert "stop a MadeRoom" == acts(spec, host)[0]


def test_while_it_falls_asleep_others_wait_for_it_and_nobody_else_is_sent_away():
    spec = zoo(a=sleepy(), b=on_demand())
    host = a_host(spec, a=parking(), demand={"a": idle(20), "b": waits()})
    assert ["hold b pending WaitingForEviction"] == acts(spec, host)
    assert "waits for a to leave" == why(spec, host, "b")


def test_one_that_falls_asleep_and_leaves_in_one_pass_gives_its_memory_back_once():
    spec = zoo(["c"], "12GiB", c=on_demand("10GiB", command=["new"]), z=on_demand("4GiB"))
    old = on_demand("4GiB", command=["old"])
    falling = parking(
        spec=a_model("4GiB", on_demand=True, park=RULES), reserved={"ram": 4 * GIB}, measured={"ram": 4 * GIB}
    )
    host = a_host(spec, c=ready(spec=old), z=ready(), p=falling, demand={"z": served()})
    assert ["stop p NotWanted"] == acts(spec, host), "with 4 GiB of z there is never room for 10"


def test_one_that_would_not_sleep_is_stopped():
    spec = zoo(a=sleepy(), b=on_demand())
    host = a_host(spec, a=parking(sick="POST /sleep: 500"), demand={"a": idle(20), "b": waits()})
    assert ["stop a MadeRoom", "hold b pending WaitingForEviction"] == acts(spec, host)


# asleep


def test_what_it_holds_asleep_stays_reserved():
    spec = zoo(a=sleepy(), b=on_demand("19GiB"), c=on_demand("20GiB"))
    assert ["start b"] == acts(spec, a_host(spec, a=parked(), demand={"b": waits()}))
    host = a_host(spec, a=parked(), demand={"c": waits()})
    assert ["stop a MadeRoom", "hold c pending WaitingForEviction"] == acts(spec, host)


def test_one_that_has_only_just_fallen_asleep_is_measured_before_it_is_stopped():
    spec = zoo(a=sleepy(), c=on_demand("20GiB"))
    host = a_host(spec, a=parked(since=NOW - 1), demand={"c": waits()})
    plan = decide(spec, host)
    assert (NOW + 1, "waits until a may leave") == (plan.wake_at, why(spec, host, "c"))


def test_it_is_stopped_once_nobody_has_asked_for_it_for_its_idle_timeout():
    spec = zoo(a=sleepy(idle_timeout="5m"))
    assert ["stop a Idle"] == acts(spec, a_host(spec, a=parked(ready_at=NOW - 400), demand={"a": idle(301)}))
    assert [] == acts(spec, a_host(spec, a=parked(ready_at=NOW - 400), demand={"a": idle(60)}))


@pytest.mark.parametrize("state", [parked(), parking()])
@pytest.mark.parametrize(
    ("how", "shutdown", "cause"), [(Override.STOP, False, "StoppedByHand"), (None, True, "Shutdown")]
)
def test_it_is_stopped_like_any_other(state, how, shutdown, cause):
    spec = zoo(a=sleepy())
    host = a_host(spec, a=state if how is None else by_hand(how, state), shutdown=shutdown)
    assert [f"stop a {cause}"] == acts(spec, host)


def test_a_changed_command_ends_it_whether_it_is_wanted_or_not():
    spec, old = zoo(a=sleepy()), a_model("12GiB", command=["other"], on_demand=True, park=RULES)
    assert ["stop a SpecChanged"] == acts(spec, a_host(spec, a=parked(spec=old)))
    assert ["stop a SpecChanged"] == acts(spec, a_host(spec, a=parked(spec=old), demand={"a": waits()}))


def test_one_that_the_file_no_longer_says_how_to_wake_starts_afresh():
    spec = zoo(a=on_demand())
    assert ["stop a SpecChanged"] == acts(spec, a_host(spec, a=parked(), demand={"a": waits()}))


# awake again


def test_a_request_wakes_it_where_there_is_room():
    spec = zoo(a=sleepy())
    host = a_host(spec, a=parked(), demand={"a": waits()})
    assert ["wake a"] == acts(spec, host)
    wake = next(a for a in decide(spec, host).actions if isinstance(a, Wake))
    assert ("a-1", {"ram": 12 * GIB}) == (wake.run_id, wake.need)


def test_waking_is_weighed_by_all_that_it_will_hold_less_what_it_holds():
    spec = zoo(a=sleepy(), b=a_model("8GiB"), c=a_model("9GiB"))
    with_8 = a_host(spec, a=parked(), b=by_hand(Override.START, ready()), demand={"a": waits()})
    assert ["wake a"] == acts(spec, with_8)
    with_9 = a_host(spec, a=parked(), c=by_hand(Override.START, ready()), demand={"a": waits()})
    assert ["hold a parked ExceedsBudget"] == acts(spec, with_9)


def test_strangers_memory_is_no_room_to_wake_in():
    spec = zoo(a=sleepy())
    assert ["wake a"] == acts(spec, a_host(spec, a=parked(), demand={"a": waits()}, foreign="17GiB"))
    host = a_host(spec, a=parked(), demand={"a": waits()}, foreign="19GiB")
    assert ["hold a parked WaitingForMemory"] == acts(spec, host)


@pytest.mark.parametrize(
    ("free", "risen", "action"),
    [
        ("5GiB", 0, "wake a"),
        ("5GiB", "60MiB", "wake a"),
        ("5GiB", "2GiB", "hold a parked CoolingDown"),
        ("6.5GiB", "2GiB", "wake a"),
        ("9GiB", "9GiB", "wake a"),
    ],
)
def test_what_it_has_given_back_since_it_was_looked_at_is_not_credited_to_it(free, risen, action):
    """It held 5 GiB as it fell asleep, and gives memory back ever since."""
    spec = zoo(budget="30GiB", a=sleepy("6GiB", holds=None))
    sleep = Sleep(SleepStage.ASLEEP, {"ram": 6 * GIB}, {"ram": 0}, known=False, since=NOW - 1)
    host = a_host(spec, a=parked("5GiB", sleep=sleep), free=free, risen=risen, demand={"a": waits()})
    assert action == acts(spec, host)[0]


@pytest.mark.parametrize(
    ("free", "risen", "action"),
    [
        ("12.5GiB", "2GiB", "hold b pending CoolingDown"),
        ("14.1GiB", "2GiB", "start b"),
        ("12.5GiB", 0, "start b"),
    ],
)
def test_nor_is_it_given_to_others(free, risen, action):
    """It was looked at while it still held 3 GiB: it may hold one of them by now, and take the others again."""
    spec = zoo(a=sleepy(), b=on_demand("10GiB"))
    sleep = Sleep(SleepStage.ASLEEP, {"ram": 12 * GIB}, {"ram": GIB}, known=True, since=NOW - 1)
    held = {"ram": 3 * GIB}
    fell = parked(sleep=sleep, reserved=held, measured=held)
    host = a_host(spec, a=fell, b=resting(), free=free, risen=risen, demand={"b": waits()})
    assert [action] == acts(spec, host)


def test_nor_to_others_in_the_pass_in_which_it_is_woken():
    spec = zoo(a=sleepy(), b=on_demand("5GiB"), budget="30GiB")
    demand = {"a": waits(9), "b": waits(5)}
    sleep = Sleep(SleepStage.ASLEEP, {"ram": 12 * GIB}, {"ram": GIB}, known=True, since=NOW - 1)
    held = {"ram": 3 * GIB}
    fell = parked(sleep=sleep, reserved=held, measured=held)
    seen = a_host(spec, a=fell, b=resting(), free="17.5GiB", demand=demand)
    assert ["wake a", "start b"] == acts(spec, seen)
    host = a_host(spec, a=fell, b=resting(), free="17.5GiB", risen="2GiB", demand=demand)
    assert ["wake a", "hold b pending CoolingDown"] == acts(spec, host)
    assert "waits until it is known who has given back 2 GiB of ram" == why(spec, host, "b")


def test_two_that_can_sleep_take_turns():
    spec = zoo(a=sleepy(), b=sleepy())
    host = a_host(spec, a=parked(), b=ready(), demand={"a": waits(), "b": idle(20)})
    assert ["park b", "hold a parked WaitingForEviction"] == acts(spec, host)


def test_it_is_not_ended_for_those_who_came_after_its_own_clients():
    spec = zoo(a=sleepy(), b=on_demand("20GiB"))
    first = a_host(spec, a=parked(), demand={"a": waits(9), "b": waits(5)})
    assert ["wake a", "hold b pending WaitingForEviction"] == acts(spec, first)
    last = a_host(spec, a=parked(), demand={"a": waits(5), "b": waits(9)})
    assert "stop a MadeRoom" == acts(spec, last)[0]


def test_nor_while_it_waits_for_the_room_to_wake_in():
    spec = zoo(a=sleepy("12GiB", "5GiB"), b=on_demand("10GiB"), c=on_demand("9GiB"))

    def ended(first, then):
        demand = {"a": waits(first), "b": waits(then), "c": served()}
        host = a_host(spec, a=parked("5GiB"), c=ready(), demand=demand)
        return "stop a MadeRoom" in acts(spec, host)

    assert not ended(9, 5)
    assert ended(5, 9)


def test_an_active_one_wakes_when_the_demand_for_others_is_over():
    spec = zoo(["a"], a=sleepy(), b=on_demand())
    host = a_host(spec, a=parked(), b=resting())
    assert ["wake a"] == acts(spec, host)
    assert condition(spec, host, "a", "Admitted") is None


def test_one_that_would_not_wake_has_failed_to_start():
    spec = zoo(a=sleepy())

    def waking(name, declared):
        model = apply(parked()(name, declared), WakeBegun("a-1", {"ram": 12 * GIB}, NOW - 1))
        return replace(model, run=replace(model.run, sick="POST /wake_up: 500"))

    assert ["stop a StartupDeadline"] == acts(spec, a_host(spec, a=waking, demand={"a": waits()}))


def test_the_deadline_of_waking_is_counted_from_the_request():
    spec = zoo(a=sleepy(ready={"deadline": "60s"}))

    def waking(at):
        return lambda name, declared: apply(parked()(name, declared), WakeBegun("a-1", {"ram": 1}, at))

    demand = {"a": waits()}
    assert [] == acts(spec, a_host(spec, a=waking(NOW - 59), demand=demand))
    assert ["stop a StartupDeadline"] == acts(spec, a_host(spec, a=waking(NOW - 60), demand=demand))


# what facts leave true


def the(state, **fields):
    return state("a", sleepy(**fields))


def test_a_run_s_booking_follows_it_to_sleep_and_back():
    model = the(ready())
    sleep = Sleep(SleepStage.FALLING, {"ram": 12 * GIB}, {"ram": GIB}, known=True, since=NOW)
    model = apply(model, SleepBegun("a-1", sleep, {"ram": 12 * GIB}, "makes room for b"))
    assert (Phase.FALLING_ASLEEP, {"ram": 12 * GIB}, None) == (
        model.phase, model.run.reserved, model.run.ready_since,
    )  # fmt: skip
    model = apply(apply(model, Measured("a-1", {"ram": 2**20})), FellAsleep("a-1", NOW + 1))
    assert (Phase.ASLEEP, {"ram": GIB}, Cause.MADE_ROOM) == (model.phase, model.run.reserved, model.reason)
    model = apply(model, WakeBegun("a-1", {"ram": 12 * GIB}, NOW + 2))
    assert (Phase.STARTING, {"ram": 12 * GIB}, NOW + 2) == (
        model.phase, model.run.reserved, model.run.booked_at,
    )  # fmt: skip
    model = apply(apply(model, Woken("a-1", NOW + 3)), ProbedReady("a-1", NOW + 4))
    assert (Phase.READY, {"ram": 12 * GIB}, None, NOW + 4) == (
        model.phase, model.run.reserved, model.run.sleep, model.run.ready_at,
    )  # fmt: skip


def test_an_answer_from_before_it_was_woken_makes_nothing_ready():
    model = apply(the(parked()), WakeBegun("a-1", {"ram": 12 * GIB}, NOW))
    assert model == apply(model, ProbedReady("a-1", NOW))


def test_waking_is_no_loading():
    model = replace(the(parked()), load_time=60.0)
    for fact in (WakeBegun("a-1", {"ram": GIB}, NOW), Woken("a-1", NOW), ProbedReady("a-1", NOW + 1)):
        model = apply(model, fact)
    assert (Phase.READY, 60.0) == (model.phase, model.load_time)


@pytest.mark.parametrize(
    ("known", "held", "booked"), [(True, 2, 2), (True, 0, 1), (False, 2, 2), (False, 0, 0)]
)
def test_asleep_the_booking_is_what_the_file_says_or_more_where_it_holds_more(known, held, booked):
    model = the(parked(known=known))
    for amount in (5, held):
        model = apply(model, Measured("a-1", {"ram": amount * GIB}))
    assert ({"ram": booked * GIB}, {"ram": held * GIB}, {}) == (
        model.run.reserved, model.asleep.held, model.run.outgrown,
    )  # fmt: skip


@pytest.mark.parametrize(("held", "known"), [(1009, 1000), (991, 1000), (1011, 1011), (989, 989)])
def test_what_it_holds_asleep_is_learned_anew_when_that_has_moved_by_a_hundredth(held, known):
    model = the(parked())
    for amount in (1000, held):
        model = apply(model, Measured("a-1", {"ram": amount}))
    assert ({"ram": known}, {"ram": held}) == (model.asleep.held, model.run.measured)


def test_what_it_holds_asleep_is_no_peak():
    model = apply(the(parked()), Measured("a-1", {"ram": 44 * GIB}))
    assert {} == model.run.peak


@pytest.mark.parametrize("stage", SleepStage)
def test_one_that_is_found_at_any_stage_of_its_sleep_is_parked_and_keeps_its_booking(stage):
    run = the(parked()).run
    found = replace(run, sleep=replace(run.sleep, stage=stage), ready_at=None, reserved={"ram": 12 * GIB})
    model = apply(the(resting()), Adopted(found))
    assert (Phase.ASLEEP, {"ram": 12 * GIB}) == (model.phase, model.run.reserved)
    after = apply(model, Measured("a-1", {"ram": 0})).run.reserved
    assert {"ram": GIB if stage is SleepStage.ASLEEP else 12 * GIB} == after


def test_an_answer_that_is_told_twice_or_late_says_nothing_new():
    """DESIGN §4: doubling an event changes nothing; and one from before it woke puts nobody back to sleep."""
    sleep = Sleep(SleepStage.FALLING, {"ram": 12 * GIB}, {"ram": GIB}, known=True, since=NOW)
    parked, woken = FellAsleep("a-1", NOW + 1), Woken("a-1", NOW + 3)
    model = apply(the(ready()), SleepBegun("a-1", sleep, {"ram": 12 * GIB}, "makes room for b"))
    model = apply(model, parked)
    assert model == apply(model, parked)
    model = apply(apply(model, WakeBegun("a-1", {"ram": 12 * GIB}, NOW + 2)), woken)
    assert model == apply(apply(model, parked), woken)
    model = apply(model, ProbedReady("a-1", NOW + 4))
    assert model == apply(apply(model, parked), woken)


@pytest.mark.parametrize(("known", "booked"), [(True, 1), (False, 12)])
def test_what_it_held_awake_is_not_what_it_holds_asleep_where_nobody_can_measure_it(known, booked):
    """Else it would be credited, when it wakes, with memory that others have been given since."""
    model = the(ready())
    sleep = Sleep(SleepStage.FALLING, {"ram": 12 * GIB}, {"ram": GIB}, known, NOW, held=model.run.measured)
    model = apply(model, SleepBegun("a-1", sleep, {"ram": 12 * GIB}, "makes room for b"))
    model = apply(model, FellAsleep("a-1", NOW + 1))
    assert ({}, {"ram": booked * GIB}) == (model.run.measured, model.run.reserved)


# a figure that the file takes back


def test_one_whose_figure_the_file_takes_back_wakes_with_what_it_was_booked_with():
    spec = zoo(b=sleepy("auto"))
    declared = Sleep(SleepStage.ASLEEP, {"ram": 6 * GIB}, {"ram": GIB}, known=True, since=NOW - 60)
    host = a_host(spec, b=parked(sleep=declared, source="declared"), demand={"b": waits()})
    wake = next(a for a in decide(spec, host).actions if isinstance(a, Wake))
    assert {"ram": 6 * GIB} == wake.need


def test_what_it_was_booked_with_is_no_guess_for_which_others_would_have_to_wait():
    spec = zoo(a=a_model("4GiB"), b=sleepy("auto"), active=["a"], budget="30GiB")
    declared = Sleep(SleepStage.ASLEEP, {"ram": 6 * GIB}, {"ram": GIB}, known=True, since=NOW - 60)
    asleep = parked(sleep=declared, source="declared")
    assert ["wake b"] == acts(spec, a_host(spec, a=starting(), b=asleep, demand={"b": waits()}))
    guessed = parked(sleep=declared, source="default")
    assert ["hold b parked WaitingForTurn"] == acts(
        spec, a_host(spec, a=starting(), b=guessed, demand={"b": waits()})
    )

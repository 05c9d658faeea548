"""DESIGN §4.2 and §5.3: who gets the room, who waits for it and who leaves; one sentence, one example."""

from dataclasses import replace

import pytest

from tests.core.zoo import (
    GIB,
    NODE,
    NOW,
    a_host,
    a_model,
    a_pool,
    a_zoo,
    acts,
    amiss,
    condition,
    cooling_down,
    crashed,
    decide,
    leaving,
    ready,
    resting,
    running,
    starting,
    switched,
    unseen,
    why,
)
from zoosup.core.scheduler.placement.place import MEMORY_POLL
from zoosup.core.scheduler.stop import COOLDOWN_POLL
from zoosup.core.state.actions import EndCooldown, Hold, Stop
from zoosup.core.state.phases import Cause, Phase, Reason
from zoosup.core.state.pools import Node
from zoosup.core.state.runs import Leaving
from zoosup.core.state.weights import FileFacts, WeightFacts

# memory


def test_what_loads_is_promised_the_rest_of_its_need():
    spec = a_zoo({"a": "12GiB", "b": "8GiB"}, ["a", "b"])
    host = a_host(spec, a=starting(holds="1GiB"), free="20GiB")
    assert ["hold b pending WaitingForMemory"] == acts(spec, host)
    assert why(spec, host, "b") == (
        "ram is short of 1 GiB: needs 8 GiB, free 20 GiB, reserve 2 GiB, promised to loading models 11 GiB, "
        "held by a 12 GiB, others 11 GiB"
    )


def test_two_that_start_in_one_pass_are_not_given_the_same_memory():
    spec = a_zoo({"a": "8GiB", "b": "8GiB"}, ["a", "b"])
    assert ["start a", "hold b pending WaitingForMemory"] == acts(spec, a_host(spec, free="16GiB"))


def test_what_waits_for_strangers_is_looked_at_again_soon():
    spec = a_zoo({"a": "8GiB"}, ["a"])
    assert decide(spec, a_host(spec, foreign="30GiB")).wake_at == NOW + MEMORY_POLL


def test_memory_that_can_not_be_read_is_not_free():
    spec = a_zoo({"a": "8GiB"}, ["a"])
    host = a_host(spec, unknown=True)
    assert ["hold a pending MemoryUnknown"] == acts(spec, host)
    assert "ram can't be read at present, and unknown is not free: needs 8 GiB" == why(spec, host, "a")


def test_memory_that_can_not_be_read_stops_nothing():
    spec = a_zoo({"a": "12GiB", "b": "12GiB"}, ["a", "b"])
    assert ["hold a pending MemoryUnknown"] == acts(spec, a_host(spec, b=ready(), unknown=True))


def test_a_budget_lowered_below_what_runs_stops_nothing_and_is_told():
    spec = a_zoo({"a": "8GiB", "b": "8GiB"}, ["a", "b"], budget="12GiB")
    host = a_host(spec, a=ready(), b=ready())
    assert [] == acts(spec, host)
    assert "ram: 16 GiB are reserved, budget 12 GiB" == why(spec, host, None, "WithinBudget")


def test_a_need_that_the_file_has_raised_for_a_running_model_counts_at_once():
    spec = a_zoo({"a": "16GiB", "b": "8GiB"}, ["a", "b"])
    host = a_host(spec, a=ready(spec=a_model("8GiB")))
    assert ["hold b pending ExceedsBudget"] == acts(spec, host)
    assert "ram is short of 4 GiB: needs 8 GiB, budget 20 GiB less a 16 GiB" == why(spec, host, "b")


def test_a_need_that_the_file_has_lowered_for_a_running_model_counts_at_once():
    spec = a_zoo({"a": "4GiB", "b": "12GiB"}, ["a", "b"])
    assert ["start b"] == acts(spec, a_host(spec, a=ready(spec=a_model("16GiB"), holds="3GiB")))


def test_a_need_of_another_command_does_not_count_for_the_process_that_runs():
    spec = a_zoo({"a": a_model("1GiB", command=["small"]), "b": "12GiB"}, ["b", "a"])
    host = a_host(spec, a=ready(spec=a_model("16GiB")), unknown=True)
    assert "start b" not in acts(spec, host)
    assert "hold b pending MemoryUnknown" in acts(spec, host)
    assert ["stop a MadeRoom", "hold b pending WaitingForEviction"] == acts(
        spec, a_host(spec, a=ready(spec=a_model("16GiB")))
    )


def test_two_guesses_load_one_after_the_other():
    spec = a_zoo({"a": "auto", "b": "auto"}, ["a", "b"])
    assert ["start a", "hold b pending WaitingForTurn"] == acts(spec, a_host(spec))
    assert ["hold b pending WaitingForTurn"] == acts(spec, a_host(spec, a=starting()))
    assert ["start b"] == acts(spec, a_host(spec, a=ready()))


@pytest.mark.parametrize(("a", "b"), [("auto", "4GiB"), ("4GiB", "auto")])
def test_nothing_loads_beside_a_guess(a, b):
    spec = a_zoo({"a": a, "b": b}, ["a", "b"])
    assert ["hold b pending WaitingForTurn"] == acts(spec, a_host(spec, a=starting()))


def test_declared_models_load_side_by_side():
    spec = a_zoo({"a": "4GiB", "b": "4GiB"}, ["a", "b"])
    assert ["start a", "start b"] == acts(spec, a_host(spec))


# priority


def test_where_not_all_fit_the_later_one_waits_with_the_sum():
    spec = a_zoo({"a": "12GiB", "b": "12GiB"}, ["a", "b"])
    host = a_host(spec)
    assert ["start a", "hold b pending ExceedsBudget"] == acts(spec, host)
    assert "ram is short of 4 GiB: needs 12 GiB, budget 20 GiB less a 12 GiB" == why(spec, host, "b")


def test_the_total_less_the_reserve_bounds_what_a_budget_promises():
    spec = a_zoo({"a": "31GiB"}, ["a"], budget="64GiB")
    said = why(spec, a_host(spec), "a")
    assert "ram is short of 1 GiB: needs 31 GiB, 32 GiB in all less reserve 2 GiB" == said


def test_a_third_that_fits_is_not_held_up_by_a_second_that_never_does():
    spec = a_zoo({"a": "12GiB", "b": "12GiB", "c": "4GiB"}, ["a", "b", "c"])
    assert ["start a", "hold b pending ExceedsBudget", "start c"] == acts(spec, a_host(spec))


def test_a_later_one_does_not_take_what_an_earlier_one_waits_for():
    spec = a_zoo({"a": "12GiB", "b": "4GiB"}, ["a", "b"])
    host = a_host(spec, free="8GiB")
    assert ["hold a pending WaitingForMemory", "hold b pending WaitingForMemory"] == acts(spec, host)


def test_a_later_one_does_not_take_the_room_of_an_earlier_one_in_back_off():
    spec = a_zoo({"a": "12GiB", "b": "12GiB"}, ["a", "b"])
    host = a_host(spec, a=crashed(2, NOW + 4))
    assert "hold b pending ExceedsBudget" in acts(spec, host)


@pytest.mark.parametrize(
    "first", [crashed(3, NOW + 60), unseen(), amiss(Reason.ENGINE_UNREACHABLE, "no engine")]
)
@pytest.mark.parametrize(
    ("size", "beside"), [("30GiB", {}), ("12GiB", {"z": ready()})], ids=["by itself", "beside those who stay"]
)
def test_an_earlier_one_that_can_not_fit_keeps_no_room_whatever_else_is_amiss(first, size, beside):
    spec = a_zoo({"z": "12GiB", "a": size, "b": "4GiB"}, [*beside, "a", "b"])
    assert "start b" in acts(spec, a_host(spec, a=first, **beside))


def test_a_later_one_does_take_the_room_of_an_earlier_one_that_is_given_up():
    spec = a_zoo({"a": "12GiB", "b": "12GiB"}, ["a", "b"])
    assert ["start b"] == acts(spec, a_host(spec, a=resting(Phase.FAILED, Reason.CRASH_LOOP)))


def test_a_later_one_leaves_for_an_earlier_one():
    spec = a_zoo({"a": "12GiB", "b": "12GiB"}, ["a", "b"])
    host = a_host(spec, b=ready())
    assert (
        Stop("b", "b-1", Cause.MADE_ROOM, "makes room for a"),
        Hold("a", Phase.PENDING, Reason.EVICTION, "waits for b to leave"),
    ) == decide(spec, host).actions


def test_an_earlier_one_never_leaves_for_a_later_one():
    spec = a_zoo({"a": "12GiB", "b": "12GiB"}, ["a", "b"])
    assert ["hold b pending ExceedsBudget"] == acts(spec, a_host(spec, a=ready()))


def test_the_last_leave_first():
    spec = a_zoo({"a": "10GiB", "b": "6GiB", "c": "6GiB"}, ["a", "b", "c"])
    assert "stop c MadeRoom" in acts(spec, a_host(spec, b=ready(), c=ready()))
    assert "stop b MadeRoom" not in acts(spec, a_host(spec, b=ready(), c=ready()))


def test_nobody_leaves_who_could_be_spared():
    """C alone frees too little and B alone frees enough: C stays."""
    spec = a_zoo({"a": "12GiB", "b": "12GiB", "c": "2GiB"}, ["a", "b", "c"])
    assert ["stop b MadeRoom", "hold a pending WaitingForEviction"] == acts(
        spec, a_host(spec, b=ready(), c=ready())
    )


def test_where_any_of_two_could_be_spared_it_is_the_more_important_one():
    """10 GiB are missing: B + D, or C + D, or B + C would do; B matters most and D least."""
    spec = a_zoo({"a": "14GiB", "b": "8GiB", "c": "4GiB", "d": "6GiB"}, list("abcd"), budget="20GiB")
    host = a_host(spec, b=ready(), c=ready(), d=ready(holds="6GiB"))
    assert ["stop d MadeRoom", "stop b MadeRoom", "hold a pending WaitingForEviction"] == acts(spec, host)
    spec = a_zoo({"a": "14GiB", "b": "8GiB", "c": "8GiB", "d": "4GiB"}, list("abcd"), budget="22GiB")
    host = a_host(spec, b=ready(), c=ready(), d=ready())
    assert ["stop d MadeRoom", "stop c MadeRoom", "hold a pending WaitingForEviction"] == acts(spec, host)


def test_nobody_leaves_when_even_all_of_them_would_not_be_enough():
    spec = a_zoo({"a": "12GiB", "b": "4GiB"}, ["a", "b"])
    assert ["hold a pending WaitingForMemory"] == acts(spec, a_host(spec, b=ready(), foreign="24GiB"))


def test_nobody_else_leaves_while_those_who_leave_already_are_enough():
    spec = a_zoo({"a": "8GiB", "b": "8GiB", "c": "8GiB"}, ["a", "b"])
    host = a_host(spec, b=ready(), c=leaving())
    assert ["hold a pending WaitingForEviction"] == acts(spec, host)
    assert "waits for c to leave" == why(spec, host, "a")


def test_nobody_leaves_for_memory_that_is_on_its_way_back():
    spec = a_zoo({"a": "16GiB", "b": "4GiB"}, ["a", "b"])
    host = a_host(spec, b=ready(), free="8GiB", cooling=[cooling_down("x")])
    assert ["hold a pending CoolingDown"] == acts(spec, host)
    assert "waits for the memory of x to be back" == why(spec, host, "a")


def test_nobody_leaves_for_a_model_that_does_not_start_yet():
    spec = a_zoo({"a": "12GiB", "b": "12GiB"}, ["a", "b"])
    for a in (crashed(3, NOW + 8), amiss(Reason.PORT, "port 8000 is held by nginx (pid 7)"), unseen()):
        assert not [x for x in acts(spec, a_host(spec, a=a, b=ready())) if x.startswith(("stop", "drain"))]


# fixed ports


def same_port(active):
    models = {n: a_model("4GiB", port=8000) for n in "ab"}
    return a_zoo(models, active)


def test_of_two_with_one_port_the_earlier_one_has_it():
    spec = same_port(["a", "b"])
    host = a_host(spec, a=ready())
    assert ["hold b pending PortInUse"] == acts(spec, host)
    assert "port 8000 is used by a, which stays" == why(spec, host, "b")


def test_of_two_with_one_port_the_later_one_leaves_it():
    spec = same_port(["a", "b"])
    assert ["stop b MadeRoom", "hold a pending WaitingForEviction"] == acts(spec, a_host(spec, b=ready()))


def test_a_switch_between_two_with_one_port_stops_first():
    spec = same_port(["b"])
    host = a_host(spec, a=ready(), switch=switched("a", "b"))
    assert ["stop a MadeRoom", "hold b pending WaitingForEviction"] == acts(spec, host)


def test_a_port_of_ours_is_not_looked_at_for_strangers():
    spec = same_port(["b"])
    host = a_host(spec, a=ready(), b=unseen(), switch=switched("a", "b"))
    assert ["inspect b", "hold b pending Checking"] == acts(spec, host)


# cool-down


def test_a_start_waits_until_two_samples_agree_that_there_is_room():
    spec = a_zoo({"a": "4GiB"}, ["a"])
    one = cooling_down(samples=[(0.0, "32GiB")])
    assert ["hold a pending CoolingDown"] == acts(spec, a_host(spec, cooling=[one]))
    two = cooling_down(samples=[(0.0, "32GiB"), (0.01, "32GiB")], expected="60GiB")
    assert ["start a"] == acts(spec, a_host(spec, cooling=[two]))


def test_a_sample_without_room_is_not_outvoted_by_a_later_one_with_it():
    spec = a_zoo({"a": "4GiB"}, ["a"])
    watch = cooling_down(samples=[(0.0, "5GiB"), (0.01, "32GiB")], expected="60GiB")
    assert ["hold a pending CoolingDown"] == acts(spec, a_host(spec, cooling=[watch]))


def test_the_least_pause_is_kept_though_there_is_room():
    """`cooldown: {min: 2s}` is the fixed pause of the design that zoosup came from."""
    spec = a_zoo({"a": "4GiB"}, ["a"], cooldown={"min": "2s"})
    samples = [(0.0, "32GiB"), (1.9, "32GiB")]
    early = cooling_down(since=NOW - 1.99, samples=samples)
    assert ["hold a pending CoolingDown"] == acts(spec, a_host(spec, cooling=[early]))
    late = cooling_down(since=NOW - 2.0, samples=samples)
    assert "start a" in acts(spec, a_host(spec, cooling=[late]))


def test_of_two_cool_downs_both_have_to_be_over():
    spec = a_zoo({"a": "4GiB"}, ["a"], cooldown={"min": "2s"})
    samples = [(0.0, "32GiB"), (0.01, "32GiB")]
    old, new = cooling_down("x", NOW - 5, samples=samples), cooling_down("y", NOW - 1, samples=samples)
    host = a_host(spec, cooling=[old, new])
    assert ["end cool-down of x: recovered", "hold a pending CoolingDown"] == acts(spec, host)
    assert "waits for the memory of y to be back" == why(spec, host, "a")


def test_a_cool_down_is_sampled_often_and_ended_when_it_is_over():
    spec = a_zoo({"a": "4GiB"}, [])
    lasting = a_host(spec, cooling=[cooling_down()])
    assert ([], NOW + COOLDOWN_POLL) == (acts(spec, lasting), decide(spec, lasting).wake_at)
    over = a_host(spec, cooling=[cooling_down(since=NOW - 30)])
    assert (
        EndCooldown(NODE, "ram", "x", "max", "gave up waiting for the memory of x after 30.0 s")
        in decide(spec, over).actions
    )


@pytest.mark.parametrize(
    ("sampled", "due"),
    [
        (0.099, 0.099 + COOLDOWN_POLL),  # some plans ago: who waits for the second sample waits from then
        (
            0.02,
            0.1 + COOLDOWN_POLL,
        ),  # a card's figures are older than that: looking at once would tell nothing
    ],
)
def test_the_next_sample_of_a_cool_down_comes_a_pause_after_the_last(sampled, due):
    spec = a_zoo({"a": "4GiB"}, [])
    host = a_host(spec, cooling=[cooling_down(since=NOW - 0.1, samples=[(sampled, "4GiB")])])
    assert decide(spec, host).wake_at == pytest.approx(NOW - 0.1 + due)


# several nodes


def two_nodes(spec, host, first, second):
    nodes = tuple(
        Node(name, (a_pool(spec, 32 * GIB, free * GIB, name),))
        for name, free in (("n1", first), ("n2", second))
    )
    return replace(host, nodes=nodes)


@pytest.mark.parametrize(("first", "second", "where"), [(32, 32, "n1"), (4, 32, "n2")])
def test_the_first_node_that_admits_a_model_has_it(first, second, where):
    spec = a_zoo({"a": "8GiB"}, ["a"])
    assert [f"start a on {where}"] == acts(spec, two_nodes(spec, a_host(spec), first, second))


def test_a_model_that_never_fits_on_one_node_waits_for_another():
    spec = a_zoo({"big": "12GiB", "a": "12GiB"}, ["big", "a"])
    host = two_nodes(spec, a_host(spec, big=ready(node="n1")), 32, 4)
    assert ["hold a pending WaitingForMemory"] == acts(spec, host)


def test_each_node_has_its_own_budget():
    spec = a_zoo({"a": "12GiB", "b": "12GiB", "c": "12GiB"}, list("abc"))
    host = two_nodes(spec, a_host(spec), 32, 32)
    assert ["start a on n1", "start b on n2", "hold c pending ExceedsBudget"] == acts(spec, host)


# needs that follow from weights

WEIGHTS = WeightFacts((("m.gguf", FileFacts("plain", 4 * GIB)),))
AUTO = a_model("auto", command=["mine", "--model", "m.gguf"])


def test_models_whose_needs_follow_from_their_weights_load_side_by_side():
    spec = a_zoo({"a": AUTO, "b": AUTO}, ["a", "b"])
    host = a_host(spec, a=resting(weights=WEIGHTS), b=resting(weights=WEIGHTS))
    assert ["start a", "start b"] == acts(spec, host)
    assert [{"ram": 6 * GIB}] * 2 == [action.need for action in decide(spec, host).actions]
    assert ["derived"] * 2 == [action.source for action in decide(spec, host).actions]


def test_one_whose_weights_are_of_another_file_is_a_guess():
    spec = a_zoo({"a": a_model("auto", command=["mine", "--model", "n.gguf"])}, ["a"])
    [start] = decide(spec, a_host(spec, a=resting(weights=WEIGHTS))).actions
    assert ("default", {"ram": 8 * GIB}) == (start.source, start.need)


def test_a_run_keeps_what_it_was_booked_with_while_nothing_better_is_known():
    spec = a_zoo({"a": AUTO, "b": "6GiB"}, ["a", "b"], budget="10GiB")
    assert ["start b"] == acts(spec, a_host(spec, a=ready(reserved={"ram": 4 * GIB})))


# weights that are mapped


@pytest.mark.parametrize(("size", "fits"), [("18GiB", True), ("18433MiB", False)])
def test_mapped_weights_that_the_host_calls_available_are_not_given_to_another(size, fits):
    """10 GiB of weights are page cache: of 32 GiB the host says that 31 are available, for 1 GiB is held."""
    spec = a_zoo({"a": a_model("12GiB"), "b": a_model(size)}, ["a", "b"], budget="32GiB")
    host = a_host(spec, a=ready(holds="1GiB"), free="31GiB")
    assert fits == (acts(spec, host) == ["start b"])


def test_mapped_weights_that_were_copied_are_counted_once():
    spec = a_zoo({"a": a_model("12GiB"), "b": a_model("18GiB")}, ["a", "b"], budget="32GiB")
    assert ["start b"] == acts(spec, a_host(spec, a=ready(holds="11GiB"), free="21GiB"))
    assert ["start b"] == acts(spec, a_host(spec, a=ready(holds="12GiB"), free="20GiB"))


def test_once_their_model_is_told_to_leave_they_are_worth_what_they_will_be_worth():
    """Page cache is free when nobody needs it any longer: only what the process holds has to come back first."""
    spec = a_zoo({"a": a_model("12GiB"), "b": a_model("28GiB")}, ["b"], budget="32GiB")
    out = Leaving(Cause.NOT_WANTED, "not in active", NOW - 1, ladder=True)
    host = a_host(spec, a=running(Phase.STOPPING, "1GiB", leaving=out), free="31GiB")
    assert ["hold b pending WaitingForEviction"] == acts(spec, host)
    assert ["start b"] == acts(spec, a_host(spec, free="31GiB"))


# what a pass gives away


def test_of_two_outdated_models_only_those_leave_that_fit_again_together():
    """Both have grown in one edit, and only one of them fits: the other goes on as it is."""
    old = {n: a_model("5GiB") for n in "ab"}
    spec = a_zoo({n: a_model("10GiB", command=["new"]) for n in "ab"}, ["a", "b"], "15GiB")
    host = a_host(spec, a=ready(spec=old["a"]), b=ready(spec=old["b"]))
    assert ["stop a SpecChanged"] == [x for x in acts(spec, host) if x.startswith(("stop", "drain"))]
    assert condition(spec, host, "b", "Current") is not None


def test_two_outdated_models_that_fit_again_together_both_leave():
    old = {n: a_model("5GiB") for n in "ab"}
    spec = a_zoo({n: a_model("7GiB", command=["new"]) for n in "ab"}, ["a", "b"], "15GiB")
    host = a_host(spec, a=ready(spec=old["a"]), b=ready(spec=old["b"]))
    assert ["stop a SpecChanged", "stop b SpecChanged"] == acts(spec, host)


def test_nor_does_the_second_leave_while_the_first_is_on_its_way_out():
    old = {n: a_model("5GiB") for n in "ab"}
    spec = a_zoo({n: a_model("10GiB", command=["new"]) for n in "ab"}, ["a", "b"], "15GiB")
    host = a_host(spec, a=leaving(cause=Cause.SPEC_CHANGED, spec=old["a"]), b=ready(spec=old["b"]))
    assert [] == acts(spec, host)


def test_of_two_models_with_one_fixed_port_one_starts():
    spec = a_zoo({n: a_model("1GiB", port=25500) for n in "ab"}, ["a", "b"])
    assert ["start a", "hold b pending PortInUse"] == acts(spec, a_host(spec))

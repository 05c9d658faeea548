"""What a pass knows of a host before it decides anything, and what is left of a step that met a bug of ours."""

from dataclasses import replace

from tests.core.gpus import gpu_host, gpu_zoo, on_gpu, placed
from tests.core.zoo import GIB, NOW, a_booked_hold, a_host, a_model, a_zoo, parking, ready, resting, starting
from zoosup.core.memory.ledger import Holding, asleep
from zoosup.core.memory.sleep_footprint import Sleeper
from zoosup.core.scheduler.cycle import FAULT_RETRY, Cycle
from zoosup.core.scheduler.verdicts import Verdict
from zoosup.core.state.observed import Condition
from zoosup.core.state.phases import Phase, Reason

ONE = a_zoo({"a": "4GiB"}, ["a"])
GPU_ZOO = gpu_zoo({"a": on_gpu("4GiB"), "b": on_gpu("4GiB")}, ["a", "b"])


def a_cycle(spec=ONE, **states):
    return Cycle(spec, a_host(spec, **states))


def pool(cycle, name="ram"):
    return next(ledger for (_, pool_id), ledger in cycle.ledgers.items() if pool_id == name)


# who holds what


def test_a_run_holds_what_it_is_booked_with_and_what_it_was_measured_to_where_that_is_more():
    assert Holding(4 * GIB, GIB) == pool(a_cycle(a=starting(GIB))).holdings["a"]
    assert Holding(5 * GIB, 5 * GIB) == pool(a_cycle(a=ready(holds=5 * GIB))).holdings["a"]
    assert Holding(4 * GIB, 0) == pool(a_cycle(a=starting(measured={}))).holdings["a"]


def test_what_has_loaded_on_a_gpu_that_can_not_be_read_holds_all_of_its_booking():
    """Promised once more it would count twice."""
    blind = placed({"GPU-0": "4GiB"}, measured={"ram": GIB})
    known = Cycle(GPU_ZOO, gpu_host(GPU_ZOO, [24], a=blind))
    assert Holding(4 * GIB, 4 * GIB) == pool(known, "vram:GPU-0").holdings["a"]
    loading = placed({"GPU-0": "4GiB"}, Phase.STARTING, measured={"ram": GIB})
    assert (
        Holding(4 * GIB, 0)
        == pool(Cycle(GPU_ZOO, gpu_host(GPU_ZOO, [24], a=loading)), "vram:GPU-0").holdings["a"]
    )


def test_where_a_gpu_can_not_be_read_no_more_counts_as_free_than_promises_leave_of_it():
    blind = placed({"GPU-0": "20GiB"}, measured={"ram": GIB})
    spec = gpu_zoo({"a": on_gpu("20GiB")}, ["a"])
    ledger = pool(Cycle(spec, gpu_host(spec, [24], a=blind)), "vram:GPU-0")
    assert (True, False) == (ledger.fits(4 * GIB), ledger.fits(4 * GIB + 1))


def test_what_is_booked_in_a_pool_that_is_not_there_is_in_no_sum_and_said():
    spec = a_zoo({"a": a_model("auto")}, ["a"])
    cycle = a_cycle(spec, a=ready(reserved={"ram": 4 * GIB, "vram:gone": GIB}))
    (said,) = cycle.conditions
    assert Condition(
        "a", "MemoryCounted", False, "PoolMissing",
        "booked, and in no sum, as it is not there at present: 1 GiB in vram:gone",
    ) == said  # fmt: skip


def test_room_that_is_held_is_in_the_sums_with_what_is_used_of_it():
    host = a_host(ONE, holds=[a_booked_hold("4GiB", used="1GiB")])
    (hold,) = host.holds
    assert Holding(4 * GIB, GIB) == pool(Cycle(ONE, host)).holdings[hold.name]
    unused = replace(hold, measured={})
    assert Holding(4 * GIB, 0) == pool(Cycle(ONE, replace(host, holds=(unused,)))).holdings[hold.name]
    waiting = replace(hold, booked=None)
    assert {} == pool(Cycle(ONE, replace(host, holds=(waiting,)))).holdings


def test_a_hold_on_a_gpu_that_has_vanished_has_no_room_there_and_one_that_can_not_be_read_is_used_up():
    hold = a_booked_hold("4GiB", used="1GiB")
    hold = replace(hold, booked={"vram:gone": GIB, "vram:GPU-0": 4 * GIB, "ram": GIB})
    cycle = Cycle(GPU_ZOO, replace(gpu_host(GPU_ZOO, [24]), holds=(hold,)))
    assert Holding(4 * GIB, 4 * GIB) == pool(cycle, "vram:GPU-0").holdings[hold.name]
    assert not pool(cycle, "vram:GPU-0").fits(20 * GIB + 1)
    assert Holding(GIB, GIB) == pool(cycle).holdings[hold.name]


def test_one_that_falls_asleep_keeps_what_it_holds_awake_and_gives_back_what_it_will_not_hold():
    cycle = a_cycle(a=parking("1GiB"))
    assert 4 * GIB == pool(cycle).holdings["a"].need
    assert {"a": GIB} == pool(cycle).weigh(0, {asleep("a")}).reserved
    assert {asleep("a")} == cycle.freeing


def test_one_that_may_hold_more_asleep_than_awake_is_promised_it_and_counted_on_for_nothing():
    cycle = a_cycle(a=ready())
    run = cycle.observed.models["a"].run
    cycle.fall_asleep(run, Sleeper("a", {"ram": 6 * GIB, "vram:gone": 1}, known=False))
    assert Holding(6 * GIB, 4 * GIB) == pool(cycle).holdings["a"]


def test_a_promise_is_no_less_than_what_it_holds_and_in_no_pool_that_is_not_there():
    cycle = a_cycle(a=ready())
    cycle.promise("a", {"ram": GIB, "vram:gone": GIB}, "local")
    cycle.promise("b", {"ram": GIB}, "local")
    assert {"a": Holding(4 * GIB, 4 * GIB), "b": Holding(GIB, 0)} == pool(cycle).holdings


# bugs of ours


def broken(cycle, **done):
    def step():
        cycle.leaving.add("b")
        cycle.starting.add("b")
        cycle.falling_asleep.add("b")
        cycle.hold(cycle.observed.models["a"], Phase.PENDING, Verdict(Reason.MEMORY, "short"))
        raise KeyError("gone")

    return step


SAID = "internal error: KeyError: 'gone'"


def test_a_step_that_meets_a_bug_leaves_nothing_but_the_word_and_is_tried_again():
    cycle = a_cycle(a=ready())
    cycle.starting.add("x")
    cycle.attempt(cycle.observed.models["a"], broken(cycle))
    assert (set(), set(), {"x"}) == (cycle.leaving, cycle.falling_asleep, cycle.starting)
    assert ([], [Condition("a", "InternalError", True, "KeyError", SAID)]) == (
        cycle.actions,
        cycle.conditions,
    )
    assert (["a"], NOW + FAULT_RETRY) == (list(cycle.faults), cycle.wake_at)


def test_one_that_rests_says_why_it_is_not_started_and_is_told_of_once():
    cycle = a_cycle(a=resting())
    for _ in range(2):
        cycle.attempt(cycle.observed.models["a"], broken(cycle))
    assert {SAID} == {action.message for action in cycle.actions}
    assert ["InternalError", "Admitted", "Admitted"] == [each.type for each in cycle.conditions]
    assert not any(each.status for each in cycle.conditions if each.type == "Admitted")


def test_one_that_is_in_no_file_has_nothing_to_wait_for():
    cycle = a_cycle(b=resting())
    cycle.attempt(cycle.observed.models["b"], broken(cycle))
    assert [] == cycle.actions


def test_the_next_pass_is_at_the_earliest_that_was_asked_for():
    cycle = a_cycle()
    for at in (NOW + 5, NOW + 3, NOW + 4):
        cycle.look_again_at(at)
    assert NOW + 3 == cycle.wake_at

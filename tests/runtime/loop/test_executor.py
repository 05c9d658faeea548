"""Booking: what stands in the zoo before anything is begun."""

import pytest

from tests.runtime.builders import GIB, ManualClock, a_run, a_zoo, make_ready, text_of
from zoosup.core.state.actions import Drain, EndCooldown, Hold, Inspect, Kill, Start, Stop
from zoosup.core.state.facts import Exited
from zoosup.core.state.phases import Cause, ExitReason, Phase, Reason
from zoosup.core.state.runs import Exit
from zoosup.host.ports.host import PoolReading
from zoosup.runtime.loop.executor import Executor


class Begun:
    """Operations that only note what they were told to begin, and what the zoo said at that moment."""

    def __init__(self, zoo):
        self.zoo, self.calls = zoo, []

    def __getattr__(self, verb):
        def begin(*args, **_):
            self.calls.append((verb, args, self.zoo.models["a"].phase))

        return begin


class Ports:
    """A host that has this port left, or none, and on which every run has one process."""

    def __init__(self, port=20007):
        self.port, self.taken = port, None
        self.inspector = self.processes = self

    def members(self, run_id):
        return frozenset({4711})

    def free_port(self, taken):
        self.taken = taken
        if self.port is None:
            raise OSError("all in use")
        return self.port


START = Start("a", "box", {"ram": GIB}, "ram: needs 1 GiB")


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def zoo(clock):
    return a_zoo(clock, text_of({"a": {}, "b": {"port": 8000}}, "a"))


@pytest.fixture
def begun(zoo):
    return Begun(zoo)


def test_a_start_is_booked_before_it_is_begun(zoo, begun, clock):
    assert Executor(zoo, begun, Ports()).carry_out(START)
    run = zoo.models["a"].run
    assert [("start", ("a", run), Phase.STARTING)] == begun.calls
    assert (20007, {"ram": GIB}, clock.now, clock.wall) == (
        run.port,
        run.reserved,
        run.booked_at,
        run.started_at,
    )
    assert run.id.startswith("mark-")


def test_each_run_has_a_name_of_its_own(zoo, begun):
    executor = Executor(zoo, begun, Ports())
    executor.carry_out(START)
    first = zoo.models["a"].run.id
    executor.carry_out(Start("b", "box", {"ram": GIB}, ""))
    assert first != zoo.models["b"].run.id


def test_a_fixed_port_is_not_looked_for_and_ports_of_live_runs_are_not_given_away(zoo, begun):
    ports = Ports()
    executor = Executor(zoo, begun, ports)
    executor.carry_out(Start("b", "box", {"ram": GIB}, ""))
    assert (8000, None) == (zoo.models["b"].run.port, ports.taken)
    executor.carry_out(START)
    assert frozenset({8000}) == ports.taken


def test_a_port_that_the_file_fixes_for_another_model_is_not_given_away(zoo, begun):
    ports = Ports()
    Executor(zoo, begun, ports).carry_out(START)
    assert {8000} == ports.taken


def test_without_a_free_port_nothing_is_booked_and_it_is_said(zoo, begun):
    assert not Executor(zoo, begun, Ports(None)).carry_out(START)
    model = zoo.models["a"]
    assert (None, Phase.PENDING, Reason.PORT, []) == (model.run, model.phase, model.reason, begun.calls)
    assert "no port is free: all in use" == model.message


def test_a_start_ends_the_cool_downs_before_it(zoo, begun):
    zoo.memory.cool_down("b", a_run(zoo, "b"), {})
    Executor(zoo, begun, Ports()).carry_out(START)
    assert {} == zoo.memory.cooldowns


@pytest.mark.parametrize(
    ("action", "verb", "phase"),
    [
        (Drain, "drain", Phase.DRAINING),
        (Stop, "stop", Phase.STOPPING),
        (Kill, "kill", Phase.STOPPING),
    ],
)
def test_a_run_is_told_to_leave_before_anything_is_done_to_it(zoo, begun, clock, action, verb, phase):
    make_ready(zoo, "a")
    assert Executor(zoo, begun, Ports()).carry_out(action("a", "mark-1", Cause.NOT_WANTED, "not in active"))
    leaving = zoo.models["a"].run.leaving
    assert [(verb, phase)] == [(name, seen) for name, _, seen in begun.calls]
    assert (Cause.NOT_WANTED, "not in active", clock.now) == (leaving.cause, leaving.message, leaving.since)


def test_one_that_leaves_already_is_killed_for_the_reason_it_left_for(zoo, begun):
    make_ready(zoo, "a")
    executor = Executor(zoo, begun, Ports())
    executor.carry_out(Stop("a", "mark-1", Cause.NOT_WANTED, "not in active"))
    executor.carry_out(Kill("a", "mark-1", Cause.PRESSURE, "ram is short"))
    leaving = zoo.models["a"].run.leaving
    assert (Cause.NOT_WANTED, True, True) == (leaving.cause, leaving.ladder, leaving.at_once)
    assert ["stop", "kill"] == [name for name, _, _ in begun.calls]


def test_what_was_free_before_a_run_left_is_kept_from_the_first_step_and_given_once(zoo, begun):
    make_ready(zoo, "a")
    executor = Executor(zoo, begun, Ports())
    executor.carry_out(Drain("a", "mark-1", Cause.NOT_WANTED, ""))
    zoo.sample((PoolReading("ram", "ram", "RAM", 32 * GIB, 31 * GIB, "virtual"),))
    executor.carry_out(Stop("a", "mark-1", Cause.NOT_WANTED, ""))
    assert [{"ram": 30 * GIB}, {}] == [executor.baseline("mark-1"), executor.baseline("mark-1")]


def test_after_a_crash_there_is_no_before(zoo, begun, clock):
    make_ready(zoo, "a")
    zoo.tell("a", Exited("mark-1", Exit(ExitReason.ERROR, clock.wall, code=1), clock.now))
    executor = Executor(zoo, begun, Ports())
    executor.carry_out(Stop("a", "mark-1", Cause.CRASHED, ""))
    assert {} == executor.baseline("mark-1")


def test_a_pool_that_can_not_be_read_has_no_before(zoo, begun):
    make_ready(zoo, "a")
    zoo.sample((PoolReading("ram", "ram", "RAM", 32 * GIB, None, "virtual"),))
    executor = Executor(zoo, begun, Ports())
    executor.carry_out(Stop("a", "mark-1", Cause.NOT_WANTED, ""))
    assert {} == executor.baseline("mark-1")


def test_a_step_of_a_run_that_is_gone_is_no_step(zoo, begun):
    assert not Executor(zoo, begun, Ports()).carry_out(Stop("a", "mark-0", Cause.NOT_WANTED, ""))
    assert [] == begun.calls


def test_a_hold_is_news_only_when_phase_or_reason_change(zoo, begun):
    executor = Executor(zoo, begun, Ports())
    hold = Hold("a", Phase.PENDING, Reason.MEMORY, "1 GiB short")
    assert [True, False] == [executor.carry_out(hold), executor.carry_out(hold)]
    assert not executor.carry_out(Hold("a", Phase.PENDING, Reason.MEMORY, "2 GiB short"))
    assert "2 GiB short" == zoo.models["a"].message


def test_a_look_is_begun_by_what_the_file_says(zoo, begun):
    look = Inspect("a", 8000)
    assert not Executor(zoo, begun, Ports()).carry_out(look)
    assert [("inspect", (look, zoo.spec.models["a"]), Phase.STOPPED)] == begun.calls


def test_a_cool_down_that_is_over_is_told(zoo, begun):
    zoo.memory.cool_down("b", a_run(zoo, "b"), {})
    assert Executor(zoo, begun, Ports()).carry_out(
        EndCooldown("box", "ram", "b", "settled short", "after 1.5 s")
    )
    assert {} == zoo.memory.cooldowns
    event = zoo.journal.since()[-1]
    assert ("CoolDown", "b", "SettledShort", "after 1.5 s") == (
        event.type,
        event.model,
        event.reason,
        event.message,
    )

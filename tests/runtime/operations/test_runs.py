"""What is asked of the host for each action, and the facts that come of the answers."""

import asyncio
import errno
import logging
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.runtime.builders import GIB, ManualClock, a_run, a_zoo, text_of
from tests.runtime.slot_files import SlotFiles
from zoosup.core.state.actions import Drain, Inspect
from zoosup.core.state.facts import DrainEnded, Exited, Gone, Inspected, ProbedUnready, Spawned, Stuck
from zoosup.core.state.phases import Cause, ExitReason, Reason
from zoosup.core.state.runs import Exit, Preflight
from zoosup.host.ports.host import Ended, Host, Ladder, SpawnError
from zoosup.host.ports.probes import ProbeResult
from zoosup.runtime.leasing.leases import Leases
from zoosup.runtime.operations.runs import COMMAND_AT_ONCE, Operations, Tools
from zoosup.runtime.operations.sessions import SessionKeeper
from zoosup.runtime.operations.start.child_env import RUN_ID, environment
from zoosup.runtime.persistence.record_writer import RecordWriter
from zoosup.runtime.state.inbox import FactLearned

pytestmark = pytest.mark.looptime

KILLED = Exit(ExitReason.SIGNALED, 0.0, signal="SIGKILL")
FAILED = Exit(ExitReason.ERROR, 0.0, code=1)


class Answers:
    """A host that answers what a test says, an exception raised; `asked` has every question in order."""

    def __init__(self):
        self.asked = []
        self.answers = {
            "spawn": 4711,
            "terminate": Ended("", KILLED),
            "usage": {"mark-1": GIB},
            "drain": ProbeResult(ok=True, message=""),
            "inspect": Preflight(100.0),
            "amiss": None,
            "begin": Path("/logs/a.log"),
            "tail": ("last words",),
            "write": None,
        }
        self.kernel_kills = 0
        self.takes = dict.fromkeys(self.answers, 0.0)

    def __getattr__(self, name):
        async def ask(*args, **_):
            self.asked.append((name, args))
            await asyncio.sleep(self.takes[name])
            if isinstance(self.answers[name], Exception):
                raise self.answers[name]
            return self.answers[name]

        return ask

    def oom_kills(self):
        return self.kernel_kills

    def stalled(self):
        return None

    def looking_at(self, spec):
        return f"the program {spec.command[0]}"

    def identity(self, run_id):
        return f"identity of {run_id}"

    def members(self, run_id):
        return frozenset({4711})

    def hasten(self, run_id, grace):
        self.asked.append(("hasten", (run_id, grace)))

    def names(self):
        return [name for name, _ in self.asked]

    def args(self, name):
        return next(args for asked, args in self.asked if asked == name)


@pytest.fixture
def host():
    return Answers()


@pytest.fixture
def told():
    return []


@pytest.fixture
def left():
    return []


@pytest.fixture
async def operations(host, told, left):
    ports = Host(host, host, host, host, host, host, host, host, host, SlotFiles())
    clock = ManualClock().as_clock()
    leases = Leases(a_zoo(ManualClock()), lambda: None)
    operations = Operations(
        Tools(
            ports,
            RecordWriter(ports, clock),
            clock,
            {"PATH": "/bin", "HOME": "/root"},
            leases,
            SessionKeeper(ports.sessions, clock, leases, lambda *_: None),
        ),
        told.append,
        left.append,
    )
    yield operations
    await operations.close()


@pytest.fixture
def zoo():
    model = {
        "command": ["serve", "--port", "${PORT}"],
        "env": {"WHERE": "http://127.0.0.1:${PORT}"},
        "stop": {
            "grace": "20s",
            "before": {"http": "POST /drain?port=${PORT}"},
            "command": ["docker", "stop", "x"],
        },
    }
    return a_zoo(ManualClock(), text_of({"a": model}, "a"))


def facts(told):
    return [message.fact for message in told if isinstance(message, FactLearned)]


async def stop(operations, zoo, run, cause=Cause.NOT_WANTED):
    operations.stop(replace(zoo.models["a"], run=run), run, cause, run.spec)
    await asyncio.sleep(200)


# starting


async def test_a_start_is_recorded_then_spawned_then_told(operations, host, told, zoo):
    operations.start("a", a_run(zoo, "a"))
    await asyncio.sleep(1)
    assert ["write", "begin", "spawn"] == host.names()
    assert [Spawned("mark-1", 4711)] == facts(told)


async def test_a_launch_is_rendered_to_the_last_character(operations, host, zoo):
    operations.start("a", a_run(zoo, "a"))
    await asyncio.sleep(1)
    (launch,) = host.args("spawn")
    assert ("serve", "--port", "20000") == launch.argv
    expected = {"PATH": "/bin", "HOME": "/root", "WHERE": "http://127.0.0.1:20000", RUN_ID: "mark-1"}
    assert (expected, Path("/logs/a.log"), None) == (launch.env, launch.log, launch.cwd)


def test_the_models_own_variables_win_and_the_runs_mark_wins_over_all():
    env = environment({"A": "ours", RUN_ID: "another"}, {"A": "its", "P": "${PORT}"}, 7, "mark-1")
    assert {"A": "its", "P": "7", RUN_ID: "mark-1"} == env


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (SpawnError(ExitReason.NOT_EXECUTABLE, "no such file"), ExitReason.NOT_EXECUTABLE),
        (OSError(errno.EAGAIN, "no more processes"), ExitReason.ERROR),
    ],
)
async def test_a_spawn_that_fails_is_a_run_that_is_gone(operations, host, told, zoo, error, reason):
    host.answers["spawn"] = error
    operations.start("a", a_run(zoo, "a"))
    await asyncio.sleep(1)
    (fact,) = facts(told)
    assert isinstance(fact, Gone)
    assert (reason, str(error)) == (fact.exit.reason, fact.exit.message)
    assert -1 <= fact.jitter <= 1


@pytest.mark.parametrize(
    "error",
    [
        SpawnError(ExitReason.ERROR, "can't run serve: no descriptor left", ours=True),
        OSError(errno.EMFILE, "Too many open files"),
    ],
)
@pytest.mark.parametrize("where", ["spawn", "begin"])
async def test_what_zoosup_is_short_of_is_no_crash_and_is_tried_again(
    operations, host, told, zoo, error, where
):
    well, host.answers[where] = host.answers[where], error
    operations.start("a", a_run(zoo, "a"))
    await asyncio.sleep(2.5)
    assert {ProbedUnready} == {type(fact) for fact in facts(told)}
    assert str(error) in facts(told)[-1].message
    host.answers[where] = well
    await asyncio.sleep(1)
    assert Spawned("mark-1", 4711) == facts(told)[-1]


async def test_one_that_is_told_to_leave_is_not_tried_again(operations, host, told, zoo):
    host.answers["spawn"] = OSError(errno.EMFILE, "Too many open files")
    run = a_run(zoo, "a")
    operations.start("a", run)
    await asyncio.sleep(0.5)
    await stop(operations, zoo, run)
    assert Gone is type(facts(told)[-1])
    assert 1 == host.names().count("spawn")


async def test_a_spawn_that_fails_for_a_fault_of_ours_is_a_crash_whose_remains_are_looked_for(
    operations, host, told, zoo, caplog
):
    host.answers["spawn"] = ZeroDivisionError("ours")
    with caplog.at_level(logging.ERROR, "zoosup"):
        operations.start("a", a_run(zoo, "a"))
        await asyncio.sleep(1)
    (fact,) = facts(told)
    assert isinstance(fact, Exited)
    assert "internal error: ours" == fact.exit.message
    assert "internal error" in caplog.text


@pytest.mark.parametrize("what", ["write", "begin"])
async def test_a_full_disk_keeps_no_model_down(operations, host, told, zoo, what):
    host.answers[what] = OSError(errno.ENOSPC, "no space left on device")
    operations.start("a", a_run(zoo, "a"))
    await asyncio.sleep(1)
    assert [Spawned("mark-1", 4711)] == facts(told)
    log = host.args("spawn")[0].log
    assert (Path(os.devnull) if what == "begin" else Path("/logs/a.log")) == log


# stopping


async def test_a_stop_measures_first_and_then_sets_the_ladder_to_work(operations, host, told, zoo):
    await stop(operations, zoo, a_run(zoo, "a", pid=4711))
    assert ["usage", "terminate"] == host.names()[:2]
    assert ("mark-1", Ladder("TERM", 20.0, ("docker", "stop", "x"))) == host.args("terminate")
    assert {"mark-1": GIB} == told[0].usage
    (gone,) = facts(told)
    assert ("mark-1", ("last words",)) == (gone.run_id, gone.exit.log)


async def test_what_cannot_be_measured_is_stopped_all_the_same(operations, host, told, zoo):
    host.answers["usage"] = OSError(errno.EMFILE, "too many open files")
    await stop(operations, zoo, a_run(zoo, "a"))
    assert [Gone] == [type(fact) for fact in facts(told)]


async def test_a_crashed_run_is_not_measured(operations, host, zoo):
    await stop(operations, zoo, a_run(zoo, "a", exit=FAILED), Cause.CRASHED)
    assert "usage" not in host.names()


async def test_a_stop_waits_for_the_start_it_overtakes(operations, host, told, zoo):
    host.takes["spawn"] = 5.0
    run = a_run(zoo, "a")
    operations.start("a", run)
    await asyncio.sleep(1)
    await stop(operations, zoo, run)
    assert host.names().index("spawn") < host.names().index("terminate")
    assert [Spawned, Gone] == [type(fact) for fact in facts(told)]


async def test_survivors_are_told_and_the_run_is_not_gone(operations, host, told, zoo):
    host.answers["terminate"] = Ended("pid 7, state D", None)
    await stop(operations, zoo, a_run(zoo, "a"))
    assert [Stuck("mark-1", "pid 7, state D", 100.0)] == facts(told)


async def test_a_ladder_that_fails_for_a_fault_of_ours_counts_as_stuck(operations, host, told, zoo, caplog):
    host.answers["terminate"] = ZeroDivisionError("ours")
    with caplog.at_level(logging.CRITICAL, "zoosup"):
        await stop(operations, zoo, a_run(zoo, "a"))
    assert [Stuck("mark-1", "internal error: ours", 100.0)] == facts(told)


async def test_a_run_that_never_had_an_exit_is_gone_without_one(operations, host, told, zoo):
    host.answers["terminate"] = Ended("", None)
    await stop(operations, zoo, a_run(zoo, "a"))
    assert facts(told)[0].exit is None
    assert "tail" not in host.names()


# how it ended


@pytest.mark.parametrize(
    ("run", "cause", "end", "kills", "look", "expected"),
    [
        ({}, Cause.CRASHED, KILLED, 1, None, ExitReason.OOM_KILLED),
        ({}, Cause.CRASHED, KILLED, 0, None, ExitReason.SIGNALED),
        ({}, Cause.NOT_WANTED, KILLED, 1, None, ExitReason.SIGNALED),
        ({}, Cause.CRASHED, FAILED, 1, None, ExitReason.ERROR),
        ({}, Cause.CRASHED, FAILED, 0, Reason.PORT, ExitReason.PORT_IN_USE),
        ({"ready_at": 100.0}, Cause.CRASHED, FAILED, 0, Reason.PORT, ExitReason.ERROR),
        ({}, Cause.NOT_WANTED, FAILED, 0, Reason.PORT, ExitReason.ERROR),
        ({}, Cause.CRASHED, FAILED, 0, Reason.FILE_MISSING, ExitReason.ERROR),
    ],
)
async def test_an_exit_is_told_apart(operations, host, told, zoo, run, cause, end, kills, look, expected):
    operations.start("a", a_run(zoo, "a"))
    await asyncio.sleep(1)
    host.kernel_kills += kills
    host.answers["terminate"] = Ended("", end)
    host.answers["amiss"] = look and (look, "port 20000 is taken")
    await stop(operations, zoo, a_run(zoo, "a", **run), cause)
    assert expected is facts(told)[-1].exit.reason
    assert "inspect" not in host.names(), "its weights, and llama.cpp's word on them, are not waited for"


# at once


def kill(operations, zoo, run, *, under_way):
    operations.kill(replace(zoo.models["a"], run=run), run, Cause.PRESSURE, run.spec, under_way=under_way)


def without_command(run):
    return replace(
        run, spec=run.spec.model_copy(update={"stop": run.spec.stop.model_copy(update={"command": None})})
    )


async def test_a_kill_gives_no_grace_and_measures_nothing_first(operations, host, zoo, told):
    kill(operations, zoo, without_command(a_run(zoo, "a")), under_way=False)
    await asyncio.sleep(1)
    _, ladder = host.args("terminate")
    assert 0 == ladder.grace
    assert "usage" not in host.names()
    assert [Gone] == [type(fact) for fact in facts(told)]


async def test_what_only_its_own_command_reaches_gets_the_time_for_that(operations, host, zoo):
    kill(operations, zoo, a_run(zoo, "a"), under_way=False)
    await asyncio.sleep(1)
    assert COMMAND_AT_ONCE == host.args("terminate")[1].grace


async def test_a_ladder_that_is_under_way_is_shortened_and_no_second_one_begun(operations, host, zoo):
    host.takes["terminate"] = 20.0
    run = without_command(a_run(zoo, "a"))
    operations.stop(replace(zoo.models["a"], run=run), run, Cause.NOT_WANTED, run.spec)
    await asyncio.sleep(1)
    kill(operations, zoo, run, under_way=True)
    await asyncio.sleep(1)
    assert ("mark-1", 0) == host.args("hasten")
    assert 1 == host.names().count("terminate")


async def test_a_ladder_that_is_only_about_to_begin_is_short_from_the_start(operations, host, zoo):
    host.takes["usage"] = 1.0
    run = without_command(a_run(zoo, "a"))
    operations.stop(replace(zoo.models["a"], run=run), run, Cause.NOT_WANTED, run.spec)
    await asyncio.sleep(0.5)
    kill(operations, zoo, run, under_way=True)
    await asyncio.sleep(1)
    assert 0 == host.args("terminate")[1].grace


# in a hurry


async def test_in_a_hurry_ladders_under_way_and_later_ones_are_short(operations, host, zoo):
    host.takes["terminate"] = 10.0
    first, second = a_run(zoo, "a"), a_run(zoo, "a", "mark-2")
    operations.stop(zoo.models["a"], first, Cause.SHUTDOWN, first.spec)
    await asyncio.sleep(1)
    operations.hurry(2.0, [first])
    await stop(operations, zoo, second)
    graces = [args[1].grace for name, args in host.asked if name == "terminate"]
    assert ([20.0, 2.0], ("mark-1", 2.0)) == (graces, host.args("hasten"))


async def test_a_drain_that_begins_in_a_hurry_is_over_at_once(operations, host, told, zoo):
    host.takes["drain"] = 15.0
    run = a_run(zoo, "a")
    operations.hurry(2.0, [run])
    operations.drain(Drain("a", "mark-1", Cause.SHUTDOWN, ""), run, run.spec)
    await asyncio.sleep(0.1)
    assert [DrainEnded("mark-1")] == facts(told)


# on a disk that hangs


async def test_a_start_that_never_returns_is_stuck_once_its_time_to_end_is_over(operations, host, told, zoo):
    host.takes["spawn"] = 100_000.0
    run = a_run(zoo, "a")
    operations.start("a", run)
    await asyncio.sleep(1)
    operations.stop(zoo.models["a"], run, Cause.SHUTDOWN, run.spec)
    await asyncio.sleep(29)
    assert [] == facts(told)
    await asyncio.sleep(3)
    [stuck] = facts(told)
    assert (Stuck, "mark-1") == (type(stuck), stuck.run_id)
    assert "its start has not come back" in stuck.survivors
    assert "terminate" not in host.names()


async def test_a_hurry_shortens_the_wait_for_a_start_that_hangs(operations, host, told, zoo):
    host.takes["write"] = 100_000.0
    run = a_run(zoo, "a")
    operations.start("a", run)
    await asyncio.sleep(0.1)
    operations.stop(zoo.models["a"], run, Cause.SHUTDOWN, run.spec)
    await asyncio.sleep(1)
    operations.hurry(2.0, [run])
    await asyncio.sleep(13)
    assert [Stuck] == [type(fact) for fact in facts(told)]


@pytest.mark.parametrize("what", ["tail", "amiss", "usage"])
async def test_a_run_is_gone_though_nobody_can_say_more_of_it(operations, host, told, zoo, what):
    host.takes[what] = 100_000.0
    await stop(operations, zoo, a_run(zoo, "a"), Cause.CRASHED)
    assert Gone in {type(fact) for fact in facts(told)}


async def test_what_a_crash_has_left_gets_a_short_grace(operations, host, zoo):
    run = without_command(replace(a_run(zoo, "a"), exit=FAILED))
    await stop(operations, zoo, run, Cause.CRASHED)
    assert 2.0 == host.args("terminate")[1].grace


async def test_a_look_that_comes_back_while_the_run_before_ends_brings_no_turn_that_holds_the_end_up(
    operations, host, told, left, zoo
):
    host.takes |= {"terminate": 5.0, "inspect": 1.0}
    run = without_command(a_run(zoo, "a"))
    operations.stop(zoo.models["a"], run, Cause.CRASHED, run.spec)
    operations.inspect(Inspect("a", None), run.spec)
    await asyncio.sleep(4)
    assert ([Inspected(Preflight(100.0), run.spec)], []) == (facts(left), facts(told))
    await asyncio.sleep(4)
    operations.inspect(Inspect("a", None), run.spec)
    await asyncio.sleep(2)
    assert [Gone, Inspected] == [type(fact) for fact in facts(told)]


# draining and looking


async def test_a_drain_calls_the_model_and_ends_well(operations, host, told, zoo):
    run = a_run(zoo, "a")
    operations.drain(Drain("a", "mark-1", Cause.NOT_WANTED, ""), run, run.spec)
    await asyncio.sleep(1)
    endpoint, call, within = host.args("drain")
    assert (20000, "POST /drain?port=20000", 20.0) == (endpoint.port, call, within)
    assert [DrainEnded("mark-1")] == facts(told)


@pytest.mark.parametrize(
    "answer", [ProbeResult(ok=False, message="404"), ProbeResult(ok=None, message="no socket")]
)
async def test_a_drain_that_does_not_work_ends_too_and_is_said(operations, host, told, zoo, answer, caplog):
    host.answers["drain"] = answer
    run = a_run(zoo, "a")
    operations.drain(Drain("a", "mark-1", Cause.NOT_WANTED, ""), run, run.spec)
    await asyncio.sleep(1)
    assert [DrainEnded("mark-1")] == facts(told)
    assert f"a: stop.before did not work: {answer.message}" in caplog.text


async def test_a_drain_that_a_stop_overtakes_is_given_up(operations, host, told, zoo):
    host.takes["drain"] = 100.0
    run = a_run(zoo, "a")
    operations.drain(Drain("a", "mark-1", Cause.NOT_WANTED, ""), run, run.spec)
    await asyncio.sleep(1)
    operations.stop(zoo.models["a"], run, Cause.NOT_WANTED, run.spec)
    await asyncio.sleep(1)
    assert [DrainEnded, Gone] == [type(fact) for fact in facts(told)]


async def test_a_model_is_looked_at_once_at_a_time(operations, host, told, zoo):
    host.takes["inspect"] = 3.0
    for _ in range(3):
        operations.inspect(Inspect("a", 20000), zoo.spec.models["a"])
        await asyncio.sleep(0.1)
    await asyncio.sleep(5)
    operations.inspect(Inspect("a", 20000), zoo.spec.models["a"])
    await asyncio.sleep(5)
    assert [Inspected(Preflight(100.0), zoo.spec.models["a"])] * 2 == facts(told)


async def test_a_changed_command_is_looked_at_at_once_and_the_older_answer_is_dropped(
    operations, host, told, zoo
):
    before = zoo.spec.models["a"]
    after = before.model_copy(update={"command": ("other",)})
    host.takes["inspect"] = 10_000.0
    operations.inspect(Inspect("a", None), before)
    await asyncio.sleep(1)
    host.takes["inspect"] = 3.0
    operations.inspect(Inspect("a", None), after)
    operations.inspect(Inspect("a", None), after)
    await asyncio.sleep(5)
    assert [Inspected(Preflight(100.0), after)] == facts(told)
    assert [before, after] == [args[0] for name, args in host.asked if name == "inspect"]


async def test_a_look_that_hangs_is_said_and_still_waited_for(operations, host, told, zoo):
    host.takes["inspect"] = 100.0
    spec = zoo.spec.models["a"]
    for _ in range(60):
        operations.inspect(Inspect("a", None), spec)
        await asyncio.sleep(1)
    [hangs] = facts(told)
    assert (spec, Reason.FILE_MISSING) == (hangs.spec, hangs.preflight.reason)
    assert "the program serve: no answer for 30 s" in hangs.preflight.message
    await asyncio.sleep(60)
    assert [hangs, Inspected(Preflight(100.0), spec)] == facts(told)
    assert ["inspect"] == host.names()


async def test_a_look_counts_from_when_it_came_back(operations, host, told, zoo):
    """Over a slow network one that counted from its beginning would be too old, and be asked for anew, for ever."""
    host.answers["inspect"] = Preflight(40.0)
    operations.inspect(Inspect("a", None), zoo.spec.models["a"])
    await asyncio.sleep(1)
    assert [Inspected(Preflight(100.0), zoo.spec.models["a"])] == facts(told)


async def test_a_look_that_fails_for_a_fault_of_ours_can_be_taken_again(operations, host, told, zoo, caplog):
    host.answers["inspect"] = ZeroDivisionError("ours")
    with caplog.at_level(logging.CRITICAL, "zoosup"):
        operations.inspect(Inspect("a", None), zoo.spec.models["a"])
        await asyncio.sleep(1)
    host.answers["inspect"] = Preflight(100.0)
    operations.inspect(Inspect("a", None), zoo.spec.models["a"])
    await asyncio.sleep(1)
    assert [Inspected(Preflight(100.0), zoo.spec.models["a"])] == facts(told)


async def test_a_slow_host_gets_no_second_question_about_memory(operations, host, told):
    host.takes["usage"] = 3.0
    for _ in range(3):
        operations.measure()
        await asyncio.sleep(1)
    await asyncio.sleep(5)
    assert (["usage"], [{"mark-1": GIB}]) == (host.names(), [each.usage for each in told])
    assert 100.0 == told[0].since, "when it began, not when it was done"


async def test_what_is_given_up_before_it_began_leaves_nothing_unawaited(operations, host, recwarn, zoo):
    operations.start("a", a_run(zoo, "a"))
    await operations.close()
    assert ([], []) == (host.asked, list(recwarn))


async def test_programs_of_a_run_get_its_environment_and_its_endpoint_asks_who_it_is(operations, zoo):
    endpoint, env = operations.where(a_run(zoo, "a"))
    assert ("127.0.0.1", 20000, frozenset({4711})) == (endpoint.host, endpoint.port, endpoint.members())
    assert endpoint.contained
    assert {"PATH": "/bin", "HOME": "/root", "WHERE": "http://127.0.0.1:20000"} == env

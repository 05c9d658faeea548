"""Probes begun, changed and ended as the runs are; their answers as facts."""

import asyncio
import logging
from dataclasses import replace

import pytest

from tests.runtime.builders import ManualClock, a_run, a_zoo, make_ready, text_of
from zoosup.core.state.facts import FoundSick, ProbedReady, ProbedUnready
from zoosup.core.state.phases import Phase
from zoosup.core.state.runs import Leaving
from zoosup.host.ports.probes import Endpoint, ProbeResult
from zoosup.runtime.operations.probes.probes import ProbeTarget, ProbeTasks, is_probed
from zoosup.runtime.state.inbox import FactLearned
from zoosup.spec.model.process.lifetime import LiveSpec, ReadySpec

pytestmark = pytest.mark.looptime


class Asked:
    """A prober that notes what it was asked, and answers what it is told to."""

    def __init__(self):
        self.begun, self.ended = [], []
        self.verdicts = {"ready": [], "live": []}
        self.fault = None

    def readiness(self, endpoint, rule, env):
        return self._answers("ready", endpoint, rule)

    def liveness(self, endpoint, rule, env):
        return self._answers("live", endpoint, rule)

    async def _answers(self, kind, endpoint, rule):
        self.begun.append((kind, endpoint.port, rule))
        try:
            if self.fault is not None:
                raise self.fault
            for verdict in self.verdicts[kind]:
                yield verdict
            await asyncio.Event().wait()
        finally:
            self.ended.append((kind, endpoint.port))

    def kinds(self):
        return [(kind, port) for kind, port, _ in self.begun]


@pytest.fixture
def prober():
    return Asked()


@pytest.fixture
def told():
    return []


@pytest.fixture
def restored():
    return []


@pytest.fixture
async def watchers(prober, told, restored):
    async def restore(model, run, spec):
        restored.append((model, run.id, len(told)))

    watchers = ProbeTasks(
        prober,
        ManualClock().as_clock(),
        told.append,
        lambda run: (Endpoint("127.0.0.1", run.port, set), {}),
        restore,
    )
    yield watchers
    await watchers.close()


def a_target(run_id="mark-1", *, port=20000, ready_at=None, **model):
    zoo = a_zoo(ManualClock(), text_of({"a": model}, "a"))
    run = a_run(zoo, "a", run_id, port=port, pid=7, ready_at=ready_at)
    return ProbeTarget("a", run, zoo.spec.models["a"])


async def follow(watchers, *targets):
    watchers.follow(targets)
    await asyncio.sleep(0.1)


async def test_a_run_is_asked_whether_it_is_ready(watchers, prober):
    await follow(watchers, a_target())
    assert [("ready", 20000)] == prober.kinds()


async def test_an_unchanged_rule_goes_on(watchers, prober):
    for _ in range(3):
        await follow(watchers, a_target())
    assert ([("ready", 20000)], []) == (prober.kinds(), prober.ended)


async def test_an_edit_of_something_else_goes_on_too(watchers, prober):
    await follow(watchers, a_target())
    await follow(watchers, a_target(stop={"grace": "1s"}))
    assert 1 == len(prober.begun)


async def test_a_changed_rule_begins_anew(watchers, prober):
    await follow(watchers, a_target())
    await follow(watchers, a_target(ready={"http": "/other"}))
    assert ["/health", "/other"] == [rule.http for _, _, rule in prober.begun]
    assert [("ready", 20000)] == prober.ended


async def test_another_run_of_the_model_is_asked_afresh(watchers, prober):
    await follow(watchers, a_target())
    await follow(watchers, a_target("mark-2", port=20001))
    assert [("ready", 20000), ("ready", 20001)] == prober.kinds()
    assert [("ready", 20000)] == prober.ended


async def test_a_run_that_leaves_is_asked_no_longer(watchers, prober):
    await follow(watchers, a_target())
    await follow(watchers)
    assert [("ready", 20000)] == prober.ended


async def test_liveness_is_asked_only_of_who_wants_it_and_was_ready(watchers, prober):
    live = {"live": {"http": "/live"}}
    await follow(watchers, a_target(**live))
    assert [("ready", 20000)] == prober.kinds()
    await follow(watchers, a_target(ready_at=100.0, **live))
    assert [("ready", 20000), ("live", 20000)] == prober.kinds()
    await follow(watchers, a_target(ready_at=100.0))
    assert [("live", 20000)] == prober.ended


@pytest.mark.parametrize(
    ("kind", "verdict", "fact"),
    [
        ("ready", ProbeResult(ok=True, message=""), ProbedReady("mark-1", 100.0)),
        ("ready", ProbeResult(ok=False, message="503"), ProbedUnready("mark-1", "503", 100.0)),
        ("ready", ProbeResult(ok=None, message="too many open files"), None),
        ("live", ProbeResult(ok=True, message=""), None),
        ("live", ProbeResult(ok=False, message="hangs"), FoundSick("mark-1", "hangs")),
        ("live", ProbeResult(ok=None, message="too many open files"), None),
    ],
)
async def test_an_answer_becomes_a_fact_about_its_run(watchers, prober, told, kind, verdict, fact):
    prober.verdicts[kind] = [verdict]
    await follow(watchers, a_target(ready_at=100.0, live={"http": "/live"}))
    assert ([] if fact is None else [FactLearned("a", fact)]) == told


async def test_a_probers_own_fault_changes_nothing_and_is_said(watchers, prober, told, caplog):
    prober.fault = RuntimeError("boom")
    with caplog.at_level(logging.ERROR, "zoosup"):
        await follow(watchers, a_target())
        await follow(watchers, a_target())
    assert [] == told
    assert ["internal error: the probe of a failed"] == [r.getMessage() for r in caplog.records]


async def test_a_probe_that_ended_by_a_fault_is_begun_again(watchers, prober, told, caplog):
    prober.fault = RuntimeError("boom")
    with caplog.at_level(logging.CRITICAL, "zoosup"):
        await follow(watchers, a_target())
        prober.fault, prober.verdicts["ready"] = None, [ProbeResult(ok=True, message="")]
        await asyncio.sleep(2)
    assert [FactLearned("a", ProbedReady("mark-1", 100.0))] == told


async def test_the_port_is_filled_in_where_a_rule_names_it(watchers, prober):
    ready, live = {"http": "/health?port=${PORT}"}, {"exec": ["check", "--port", "${PORT}"]}
    await follow(watchers, a_target(ready_at=100.0, ready=ready, live=live))
    rules = {kind: rule for kind, _, rule in prober.begun}
    assert "/health?port=20000" == rules["ready"].http
    assert ("check", "--port", "20000") == rules["live"].exec
    assert isinstance(rules["ready"], ReadySpec)
    assert isinstance(rules["live"], LiveSpec)


async def test_closing_ends_every_probe(watchers, prober):
    await follow(watchers, a_target(), a_target("mark-2", port=20001))
    await watchers.close()
    assert [("ready", 20000), ("ready", 20001)] == sorted(prober.ended)


def test_only_a_process_that_nobody_has_told_to_leave_is_worth_asking():
    zoo = a_zoo(ManualClock(), text_of({"a": {}}, "a"))
    assert not is_probed(zoo.models["a"])
    make_ready(zoo, "a")
    ready = zoo.models["a"]
    assert is_probed(ready)
    assert not is_probed(replace(ready, run=replace(ready.run, pid=None)))
    assert not is_probed(replace(ready, run=replace(ready.run, leaving=Leaving("NotWanted", "", 0.0))))
    assert not is_probed(replace(ready, phase=Phase.STOPPING))


async def test_sessions_are_restored_before_anybody_hears_that_it_is_ready_and_once(
    watchers, prober, told, restored
):
    answers = (False, True, False, True)
    prober.verdicts["ready"] = [ProbeResult(ok=ok, message="") for ok in answers]
    await follow(watchers, a_target())
    assert [("a", "mark-1", 1)] == restored
    assert [ProbedUnready, ProbedReady, ProbedUnready, ProbedReady] == [type(m.fact) for m in told]


async def test_nothing_is_restored_to_one_that_was_ready_before(watchers, prober, told, restored):
    prober.verdicts["ready"] = [ProbeResult(ok=True, message="")]
    await follow(watchers, a_target(ready_at=90.0))
    assert [] == restored
    assert [FactLearned("a", ProbedReady("mark-1", 100.0))] == told

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing

import pytest

from zoosup.host.ports.probes import ProbeResult
from zoosup.host.probes.cadence import (
    RETELL,
    SELDOM,
    SLOWEST,
    STEADY,
    WATCHFUL,
    liveness_changes,
    readiness_changes,
    remote_changes,
    starting_pause,
)

pytestmark = pytest.mark.looptime

OK = ProbeResult(True, "GET /health answered 200")
BAD = ProbeResult(False, "connection refused")
OWN_FAULT = ProbeResult(None, "zoosup can't ask: Too many open files")

Ask = Callable[[bool], Awaitable[ProbeResult]]


class Model:
    """Answers what it is told to, and notes when it was asked and whether the last answer was good."""

    def __init__(self, answers: Iterable[ProbeResult], *, takes: float = 0.0) -> None:
        self._answers = iter(answers)
        self._takes = takes
        self.asked: list[float] = []
        self.told_ok: list[bool] = []
        self.at_once = 0

    async def __call__(self, was_ok: bool) -> ProbeResult:
        assert 0 == self.at_once, "two probes at once"
        self.at_once += 1
        self.asked.append(asyncio.get_running_loop().time())
        self.told_ok.append(was_ok)
        await asyncio.sleep(self._takes)
        self.at_once -= 1
        return next(self._answers)


async def heard(changes: AsyncGenerator[ProbeResult, None], until: float) -> list[tuple[float, ProbeResult]]:
    """Everything yielded in the first `until` seconds, with its time."""
    found = []
    async with aclosing(changes):
        try:
            async with asyncio.timeout(until):
                async for verdict in changes:
                    now = round(asyncio.get_running_loop().time(), 6)
                    found.append((now, verdict))
        except TimeoutError:
            pass
    return found


def test_the_first_pauses_are_10_ms_then_2_percent_then_half_a_second() -> None:
    assert [0.01, 0.01, 0.02, 0.2, 0.5, 0.5] == [
        pytest.approx(starting_pause(waited)) for waited in (0, 0.5, 1, 10, 25, 600)
    ]


@pytest.mark.parametrize("load", [0.3, 1.0, 7.0, 60.0, 400.0])
async def test_ready_is_noticed_within_10_ms_or_2_percent_of_the_load_time(load: float) -> None:
    async def ask(was_ok: bool) -> ProbeResult:
        return OK if asyncio.get_running_loop().time() >= load else BAD

    found = await heard(readiness_changes(ask, "adaptive"), load * 1.1 + 1)
    assert [BAD, OK] == [verdict for _, verdict in found]
    assert found[1][0] - load <= min(max(0.0101, 0.0201 * load), SLOWEST + 1e-6)


async def test_a_model_that_loads_for_ten_minutes_is_asked_about_two_thousand_times() -> None:
    model = Model(itertools.repeat(BAD))
    await heard(readiness_changes(model, "adaptive"), 600)
    assert 1000 < len(model.asked) < 2000


async def test_the_longer_it_is_ready_the_more_seldom_it_is_asked_down_to_twice_a_minute() -> None:
    model = Model(itertools.repeat(OK))
    found = await heard(readiness_changes(model, "adaptive"), 131)
    assert [(0.0, OK)] == found
    assert [0.0, STEADY, 2 * STEADY, 4 * STEADY, 4 * STEADY + SELDOM] == model.asked[:5]
    assert {SELDOM} == {after - before for before, after in itertools.pairwise(model.asked[3:])}


async def test_one_that_was_not_ready_for_a_while_is_asked_as_often_as_at_first() -> None:
    model = Model(itertools.chain([OK] * 6, [BAD], itertools.repeat(OK)))
    await heard(readiness_changes(model, "adaptive"), 180)
    failed = model.asked[6]
    back = failed + WATCHFUL
    assert [back, back + STEADY, back + 2 * STEADY] == model.asked[7:10]


async def test_a_ready_model_that_fails_is_asked_every_second_until_it_is_back() -> None:
    model = Model([OK, BAD, BAD, BAD, OK, OK])
    found = await heard(readiness_changes(model, "adaptive"), STEADY + 3 * WATCHFUL + 1)
    assert [(0.0, OK), (STEADY, BAD), (STEADY + 3 * WATCHFUL, OK)] == found
    assert [False, True, False, False, False] == model.told_ok


async def test_a_fixed_interval_is_kept_before_and_after_ready() -> None:
    model = Model(itertools.chain([BAD, BAD], itertools.repeat(OK)))
    await heard(readiness_changes(model, 0.25), 1.1)
    assert [0.0, 0.25, 0.5, 0.75, 1.0] == model.asked


async def test_probes_of_a_slow_server_follow_each_other_and_never_overlap() -> None:
    model = Model(itertools.repeat(BAD), takes=2.0)
    await heard(readiness_changes(model, "adaptive"), 6.2)
    assert [0.0, 2.04, 4.1208] == pytest.approx(model.asked[:3])


async def test_our_own_fault_is_told_and_changes_nothing() -> None:
    model = Model([OK, OWN_FAULT, OWN_FAULT, OK, OK])
    found = await heard(readiness_changes(model, "adaptive"), 4 * STEADY + 1)
    assert [OK, OWN_FAULT, OK] == [verdict for _, verdict in found]
    assert [0.0, STEADY, 2 * STEADY, 4 * STEADY] == model.asked
    assert [False, True, True, True] == model.told_ok


async def test_new_words_alone_are_told_at_most_once_a_second() -> None:
    loading = (ProbeResult(False, f"loading {number}") for number in itertools.count())
    found = await heard(readiness_changes(Model(loading), "adaptive"), 5.5)
    times = [at for at, _ in found]
    assert 6 == len(found)
    assert all(later - earlier >= RETELL for earlier, later in itertools.pairwise(times))


async def test_the_same_answer_again_is_no_news() -> None:
    assert [(0.0, BAD)] == await heard(readiness_changes(Model(itertools.repeat(BAD)), "adaptive"), 60)


async def test_readiness_ends_at_once_when_it_is_closed() -> None:
    changes = readiness_changes(Model(itertools.repeat(OK)), "adaptive")
    await anext(changes)
    waiting = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert 1.0 == asyncio.get_running_loop().time()


async def test_liveness_fails_after_so_many_failures_in_a_row() -> None:
    model = Model([OK, BAD, BAD, BAD, BAD, BAD])
    found = await heard(liveness_changes(model, 15, 3), 80)
    assert [(0.0, OK), (45.0, BAD)] == found


async def test_one_success_resets_the_count() -> None:
    model = Model([BAD, BAD, OK, BAD, BAD, OK, BAD, BAD, BAD])
    found = await heard(liveness_changes(model, 1, 3), 8.5)
    assert [(2.0, OK), (8.0, BAD)] == found


async def test_a_dead_model_that_answers_again_is_told_once() -> None:
    model = Model([BAD, BAD, BAD, OK, OK])
    assert [(1.0, BAD), (3.0, OK)] == await heard(liveness_changes(model, 1, 2), 4.5)


async def test_our_own_faults_neither_count_nor_reset() -> None:
    model = Model([BAD, OWN_FAULT, OWN_FAULT, OWN_FAULT, BAD, BAD])
    assert [(5.0, BAD)] == await heard(liveness_changes(model, 1, 3), 5.5)


async def test_an_answer_is_proven_only_after_a_failure() -> None:
    model = Model([OK, BAD, OK, OK])
    await heard(liveness_changes(model, 1, 6), 3.5)
    assert [True, True, False, True] == model.told_ok


async def test_a_server_elsewhere_is_asked_seldom_and_more_seldom_the_longer_it_is_away():
    loop, asked = asyncio.get_running_loop(), []
    began = loop.time()

    async def ask(_):
        asked.append(loop.time() - began)
        return ProbeResult(25 < asked[-1] < 60, "")

    answers = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1000):
            async for verdict in remote_changes(ask, "adaptive"):
                answers += [(verdict.ok, round(loop.time() - began))]
    assert [(False, 0), (True, 26), (False, 66)] == answers
    gaps = [round(after - before, 2) for before, after in itertools.pairwise(asked)]
    assert [1.0] * 25 == gaps[:25]
    assert [10.0] * 4 == gaps[26:30]
    assert 1.0 == gaps[30]
    assert 10.0 == gaps[-1]

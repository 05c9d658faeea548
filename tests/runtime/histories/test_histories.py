"""Random histories of one host: whatever people, models, strangers and the disk do, the laws hold; then there is peace.

The real reconciler, operations, ledger, adoption and memento over a host that exists only as numbers, in virtual time.
zoosup is killed between any two of its acts and begins again. HYPOTHESIS_PROFILE=thorough tries thousands.
"""

import asyncio
import logging

import pytest
from hypothesis import example, given, settings

from tests.runtime.histories import virtual_time
from tests.runtime.histories.demand_events import ON_DEMAND, demand_histories, likely_crowds
from tests.runtime.histories.history import History, say
from tests.runtime.histories.invariants import InternalErrors
from tests.runtime.histories.random_events import DAY, FIRST, File, Jump, Kill, histories


async def live_through(events: list[tuple[object, float]], file: File = FIRST) -> None:
    history = History(file)
    internal_errors = InternalErrors(history.invariants)
    logging.getLogger("zoosup").addHandler(internal_errors)
    try:
        await history.start()
        await history.pass_time(3.0)
        for what, pause in events:
            await history.happen(what)
            await history.pass_time(pause)
        await history.make_peace()
        await history.everybody_may_call()
        await history.nothing_more_happens("9: it does not come to rest")
        history.host.save(history.valid)
        await history.nothing_more_happens("7: the same file again has done something")
        history.host.save("models: [\n")
        await history.nothing_more_happens("6: a bad file has done something")
        await history.happen(Jump(DAY))
        await history.nothing_more_happens("17: another wall clock has done something")
        history.host.save(history.valid)
        await history.happen(Kill(0, 0.5))
        await history.nothing_more_happens("16: a new zoosup has done something")
        await history.leave()
    finally:
        logging.getLogger("zoosup").removeHandler(internal_errors)
        say("\n".join(f"{at:.3f} {who} {did}" for at, who, did in history.host.history))
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()


@pytest.fixture(autouse=True)
def _quiet(caplog):
    caplog.set_level(logging.CRITICAL + 1, "zoosup")
    logging.getLogger("zoosup").setLevel(logging.ERROR)


@pytest.mark.timeout(3600)  # a failing history is made as short as can be before it is shown
@given(histories)
def test_the_laws_hold_and_in_the_end_there_is_peace(events):
    virtual_time.run(live_through(events))


def each_crowd(test):
    """Chance alone does not bring every one of them about in so few histories."""
    for crowd in likely_crowds("b", "c"):
        test = example(crowd)(test)
    return test


@pytest.mark.timeout(3600)
@settings(max_examples=settings().max_examples // 5)
@each_crowd
@given(demand_histories)
def test_the_laws_of_demand_hold_and_every_client_is_told(events):
    virtual_time.run(live_through(events, ON_DEMAND))

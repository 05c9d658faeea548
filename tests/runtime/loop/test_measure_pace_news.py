"""When a look at what the models hold has to be told though it shows what the last one did."""

from types import SimpleNamespace

import pytest

from zoosup.core.estimation.learned import HEALTHY
from zoosup.core.state.runs import SleepStage
from zoosup.runtime.loop.measure_pace import MeasurePace


class Run:
    """One that has been ready since `since`."""

    def __init__(self, since=0.0, stage=None):
        self.since = since
        self.sleep = None if stage is None else SimpleNamespace(stage=stage, since=995.0)

    def ready_for(self, now):
        return now - self.since


def a_zoo(*runs, short=False, holds=()):
    return SimpleNamespace(
        clock=SimpleNamespace(now=lambda: 1000.0),
        live=lambda: [(None, run) for run in runs],
        memory=SimpleNamespace(nearly_short=short),
        holds=SimpleNamespace(by_id=dict(enumerate(holds))),
    )


BOOKED = SimpleNamespace(booked=True, owner="4711")


@pytest.mark.parametrize(
    ("zoo", "news_only"),
    [
        (a_zoo(), True),
        (a_zoo(Run(0.0)), True),  # it has been healthy for long, and that was told
        (a_zoo(Run(1000.0 - HEALTHY)), False),  # it has just become so
        (a_zoo(Run(1001.0 - HEALTHY)), True),
        (a_zoo(Run(0.0, SleepStage.FALLING)), False),
        (a_zoo(short=True), False),
        (a_zoo(holds=[BOOKED]), False),
        (a_zoo(holds=[SimpleNamespace(booked=True, owner="")]), True),
        (a_zoo(holds=[SimpleNamespace(booked=False, owner="4711")]), True),
    ],
)
def test_a_look_is_told_whatever_it_shows(zoo, news_only):
    pace = MeasurePace(zoo)
    pace._told_at = 999.0
    assert news_only == pace.tells_news_only()
    assert (999.0 if news_only else 1000.0) == pace._told_at

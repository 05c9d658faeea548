"""Starts that a wait was for, by the events of its time."""

from typing import Any

import pytest

from zoosup.core.state.phases import Phase
from zoosup.runtime.events.journal import Event
from zoosup.web.gateway.telemetry.tracing.starts import Start, starts

S = 1_000_000_000
BEGIN = {"from": Phase.PENDING, "to": Phase.STARTING, "run_id": "r"}
READY = {"from": Phase.STARTING, "to": Phase.READY, "run_id": "r", "seconds": 2.0}
CRASH = {"from": Phase.STARTING, "to": Phase.STOPPING, "run_id": "r"}
LEAVES = {"from": Phase.READY, "to": Phase.STOPPING, "run_id": "q"}
DONE = {"zoosup.run_id": "r", "zoosup.start.seconds": 2.0}


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([(11, BEGIN), (13, READY)], [Start(11 * S, 13 * S, "", DONE)]),
        ([(11, READY)], [Start(10 * S, 11 * S, "", DONE)]),
        ([(12, BEGIN)], [Start(12 * S, 20 * S)]),
        (
            [(11, BEGIN), (12, CRASH), (14, BEGIN), (16, READY)],
            [
                Start(11 * S, 12 * S, "stopping", {"zoosup.run_id": "r"}),
                Start(14 * S, 16 * S, "", DONE),
            ],
        ),
        ([(12, LEAVES)], []),
        ([(9, BEGIN), (25, READY)], [Start(10 * S, 20 * S, "", DONE)]),
        ([(12, BEGIN), (8, READY)], [Start(12 * S, 12 * S, "", DONE)]),
    ],
    ids=["whole", "begun before", "goes on", "second try", "another model's way", "never longer", "clock set back"],
)  # fmt: skip
def test_starts(events: list[tuple[float, dict[str, Any]]], expected: list[Start]):
    told = [Event(number, at, "Phase", "m", "", "", data) for number, (at, data) in enumerate(events)]
    told.append(Event(99, 15, "Gone", "m", "Crashed", "", {}))
    assert expected == list(starts(told, 10 * S, 20 * S))

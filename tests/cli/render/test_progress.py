"""What is at work, what needs somebody, and which conditions are faults."""

import pytest

from tests.cli.fakes import condition, healthy, model, snapshot
from zoosup.cli.render.layout import plain
from zoosup.cli.render.status.overview import listing, page

TOO_LARGE = model("pending", reason="ExceedsBudget", refused=True)


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({"converged": True}, "all is well"),
        ({"models": {"a": model("starting")}}, "at work"),
        ({"models": {"a": model("ready"), "b": TOO_LARGE}}, "needs attention"),
        ({"models": {"a": model("failed")}}, "needs attention"),
        ({"models": {"a": model("failed", active=False)}}, "at work"),
        ({"models": {"a": model("ready", crashes=3)}, "converged": True}, "needs attention"),
        ({"models": {"a": model("ready", crashes=1)}, "converged": True}, "not all is well"),
        ({"phase": "stopping"}, "zoosup is stopping"),
        ({"config": {"error": "zoo.yaml:1:1: x"}}, "needs attention"),
        ({"conditions": [condition("StateWritable", "Refused", "full")]}, "needs attention"),
    ],
)
def test_what_needs_somebody_is_not_told_as_work_in_progress(more, state):
    shown = healthy(snapshot(**{"converged": False} | more))
    assert state in " ".join(plain(page(shown, 100)).split())
    assert state in plain(listing(shown))


def test_a_switch_that_goes_on_is_no_fault():
    on_its_way = condition("Switched", "InProgress", "b is to take over from a")
    shown = plain(page(snapshot(conditions=[on_its_way], converged=False), 100))
    assert "→ switch, 12s ago: b is to take over" in shown
    assert "✗" not in shown


def test_memory_that_is_short_is_a_fault():
    short = condition("MemoryPressure", "Soft", "ram is short", status=True)
    assert "✗ the host is short of memory" in plain(page(snapshot(conditions=[short]), 100))

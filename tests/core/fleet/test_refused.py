"""What a host refuses is not asked of it again for a while, and for longer each time."""

import pytest

from zoosup.core.fleet.refused import FIRST, LONGEST, Refused
from zoosup.core.fleet.words import HostReport, ModelReport

TO_RUN = {"m": ("a",)}


def report(node="a", model="m", **said):
    return HostReport(node, models={model: ModelReport(**said)})


def refusing(node="a", **said):
    return report(node, refused="needs 9 GiB", **said)


@pytest.mark.parametrize(
    ("said", "placements", "remembered"),
    [
        (refusing(), TO_RUN, {"m": "needs 9 GiB"}),
        (refusing(), {}, {}),  # it was not told to run it
        (refusing(), {"m": ("b",)}, {}),
        (refusing(held={"ram": 1}), TO_RUN, {}),  # it runs: what is refused is an edit
        (report(), TO_RUN, {}),
        (report(ready=True), TO_RUN, {}),
    ],
)
def test_what_is_remembered(said, placements, remembered):
    refused = Refused()
    refused.hear(said, placements, 0.0)
    assert remembered == refused.of("a")
    assert {} == refused.of("b")


def test_only_the_first_word_is_news_and_starts_the_time():
    refused = Refused()
    assert refused.add("a", "m", "first", 0.0)
    assert not refused.add("a", "m", "second", FIRST - 1)
    assert {"m": "first"} == refused.of("a")
    assert refused.add("b", "m", "there", 0.0)
    assert refused.add("a", "n", "other", FIRST)
    assert not refused.forgive(FIRST - 0.1)
    assert refused.forgive(FIRST)
    assert ({"n": "other"}, {}) == (refused.of("a"), refused.of("b"))
    assert not refused.forgive(FIRST)


def test_the_time_doubles_up_to_a_bound_and_begins_anew_once_it_has_been_ready():
    refused, now = Refused(), 0.0
    for time in (FIRST, 120.0, 240.0, 480.0, 960.0, 1920.0, LONGEST, LONGEST):
        assert refused.add("a", "m", "no", now)
        assert not refused.forgive(now + time - 1)
        assert refused.forgive(now + time)
        now += time
    refused.hear(report(ready=True), {}, now)
    refused.add("a", "m", "no", now)
    assert refused.forgive(now + FIRST)


def test_one_that_is_ready_has_not_refused():
    refused = Refused()
    refused.hear(refusing(), TO_RUN, 0.0)
    refused.hear(report(ready=True), TO_RUN, 1.0)
    assert {} == refused.of("a")


def test_another_file_is_another_question():
    refused = Refused()
    refused.add("a", "m", "no", 0.0)
    refused.forgive(FIRST)
    refused.add("a", "m", "no", FIRST)
    refused.clear()
    assert {} == refused.of("a")
    refused.add("a", "m", "no", 0.0)
    assert refused.forgive(FIRST)

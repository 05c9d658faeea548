"""One model at a time is warmed, once for each wait, and let go of when it starts or another is next."""

import pytest

from tests.core.zoo import GIB, a_host, a_model, a_zoo, decide, leaving, on_demand, starting, switched
from zoosup.host.ports.host import Warmed
from zoosup.runtime.operations.prewarm import Prewarmer, in_words
from zoosup.spec.model.gateway import GatewaySpec

ZOO = a_zoo({"a": "12GiB", "b": "12GiB", "c": "12GiB"}, ["b"])


class Warming:
    done = None
    there = 0
    cancelled = False

    def cancel(self):
        self.cancelled = True


class Warmer:
    def __init__(self):
        self.begun = []

    def warm(self, spec, limit, located=()):
        self.begun.append((spec, limit, Warming()))
        return self.begun[-1][2]


class PrefetchHarness:
    def __init__(self):
        self.warmer = Warmer()
        self.told = []
        self.prewarming = Prewarmer(self.warmer, lambda *of: self.told.append(of))

    def turn(self, spec=ZOO, **states):
        host = a_host(spec, **({"free": "12GiB", "switch": switched("a", "b")} | states))
        self.prewarming.follow(spec, host, decide(spec, host))
        return self.warmer.begun[-1][2] if self.warmer.begun else None


@pytest.fixture
def harness():
    return PrefetchHarness()


def test_it_begins_once_and_tells_once(harness):
    warming = harness.turn(a=leaving())
    harness.turn(a=leaving())
    assert [(ZOO.models["b"], 10 * GIB)] == [each[:2] for each in harness.warmer.begun]
    warming.done = Warmed(GIB, 0, 2.0)
    harness.turn(a=leaving())
    harness.turn(a=leaving())
    assert [("b", Warmed(GIB, 0, 2.0))] == harness.told
    assert 1 == len(harness.warmer.begun)


def test_a_model_that_starts_reads_for_itself(harness):
    warming = harness.turn(a=leaving())
    harness.turn(b=starting())
    assert warming.cancelled


def test_a_moment_in_which_nobody_is_next_ends_nothing(harness):
    warming = harness.turn(a=leaving())
    harness.turn(a=leaving(), free="1GiB")
    assert not warming.cancelled
    harness.turn(a=leaving())
    assert 1 == len(harness.warmer.begun)


def test_another_that_is_next_takes_its_place(harness):
    warming = harness.turn(a=leaving())
    spec = ZOO.model_copy(update={"active": ("c",)})
    harness.turn(spec, a=leaving(), switch=switched("a", "c"))
    assert warming.cancelled
    assert [ZOO.models["b"], ZOO.models["c"]] == [each[0] for each in harness.warmer.begun]


def test_a_model_that_is_to_be_started_otherwise_is_read_anew(harness):
    warming = harness.turn(a=leaving())
    other = a_zoo({"a": "12GiB", "b": a_model("12GiB", command=["serve", "other"]), "c": "12GiB"}, ["b"])
    harness.turn(other, a=leaving())
    assert warming.cancelled
    assert other.models["b"] == harness.warmer.begun[-1][0]


def test_what_goes_on_when_zoosup_ends_is_ended(harness):
    warming = harness.turn(a=leaving())
    harness.prewarming.close()
    harness.prewarming.close()
    assert warming.cancelled


@pytest.mark.parametrize(
    ("done", "said"),
    [
        (Warmed(2 * GIB, 0, 4.0), "2 GiB of weights read ahead in 4.0 s"),
        (Warmed(0, GIB, 0.0), "0 B of weights read ahead in 0.0 s, 1 GiB were in memory"),
        (Warmed(GIB, 0, 1.0, "cancelled"), "1 GiB of weights read ahead in 1.0 s; cancelled"),
    ],
)
def test_it_is_one_sentence_in_the_journal(done, said):
    assert said == in_words(done)


def test_what_is_read_for_somebody_likely_is_ended_then_too(harness):
    spec = a_zoo({"a": on_demand()}, []).model_copy(update={"gateway": GatewaySpec(prewarm="likely")})
    host = a_host(spec, free="14GiB")
    harness.prewarming.follow(spec, host, decide(spec, host), ["a"])
    harness.prewarming.close()
    assert [True] == [warming.cancelled for _, _, warming in harness.warmer.begun]

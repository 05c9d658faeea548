"""The last word on a host counts, whoever heard it and however often controllers begin anew."""

from zoosup.core.fleet.drains import Drains
from zoosup.core.fleet.words import Assignment, Drain, HostReport


def on(drains, node, before=False):
    return drains.on(HostReport(node, assignment=Assignment(drained=before)))


def test_a_word_is_later_than_all_that_is_known():
    drains = Drains()
    drains.learn({"a": Drain(True, 7)})
    drains.say("b", on=True)
    drains.say("a", on=False)
    assert {"a": Drain(False, 9), "b": Drain(True, 8)} == drains.said
    assert (False, True) == (on(drains, "a"), on(drains, "b"))
    assert ["b"] == drains.among(["a", "b", "c"])


def test_what_is_later_is_learned_and_nothing_else_is_news():
    drains = Drains()
    assert drains.learn({"a": Drain(True, 3)})
    assert not drains.learn({"a": Drain(False, 3)})
    assert not drains.learn({"a": Drain(False, 2)})
    assert on(drains, "a")
    assert drains.learn({"a": Drain(False, 4)})
    assert not on(drains, "a")
    assert not drains.learn({})


def test_what_was_said_in_this_life_outlasts_what_a_host_had_kept_from_an_earlier_one():
    drains = Drains()
    drains.say("a", on=False)
    assert drains.learn({"a": Drain(True, 9), "b": Drain(True, 12)})
    assert (False, True) == (on(drains, "a"), on(drains, "b"))
    assert drains.said["a"].number > 12


def test_of_whom_nobody_knows_a_word_stays_what_it_was_told_before():
    assert on(Drains(), "a", before=True)
    assert not on(Drains(), "a")

"""Which file is in force, where two hosts edit and do not yet know of each other."""

from zoosup.core.fleet.generations import Generations
from zoosup.core.fleet.words import FleetSpec


def begun():
    found = Generations()
    assert found.learn(FleetSpec("one", 1), 1)
    return found


def test_an_edit_that_has_been_taken_is_none_again_though_its_host_has_not_heard_of_its_number():
    found = begun()
    assert found.edit(FleetSpec("two", base=1), 1, 0.0)
    assert found.edit(FleetSpec("three", base=1), 1, 0.5)
    assert not found.edit(FleetSpec("two", base=1), 1, 1.0)
    assert ("three", 3) == (found.spec.digest, found.spec.generation)


def test_of_one_number_the_later_epoch_counts():
    found = begun()
    assert not found.learn(FleetSpec("other", 1), 1)
    assert found.learn(FleetSpec("other", 1), 2)
    assert found.is_old(FleetSpec("one", 1))


def test_what_a_host_has_obeyed_is_not_numbered_below_that():
    found = begun()
    found.reach(7)
    assert ("one", 7) == (found.spec.digest, found.spec.generation)
    assert found.edit(FleetSpec("two", base=7), 1, 0.0)
    assert 8 == found.spec.generation


def test_nothing_is_in_force_before_somebody_says_so():
    found = Generations()
    found.reach(3)
    assert FleetSpec() == found.spec
    assert not found.learn(FleetSpec(), 1)
    assert not found.is_old(FleetSpec())


def test_what_no_host_has_any_more_gives_way_to_whatever_is_new():
    found = begun()
    assert found.edit(FleetSpec("two", base=1), 1, 0.0)
    assert not found.edit(FleetSpec("three", base=0), 1, 60.0)
    assert found.edit(FleetSpec("three", base=0), 1, 60.0, abandoned=True)

"""Whose report counts: the latest of the newest life, and an earlier life's only once the newer one is silent."""

import pytest

from zoosup.core.fleet.leases import Leases
from zoosup.core.fleet.words import HostReport

LOST_AFTER = 10.0


def heard(leases, life, sequence, now):
    return leases.hear(HostReport("a", life=life, sequence=sequence), now, LOST_AFTER) is not None


@pytest.mark.parametrize(
    ("life", "sequence", "counts"),
    [("old", 1, False), ("old", 9, False), ("new", 1, False), ("new", 2, True), ("third", 1, True)],
)
def test_what_is_late_or_of_an_earlier_life_is_passed_over(life, sequence, counts):
    leases = Leases(0.0)
    assert heard(leases, "old", 1, 0.0)
    assert heard(leases, "new", 1, 1.0)
    assert counts == heard(leases, life, sequence, 2.0)


def test_a_host_whose_name_another_had_for_a_while_is_heard_again_once_that_one_is_silent():
    """It was lost for ever, until its zoosup was begun anew."""
    leases = Leases(0.0)
    heard(leases, "mine", 5, 0.0)
    heard(leases, "twin", 1, 1.0)
    assert not heard(leases, "mine", 6, 5.0)
    leases.expire(12.0, LOST_AFTER)
    assert not heard(leases, "mine", 5, 12.0), "a report from before the twin came proves nothing"
    assert heard(leases, "mine", 9, 12.0)
    leases.expire(12.0, LOST_AFTER)
    assert ["a"] == leases.alive

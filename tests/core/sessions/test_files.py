"""The files of saved slots by their names, sizes and times."""

import pytest

from zoosup.core.sessions.files import SavedSlot, beyond, saved_slot, to_restore

ONE, TWO = "0123456789abcdef", "fedcba9876543210"
MARK = "01234567"


def a_file(slot, at=0.0, size=10, fingerprint=ONE):
    return SavedSlot(fingerprint, slot, MARK, size, at)


@pytest.mark.parametrize(
    "name",
    [f"{ONE}-0.new", f"{ONE}-0-{MARK}.tried", f"{ONE}-0.bin", "without-effect.json", f"x{ONE}-0-{MARK}.bin"],
)
def test_what_is_no_file_of_a_slot(name):
    assert saved_slot(name, 10, 0.0) is None


def test_a_name_says_whose_it_is():
    file = saved_slot(f"{ONE}-12-{MARK}.bin", 10, 5.0)
    assert a_file(12, 5.0) == file
    assert f"{ONE}-12-{MARK}" == file.stem


@pytest.mark.parametrize(
    ("limit", "gone"),
    [(30, []), (29, [0]), (20, [0]), (10, [1, 0]), (9, [2, 1, 0]), (0, [2, 1, 0])],
)
def test_the_oldest_go_beyond_the_limit(limit, gone):
    files = [a_file(0, at=1), a_file(2, at=3), a_file(1, at=2)]
    assert gone == [each.slot for each in beyond(files, limit)]


def test_one_that_is_larger_than_the_limit_takes_no_other_along():
    large, small = a_file(0, at=2, size=100), a_file(1, at=1)
    assert [large] == beyond([small, large], 50)


def test_each_is_restored_to_its_own_slot_the_newest_first():
    old, new = a_file(0, at=1), a_file(1, at=2)
    assert [(new, 1), (old, 0)] == to_restore([old, new], ONE, [0, 1])


def test_what_was_saved_under_other_words_is_not():
    assert [] == to_restore([a_file(0, fingerprint=TWO)], ONE, [0])


def test_a_server_with_fewer_slots_gets_the_newest_in_those_it_has():
    files = [a_file(slot, at=slot) for slot in range(4)]
    assert [(files[3], 0), (files[2], 1)] == to_restore(files, ONE, [0, 1])


def test_a_slot_of_its_own_is_given_to_nobody_else():
    own, other = a_file(0, at=1), a_file(7, at=2)
    assert [(other, 1), (own, 0)] == to_restore([own, other], ONE, [0, 1])

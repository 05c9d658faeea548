"""What a client's name means: worked out once for each file, since every request asks for it."""

import pytest

from tests.runtime.builders import ManualClock, a_zoo, spec_of, text_of
from zoosup.runtime.leasing.catalogue import Catalogue

PLAIN = text_of({"a": {}}, [])
RENAMED = text_of({"a": {"aliases": ["b"]}}, [])


@pytest.fixture
def zoo():
    return a_zoo(ManualClock(), PLAIN)


def test_names_are_worked_out_once_for_each_file(zoo):
    catalogue = Catalogue(zoo)
    first = catalogue.find("a")
    assert first is catalogue.find("a")
    zoo.take_over(spec_of(RENAMED), RENAMED)
    assert first is not catalogue.find("a")


def test_a_new_file_brings_new_names(zoo):
    catalogue = Catalogue(zoo)
    assert catalogue.find("b") is None
    zoo.take_over(spec_of(RENAMED), RENAMED)
    assert catalogue.find("b").model == "a"

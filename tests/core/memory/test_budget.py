"""What zoo.yaml allows in a pool: which of its words is meant for which."""

import pytest

from tests.core.zoo import GIB
from zoosup.core.memory.budget import bounds, names_gpu
from zoosup.spec.model.memory import BudgetSpec


def budget(**fields):
    return BudgetSpec.model_validate({"ram_reserve": "2GiB", "vram_reserve": "1GiB", **fields})


@pytest.mark.parametrize(
    ("pool", "index", "fields", "expected"),
    [
        ("ram", "", {}, (2, 22)),
        ("ram", "", {"ram": "9GiB", "vram": "5GiB"}, (2, 9)),
        ("vram:GPU-a", "0", {"ram": "9GiB"}, (1, 23)),
        ("vram:GPU-a", "0", {"vram": "5GiB"}, (1, 5)),
        ("vram:GPU-a", "0", {"vram": {"0": "5GiB"}}, (1, 5)),
        ("vram:GPU-a", "0", {"vram": {"1": "5GiB", "GPU-a": "6GiB"}}, (1, 6)),
        ("vram:GPU-a", "0", {"vram": {"1": "5GiB"}}, (1, 23)),  # one that the map leaves out is auto
    ],
)
def test_each_pool_has_the_reserve_and_the_budget_of_its_kind(pool, index, fields, expected):
    assert expected == tuple(n / GIB for n in bounds(budget(**fields), pool, 24 * GIB, index))


@pytest.mark.parametrize(
    ("key", "named"),
    [("0", True), ("1", False), ("GPU-8f6f", True), ("GPU-8f", True), ("GPU-9", False), ("8f", False)],
)
def test_a_gpu_is_named_by_its_index_or_the_beginning_of_its_uuid(key, named):
    assert named is names_gpu(key, "vram:GPU-8f6f", "0")


def test_a_number_is_an_index_though_a_uuid_begins_like_it():
    assert not names_gpu("0", "vram:00aa", "1")

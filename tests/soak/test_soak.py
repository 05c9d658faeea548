"""The soak in short: leaks are found out, noise is not taken for one, some cycles of a real zoosup leave nothing."""

from dataclasses import replace

from tests.soak import run, trends
from tests.soak.sampler import Sample
from tests.soak.trends import judge

FLAT = Sample(
    cycles=0, events=0, descriptors=26, threads=19, tasks=17, zombies=0, children=10, records=10, logs=35, rss=70.0,
    allocated=30.0, objects=80_000, state=1.0, kinds={"builtins.dict": 5},
)  # fmt: skip


def history(**changes):
    """Forty samples in 10,000 cycles; `changes` say what a figure is at sample i."""
    return [
        replace(FLAT, cycles=250 * i, events=2500 * i, **{name: at(i) for name, at in changes.items()})
        for i in range(1, 41)
    ]


def bad(samples):
    return {finding.figure for finding in judge(samples, models=10) if finding.bad}


def test_what_stays_as_it_is_passes():
    assert set() == bad(history())
    assert [] == [each for each in judge(history(), models=10) if each.bad is None]


def test_a_descriptor_lost_in_5000_cycles_is_found():
    assert {"descriptors"} == bad(history(descriptors=lambda i: 26 + i // 20))


def test_one_high_reading_is_no_trend():
    assert set() == bad(history(descriptors=lambda i: 40 if i == 30 else 26, rss=lambda i: 70 + (i == 39)))


def test_pools_that_fill_in_the_beginning_are_no_trend():
    assert set() == bad(history(threads=lambda i: min(19, 10 + 2 * i), logs=lambda i: min(35, 10 * i)))


def test_a_zombie_seen_once_is_found():
    assert {"zombies"} == bad(history(zombies=lambda i: int(i == 7)))


def test_a_record_that_stays_behind_is_found():
    assert "records" in bad(history(records=lambda i: 10 + (i > 20)))


def test_memory_that_grows_by_a_mebibyte_in_1000_cycles_is_found():
    assert {"rss"} == bad(history(rss=lambda i: 70 + i * 0.3))
    assert set() == bad(history(rss=lambda i: 70 + i * 0.1))


def test_memory_that_only_malloc_sees_is_judged_where_malloc_tells():
    assert {"allocated"} == bad(history(allocated=lambda i: 30 + i * 0.03))
    silent = judge(history(allocated=lambda i: None), models=10)
    assert ["allocated"] == [each.figure for each in silent if each.bad is None]


def test_one_step_of_the_allocator_is_no_growth():
    assert set() == bad(history(rss=lambda i: 70.0 if i < 28 else 71.8))


def test_objects_that_grow_are_named():
    samples = history(
        objects=lambda i: 80_000 + 50 * i, kinds=lambda i: {"builtins.dict": 5 * i, "builtins.set": 4}
    )
    assert {"objects"} == bad(samples)
    assert ["builtins.dict"] == list(trends.grown(samples))


def test_memory_is_not_judged_before_the_journal_is_full():
    samples = [replace(each, events=100) for each in history(rss=lambda i: 70 + i)]
    undecided = {each.figure for each in judge(samples, models=10) if each.bad is None}
    assert {"rss", "allocated", "objects"} == undecided


def test_some_cycles_of_a_real_zoosup_leave_nothing(tmp_path):
    samples, models = run.soak(tmp_path, cycles=30, light=3, looks=3)
    assert 3 <= len(samples)
    assert 30 <= samples[-1].cycles
    assert set() == {finding.figure for finding in judge(samples, models) if finding.bad}
    assert samples[0].descriptors >= samples[-1].descriptors

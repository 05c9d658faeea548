"""What a run shows at the bounds of each rule, and the terms that follow, each rule by itself."""

import pytest

from tests.core.zoo import GIB, NOW, a_model
from zoosup.core.estimation import learned
from zoosup.core.estimation.derived import Term
from zoosup.core.estimation.learned import HEALTHY, after, asleep_of, is_news, peaks_of, without_ooms
from zoosup.core.state.phases import Cause
from zoosup.core.state.runs import Leaving, Run
from zoosup.core.state.usage import HeldAsleep, Learned, RunPeaks

MIB = 2**20


def a_run(**fields):
    known = {"reserved": {"ram": 4 * GIB}, "peak": {"ram": GIB}, "fingerprint": "f"} | fields
    return Run("r", "box", a_model(), 1, booked_at=0.0, started_at=0.0, **known)


def peaks(ram=GIB, run="r", **fields):
    return RunPeaks(run, ram, **({"mapped": None, "card": None, "cards": 0, "healthy": True} | fields))


def shown(*each):
    return Learned("f", tuple(each), max((one.floor for one in each), default=0))


# what a run shows


def test_a_run_without_a_gpu_shows_that_it_holds_none():
    assert (GIB, 0, 0) == ((found := peaks_of(a_run(), HEALTHY)).ram, found.card, found.cards)


def test_a_run_of_which_only_a_gpu_was_seen_says_nothing_of_ram_and_lowers_nothing():
    found = peaks_of(a_run(peak={"vram:a": 5}), HEALTHY)
    assert (0, 5, 1, False) == (found.ram, found.card, found.cards, found.healthy)


@pytest.mark.parametrize(
    ("cause", "outgrown", "floor"),
    [
        (Cause.PRESSURE, {"ram": 4 * GIB}, True),
        (Cause.PRESSURE, {}, False),  # it had its need, and was in the way
        (Cause.NOT_WANTED, {"ram": 4 * GIB}, False),
        (None, {"ram": 4 * GIB}, False),  # it runs on
    ],
)
def test_only_who_has_outgrown_its_need_and_was_stopped_for_it_needs_more(cause, outgrown, floor):
    left = None if cause is None else Leaving(cause, "", NOW)
    found = peaks_of(a_run(leaving=left, outgrown=outgrown), HEALTHY - 1)
    assert floor is (found.floor > 0)


def test_a_run_counts_where_it_shows_more_than_all_others_in_ram_or_on_a_gpu():
    known = shown(peaks(GIB, "a", card=GIB, cards=1))
    for more in (peaks(GIB + 1, healthy=False), peaks(0, card=GIB + 1, cards=1, healthy=False)):
        assert (*known.runs, more) == after(known, more).runs
    assert known == after(known, peaks(GIB, card=GIB, cards=1, healthy=False))
    assert Learned("f") == after(Learned("f"), peaks(0, card=0, healthy=False))
    first = peaks(1, healthy=False)
    assert (first,) == after(Learned("f"), first).runs


def test_what_was_mapped_and_on_a_gpu_is_the_most_of_both_halves_of_a_run_that_was_adopted():
    known = shown(peaks(3, mapped=7, card=8, cards=2))
    assert (peaks(5, mapped=7, card=9, cards=2),) == after(known, peaks(5, mapped=6, card=9, cards=1)).runs
    assert (peaks(5, mapped=7, card=8, cards=2),) == after(known, peaks(5)).runs
    assert (peaks(5, mapped=0, card=0),) == after(shown(peaks(3)), peaks(5, mapped=0, card=0)).runs


@pytest.mark.parametrize(
    ("now", "news"),
    [
        (peaks(100, mapped=100, card=100), False),
        (peaks(101, mapped=101, card=101), False),  # one in a hundred more is none
        (peaks(102, mapped=100, card=100), True),
        (peaks(100, mapped=102, card=100), True),
        (peaks(100, mapped=100, card=102), True),
        (peaks(100), False),
    ],
)
def test_a_peak_is_news_that_has_grown_by_more_than_a_hundredth(now, news):
    assert news is is_news(shown(peaks(100, mapped=100, card=100)), now)


def test_of_what_was_never_seen_everything_is_news():
    known = shown(peaks(100))
    assert is_news(known, peaks(100, mapped=1))
    assert is_news(known, peaks(100, card=1))
    assert not is_news(known, peaks(100, mapped=0, card=0))


def test_a_new_declaration_ends_what_ooms_have_shown_and_keeps_the_peaks():
    known = shown(peaks(GIB, "a", floor=5 * GIB, healthy=False), peaks(2 * GIB, "b"))
    kept = without_ooms(known)
    assert ([GIB, 2 * GIB], [0, 0], 0) == (
        [each.ram for each in kept.runs], [each.floor for each in kept.runs], kept.floor
    )  # fmt: skip


@pytest.mark.parametrize(
    ("held", "news"),
    [
        ({"ram": 1000, "vram:a": 500}, False),
        ({"ram": 1010, "vram:a": 500}, False),  # as much as a hundredth more or less
        ({"ram": 1011, "vram:a": 500}, True),
        ({"ram": 990, "vram:a": 500}, True),
        ({"ram": 1000, "vram:a": 600}, True),
        ({"ram": 1000}, True),  # another pool is read
    ],
)
def test_what_it_holds_asleep_is_news_when_it_has_grown_or_shrunk(held, news):
    known = HeldAsleep("f", {"ram": 1000, "vram:a": 500})
    now = asleep_of(a_run(measured=held), known)
    assert (HeldAsleep("f", held) if news else known) == now


def test_what_another_program_held_asleep_is_forgotten_with_the_first_look():
    held = {"ram": 1000}
    assert HeldAsleep("f", held) == asleep_of(a_run(measured=held), None)
    assert HeldAsleep("f", held) == asleep_of(a_run(measured=held), HeldAsleep("g", held))


# what follows


def told(terms):
    return [(term.name, term.amount, term.pool) for term in terms]


def test_no_run_changes_nothing():
    assert () == learned.ram(GIB, [], None, 3) == learned.vram(GIB, [], 0, 3)
    assert 0 == learned.floor([])


@pytest.mark.parametrize(
    ("runs", "share", "how"),
    [(1, 110, "1 run, 1 GiB, + 10 %"), (2, 110, "2 runs, 1 GiB, + 10 %"), (3, 105, "3 runs, 1 GiB, + 5 %")],
)
def test_the_margin_is_ten_percent_until_there_are_three_runs(runs, share, how):
    (term,) = learned.ram(0, [peaks(mapped=0)] * runs, None, 3)
    assert ("learned", -(-GIB * share // 100), "ram") == (term.name, term.amount, term.pool)
    assert f"the most of {how}" == term.how


def test_an_estimate_that_is_met_exactly_stands():
    assert () == learned.ram(110, [peaks(100)], None, 3)
    assert [("learned", 110, "ram")] == told(learned.ram(109, [peaks(100)], None, 3))


def test_enough_healthy_runs_lower_an_estimate_to_what_they_held_and_what_has_to_stay_beside_it():
    runs = [peaks(100, mapped=7), peaks(90, mapped=9), peaks(80, mapped=8)]
    assert [("learned", 105, "ram"), ("mapped", 9, "ram")] == told(learned.ram(115, runs, None, 3))
    assert [("learned", 105, "ram"), ("mapped", 5, "ram")] == told(learned.ram(115, runs, 5, 3))
    assert () == learned.ram(114, runs, None, 3), "with what stays it is no less"
    assert () == learned.ram(115, runs[:2], None, 3)
    assert [("learned", 105, "ram")] == told(learned.ram(115, [peaks(100)] * 3, 0, 3))


def test_on_gpus_a_model_is_as_large_as_the_fullest_makes_it_less_what_each_further_one_takes():
    assert [("learned", 165, "vram")] == told(learned.vram(100, [peaks(card=100, cards=2)], 50, 3))
    assert [("learned", 110, "vram")] == told(learned.vram(100, [peaks(card=100, cards=1)], 50, 3))
    assert [("learned", 0, "vram")] == told(learned.vram(100, [peaks(card=0)], 50, 1))
    assert () == learned.vram(100, [peaks()], 50, 1), "nobody could tell"


def test_an_oom_adds_what_is_lacking_to_what_it_has_raised_the_need_to():
    assert () == learned.raised(100, 100)
    (term,) = learned.raised(99, 100)
    assert Term("oom", 1, "killed for want of memory: 100 B is 15 % above what it had") == term
    assert 7 == learned.floor([peaks(floor=7), peaks(floor=3)])

"""What a run teaches, and how far lessons move an estimate."""

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from tests.core.zoo import GIB, a_model, an_exit
from zoosup.core.estimation import learned
from zoosup.core.estimation.derived import PROGRAM
from zoosup.core.estimation.learned import HEALTHY, RUNS, after, fingerprint, is_news, peaks_of
from zoosup.core.estimation.need import UNKNOWN_RAM, need
from zoosup.core.state.phases import Cause, ExitReason
from zoosup.core.state.runs import Leaving, Run
from zoosup.core.state.usage import Learned, RunPeaks
from zoosup.core.state.weights import FileFacts, WeightFacts

MIB = 2**20
LLAMA = {
    "general.architecture": "llama", "llama.block_count": 8, "llama.context_length": 4096,
    "llama.embedding_length": 512, "llama.feed_forward_length": 1536,
    "llama.attention.head_count": 8, "llama.attention.head_count_kv": 2,
}  # fmt: skip
TENSORS = 2 * GIB
FACTS = WeightFacts((("m.gguf", FileFacts("gguf", TENSORS + MIB, 1, TENSORS, 32_000, LLAMA)),))
COMMAND = "llama-server -m m.gguf -c 8192 --cache-ram 0"
DERIVED = need(a_model("auto", command=COMMAND), FACTS)
KILLED = an_exit(reason=ExitReason.OOM_KILLED)


def a_lesson(ram=GIB, number=1, **fields):
    known = {"mapped": 0, "card": 0, "cards": 0, "healthy": True} | fields
    return RunPeaks(f"r{number}", ram, **known)


def learned_from(*each):
    known = Learned("f")
    for number, lesson in enumerate(each):
        known = after(known, replace(lesson, run=f"r{number}"))
    return known


def need_after(*each, command=COMMAND, ram="auto", facts=FACTS):
    found = need(a_model(ram, command=command), facts, learned_from(*each))
    if found.source != "default":
        assert found.amounts["ram"] == sum(t.amount for t in found.terms if t.pool == "ram")
    return found


def a_run(**fields):
    known = {"reserved": {"ram": 4 * GIB}, "peak": {"ram": GIB}, "fingerprint": "f"} | fields
    return Run("r", "box", a_model(), 1, booked_at=0.0, started_at=0.0, **known)


# what a run teaches


def test_a_run_that_was_ready_for_a_minute_is_healthy():
    assert [False, True] == [peaks_of(a_run(), seconds).healthy for seconds in (HEALTHY - 1, HEALTHY)]


def test_a_run_of_which_nothing_was_measured_or_nobody_knows_for_what_teaches_nothing():
    assert peaks_of(a_run(peak={}), HEALTHY) is None
    assert peaks_of(a_run(fingerprint=""), HEALTHY) is None


def test_an_oom_teaches_that_15_percent_more_than_it_had_is_the_least():
    lesson = peaks_of(a_run(), HEALTHY, KILLED)
    assert (False, 4 * GIB * 115 // 100 + 1) == (lesson.healthy, lesson.floor)
    assert lesson.floor == peaks_of(a_run(peak={}), 0.0, KILLED).floor
    grown = peaks_of(a_run(peak={"ram": 10 * GIB}), HEALTHY, KILLED)
    assert grown.floor == 11.5 * GIB


def test_a_run_that_the_guard_had_to_stop_because_it_had_outgrown_its_need_teaches_the_same():
    """Else it would come back as soon as what it declares is free, and be stopped again, for ever."""
    left = Leaving(Cause.PRESSURE, "memory is short", 0.0)
    grown = {"outgrown": {"ram": 4 * GIB}, "reserved": {"ram": 10 * GIB}, "peak": {"ram": 10 * GIB}}
    lesson = peaks_of(a_run(leaving=left, **grown), HEALTHY - 1)
    assert (11.5 * GIB, False) == (lesson.floor, lesson.healthy)
    for spared in (a_run(leaving=left), a_run(leaving=left, **grown)):
        lesson = peaks_of(spared, HEALTHY)
        assert (0, True) == (lesson.floor, lesson.healthy), "it was needed elsewhere, or has leaked"


def test_the_fullest_gpu_counts_and_one_that_can_not_be_read_is_no_empty_one():
    on_two = {"ram": GIB, "vram:a": 3 * GIB, "vram:b": 3 * GIB}
    lesson = peaks_of(a_run(reserved=on_two, peak={"ram": 1, "vram:a": 5, "vram:b": 7}), HEALTHY)
    assert (7, 2) == (lesson.card, lesson.cards)
    assert peaks_of(a_run(reserved=on_two, peak={"ram": 1, "vram:a": 5}), HEALTHY).card is None
    unbooked = peaks_of(a_run(peak={"ram": 1, "vram:a": 5, "vram:b": 0}), HEALTHY)
    assert (5, 1) == (unbooked.card, unbooked.cards)


@pytest.mark.parametrize(
    ("shown", "cards"),
    [
        ({"vram:a": 0, "vram:b": 100}, 1),  # on another than its own
        ({"vram:a": 100, "vram:b": 10}, 1),  # a driver's context there
        ({"vram:a": 100, "vram:b": 11}, 2),
        ({"vram:a": 50, "vram:b": 50}, 2),
    ],
)
def test_what_it_holds_on_a_gpu_that_it_was_not_given_is_no_need_of_as_much_again(shown, cards):
    on_one = {"ram": 1, "vram:a": 100}
    shown = {"ram": 1} | shown
    lesson = peaks_of(a_run(reserved=on_one, peak=shown, measured=shown), HEALTHY)
    assert (max(shown["vram:a"], shown["vram:b"]), cards) == (lesson.card, lesson.cards)


def test_a_run_that_holds_nothing_of_its_gpu_shows_what_one_without_needs():
    """A server without GPU support on a processor with graphics: its weights are mapped into RAM, and not measured."""
    on_one = {"ram": 1, "vram:a": 1}
    shown = {"ram": 1, "vram:a": 0}
    assert 0 == peaks_of(a_run(reserved=on_one, peak=shown, measured=shown), HEALTHY).cards
    blind = peaks_of(a_run(reserved=on_one, peak={"ram": 1, "vram:a": 0}, measured={"ram": 1}), HEALTHY)
    assert (None, 1) == (blind.card, blind.cards)  # once it was there, nobody could say


def test_only_so_many_runs_are_remembered_and_one_that_teaches_nothing_takes_no_place():
    known = learned_from(*(a_lesson(GIB + n) for n in range(RUNS + 3)))
    assert [GIB + n for n in range(3, RUNS + 3)] == [each.ram for each in known.runs]
    assert known == after(known, a_lesson(GIB, 99, healthy=False))
    assert known != after(known, a_lesson(2 * GIB, 99, healthy=False))


def test_a_run_that_goes_on_counts_once_and_never_for_less_than_before():
    known = after(after(Learned("f"), a_lesson(3 * GIB)), a_lesson(2 * GIB, mapped=5))
    assert [(3 * GIB, 5)] == [(each.ram, each.mapped) for each in known.runs]


def test_of_a_run_that_goes_on_only_growth_is_news():
    known = learned_from(a_lesson(GIB))
    same = known.runs[0]
    assert is_news(Learned("f"), same)
    assert not is_news(Learned("f"), replace(same, healthy=False))
    assert not is_news(known, replace(same, ram=GIB + MIB))
    assert is_news(known, replace(same, ram=GIB + 20 * MIB))
    assert is_news(known, replace(same, card=MIB))


# for what


def test_the_port_is_nobodys_need_and_everything_else_may_be():
    spec = a_model(command=COMMAND, port=9000)
    mark = fingerprint(spec, FACTS, ("H100, driver 580",))
    assert mark == fingerprint(spec.model_copy(update={"port": 9001}), FACTS, ("H100, driver 580",) * 2)
    assert mark == fingerprint(spec.model_copy(update={"description": "x"}), FACTS, ("H100, driver 580",))
    others = [
        fingerprint(a_model(command=f"{COMMAND} -np 2", port=9000), FACTS, ("H100, driver 580",)),
        fingerprint(a_model(command=COMMAND, port=9000, env={"A": "b"}), FACTS, ("H100, driver 580",)),
        fingerprint(spec, FACTS, ("H100, driver 590",)),
        fingerprint(spec, FACTS, ()),
        fingerprint(spec, None, ("H100, driver 580",)),
        *(
            fingerprint(spec, WeightFacts((("m.gguf", changed),)), ("H100, driver 580",))
            for changed in (replace(FACTS.files[0][1], size=1), replace(FACTS.files[0][1], changed=1))
        ),
    ]
    assert len(others) == len({mark, *others}) - 1


def test_what_needs_less_of_the_budget_is_the_same_program():
    declared, undeclared = (a_model(ram, command=COMMAND) for ram in ("4GiB", "auto"))
    assert fingerprint(declared, FACTS, ()) == fingerprint(undeclared, FACTS, ())


# what follows


def test_what_is_declared_stays_whatever_is_measured():
    assert {"ram": 4 * GIB} == need_after(*[a_lesson(GIB)] * 3, ram="4GiB").amounts
    found = need_after(*[a_lesson(9 * GIB)] * 3, ram="4GiB")
    assert ("declared", {"ram": 4 * GIB}) == (found.source, found.amounts)


def test_what_is_declared_is_raised_by_an_oom_and_stays_so_after_any_number_of_healthy_runs():
    found = need_after(a_lesson(floor=5 * GIB, healthy=False), *[a_lesson()] * (RUNS + 1), ram="4GiB")
    assert ("declared", {"ram": 5 * GIB}) == (found.source, found.amounts)
    assert "killed for want of memory: 5 GiB is 15 % above what it had" == found.terms[-1].how


def test_a_derived_need_is_lowered_by_three_healthy_runs_and_mapped_weights_stay_on_top():
    low = a_lesson(200 * MIB)
    for few in (1, 2):
        assert DERIVED == need_after(*[low] * few)
    found = need_after(*[low] * 3)
    assert ("learned", {"ram": 210 * MIB + TENSORS + PROGRAM}) == (found.source, found.amounts)
    assert ["the most of 3 runs, 200 MiB, + 5 %", "mapped"] == [found.terms[0].how, found.terms[1].name]


def test_runs_that_were_not_healthy_lower_nothing():
    sick = [replace(a_lesson(n * MIB), healthy=False) for n in (10, 20, 30)]
    assert DERIVED.amounts == need_after(a_lesson(200 * MIB), a_lesson(200 * MIB), *sick).amounts


def test_weights_that_are_read_are_in_the_peak_already():
    command = f"{COMMAND} --no-mmap"
    found = need_after(*[a_lesson(TENSORS + GIB // 2, mapped=50 * MIB)] * 3, command=command)
    assert {"ram": learned._percent(TENSORS + GIB // 2, 105) + PROGRAM} == found.amounts


def test_one_run_raises_a_derived_need_at_once_healthy_or_not():
    high = a_lesson(10 * GIB, healthy=False)
    assert ("learned", {"ram": 11 * GIB}) == ((found := need_after(high)).source, found.amounts)
    assert {"ram": 10.5 * GIB} == need_after(high, a_lesson(), a_lesson()).amounts


def test_copied_weights_that_stay_mapped_do_not_raise_a_need():
    copied = DERIVED.amounts["ram"] - 800 * MIB
    assert DERIVED == need_after(*[a_lesson(copied, mapped=TENSORS)] * 3)


def test_an_oom_raises_a_derived_need_until_it_is_no_longer_among_the_last_runs():
    killed = a_lesson(0, floor=20 * GIB, healthy=False)
    assert {"ram": 20 * GIB} == need_after(killed).amounts
    assert DERIVED.amounts["ram"] > need_after(killed, *[a_lesson(200 * MIB)] * RUNS).amounts["ram"]


def test_one_healthy_run_takes_the_place_of_a_guess_with_the_files_it_had_in_memory():
    found = need_after(a_lesson(GIB, mapped=5 * GIB), command="llama-server -hf org/model")
    assert ("learned", True) == (found.source, found.certain)
    assert {"ram": learned._percent(GIB, 110) + 5 * GIB} == found.amounts


def test_a_guess_stays_one_until_a_run_was_healthy_and_its_files_are_known():
    command = "llama-server -hf org/model --device none"
    assert not need_after(a_lesson(GIB, healthy=False), command=command).certain
    found = need_after(a_lesson(GIB, mapped=None), command=command)
    assert (False, {"ram": UNKNOWN_RAM}) == (found.certain, found.amounts)
    raised = need_after(a_lesson(10 * GIB, mapped=None), command=command)
    assert (False, {"ram": 11 * GIB}) == (raised.certain, raised.amounts)


def test_a_guess_of_gpu_memory_is_settled_on_a_gpu_that_tells():
    on_gpu = a_lesson(GIB, card=6 * GIB, cards=1)
    found = need_after(on_gpu, command="python -m mine")
    assert (True, learned._percent(6 * GIB, 110)) == (found.certain, found.vram)
    assert not need_after(replace(on_gpu, card=None), command="python -m mine").certain
    assert (True, 0) == ((none := need_after(a_lesson(), command="python -m mine")).certain, none.vram)


def test_a_run_on_gpus_teaches_nothing_of_one_without():
    on_gpu = [a_lesson(300 * MIB, card=2 * GIB, cards=1)] * 3
    found = need_after(*on_gpu)
    assert DERIVED.amounts == found.amounts
    assert ("learned", learned._percent(2 * GIB, 105)) == (found.on_gpus.source, found.on_gpus.vram)
    kept = need(a_model("auto", command=COMMAND), FACTS).on_gpus.mapped
    assert {"ram": 315 * MIB + kept} == found.on_gpus.amounts


def test_what_two_gpus_held_is_what_one_would_have_but_for_what_each_takes():
    each = DERIVED.on_gpus.each_gpu
    found = need_after(*[a_lesson(card=3 * GIB, cards=2)] * 3).on_gpus
    assert learned._percent(6 * GIB - each, 105) == found.vram
    shared = (found.vram + each) / 2
    assert 3 * GIB <= shared, "laid out over two again it has what the fuller one held"


# laws

SIZES = st.integers(0, 2**44)
RANDOM = st.builds(
    RunPeaks,
    run=st.integers(0, 30).map(str),
    ram=SIZES,
    mapped=st.none() | SIZES,
    card=st.none() | SIZES,
    cards=st.integers(0, 8),
    healthy=st.booleans(),
    floor=st.sampled_from([0, 0, 1]).flatmap(lambda is_one: SIZES if is_one else st.just(0)),
)


def _all_of(each):
    known = Learned("f")
    for lesson in each:
        known = after(known, replace(lesson, healthy=lesson.healthy and not lesson.floor))
    return known


BOOKS = st.lists(RANDOM, max_size=12).map(_all_of)
SPECS = st.sampled_from(
    [a_model("auto", command=COMMAND), a_model("auto", command="mine"), a_model("3GiB", command=COMMAND)]
)


@given(BOOKS)
def test_nothing_ever_lowers_what_is_declared(book):
    assert need(a_model("3GiB", command=COMMAND), FACTS, book).amounts["ram"] == max(3 * GIB, book.floor)


@given(SPECS, BOOKS, SIZES)
def test_an_oom_never_lowers_a_need_and_leaves_it_above_what_was_there(spec, book, peak):
    before = need(spec, FACTS, book).amounts["ram"]
    run = replace(a_run(), id="oom", reserved={"ram": before}, peak={"ram": peak})
    found = need(spec, FACTS, after(book, peaks_of(run, HEALTHY, KILLED)))
    assert found.amounts["ram"] * 100 >= max(before, peak) * 115


@given(BOOKS)
def test_a_derived_need_is_lowered_only_by_three_healthy_runs_and_never_below_what_they_held(book):
    spec = a_model("auto", command=COMMAND)
    found, whole = need(spec, FACTS, book), DERIVED.amounts["ram"]
    without = [each for each in book.runs if not each.cards]
    healthy = [each for each in without if each.healthy]
    if found.amounts["ram"] < whole:
        assert len(healthy) >= 3
        assert found.amounts["ram"] >= max(each.ram for each in without) + TENSORS
    assert found.amounts["ram"] >= max((each.ram for each in without), default=0)


@given(SPECS, BOOKS)
def test_a_need_is_the_sum_of_its_terms_and_never_negative(spec, book):
    found = need(spec, FACTS, book)
    for each in (found, *([found.on_gpus] if found.on_gpus else [])):
        assert all(term.amount >= 0 for term in each.terms)
        assert each.amounts["ram"] == sum(t.amount for t in each.terms if t.pool == "ram")
        if each.certain:
            assert each.whole_vram == sum(t.amount for t in each.terms if t.pool == "vram")


@given(BOOKS)
def test_a_book_is_bounded_and_has_each_run_once(book):
    assert len(book.runs) == len({each.run for each in book.runs}) <= RUNS


def test_the_fingerprint_stays_what_it_was_from_version_to_version():
    """Where it becomes another, an upgrade loses all that was learned; these are those of the first versions."""
    rich = a_model("auto", command=COMMAND, env={"A": "1"}, cwd="/srv", gpus=2, port=8000)
    assert "1635105fdab24542" == fingerprint(a_model(command="serve x"), None, ())
    assert "e27ee18f9a7e46e1" == fingerprint(a_model("auto", command=COMMAND), FACTS, ("NVIDIA L4 550.1",))
    assert "1f69966c67dbdf78" == fingerprint(rich, FACTS, ("b", "a", "a"))

"""What runs have shown is used for the next ones: in virtual time, over restarts of zoosup, after OOMs."""

import asyncio
import json
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from zoosup.core.estimation.learned import RUNS
from zoosup.core.scheduler.placement.place import OOM_LOOK
from zoosup.core.state.phases import Cause, ExitReason
from zoosup.core.state.runs import Exit, Leaving, Run
from zoosup.core.state.weights import FileFacts, WeightFacts
from zoosup.errors import NoSuchModelError
from zoosup.runtime.state.memory.usage_history import FINGERPRINTS, UsageHistory
from zoosup.spec.model.model import ModelSpec

GIB = 2**30
UNKNOWN = "active: a\nmodels:\n  a: {command: [serve, a]}\n"


def memory(zoo, model="a"):
    return zoo.publisher.snapshot["models"][model]["memory"]["ram"]


def conditions(zoo, kind, model="a"):
    said = zoo.publisher.snapshot["models"][model]["conditions"]
    return [(each["status"], each["reason"], each["message"]) for each in said if each["type"] == kind]


async def run_for(zoo, seconds, model="a"):
    await zoo.until(model, "ready")
    await asyncio.sleep(seconds)


async def start_anew(zoo, model="a"):
    before = zoo.zoo.models[model].run.id
    await zoo.commands.restart(model)
    while zoo.zoo.models[model].run is None or zoo.zoo.models[model].run.id == before:
        await asyncio.sleep(0.1)


def kernel_kills(host, model="a"):
    host.killed_by_kernel += 1
    host.kill(model)


async def oom(host, zoo, model="a"):
    await run_for(zoo, 10, model)
    kernel_kills(host, model)
    await asyncio.sleep(5)


@pytest.mark.looptime
async def test_a_guess_is_learned_by_a_run_that_was_ready_for_a_minute(host, zoo):
    host.behave("a", holds=3 * GIB, mapped=GIB)
    host.save(UNKNOWN)
    await run_for(zoo, 50)
    await start_anew(zoo)
    assert (8 * GIB, "default") == (memory(zoo)["reserved"], memory(zoo)["source"])
    await run_for(zoo, 70)
    await start_anew(zoo)
    assert ("learned", memory(zoo)["need"]) == (memory(zoo)["source"], memory(zoo)["reserved"])
    assert 4.3 * GIB == pytest.approx(memory(zoo)["reserved"], abs=1)


@pytest.mark.looptime
async def test_what_was_learned_outlives_zoosup_and_the_run_it_was_learned_from(host, zoo, successor):
    host.behave("a", holds=3 * GIB)
    host.save(UNKNOWN)
    await run_for(zoo, 70)
    host.saved = json.loads(json.dumps(host.saved))  # nobody ends zoosup well, or the run
    later = await successor(lambda: host.kill("a"))
    await later.until("a", "ready")
    assert ("learned", pytest.approx(3.3 * GIB)) == (memory(later)["source"], memory(later)["reserved"])
    assert 2 == host.events("a").count("spawn")


@pytest.mark.looptime
async def test_a_peak_that_rises_while_a_run_goes_on_is_learned_without_its_end(host, zoo):
    host.behave("a", holds=3 * GIB)
    host.save(UNKNOWN)
    await run_for(zoo, 70)
    next(iter(host.living.values())).holding = 12 * GIB
    await asyncio.sleep(10)
    assert pytest.approx(13.2 * GIB) == memory(zoo)["need"]


@pytest.mark.looptime
async def test_who_outgrows_its_estimate_is_booked_with_what_it_holds_and_it_is_said(host, zoo, file):
    host.behave("a", holds=6 * GIB)
    host.save(file({"a": "4GiB"}, "a"))
    await run_for(zoo, 10)
    assert 6 * GIB == memory(zoo)["reserved"]
    said = "ram: has held 6 GiB, booked were 4 GiB (declared)"
    assert [(False, "Outgrown", said)] == conditions(zoo, "WithinEstimate")
    grown = [event.data for event in zoo.journal.since() if event.type == "Outgrown"]
    assert [(6 * GIB, 4 * GIB)] == [(each["held"], each["booked"]) for each in grown]


@pytest.mark.looptime
async def test_nobody_is_started_on_the_budget_that_another_has_outgrown(host, zoo, file):
    host.behave("a", holds=6 * GIB)
    host.save(file({"a": "4GiB", "b": "4GiB"}, "a", "budget: {ram: 9GiB}"))
    await run_for(zoo, 10)
    host.save(file({"a": "4GiB", "b": "4GiB"}, "[a, b]", "budget: {ram: 9GiB}"))
    await asyncio.sleep(30)
    assert ("pending", []) == (zoo.phase("b"), host.events("b"))


@pytest.mark.looptime
async def test_a_run_that_was_outgrown_is_still_so_for_the_next_zoosup(host, zoo, file, successor):
    host.behave("a", holds=6 * GIB)
    host.save(file({"a": "4GiB"}, "a"))
    await run_for(zoo, 10)
    later = await successor()
    await later.until("a", "ready")
    assert 6 * GIB == memory(later)["reserved"]
    assert 1 == len(conditions(later, "WithinEstimate"))


@pytest.mark.looptime
async def test_an_oom_raises_what_is_declared_and_two_are_the_end(host, zoo, file):
    host.behave("a", holds=4 * GIB)
    host.save(file({"a": "4GiB"}, "a"))
    await oom(host, zoo)
    await zoo.until("a", "ready")
    assert (4.6 * GIB, "declared") == (pytest.approx(memory(zoo)["reserved"]), memory(zoo)["source"])
    await oom(host, zoo)
    assert ("failed", "OOM") == (zoo.phase("a"), zoo.reason("a"))
    await asyncio.sleep(3600)
    assert 2 == host.events("a").count("spawn")
    await zoo.commands.start("a")
    await zoo.until("a", "ready")
    assert 5.29 * GIB == pytest.approx(memory(zoo)["reserved"])


@pytest.mark.looptime
async def test_after_an_edit_both_ooms_are_forgiven_but_the_memory_they_asked_for_stays(host, zoo, file):
    host.save(file({"a": "4GiB"}, "a"))
    await oom(host, zoo)
    await oom(host, zoo)
    assert "failed" == zoo.phase("a")
    host.save(file({"a": "4GiB"}, "a") + "    description: edited\n")
    await oom(host, zoo)
    await zoo.until("a", "ready")
    assert 5.29 * 1.15 * GIB == pytest.approx(memory(zoo)["reserved"])


@pytest.mark.looptime
async def test_what_is_declared_anew_after_an_oom_is_final_again(host, zoo, file):
    host.save(file({"a": "20GiB"}, "a", "budget: {ram: 22GiB}"))
    await oom(host, zoo)
    assert ("pending", "ExceedsBudget") == (zoo.phase("a"), zoo.reason("a"))
    host.save(file({"a": "21GiB"}, "a", "budget: {ram: 22GiB}"))
    await zoo.until("a", "ready")
    assert 21 * GIB == memory(zoo)["reserved"]


@pytest.mark.looptime
async def test_what_was_given_up_for_want_of_memory_stays_so_for_the_next_zoosup(host, zoo, file, successor):
    host.save(file({"a": "4GiB"}, "a"))
    await oom(host, zoo)
    later = await successor()
    await oom(host, later)
    assert ("failed", "OOM") == (later.phase("a"), later.reason("a"))
    last = await successor()
    await asyncio.sleep(600)
    assert ("failed", "OOM", 2) == (last.phase("a"), last.reason("a"), host.events("a").count("spawn"))


@pytest.mark.looptime
async def test_other_weights_get_a_chance_of_their_own(host, zoo, file):
    facts, inspect = FileFacts("gguf", 100, changed=1), host.inspect

    async def look(*args, **more):
        return replace(await inspect(*args, **more), weights=WeightFacts((("a", facts),)))

    host.inspect = look
    host.save(file({"a": "4GiB"}, "a"))
    await oom(host, zoo)
    await oom(host, zoo)
    assert ("failed", "OOM") == (zoo.phase("a"), zoo.reason("a"))
    facts = replace(facts, changed=2)
    await zoo.until("a", "ready", within=OOM_LOOK + 5)
    assert 4 * GIB == memory(zoo)["reserved"]


@pytest.mark.looptime
async def test_an_estimate_says_what_was_learned_also_of_a_model_that_is_off(host, zoo):
    host.behave("a", holds=3 * GIB, mapped=GIB)
    host.save(UNKNOWN)
    assert "default" == (await told(zoo))["source"]
    await run_for(zoo, 70)
    await zoo.commands.stop("a")
    await zoo.until("a", "stopped")
    said = await told(zoo)
    assert ("learned", True, pytest.approx(4.3 * GIB)) == (
        said["source"],
        said["certain"],
        said["amounts"]["ram"],
    )
    assert ["the most of 1 run, 3 GiB, + 10 %", "mapped"] == [
        said["terms"][0]["how"],
        said["terms"][1]["name"],
    ]
    with pytest.raises(NoSuchModelError, match="no model 'b'"):
        await zoo.commands.estimate("b")


async def told(zoo, model="a"):
    while model not in zoo.zoo.spec.models:
        await asyncio.sleep(0.1)
    return await zoo.commands.estimate(model)


@pytest.mark.looptime
async def test_a_plan_for_another_file_pardons_nothing(host, zoo, file):
    host.save(file({"a": "4GiB"}, "a"))
    await oom(host, zoo)
    await zoo.commands.plan(file({"a": "3GiB"}, "a"), "zoo.yaml")
    await start_anew(zoo)
    assert 4.6 * GIB == pytest.approx(memory(zoo)["reserved"])


# the book


def a_run(number=1, fingerprint="f", **fields):
    known = {"reserved": {"ram": GIB}, "peak": {"ram": GIB}, "fingerprint": fingerprint, "ready_since": 0.0}
    spec = ModelSpec(command=("serve",))
    return Run(f"r{number}", "box", spec, 1, booked_at=0.0, started_at=0.0, **(known | fields))


def reread(book):
    again = UsageHistory()
    assert [] == list(again.read(json.loads(json.dumps(book.written()))))
    return again


def test_what_is_written_is_what_is_read():
    book = UsageHistory()
    book.end(a_run(1, mapped=7), 100.0, None)
    book.end(a_run(2, peak={}), 100.0, Exit(ExitReason.OOM_KILLED, 0.0))
    book.end(a_run(3, "g", reserved={"ram": 1, "vram:x": 1}), 100.0, None)
    assert [2, 1] == [len(book.of(key).runs) for key in "fg"]
    assert [book.of(key) for key in "fg"] == [reread(book).of(key) for key in "fg"]


@pytest.mark.parametrize(("left", "healthy"), [(59.0, False), (60.0, True)])
def test_the_time_that_a_run_took_to_leave_makes_it_no_healthier(left, healthy):
    book = UsageHistory()
    book.end(a_run(leaving=Leaving(Cause.NOT_WANTED, "", left)), 100.0, None)
    assert [healthy] == [lesson.healthy for lesson in book.of("f").runs]


def test_the_fingerprint_that_taught_longest_ago_is_forgotten():
    book = UsageHistory()
    for number in range(FINGERPRINTS):
        book.end(a_run(number, f"f{number}"), 100.0, None)
    book.end(a_run(999, "f0", peak={"ram": 2 * GIB}), 100.0, None)
    book.end(a_run(1000, "new"), 100.0, None)
    assert (2, 0, 1) == tuple(len(book.of(key).runs) for key in ("f0", "f1", "new"))
    assert FINGERPRINTS == len(book.written())


def test_the_same_is_written_as_the_same_object():
    book = UsageHistory()
    book.end(a_run(), 100.0, None)
    first = book.written()
    assert not book.watch(a_run(), 200.0)
    assert not book.end(a_run(), 200.0, None)
    assert first is book.written()
    assert book.end(a_run(peak={"ram": 2 * GIB}), 200.0, None)
    assert first is not book.written()


GOOD = {"floor": 0, "runs": [{
    "run": "r", "ram": 1, "mapped": None, "card": None, "cards": 0, "healthy": True, "floor": 0,
}]}  # fmt: skip


@pytest.mark.parametrize(
    "bad",
    [
        7,
        None,
        {},
        {"floor": 0},
        {"floor": -1, "runs": []},
        {"floor": 1e999, "runs": []},
        {"floor": 0, "runs": [{}]},
        {"floor": 0, "runs": [GOOD["runs"][0] | {"ram": -5}]},
        {"floor": 0, "runs": [GOOD["runs"][0] | {"card": "much"}]},
        {"floor": 0, "runs": 5},
    ],
)
def test_a_page_that_can_not_be_read_is_left_out(bad):
    book = UsageHistory()
    assert ["bad"] == list(book.read({"good": GOOD, "bad": bad}))
    assert (1, 0) == (len(book.of("good").runs), len(book.of("bad").runs))


@given(st.lists(st.tuples(st.sampled_from("fgh"), st.integers(0, 9), st.integers(0, 2**40), st.booleans())))
def test_a_book_outlives_any_life(lives):
    book = UsageHistory()
    for fingerprint, number, peak, killed in lives:
        end = Exit(ExitReason.OOM_KILLED, 0.0) if killed else None
        book.end(a_run(number, fingerprint, peak={"ram": peak}), 100.0, end)
    again = reread(book)
    for fingerprint in "fgh":
        assert book.of(fingerprint) == again.of(fingerprint)
        assert len(book.of(fingerprint).runs) <= RUNS

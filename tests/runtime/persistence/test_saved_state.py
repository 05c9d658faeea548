"""What outlives zoosup: there and back again, whatever the clock and the disk do meanwhile."""

import asyncio
import json
import logging
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from tests.runtime.builders import PATH, ManualClock, a_zoo, text_of
from zoosup.core.scheduler.successors import Successors
from zoosup.core.state.facts import Held, Overridden
from zoosup.core.state.loads import LastLoad
from zoosup.core.state.observed import Switch, SwitchOutcome
from zoosup.core.state.phases import Override, Phase, Reason
from zoosup.core.state.runs import Backoff
from zoosup.core.state.usage import HeldAsleep
from zoosup.host.ports.host import Content
from zoosup.runtime.persistence.saved_state import LAST_SAVE, StateSaver, last_good, recall, remember

pytestmark = pytest.mark.looptime

FILE = text_of({"a": {"restart": {"initial": "1s", "max": "60s"}}, "b": {}}, "a")


def a_state(zoo):
    """As it is after the disk."""
    return json.loads(json.dumps(remember(zoo)))


def backing_off(clock, *, count=3, seconds=40.0):
    zoo = a_zoo(clock, FILE)
    zoo.models["a"] = replace(zoo.models["a"], backoff=Backoff(count, clock.now + seconds))
    return zoo


def recalled(clock, state, text=FILE):
    zoo = a_zoo(clock, text)
    recall(zoo, state)
    return zoo


def test_a_zoo_with_nothing_to_remember_keeps_only_its_file():
    clock = ManualClock()
    assert {
        "file": {"path": PATH, "text": FILE, "revision": ""},
        "models": {},
        "switch": None,
        "lessons": {},
        "holds": [],
        "fleet": None,
        "successors": {},
        "clock": {"boot": clock.boot, "now": clock.now, "wall": clock.wall},
    } == a_state(a_zoo(clock, FILE))


def test_wishes_come_back():
    clock = ManualClock()
    zoo = a_zoo(clock, FILE)
    zoo.tell("a", Overridden(Override.STOP))
    zoo.tell("b", Overridden(Override.START))
    after = recalled(clock, a_state(zoo))
    assert [Override.STOP, Override.START] == [after.models[n].override for n in "ab"]


def test_a_back_off_goes_on_where_it_was_though_the_monotonic_clock_began_anew():
    clock = ManualClock()
    state = a_state(backing_off(clock))
    later = ManualClock(now=5.0, wall=clock.wall + 15)
    after = recalled(later, state).models["a"].backoff
    assert 3 == after.count
    assert 25.0 == pytest.approx(after.until - later.now)


def test_a_back_off_that_is_over_keeps_its_count():
    clock = ManualClock()
    state = a_state(backing_off(clock))
    later = ManualClock(now=5.0, wall=clock.wall + 3600)
    assert Backoff(3, 5.0) == recalled(later, state).models["a"].backoff


@given(jump=st.floats(-1e9, 1e9))
def test_within_one_boot_a_clock_that_jumps_changes_no_back_off(jump):
    clock = ManualClock(boot="b1")
    state = a_state(backing_off(clock, seconds=40.0))
    later = ManualClock(now=clock.now + 15, wall=clock.wall + jump, boot="b1")
    assert 25.0 == pytest.approx(recalled(later, state).models["a"].backoff.until - later.now, abs=0.1)


def test_the_crashes_that_restart_limit_counts_come_back():
    clock = ManualClock()
    zoo = a_zoo(clock, FILE)
    zoo.models["a"] = replace(zoo.models["a"], backoff=Backoff(2, clock.now, (40.0, 90.0)))
    later = ManualClock(now=1000.0, wall=clock.wall + 15)
    crashes = recalled(later, a_state(zoo)).models["a"].backoff.crashes
    assert [later.now - 15 - 60, later.now - 15 - 10] == pytest.approx(crashes)


@given(jump=st.floats(-1e9, 1e9))
def test_no_crash_that_came_back_is_yet_to_come(jump):
    clock = ManualClock()
    zoo = a_zoo(clock, FILE)
    zoo.models["a"] = replace(zoo.models["a"], backoff=Backoff(1, clock.now, (90.0,)))
    later = ManualClock(now=5.0, wall=clock.wall + jump)
    assert recalled(later, a_state(zoo)).models["a"].backoff.crashes[0] <= later.now


def test_a_part_in_the_words_of_a_later_version_costs_that_part_alone():
    kept = {"override": "stop", "failed": {"reason": "Bored", "message": ""}, "load_time": 7, "mood": [1]}
    after = recalled(ManualClock(), {"models": {"a": kept}, "moods": {}}).models["a"]
    assert (Override.STOP, 7.0, Phase.STOPPED) == (after.override, after.load_time, after.phase)


@given(jump=st.floats(-1e9, 1e9), seconds=st.floats(0, 60))
def test_a_clock_that_jumps_makes_nobody_wait_longer_than_the_longest_delay(jump, seconds):
    clock = ManualClock()
    state = a_state(backing_off(clock, seconds=seconds))
    later = ManualClock(now=5.0, wall=clock.wall + jump)
    assert 0.0 <= recalled(later, state).models["a"].backoff.until - later.now <= 60.0


def test_what_a_model_was_seen_to_hold_asleep_is_known_after_a_restart():
    clock = ManualClock()
    zoo = a_zoo(clock, FILE)
    seen = HeldAsleep("4e1f", {"ram": 1 << 30, "vram:GPU-0": 0})
    zoo.models["a"] = replace(zoo.models["a"], asleep=seen)
    assert [seen, None] == [recalled(clock, a_state(zoo)).models[n].asleep for n in "ab"]


@pytest.mark.parametrize("reason", [Reason.CRASH_LOOP, Reason.EXITED])
def test_what_was_given_up_stays_given_up(reason):
    clock = ManualClock()
    zoo = a_zoo(clock, FILE)
    zoo.tell("a", Held(Phase.FAILED, reason, "crashed 3 times"))
    after = recalled(clock, a_state(zoo)).models["a"]
    assert (Phase.FAILED, reason, "crashed 3 times") == (after.phase, after.reason, after.message)


def test_what_failed_for_a_missing_file_is_looked_at_again():
    clock = ManualClock()
    zoo = a_zoo(clock, FILE)
    zoo.tell("a", Held(Phase.FAILED, Reason.FILE_MISSING, "weights are not there"))
    assert Phase.STOPPED is recalled(clock, a_state(zoo)).models["a"].phase


@pytest.mark.parametrize("outcome", list(SwitchOutcome))
def test_a_switch_stands_as_it_stood(outcome):
    clock = ManualClock()
    zoo = a_zoo(clock, FILE)
    zoo.switch = Switch(4, ("a",), ("b",), outcome, "a: exited")
    assert zoo.switch == recalled(clock, a_state(zoo)).switch


def test_a_switch_under_another_file_means_nothing():
    clock = ManualClock()
    zoo = a_zoo(clock, FILE)
    zoo.switch = Switch(4, ("a",), ("b",), SwitchOutcome.ROLLED_BACK, "a: exited")
    assert recalled(clock, a_state(zoo), FILE + "\n").switch is None


def test_a_model_that_the_file_no_longer_has_is_not_recalled():
    clock = ManualClock()
    zoo = a_zoo(clock, FILE)
    zoo.tell("b", Overridden(Override.START))
    assert ["a"] == list(recalled(clock, a_state(zoo), text_of({"a": {}}, "a")).models)


@pytest.mark.parametrize(
    "kept",
    [
        {"backoff": {"count": "many", "until": 0}},
        {"backoff": {"count": 1}},
        {"backoff": {"count": 1, "until": None}},
        {"backoff": {"count": 1, "until": 0, "crashes": 7}},
        {"backoff": {"count": 1, "until": 0, "crashes": ["x"]}},
        {"backoff": {"count": 1e999, "until": 0}},
        {"override": "perhaps"},
        {"override": ["stop"]},
        {"failed": {"reason": "Sulking", "message": ""}},
        {"failed": {}},
        {"asleep": {"fingerprint": "4e1f", "held": {"ram": "much"}}},
        {"asleep": {"fingerprint": "4e1f", "held": {"ram": -1}}},
        {"asleep": {"held": {}}},
        {"asleep": {"fingerprint": "4e1f", "held": 7}},
    ],
)
def test_a_part_that_can_not_be_read_is_left_out_and_said(kept, caplog):
    state = {"models": {"a": kept, "b": {"override": "start"}}}
    with caplog.at_level(logging.WARNING, "zoosup"):
        zoo = recalled(ManualClock(), state)
    assert a_zoo(ManualClock(), FILE).models["a"] == zoo.models["a"]
    assert Override.START is zoo.models["b"].override
    assert ["a"] == [record.getMessage().partition(":")[0] for record in caplog.records]


@pytest.mark.parametrize("switch", [7, {}, {"generation": 1, "incoming": None}, "open", {"outcome": "odd"}])
def test_a_switch_that_can_not_be_read_is_left_out_and_said(switch, caplog):
    state = {"file": {"path": PATH, "text": FILE}, "switch": switch}
    with caplog.at_level(logging.WARNING, "zoosup"):
        assert recalled(ManualClock(), state).switch is None
    assert "left out" in caplog.text


@pytest.mark.parametrize("state", [{}, {"models": []}, {"models": {"a": 7}}, {"models": None, "file": 1}])
def test_a_state_of_another_shape_is_no_state(state):
    assert a_zoo(ManualClock(), FILE).models == recalled(ManualClock(), state).models
    assert last_good(state, PATH).text is None


def test_the_last_good_text_is_that_of_the_same_file_only():
    state = a_state(a_zoo(ManualClock(), FILE))
    assert Content(FILE) == last_good(state, PATH)
    assert last_good(state, "other.yaml").text is None
    assert last_good({"file": {"path": PATH, "text": None}}, PATH).text is None
    kept = {"file": {"path": PATH, "text": FILE, "revision": "abc"}}
    assert Content(FILE, revision="abc") == last_good(kept, PATH)


class Disk:
    """A store that can refuse, and is as slow as it is told."""

    def __init__(self):
        self.states, self.full, self.slow, self.asked = [], False, 0.0, 0

    async def save(self, state):
        self.asked += 1
        await asyncio.sleep(self.slow)
        if self.full:
            raise OSError(28, "no space left on device")
        self.states.append(state)


def loop_clock():
    loop = asyncio.get_running_loop()

    class Running(ManualClock):
        now = property(lambda self: loop.time(), lambda self, _: None)

    return Running()


async def test_what_has_not_changed_is_not_written_again():
    disk, zoo = Disk(), a_zoo(ManualClock(), FILE)
    keeper = StateSaver(disk)
    for _ in range(5):
        keeper.save_if_changed(zoo)
        await asyncio.sleep(1)
    assert 1 == len(disk.states)
    zoo.tell("a", Overridden(Override.STOP))
    keeper.save_if_changed(zoo)
    await asyncio.sleep(1)
    assert {"a": {"override": "stop"}} == disk.states[-1]["models"]


async def test_a_back_off_that_passes_is_no_news():
    clock, disk = ManualClock(), Disk()
    zoo, keeper = backing_off(clock), StateSaver(disk)
    for _ in range(5):
        keeper.save_if_changed(zoo)
        await asyncio.sleep(1)
        clock.pass_time(20.0)
    assert 1 == len(disk.states)


async def test_a_crash_that_begins_to_count_anew_is_written():
    disk, zoo = Disk(), a_zoo(ManualClock(), FILE)
    keeper = StateSaver(disk)
    for crashed_at in (50.0, 90.0):
        zoo.models["a"] = replace(zoo.models["a"], backoff=Backoff(1, 100.0, (crashed_at,)))
        keeper.save_if_changed(zoo)
        await asyncio.sleep(1)
    assert 2 == len(disk.states)


async def test_what_is_newly_seen_to_be_held_asleep_is_written():
    disk, zoo = Disk(), a_zoo(ManualClock(), FILE)
    keeper = StateSaver(disk)
    keeper.save_if_changed(zoo)
    await asyncio.sleep(1)
    zoo.models["a"] = replace(zoo.models["a"], asleep=HeldAsleep("4e1f", {"ram": 7}))
    keeper.save_if_changed(zoo)
    await asyncio.sleep(1)
    assert {"a": {"asleep": {"fingerprint": "4e1f", "held": {"ram": 7}}}} == disk.states[-1]["models"]


async def test_what_changes_during_a_slow_write_is_written_after_it():
    disk, zoo = Disk(), a_zoo(ManualClock(), FILE)
    disk.slow, keeper = 5.0, StateSaver(disk)
    keeper.save_if_changed(zoo)
    await asyncio.sleep(1)
    zoo.tell("a", Overridden(Override.STOP))
    keeper.save_if_changed(zoo)
    await asyncio.sleep(5)
    keeper.save_if_changed(zoo)
    await asyncio.sleep(6)
    assert [{}, {"a": {"override": "stop"}}] == [s["models"] for s in disk.states]


async def test_a_disk_that_refuses_is_said_once_and_asked_again_each_second(caplog):
    clock, disk = loop_clock(), Disk()
    zoo, keeper = a_zoo(clock, FILE), StateSaver(disk)
    disk.full = True
    for _ in range(100):
        keeper.save_if_changed(zoo)
        await asyncio.sleep(0.05)
    assert 5 == disk.asked
    assert 1 == len(caplog.records)
    disk.full = False
    await asyncio.sleep(1)
    keeper.save_if_changed(zoo)
    await asyncio.sleep(0.1)
    assert [{}] == [s["models"] for s in disk.states]
    keeper.save_if_changed(zoo)
    await asyncio.sleep(1.1)
    assert 1 == len(disk.states)


async def test_the_last_word_is_written_even_after_one_that_is_under_way():
    disk, zoo = Disk(), a_zoo(ManualClock(), FILE)
    disk.slow, keeper = 2.0, StateSaver(disk)
    keeper.save_if_changed(zoo)
    zoo.tell("a", Overridden(Override.STOP))
    await keeper.save_now(zoo)
    assert {"a": {"override": "stop"}} == disk.states[-1]["models"]


async def test_a_disk_that_never_answers_holds_the_last_word_for_a_while_alone(caplog):
    disk, zoo = Disk(), a_zoo(ManualClock(), FILE)
    disk.slow, keeper = 1e9, StateSaver(disk)
    loop = asyncio.get_running_loop()
    keeper.save_if_changed(zoo)
    await keeper.save_now(zoo)
    assert LAST_SAVE == loop.time()
    assert "what changed last was not saved" in caplog.text


def test_who_was_asked_for_after_whom_comes_back_without_models_that_are_no_more():
    clock = ManualClock()
    zoo = a_zoo(clock, FILE)
    zoo.successors = Successors().seen("a", "b").seen("", "a").seen("a", "gone")
    after = recalled(clock, a_state(zoo)).successors
    assert {"a": {"b": 0.9}, "": {"a": 1.0}} == after.after
    assert ("a", "b") == after.likeliest("a")


@pytest.mark.parametrize(
    "kept", [None, 3, [], {"a": 3}, {"a": {"b": "x"}}, {"a": {"b": -1}}, {"a": {"b": 1e9}}]
)
def test_an_order_that_can_not_be_read_is_learned_anew(kept):
    clock = ManualClock()
    state = a_state(a_zoo(clock, FILE)) | {"successors": kept}
    assert Successors() == recalled(clock, state).successors


def test_what_the_last_load_has_shown_comes_back():
    clock = ManualClock()
    zoo = a_zoo(clock, FILE)
    shown = LastLoad(8 * 2**30, 9 * 2**30, 2.5), LastLoad(None, None, None)
    for name, last in zip("ab", shown, strict=True):
        zoo.models[name] = replace(zoo.models[name], last_load=last)
    after = recalled(clock, a_state(zoo)).models
    assert shown == (after["a"].last_load, after["b"].last_load)


@pytest.mark.parametrize(
    "kept", [3, {}, {"size": -1, "read": 1, "rest": 1.0}, {"size": 1, "read": 1, "rest": "x"}]
)
def test_a_last_load_that_can_not_be_read_costs_nothing_else(kept):
    state = {"models": {"a": {"last_load": kept, "load_time": 7.0}}}
    after = recalled(ManualClock(), state).models["a"]
    assert (None, 7.0) == (after.last_load, after.load_time)


@pytest.mark.parametrize(
    "page", [3, {}, {"runs": 7, "floor": 0}, {"runs": [], "floor": -1}, {"runs": [{}], "floor": 0}]
)
def test_what_was_learned_and_can_not_be_read_is_left_out_and_said(page, caplog):
    state = {"lessons": {"4e1f": page, "77aa": {"runs": [], "floor": 5}}}
    with caplog.at_level(logging.WARNING, "zoosup"):
        zoo = recalled(ManualClock(), state)
    assert ["what was learned as 4e1f can't be read and is left out"] == [
        r.getMessage() for r in caplog.records
    ]
    assert ["77aa"] == list(a_state(zoo)["lessons"])

"""The way down for a container, by an engine that does what a test tells it."""

import asyncio
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from zoosup.core.state.phases import ExitReason
from zoosup.core.state.runs import Exit
from zoosup.host.container.engine import ContainerState, EngineRefusedError, EngineUnreachableError
from zoosup.host.ports.host import Ladder
from zoosup.host.ports.launch import Launch
from zoosup.host.runs.container_end import ContainerEnding, as_it_ended, containers_of, remove_remains
from zoosup.host.runs.tie import Tie

ID = "c" * 64
KILLED = Exit(ExitReason.SIGNALED, 0.0, signal="SIGKILL")
AWAY = EngineUnreachableError("no answer on /run/docker.sock")


class ScriptedEngine:
    """One container; `deaf` to these signals, `fails` with this at each call."""

    def __init__(self, deaf=(), fails=None, code=0, stop_signal=""):
        self.deaf, self.fails, self.code, self.stop_signal = deaf, fails, code, stop_signal
        self.running, self.there = True, True
        self.place = ""
        self.signals = []
        self.looks = 0

    def _state(self):
        code = None if self.running else self.code
        pid, stop_signal = 7 if self.running else None, self.stop_signal
        return ContainerState(ID, "zoo", "r1", pid, self.running, code, False, "", stop_signal, self.place)

    def _answer(self):
        if self.fails is not None:
            raise self.fails

    async def find(self, labels):
        self.looks += 1
        self._answer()
        return (self._state(),) if self.there else ()

    async def inspect(self, container_id):
        self._answer()
        return self._state() if self.there else None

    async def signal(self, container_id, signal):
        self._answer()
        self.signals.append(signal)
        self.running = self.running and signal in self.deaf

    async def remove(self, container_id):
        self._answer()
        self.there = self.running = False


def tie_of(engine, **changes):
    launch = Launch("r1", "m", (), {}, None, Path("/dev/null"))
    return Tie(launch, engine, **({"led_by_client": False, "container_id": ID} | changes))


def ending(engine, grace, signal="TERM", **changes):
    return ContainerEnding(tie_of(engine, **changes), Ladder(signal, grace), lambda _: engine.running)


@pytest.mark.parametrize("apart", [False, True])
async def test_who_obeys_is_asked_once_and_never_killed(apart):
    engine = ScriptedEngine()
    assert "" == await ending(engine, 30.0, apart=apart).go(None)
    assert ["TERM"] == engine.signals


@pytest.mark.parametrize(
    ("of_image", "of_file", "sent"), [("QUIT", "TERM", "QUIT"), ("", "TERM", "TERM"), ("QUIT", "INT", "INT")]
)
async def test_it_is_asked_by_the_signal_of_its_image_unless_the_file_names_one(of_image, of_file, sent):
    engine = ScriptedEngine(stop_signal=of_image)
    assert "" == await ending(engine, 30.0, of_file).go(None)
    assert [sent] == engine.signals


@pytest.mark.looptime
async def test_who_does_not_is_killed_after_its_grace():
    engine = ScriptedEngine(deaf=("TERM",))
    assert "" == await ending(engine, 0.3).go(None)
    assert ["TERM", "KILL"] == engine.signals


async def test_without_a_grace_nobody_is_asked():
    engine = ScriptedEngine()
    assert "" == await ending(engine, 0.0).go(None)
    assert ["KILL"] == engine.signals


async def test_a_grace_can_be_shortened_meanwhile():
    engine = ScriptedEngine(deaf=("TERM",))
    going = ending(engine, 600.0)
    task = asyncio.create_task(going.go(None))
    await asyncio.sleep(0.05)
    going.hasten(0.0)
    assert "" == await asyncio.wait_for(task, 10)
    assert ["TERM", "KILL"] == engine.signals


async def test_who_survives_is_named(monkeypatch):
    monkeypatch.setattr("zoosup.host.runs.container_end.GIVE_UP", 0.1)
    engine = ScriptedEngine(deaf=("TERM", "KILL"))
    assert "container zoo (cccccccccccc) runs on after SIGKILL" == await ending(engine, 0.0).go(None)


def client_without_container(grace, **changes):
    engine = ScriptedEngine()
    engine.there = engine.running = False
    return engine, ending(engine, grace, led_by_client=True, container_id="", **changes)


async def test_what_a_client_is_having_made_is_waited_for_and_the_client_left_alone():
    engine, going = client_without_container(600.0)
    task = asyncio.create_task(going.go(None))
    await asyncio.sleep(0.1)
    assert not task.done()
    engine.there = engine.running = True
    going._tie.container_id = ID
    assert "" == await asyncio.wait_for(task, 20)
    assert ["TERM"] == engine.signals


@pytest.mark.parametrize(("grace", "making"), [(0.0, 600.0), (0.1, 600.0), (600.0, 0.1)])
async def test_one_that_has_none_made_is_waited_for_within_its_grace_and_not_for_long(
    grace, making, monkeypatch
):
    monkeypatch.setattr("zoosup.host.runs.container_end._MAKING", making)
    assert "" == await asyncio.wait_for(client_without_container(grace)[1].go(None), 20)


async def test_one_that_has_ended_is_not_waited_for():
    assert "" == await asyncio.wait_for(client_without_container(600.0, exit=KILLED)[1].go(None), 20)


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (AWAY, "no answer on /run/docker.sock"),
        (EngineRefusedError(500, "broken"), "refuses to end its container: broken"),
    ],
)
async def test_an_engine_in_trouble_is_told_in_its_own_words(trouble, words):
    assert words in await ending(ScriptedEngine(fails=trouble), 30.0).go(None)


async def test_the_command_of_the_file_goes_first_and_the_rest_of_the_grace_is_the_containers():
    engine, done = ScriptedEngine(), []

    async def command():
        done.append(list(engine.signals))

    assert "" == await ending(engine, 30.0).go(command)
    assert ([[]], ["TERM"]) == (done, engine.signals)


async def test_a_command_that_hangs_is_given_up_at_the_end_of_the_grace():
    engine = ScriptedEngine()
    assert "" == await asyncio.wait_for(ending(engine, 0.1).go(asyncio.Event().wait), 20)
    assert not engine.running


async def test_remains_are_removed_and_tell_how_they_ended():
    engine = ScriptedEngine(code=3)
    engine.running = False
    tie = tie_of(engine)
    assert "" == await remove_remains(tie, 7.0)
    assert (False, 3, 7.0) == (engine.there, tie.exit.code, tie.exit.at)


async def test_unknown_is_not_gone():
    assert "can't be told" in await remove_remains(tie_of(ScriptedEngine(fails=AWAY)), 7.0)
    cut_off = tie_of(ScriptedEngine(fails=AWAY), led_by_client=True, container_id="", exit=KILLED)
    assert "can't be told" in await remove_remains(cut_off, 7.0)


async def test_a_client_that_failed_by_itself_and_told_of_no_container_has_made_none():
    failed = Exit(ExitReason.ERROR, 0.0, code=125)
    tie = tie_of(ScriptedEngine(fails=AWAY), led_by_client=True, container_id="", exit=failed)
    assert "" == await remove_remains(tie, 7.0)


@pytest.mark.parametrize("there", [True, False])
async def test_what_an_engine_has_not_made_when_its_client_was_killed_may_come_late(there):
    engine = ScriptedEngine()
    engine.there = engine.running = there
    tie = tie_of(engine, led_by_client=True, container_id="", exit=KILLED)
    assert "" == await remove_remains(tie, 7.0)
    assert (not there, False) == (tie.may_come_late, engine.there)


class Labelled:
    """An engine that finds these by their label, and these by their id."""

    def __init__(self, by_label, by_id):
        self.by_label, self.by_id = by_label, by_id
        self.inspected = []

    async def find(self, labels):
        assert {"zoosup.run": "r1"} == labels
        return tuple(map(state_of_one, self.by_label))

    async def inspect(self, container_id):
        self.inspected.append(container_id)
        return state_of_one(container_id) if container_id in self.by_id else None


def state_of_one(container_id):
    return ContainerState(container_id, "zoo", "r1", None, False, 0, False, "", "", "")


@pytest.mark.parametrize(
    ("known", "by_label", "by_id", "found", "asked"),
    [
        ("a", "ab", "", "ab", ""),  # nobody is asked for who has been found
        ("a", "b", "a", "ba", "a"),  # its labels are gone, or the engine's list is late
        ("a", "b", "", "b", "a"),
        ("", "b", "", "b", ""),
    ],
)
async def test_what_the_engine_has_is_found_by_label_and_by_id(known, by_label, by_id, found, asked):
    engine = Labelled(by_label, by_id)
    states = await containers_of(tie_of(engine, container_id=known))
    assert (list(found), list(asked)) == ([each.id for each in states], engine.inspected)


@pytest.fixture
async def virtual(monkeypatch):
    """The loop, whose time is the only one here."""
    loop = asyncio.get_running_loop()
    for module in "runs.container_end", "process.stop.grace":
        monkeypatch.setattr(f"zoosup.host.{module}.time", SimpleNamespace(monotonic=loop.time))
    return loop


class LateEngine(ScriptedEngine):
    """Learns of the end at the `late`th look, or has the container no more by then."""

    def __init__(self, late, gone=False, **given):
        super().__init__(**given)
        self.late, self.gone = late, gone

    async def inspect(self, container_id):
        self.looks += 1
        if self.looks >= self.late:
            self.running = False
            self.there = not self.gone
        return await super().inspect(container_id)


@pytest.mark.looptime
@pytest.mark.parametrize(("late", "gone", "told"), [(3, False, 5), (3, True, None), (10**6, False, "runs")])
async def test_how_it_ended_is_waited_for_a_moment(late, gone, told, virtual):
    engine = LateEngine(late, gone, code=5)
    began = virtual.time()
    found = await as_it_ended(tie_of(engine), engine._state())
    assert told == (found and ("runs" if found.running else found.exit_code))
    assert virtual.time() - began == pytest.approx(1.0 if told == "runs" else 3 * 0.02, abs=0.03)


async def test_one_that_its_engine_has_no_more_is_not_asked_for():
    engine = ScriptedEngine()
    assert await as_it_ended(tie_of(engine), None) is None
    engine.running = False
    assert engine._state() == await as_it_ended(tie_of(engine), engine._state())


@pytest.mark.looptime
async def test_who_survives_is_killed_each_second_for_ten_and_then_told(virtual):
    engine = ScriptedEngine(deaf=("TERM", "KILL"))
    began = virtual.time()
    assert "runs on after SIGKILL" in await ending(engine, 0.0).go(None)
    assert (10, {"KILL"}) == (len(engine.signals), set(engine.signals))
    assert virtual.time() - began == pytest.approx(10.0, abs=0.3)


@pytest.mark.looptime
async def test_it_is_looked_at_less_and_less_often(virtual):
    engine = ScriptedEngine(deaf=("TERM",))
    looks = []

    def lives(_):
        looks.append(virtual.time())
        return engine.running

    assert "" == await ContainerEnding(tie_of(engine), Ladder("TERM", 2.0), lives).go(None)
    pauses = [later - earlier for earlier, later in pairwise(looks)]
    assert [0.02, 0.03, 0.045, 0.0675] == pytest.approx(pauses[:4], abs=0.002)
    assert max(pauses) == pytest.approx(0.2, abs=0.002)


async def test_one_without_a_pid_of_this_host_is_asked_of_its_engine():
    class Elsewhere(ScriptedEngine):
        def _state(self):
            return replace(super()._state(), pid=None)

    engine = Elsewhere()
    going = ContainerEnding(tie_of(engine), Ladder("TERM", 30.0), lambda _: False)
    assert ("", ["TERM"]) == (await going.go(None), engine.signals)


async def test_what_has_told_how_it_ended_tells_no_more():
    engine = ScriptedEngine(code=3)
    engine.running = False
    tie = tie_of(engine, exit=KILLED)
    assert "" == await remove_remains(tie, 7.0)
    assert (KILLED, ID) == (tie.exit, tie.container_id)


async def test_an_engine_that_refuses_to_remove_is_told():
    words = "the engine refuses to remove its container: broken"
    assert words == await remove_remains(tie_of(ScriptedEngine(fails=EngineRefusedError(500, "broken"))), 7.0)


@pytest.mark.parametrize(
    ("changes", "looks"),
    [
        ({"container_id": ID}, 1),
        ({"container_id": "", "led_by_client": True, "exit": Exit(ExitReason.ERROR, 0.0, code=125)}, 1),
        ({"container_id": "", "led_by_client": True, "exit": KILLED}, 2),
        ({"container_id": ""}, 2),
    ],
)
async def test_only_what_may_come_late_is_looked_for_twice(monkeypatch, changes, looks):
    monkeypatch.setattr("zoosup.host.runs.container_end._LATE_CREATION", 0.0)
    engine = ScriptedEngine()
    engine.there = engine.running = False
    assert "" == await remove_remains(tie_of(engine, **changes), 7.0)
    assert looks == engine.looks

"""Sessions saved before an end and restored after the next start: the real reconciler in virtual time."""

import asyncio

import pytest

from tests.runtime.leasing.test_leases import Client, put
from zoosup.core.sessions.slots import Slot
from zoosup.host.ports.sessions import SessionsMoved
from zoosup.runtime.loop.reconciler import HEARTBEAT
from zoosup.runtime.operations.sessions import PACE, RESTORE_BOUND, SAVE_BOUND

pytestmark = pytest.mark.looptime

GIB = 2**30
MOVED = SessionsMoved((0, 1), 21_000, 3 * GIB, 1.5)
BUSY = Slot(1, busy=True, used=True, computed=600)


def text(active="a", a="", b="", sessions="{keep: true, limit: 5GiB}"):
    lines = [f"active: {active}", "budget: {ram: 6GiB}", "models:"]
    for name, more in {"a": a, "b": b}.items():
        kept = f", sessions: {sessions}" if name == "a" and sessions else ""
        command = f"[llama-server, -m, /w/{name}.gguf]"
        lines += [f"  {name}: {{command: {command}, memory: {{ram: 4GiB}}{kept}{more}}}"]
    return "\n".join(lines)


def loop_time():
    return asyncio.get_running_loop().time()


def said(zoo, model="a"):
    return [(e.reason, e.message) for e in zoo.journal.since(0) if e.type == "Sessions" and e.model == model]


def condition(zoo, model="a"):
    found = zoo.publisher.snapshot["models"][model]["conditions"]
    return next((each for each in found if each["type"] == "SessionsKept"), None)


async def settle():
    await asyncio.sleep(2 * HEARTBEAT)


async def test_they_are_saved_before_the_end_and_restored_before_the_first_client(host, zoo):
    host.sessions.saved = host.sessions.restored = MOVED
    await put(zoo, host, text("a"))
    await zoo.until("a", "ready")
    await put(zoo, host, text("b"))
    await zoo.until("b", "ready")
    assert ["prepare", "restore", "save"] == host.sessions.steps()
    assert ("save", "a", 5 * GIB, SAVE_BOUND) in host.sessions.asked
    words = "2 conversations, 21000 tokens, 3 GiB in 1.5 s"
    assert [("Restored", f"restored {words}"), ("Saved", f"saved {words}")] == said(zoo)


async def test_the_server_is_told_where_and_the_record_is_not(host, zoo):
    launched, spawn = [], host.spawn

    async def noted(launch):
        launched.append(launch)
        return await spawn(launch)

    host.spawn = noted
    await put(zoo, host, text("a"))
    await zoo.until("a", "ready")
    told = ("--metrics", "--slot-save-path", "/state/sessions/a")
    assert ("llama-server", "-m", "/w/a.gguf", *told) == launched[0].argv
    assert ("llama-server", "-m", "/w/a.gguf") == zoo.zoo.models["a"].run.spec.command


async def test_a_client_waits_until_they_are_restored(host, zoo):
    host.sessions.takes = 7.0
    host.behave("a", load=2.0)
    await put(zoo, host, text("a"))
    client = Client(zoo, "a")
    began = loop_time()
    assert "granted" == await client.answered()
    assert 8.9 < client.at - began < 10
    client.lease.release()


async def test_restoring_is_bounded(host, zoo):
    host.sessions.takes = 1000.0
    await put(zoo, host, text("a"))
    began = loop_time()
    await zoo.until("a", "ready")
    assert loop_time() - began < RESTORE_BOUND + 2


@pytest.mark.parametrize(("deadline", "within"), [("600s", 60), ("66s", 59), ("20s", 13)])
async def test_restoring_may_take_a_minute_and_leaves_five_seconds_of_the_deadline(
    host, zoo, deadline, within
):
    host.behave("a", load=2.0)
    await put(zoo, host, text("a", a=f", ready: {{deadline: {deadline}}}"))
    await zoo.until("a", "ready")
    (asked,) = [each[2] for each in host.sessions.asked if each[0] == "restore"]
    assert within == pytest.approx(asked, abs=0.2)


async def test_restoring_ends_no_start_by_its_deadline(host, zoo):
    host.sessions.takes = 1000.0
    await put(zoo, host, text("a", a=", ready: {deadline: 20s}"))
    began = loop_time()
    await zoo.until("a", "ready")
    assert loop_time() - began < 17
    assert ["spawn", "ready"] == host.events("a")


async def test_who_is_told_to_leave_meanwhile_leaves(host, zoo):
    host.sessions.takes = 1000.0
    await put(zoo, host, text("a"))
    await asyncio.sleep(10)
    await put(zoo, host, text("[]"))
    await zoo.until("a", "stopped", within=5)


@pytest.mark.parametrize("lives", [True, False])
async def test_a_server_that_breaks_off_gets_a_client_only_once_it_answers(host, zoo, lives):
    host.sessions.restored = SessionsMoved(problems=("connection reset",), broken_off=True)
    host.sessions.doing = [(), (), (Slot(0),)] if lives else []
    host.behave("a", load=1.0)
    await put(zoo, host, text("a"))
    client = Client(zoo, "a")
    await asyncio.sleep(1.5)
    assert zoo.phase("a") == "starting"
    if not lives:
        host.sessions.restored = SessionsMoved()
        host.kill("a", "SIGABRT")
    assert "granted" == await client.answered()
    client.lease.release()
    assert (1 if lives else 2) == host.events("a").count("spawn")


async def test_saving_is_part_of_the_drain(host, zoo):
    host.sessions.takes = 1000.0
    await put(zoo, host, text("a", a=", stop: {drain: 90s}, ready: {deadline: 6s}"))
    await zoo.until("a", "ready")
    client = Client(zoo, "a")
    await client.answered()
    await put(zoo, host, text("[]", a=", stop: {drain: 90s}, ready: {deadline: 6s}"))
    await asyncio.sleep(50)
    client.lease.release()
    await zoo.until("a", "stopped", within=45)
    assert "save" in host.sessions.steps()


async def test_the_end_of_zoosup_waits_for_them_within_the_grace(host, zoo):
    await put(zoo, host, text("a"))
    await zoo.until("a", "ready")
    host.sessions.takes = 1000.0
    began = loop_time()
    await zoo.leave()
    assert ["prepare", "restore", "save"] == host.sessions.steps()
    assert 30 <= loop_time() - began < 35


async def test_what_has_crashed_saves_nothing(host, zoo):
    await put(zoo, host, text("a"))
    await zoo.until("a", "ready")
    host.kill("a")
    await zoo.until("a", "starting")
    await zoo.until("a", "ready")
    assert ["prepare", "restore", "prepare", "restore"] == host.sessions.steps()


async def test_a_run_that_was_found_again_keeps_what_it_has(host, zoo, successor):
    await put(zoo, host, text("a"))
    await zoo.until("a", "ready")
    later = await successor()
    await later.until("a", "ready")
    assert ["prepare", "restore"] == host.sessions.steps()
    host.save(text("[]"))
    await later.until("a", "stopped")
    assert ["prepare", "restore", "save"] == host.sessions.steps()


@pytest.mark.parametrize("sessions", ["", "{keep: false}"])
async def test_nothing_is_done_unasked(host, zoo, sessions):
    await put(zoo, host, text("a", sessions=sessions))
    await zoo.until("a", "ready")
    await put(zoo, host, text("b", sessions=sessions))
    await zoo.until("b", "ready")
    assert [] == host.sessions.steps()


async def test_an_edit_that_begins_it_touches_no_process(host, zoo):
    await put(zoo, host, text("a", sessions=""))
    await zoo.until("a", "ready")
    [pid] = host.pids("a")
    await put(zoo, host, text("a"))
    await settle()
    assert [pid] == host.pids("a")
    await put(zoo, host, text("b"))
    await zoo.until("b", "ready")
    assert [] == host.sessions.steps(), "it was not started with a folder"


async def test_a_full_disk_keeps_no_model_down(host, zoo):
    host.sessions.full = True
    await put(zoo, host, text("a"))
    await zoo.until("a", "ready")
    assert [("Refused", "nothing will be kept of this run: [Errno 28] No space left on device")] == said(zoo)


async def test_what_went_wrong_is_told(host, zoo):
    host.sessions.restored = SessionsMoved(problems=("f-0.bin was removed: 400",))
    host.sessions.saved = SessionsMoved(problems=("POST /slots/0 answered 500",))
    await put(zoo, host, text("a"))
    await zoo.until("a", "ready")
    await put(zoo, host, text("[]"))
    await zoo.until("a", "stopped")
    assert [
        ("NotRestored", "f-0.bin was removed: 400"),
        ("NotSaved", "POST /slots/0 answered 500"),
    ] == said(zoo)


async def test_what_is_kept_of_models_that_no_longer_have_it_is_removed(host, zoo):
    await put(zoo, host, text("a"))
    await zoo.until("a", "ready")
    await put(zoo, host, text("a", sessions=""))
    await settle()
    assert [("sweep", ["a"]), ("sweep", [])] == [each for each in host.sessions.asked if each[0] == "sweep"]


async def test_nothing_is_removed_before_there_was_a_file(host, zoo):
    await settle()
    assert [] == host.sessions.asked


@pytest.mark.parametrize(
    ("doing", "of_use"),
    [
        ([(), (Slot(1, busy=True, computed=100),), (BUSY,)], False),
        ([(Slot(1, busy=True, reused=500),)], True),
    ],
)
async def test_the_first_answer_shows_whether_it_was_of_use(host, zoo, doing, of_use):
    host.sessions.restored, host.sessions.doing = MOVED, doing
    await put(zoo, host, text("a"))
    await zoo.until("a", "ready")
    await asyncio.sleep(20)
    assert "effect" not in host.sessions.steps(), "nobody has asked yet"
    client = Client(zoo, "a")
    await client.answered()
    await asyncio.sleep(4 * PACE)
    client.lease.release()
    assert ("effect", "a", of_use) == host.sessions.asked[-1]
    assert of_use is not ("NoEffect" in [reason for reason, _ in said(zoo)])


async def test_it_is_said_at_once_that_it_is_given_up(host, zoo):
    host.sessions.restored, host.sessions.doing, host.sessions.gives_up = MOVED, [(BUSY,)], True
    await put(zoo, host, text("a"))
    client = Client(zoo, "a")
    await client.answered()
    await asyncio.sleep(2 * PACE)
    client.lease.release()
    await settle()
    assert "NoEffect" == condition(zoo)["reason"]


async def test_where_it_is_given_up_a_condition_says_so_until_that_run_is_over(host, zoo):
    host.sessions.restored = SessionsMoved(given_up=True)
    await put(zoo, host, text("a"))
    await zoo.until("a", "ready")
    await settle()
    assert (False, "NoEffect") == (condition(zoo)["status"], condition(zoo)["reason"])
    host.sessions.restored = MOVED
    await zoo.commands.restart("a")
    await zoo.until("a", "starting")
    await zoo.until("a", "ready")
    await settle()
    assert condition(zoo) is None


async def test_where_to_compute_again_is_cheaper_that_is_said(host, zoo):
    host.sessions.restored = host.sessions.saved = SessionsMoved(not_worth="2 ms beside 9 ms")
    await put(zoo, host, text("a"))
    await zoo.until("a", "ready")
    await settle()
    assert (False, "NotWorthIt", "2 ms beside 9 ms") == tuple(
        condition(zoo)[name] for name in ("status", "reason", "message")
    )
    await put(zoo, host, text("b"))
    await zoo.until("b", "ready")
    assert [("NotWorthIt", "not saved: 2 ms beside 9 ms")] == said(zoo)
    await settle()
    assert condition(zoo) is None


async def test_a_server_of_another_kind_says_that_it_can_not(host, zoo):
    await put(zoo, host, text("a").replace("llama-server", "serve"))
    await zoo.until("a", "ready")
    await settle()
    assert (False, "NotPossible") == (condition(zoo)["status"], condition(zoo)["reason"])
    assert [] == host.sessions.steps()

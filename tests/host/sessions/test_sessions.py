"""Slots saved to files and given back: what lies on disk afterwards is the oracle."""

import asyncio
import os
import stat
import time
from dataclasses import replace

import pytest

from tests.core.sessions.models import a_model
from tests.host.sessions.slot_double import NO_ROOM, SlotDouble
from zoosup.core.sessions.files import READ, WRITTEN, draft_name
from zoosup.core.sessions.slots import TWICE
from zoosup.core.sessions.worth import AGAIN, Paces
from zoosup.host.ports.sessions import SessionsMoved, SlotServer
from zoosup.host.sessions.folder import Folder, folder_name, folders
from zoosup.host.sessions.sessions import SlotSessions

GIB = 2**30


@pytest.fixture
async def sessions(tmp_path):
    made = SlotSessions(tmp_path / "sessions")
    await made.prepare("m")
    yield made
    await made.close()


@pytest.fixture
async def double(sessions):
    made = SlotDouble(sessions.folder("m"))
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF")
    return path


@pytest.fixture
def server(double, weights):
    def made(more="", **headers):
        spec = a_model(f"command: llama-server -m {weights} {more}")
        return SlotServer("m", spec, time.time() + 1, double.port, headers)

    return made


def names(sessions):
    return sorted(
        each.name for each in sessions.folder("m").iterdir() if not each.name.startswith("paces.json")
    )


def saved_slots(sessions):
    """The slots of which there is a file, and nothing else is there."""
    assert all(name.endswith(".bin") for name in names(sessions))
    return [name.split("-")[1] for name in names(sessions)]


async def test_what_was_saved_is_restored_to_its_slot(sessions, double, server):
    double.held = {0: 600, 1: 9000}
    saved = await sessions.save(server(), GIB, 5)
    assert ((1, 0), 9600, 9616, ()) == (saved.slots, saved.tokens, saved.size, saved.problems)
    assert ["0", "1"] == saved_slots(sessions)

    double.held = {0: None, 1: None}
    restored = await sessions.restore(server(), 5)
    assert ({0, 1}, 9600, 9616, ()) == (
        set(restored.slots),
        restored.tokens,
        restored.size,
        restored.problems,
    )
    assert {0: 600, 1: 9000} == double.held
    assert ["0", "1"] == saved_slots(sessions)


async def test_nobody_else_may_look(sessions):
    for path in (sessions.folder("m"), sessions.folder("m").parent):
        assert 0o700 == stat.S_IMODE(path.stat().st_mode)


async def test_short_ones_are_not_saved(sessions, double, server):
    double.held = {0: 511, 1: None}
    assert () == (await sessions.save(server(), GIB, 5)).slots
    assert [] == double.asked
    assert [] == names(sessions)


async def test_one_that_nobody_has_used_since_keeps_its_file(sessions, double, server):
    double.held = {0: 600, 1: None}
    await sessions.save(server(), GIB, 5)
    before = (sessions.folder("m") / names(sessions)[0]).stat().st_mtime_ns
    double.held = {0: None, 1: None}
    assert () == (await sessions.save(server(), GIB, 5)).slots
    assert before == (sessions.folder("m") / names(sessions)[0]).stat().st_mtime_ns


async def test_the_oldest_go_beyond_the_limit(sessions, double, server):
    double.held = {0: 600, 1: None}
    await sessions.save(server(), GIB, 5)
    os.utime(sessions.folder("m") / names(sessions)[0], (1, 1))
    double.held = {0: None, 1: 700}
    await sessions.save(server(), 1000, 5)
    assert ["1"] == saved_slots(sessions)


async def test_other_words_find_nothing_and_ask_nothing(sessions, double, server):
    double.held = {0: 600, 1: None}
    await sessions.save(server(), GIB, 5)
    double.asked.clear()
    assert SessionsMoved() == await restored_without_time(sessions, server("-c 4096"))
    assert [] == double.asked
    assert ["0"] == saved_slots(sessions)


async def restored_without_time(sessions, server):
    return replace(await sessions.restore(server, 5), seconds=0.0)


def damaged(data, how):
    return {"empty": b"", "cut": data[:-1], "no end": data[:-9] + bytes(9), "noise": b"noise" + data[5:]}[how]


def test_a_file_that_has_grown_is_another_though_its_ends_are_the_same(tmp_path):
    folder = Folder(tmp_path / "m")
    tmp_path.joinpath("m").mkdir()
    folder.path.joinpath(draft_name("0" * 16, 0)).write_bytes(bytes(9 * 2**20))
    folder.keep("0" * 16, 0)
    [kept] = folder.files()
    assert folder.is_whole(kept)
    [file] = folder.path.iterdir()
    file.write_bytes(bytes(9 * 2**20 + 1))
    assert not folder.is_whole(kept)


@pytest.mark.parametrize("how", ["empty", "cut", "no end", "noise"])
async def test_a_damaged_file_is_removed_and_told_and_never_shown_to_the_server(
    sessions, double, server, how
):
    double.held, double.filler = {0: 600, 1: 700}, b"x"
    await sessions.save(server(), GIB, 5)
    bad = sessions.folder("m") / names(sessions)[0]
    bad.write_bytes(damaged(bad.read_bytes(), how))
    double.held = {0: None, 1: None}
    moved = await sessions.restore(server(), 5)
    assert ((1,), [1]) == (moved.slots, [slot for action, slot, _ in double.asked if action == "restore"])
    assert (f"{bad.name} was removed: it is not as it was written",) == moved.problems
    assert ["1"] == saved_slots(sessions)


async def test_one_that_the_server_refuses_is_removed_and_told(sessions, double, server):
    double.held = {0: 600, 1: None}
    await sessions.save(server(), GIB, 5)
    [name] = names(sessions)
    double.fault["restore"] = "refused"
    moved = await sessions.restore(server(), 5)
    said = f"{name} was removed: POST /slots/0?action=restore answered 400: {NO_ROOM}"
    assert ((), (said,)) == (moved.slots, moved.problems)
    assert [] == names(sessions)


async def test_one_that_the_server_takes_for_empty_is_removed(sessions, double, server):
    double.held = {0: 600, 1: None}
    await sessions.save(server(), GIB, 5)
    double.fault["restore"] = "empty"
    moved = await sessions.restore(server(), 5)
    assert () == moved.slots
    assert [] == names(sessions)
    assert moved.problems[0].endswith("it is empty")


async def test_a_newer_one_takes_the_place_of_its_slots_last(sessions, double, server):
    for tokens in (600, 700):
        double.held = {0: tokens, 1: None}
        await sessions.save(server(), GIB, 5)
    assert ["0"] == saved_slots(sessions)
    assert 700 == (await sessions.restore(server(), 5)).tokens


async def test_a_file_that_ends_its_server_is_not_read_again(sessions, double, server):
    double.held = {0: 600, 1: None}
    await sessions.save(server(), GIB, 5)
    double.fault["restore"] = "dies"
    moved = await sessions.restore(server(), 5)
    assert ((), True, 1) == (moved.slots, moved.broken_off, len(moved.problems))
    double.fault.clear()
    double.asked.clear()
    assert () == (await sessions.restore(server(), 5)).slots
    assert [] == double.asked
    assert [] == names(sessions)


async def test_nor_is_one_whose_server_ended_before_anybody_heard_of_it(sessions, double, server):
    double.held = {0: 600, 1: None}
    await sessions.save(server(), GIB, 5)
    double.fault["restore"] = "hangs"
    restoring = asyncio.create_task(sessions.restore(server(), 60))
    async with asyncio.timeout(5):
        while not double.asked or double.asked[-1][0] != "restore":
            await asyncio.sleep(0.01)
    await double.stop_listening()
    restoring.cancel()
    await asyncio.gather(restoring, return_exceptions=True)
    await sessions.prepare("m")
    assert [] == names(sessions)


async def test_restoring_takes_no_longer_than_it_may_and_loses_nothing(sessions, double, server):
    double.held = {0: 600, 1: None}
    await sessions.save(server(), GIB, 5)
    double.fault["restore"] = "hangs"
    moved = await sessions.restore(server(), 0.2)
    assert ("given up after 0.2 s",) == moved.problems
    double.fault.clear()
    assert (0,) == (await sessions.restore(server(), 5)).slots


async def test_saving_takes_no_longer_than_it_may_and_keeps_what_it_has(sessions, double, server):
    double.held = {0: 600, 1: None}
    await sessions.save(server(), GIB, 5)
    double.fault["save"] = "hangs"
    moved = await sessions.save(server(), GIB, 0.2)
    assert ((), ("given up after 0.2 s",)) == (moved.slots, moved.problems)
    assert ["0"] == saved_slots(sessions)


async def test_a_full_disk_leaves_the_older_file(sessions, double, server):
    double.held = {0: 600, 1: None}
    await sessions.save(server(), GIB, 5)
    double.fault["save"] = "full"
    moved = await sessions.save(server(), GIB, 5)
    assert ("POST /slots/0?action=save answered 500: Unable to save slot",) == moved.problems
    assert ["0"] == saved_slots(sessions)
    assert 608 == (sessions.folder("m") / names(sessions)[0]).stat().st_size


async def test_a_server_that_hides_its_slots_is_told_of(sessions, double, server):
    double.fault["slots"] = "hidden"
    moved = await sessions.save(server(), GIB, 5)
    assert 1 == len(moved.problems)
    assert "--no-slots" in moved.problems[0]


@pytest.mark.parametrize(
    ("status", "said", "told"),
    [
        (200, b"<html>", "GET /slots: the answer is no JSON"),
        (200, b"[" * 100_000, "GET /slots: the answer is no JSON"),
        (200, b"{}", "GET /slots: "),
        (500, b"gone \n wrong", "GET /slots answered 500: gone wrong"),
        (500, b'{"error": "gone"}', 'GET /slots answered 500: {"error": "gone"}'),
        (500, b"[" * 100_000, "GET /slots answered 500: [["),
    ],
)
async def test_a_server_that_answers_with_something_else_is_told_of_in_its_words(
    sessions, double, server, status, said, told
):
    double.fault["slots"] = status, said
    (problem,) = (await sessions.save(server(), GIB, 5)).problems
    assert problem.startswith(told)
    assert len(problem) < 500


async def test_its_key_is_presented(sessions, double, server):
    double.key, double.held = "k", {0: 600, 1: None}
    assert "401" in (await sessions.save(server(), GIB, 5)).problems[0]
    assert (0,) == (await sessions.save(server(Authorization="Bearer k"), GIB, 5)).slots


async def test_nobody_there_is_told_of(sessions, double, server):
    asked = server()
    await double.stop()
    await double.start()
    moved = await sessions.save(asked, GIB, 5)
    assert 1 == len(moved.problems)


async def test_weights_that_were_replaced_since_the_start_are_another_models(
    sessions, double, server, weights
):
    double.held = {0: 600, 1: None}
    late = time.time() + 100
    os.utime(weights, (late, late))
    moved = await sessions.save(server(), GIB, 5)
    assert ((), ("its weights have changed since it was started",)) == (moved.slots, moved.problems)
    assert [] == names(sessions)


async def test_it_is_given_up_where_it_was_of_no_use_twice(sessions, double, server):
    double.held = {0: 600, 1: None}
    await sessions.save(server(), GIB, 5)
    for turn in range(TWICE):
        assert not (await sessions.restore(server(), 5)).given_up
        assert (turn + 1 == TWICE) is await sessions.note_effect(server(), of_use=False)
    assert ["without-effect.json"] == names(sessions)
    assert (await sessions.restore(server(), 5)).given_up
    assert (await sessions.save(server(), GIB, 5)).given_up
    assert not (await sessions.save(server("-ctk q8_0"), GIB, 5)).given_up, (
        "another cache is another question"
    )


async def test_one_use_starts_the_count_anew(sessions, double, server):
    double.held = {0: 600, 1: None}
    await sessions.save(server(), GIB, 5)
    for of_use in (False, True, False):
        await sessions.note_effect(server(), of_use=of_use)
    assert (0,) == (await sessions.restore(server(), 5)).slots


async def test_what_is_computed_faster_is_no_longer_saved(sessions, double, server):
    double.held, double.prompts, double.slow = {0: 1000, 1: 1000}, (1000, 0.01), {"save": 0.05}
    first = await sessions.save(server(), GIB, 5)
    assert ({0, 1}, "") == (set(first.slots), first.not_worth), "what it would take was not known yet"
    double.asked.clear()
    second = await sessions.save(server(), GIB, 5)
    assert ((), ()) == (second.slots, second.problems)
    assert second.not_worth.startswith("1000 tokens of a prompt take 10 ms to compute again, beside ")
    assert [] == double.asked


async def test_that_is_remembered_by_the_next_zoosup(sessions, double, server, tmp_path):
    double.held, double.prompts, double.slow = {0: 1000, 1: None}, (1000, 0.01), {"save": 0.05}
    await sessions.save(server(), GIB, 5)
    later = SlotSessions(tmp_path / "sessions")
    double.prompts = None
    told = await later.save(server(), GIB, 5), await later.restore(server(), 5)
    await later.close()
    assert told[0].not_worth
    assert told[0].not_worth == told[1].not_worth


async def test_what_was_saved_is_restored_unless_that_takes_longer_as_well(sessions, double, server):
    double.held, double.prompts, double.slow = {0: 1000, 1: None}, (1000, 0.03), {"save": 0.1, "restore": 0.1}
    await sessions.save(server(), GIB, 5)
    assert (0,) == (await sessions.restore(server(), 5)).slots
    double.asked.clear()
    assert () == (await sessions.restore(server(), 5)).slots
    assert [] == double.asked


async def test_the_disk_is_tried_anew_after_a_while(sessions, double, server):
    double.held, double.prompts, double.slow = {0: 1000, 1: None}, (1000, 0.1), {"save": 0.3}
    await sessions.save(server(), GIB, 5)
    double.slow.clear()
    turns = [bool((await sessions.save(server(), GIB, 5)).not_worth) for _ in range(AGAIN + 1)]
    assert [True] * AGAIN + [False] == turns


async def test_a_save_that_was_given_up_would_have_taken_longer(sessions, double, server):
    double.held, double.prompts, double.fault = {0: 1000, 1: None}, (1000, 0.01), {"save": "hangs"}
    assert () == (await sessions.save(server(), GIB, 0.2)).slots
    double.fault.clear()
    assert (await sessions.save(server(), GIB, 5)).not_worth


async def test_other_words_have_other_paces(sessions, double, server):
    double.held, double.prompts, double.slow = {0: 1000, 1: None}, (1000, 0.01), {"save": 0.05}
    await sessions.save(server(), GIB, 5)
    assert (0,) == (await sessions.save(server("-ctk q8_0"), GIB, 5)).slots


def test_before_anything_is_known_of_its_words_a_server_is_as_fast_as_the_last_that_was_seen(tmp_path):
    folder = Folder(tmp_path)
    for words, skipped in (("a", 1), ("b", 2), ("a", 3)):
        folder.note_paces(words, Paces(skipped=skipped))
        assert Paces(skipped=skipped) == folder.paces(words) == folder.paces()


async def test_what_other_models_kept_is_removed(sessions, tmp_path):
    for model in ("m", "gone", "Gone/too:1"):
        await sessions.prepare(model)
    await sessions.sweep({"m"})
    assert ["m"] == [model for model, _ in folders(tmp_path / "sessions")]


async def test_there_is_nothing_to_remove_where_nothing_was_kept(tmp_path):
    made = SlotSessions(tmp_path / "never")
    await made.sweep(set())
    await made.close()
    assert not (tmp_path / "never").exists()


def test_models_that_differ_in_capitals_only_have_two_folders():
    assert folder_name("Qwen/A:1").lower() != folder_name("qwen/a:1").lower()
    assert "%51wen%2f%41%3a1" == folder_name("Qwen/A:1")


@pytest.fixture
def folder(tmp_path):
    made = Folder(tmp_path / "root/m")
    tmp_path.joinpath("root").mkdir()
    made.make()
    return made


def kept(folder, slot, size, named="0" * 16):
    folder.path.joinpath(draft_name(named, slot)).write_bytes(b"x" * size)
    return folder.keep(named, slot)


def test_what_is_half_done_is_taken_away_and_what_is_kept_stays(folder):
    assert 5 == kept(folder, 0, 5)
    folder.note_failures("a", 1)
    [file] = folder.files()
    half_done = draft_name("0" * 16, 1), f"{file.stem}{READ}", f"paces.json{WRITTEN}"
    for name in half_done:
        folder.path.joinpath(name).touch()
    folder.make()
    assert {f"{file.stem}.bin", "without-effect.json"} == {each.name for each in folder.path.iterdir()}


def test_another_slot_or_another_server_keeps_its_file_when_one_is_kept(folder):
    for slot, named in (0, "0" * 16), (1, "0" * 16), (0, "1" * 16):
        kept(folder, slot, 5 + slot, named)
    kept(folder, 0, 9)
    assert [("0" * 16, 0, 9), ("0" * 16, 1, 6), ("1" * 16, 0, 5)] == sorted(
        (each.fingerprint, each.slot, each.size) for each in folder.files()
    )
    kept(folder, 0, 9)
    assert 3 == len(folder.files()), "the same once more"


def test_all_can_be_cleared_and_the_folder_stays(folder):
    kept(folder, 0, 5)
    folder.note_paces("a", Paces(skipped=1))
    folder.clear()
    assert [] == list(folder.path.iterdir())
    folder.clear()


def test_only_so_many_bytes_are_kept(folder):
    kept(folder, 0, 100)
    os.utime(folder.path / f"{folder.files()[0].stem}.bin", (1, 1))
    kept(folder, 1, 100)
    folder.shrink(200)
    assert 2 == len(folder.files())
    folder.shrink(199)
    assert [1] == [each.slot for each in folder.files()]


def test_failures_are_counted_for_each_server_and_forgotten_at_none(folder):
    folder.note_failures("a", 1)
    folder.note_failures("b", 2)
    assert (1, 2, 0) == tuple(map(folder.failures, "abc"))
    folder.note_failures("b", 0)
    assert '{"a": 1}' == (folder.path / "without-effect.json").read_text()


@pytest.mark.parametrize("text", ["{", "[]", '{"a": "many"}', '{"a": null}', "\x80"])
def test_a_note_that_is_none_counts_for_nothing(folder, text):
    for name in "without-effect.json", "paces.json":
        (folder.path / name).write_bytes(text.encode("latin-1"))
    assert (0, Paces(), Paces()) == (folder.failures("a"), folder.paces("a"), folder.paces())
    folder.note_failures("a", 1)
    assert 1 == folder.failures("a")


def test_paces_of_the_last_eight_servers_are_kept(folder):
    for number in range(10):
        folder.note_paces(str(number), Paces(skipped=number + 1))
    folder.note_paces("3", Paces(skipped=100))
    there = [folder.paces(str(number)).skipped for number in range(10)]
    assert [0, 0, 3, 100, 5, 6, 7, 8, 9, 10] == there
    folder.note_paces("new", Paces(skipped=7))
    assert (0, 5, 7) == tuple(folder.paces(name).skipped for name in ("2", "4", "new"))


def test_only_folders_are_models(tmp_path):
    (tmp_path / "%51").mkdir()
    (tmp_path / "notes.txt").touch()
    assert ["Q"] == [model for model, _ in folders(tmp_path)]
    assert [] == list(folders(tmp_path / "none"))
    assert "abz09-_.%7b%60%2f" == folder_name("abz09-_.{`/")


async def test_what_its_slots_are_doing_is_told_and_nothing_where_it_will_not_say(sessions, double, server):
    double.held = {0: 600, 1: None}
    assert [(0, 600), (1, None)] == [(each.id, each.tokens) for each in await sessions.slots(server())]
    double.fault["slots"] = "hidden"
    assert () == await sessions.slots(server())
    asked = server()
    await double.stop()
    assert () == await sessions.slots(asked)
    await double.start()


async def test_a_disk_that_says_no_is_told_and_ends_nothing(sessions, double, server, monkeypatch, caplog):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Folder, "note_failures", full)
    assert await sessions.note_effect(server(), of_use=False) is False
    monkeypatch.setattr("zoosup.host.sessions.folder.sweep", full)
    await sessions.sweep({"m"})
    assert 2 == sum("No space left on device" in each.getMessage() for each in caplog.records)
    monkeypatch.setattr(Folder, "make", full)
    moved = await sessions.save(server(), GIB, 5)
    assert (("[Errno 28] No space left on device",), False) == (moved.problems, moved.broken_off)


async def test_two_failures_take_away_only_what_the_same_words_have_kept(sessions, double, server):
    double.held = {0: 600, 1: None}
    for words in "", "-ctk q8_0":
        await sessions.save(server(words), GIB, 5)
    for _ in range(TWICE):
        await sessions.note_effect(server(), of_use=False)
    assert 1 == len(Folder(sessions.folder("m")).files())
    assert (0,) == (await sessions.restore(server("-ctk q8_0"), 5)).slots


async def test_time_that_it_took_is_told(sessions, double, server):
    double.held, double.slow = {0: 600, 1: None}, {"save": 0.2}
    assert 0.2 <= (await sessions.save(server(), GIB, 5)).seconds < 5


async def test_no_proxy_of_the_environment_is_asked(sessions, double, server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    double.held = {0: 600, 1: None}
    assert (0,) == (await sessions.save(server(), GIB, 5)).slots

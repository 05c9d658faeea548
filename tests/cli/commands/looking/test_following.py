"""`zoosup logs` and `zoosup events`: what was, and what goes on."""

import asyncio
import json
import time

import pytest

from tests.cli.conftest import GUARD
from zoosup.cli.commands.looking.events import parsed
from zoosup.web.api.followers import StreamLimits


async def test_logs_are_printed_byte_for_byte(shell, runtime, server):
    runtime.logs.lines["org/model:8b"] = ["\x1b[31mred\x1b[0m ünï", *map(str, range(200))]
    runtime.logs.previous["org/model:8b"] = ["the run before"]
    assert "\n".join(map(str, range(100, 200))) + "\n" == (await shell("logs", "org/model:8b")).out
    assert "\x1b[31mred\x1b[0m ünï\n0\n" == "".join(
        (await shell("logs", "org/model:8b", "-n", "201")).out.splitlines(keepends=True)[:2]
    )
    assert "the run before\n" == (await shell("logs", "org/model:8b", "--previous")).out


async def test_logs_of_an_unknown_model_are_4(shell, server):
    ended = await shell("logs", "nobody")
    assert (4, "") == (ended.code, ended.out)
    assert "no model 'nobody'" in ended.err


async def test_followed_logs_show_also_half_a_line_and_end_with_the_supervisor(shell, runtime, server):
    runtime.logs.lines["a"] = ["old"]
    process = await shell.start("logs", "a", "-f")
    async with asyncio.timeout(GUARD):
        assert b"old\n" == await process.stdout.readline()
        runtime.logs.arrivals.put_nowait(b"loading 50 %")
        assert b"loading 50 %" == await process.stdout.readexactly(12)
        await server.stop()
        _, err = await process.communicate()
    assert (69, b"zoosup: the supervisor has stopped\n") == (process.returncode, err)


async def test_logs_cannot_be_followed_of_a_run_that_has_ended(shell, server):
    ended = await shell("logs", "a", "-f", "-p")
    assert 64 == ended.code
    assert "--previous and --follow" in ended.err


async def test_events_are_a_line_each(shell, runtime, server):
    runtime.journal.add("Phase", "a", "ready", "")
    runtime.journal.add("Refused", None, "InvalidFile", "zoo.yaml:1:1: no\nzoo.yaml:2:1: no")
    first, second = (await shell("events")).out.splitlines()
    assert first.endswith("  a  ready")
    assert second.endswith("  zoo  refused (InvalidFile)  zoo.yaml:1:1: no zoo.yaml:2:1: no")


async def test_events_are_selected(shell, runtime, server):
    for n in range(4):
        runtime.journal.add("Tick", "ab"[n % 2], "", str(n))
    ended = await shell("events", "--model", "b", "--limit", "1", "--json")
    assert ["3"] == [json.loads(each)["message"] for each in ended.out.splitlines()]


@pytest.mark.parametrize(
    ("since", "expected"),
    [("2", ["2", "3"]), ("9", []), ("10m", ["2", "3"]), ("2026-01-01T00:00", ["0", "1", "2", "3"])],
)
async def test_events_begin_after_a_number_or_at_a_time(shell, runtime, server, since, expected):
    times = iter([time.time() - 3600, time.time() - 3599, time.time() - 60, time.time()])
    runtime.journal._wall = lambda: next(times)
    for n in range(4):
        runtime.journal.add("Tick", None, "", str(n))
    ended = await shell("events", "--since", since, "--json")
    assert expected == [json.loads(each)["message"] for each in ended.out.splitlines()]


async def test_a_time_that_is_none_is_refused(shell, server):
    ended = await shell("events", "--since", "yesterday")
    assert 64 == ended.code
    assert "got 'yesterday', expected an event's number" in ended.err


async def test_followed_events_begin_with_the_newest_and_go_on(shell, runtime, server):
    for n in range(30):
        runtime.journal.add("Tick", None, "", str(n))
    process = await shell.start("events", "-f", "--json")
    async with asyncio.timeout(GUARD):
        past = [json.loads(await process.stdout.readline())["message"] for _ in range(20)]
        runtime.journal.add("Tick", None, "", "new")
        assert "new" == json.loads(await process.stdout.readline())["message"]
        await server.stop()
        await process.communicate()
    assert [str(n) for n in range(10, 30)] == past
    assert 69 == process.returncode


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_events_are_read_however_the_bytes_are_cut(size):
    stream = b': heartbeat\n\nid: 1\ndata: {"seq":1}\n\nid: 2\ndata: {"seq":2,"m":"\xc3\xbc"}\n\n'
    chunks = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert [{"seq": 1}, {"seq": 2, "m": "ü"}] == list(parsed(chunks))


async def test_events_of_an_unknown_model_are_4_unless_something_happened_to_it_once(shell, runtime, server):
    ended = await shell("events", "-m", "nosuch")
    assert (4, "") == (ended.code, ended.out)
    runtime.journal.add("Phase", "nosuch", "stopped", "it was taken out of the file")
    assert 0 == (await shell("events", "-m", "nosuch")).code


async def test_a_follower_for_whom_there_is_no_room_is_69(shell, runtime, server, monkeypatch):
    monkeypatch.setattr(server._followers, "_limits", StreamLimits(followers=0))
    ended = await shell("events", "-f")
    assert 69 == ended.code
    assert "clients follow already" in ended.err


async def test_logs_and_events_are_read_from_the_disk_once_zoosup_is_down(shell):
    (shell.home / "zoo.yaml").write_text(
        "active: [a]\nmodels: {a: {command: [sh, -c, 'echo hello; exec sleep 99'], memory: {ram: 1MiB}}}\n"
        "gateway: false\nstatus: {listen: null}\n"
    )
    assert 69 == (await shell("events")).code
    assert 69 == (await shell("logs", "a")).code
    process = await shell.start("run", "zoo.yaml")
    async with asyncio.timeout(GUARD):
        while "hello" not in (await shell("logs", "a")).out:
            await asyncio.sleep(0.1)
    process.terminate()
    await process.communicate()
    assert (0, "hello\n") == ((ended := await shell("logs", "a")).code, ended.out)
    ended = await shell("events", "-m", "a")
    assert (0, "zoosup: no supervisor runs; this is what was written down\n") == (ended.code, ended.err)
    assert "starting" in ended.out
    assert 1 == len((await shell("events", "-n", "1")).out.splitlines())
    assert 69 == (await shell("logs", "nosuch")).code

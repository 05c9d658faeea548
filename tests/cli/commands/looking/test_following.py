"""`zoosup logs` and `zoosup events`: what was, and what goes on."""

import asyncio
import json
import time

import pytest

from tests.cli.conftest import GUARD
from zoosup.cli.absence import LONGEST
from zoosup.cli.commands.looking.events import REMEMBERED, _Seen, parsed
from zoosup.web.api.followers import StreamLimits
from zoosup.web.api.server import WebServer


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


async def test_followed_logs_show_also_half_a_line(shell, runtime, server):
    runtime.logs.lines["a"] = ["old"]
    process = await shell.start("logs", "a", "-f")
    async with asyncio.timeout(GUARD):
        assert b"old\n" == await process.stdout.readline()
        runtime.logs.arrivals.put_nowait(b"loading 50 %")
        assert b"loading 50 %" == await process.stdout.readexactly(12)
    process.kill()
    await process.wait()


async def test_followed_logs_go_on_while_one_supervisor_takes_over_from_another(shell, runtime, server):
    log = shell.home / "state" / "logs" / "a.log"
    log.parent.mkdir()
    log.write_bytes(b"1\n2\n3\r\nhalf")
    process = await shell.start("logs", "a", "-f", "-n", "2")
    async with asyncio.timeout(GUARD):
        assert b"3\r\nhalf" == await process.stdout.readexactly(7)
        await server.stop()
        with log.open("ab") as file:
            file.write(b" a line\n")
        assert b" a line\n" == await process.stdout.readline()
        await asyncio.sleep(1.5)
        after = await successor(shell, runtime)
        with log.open("ab") as file:
            file.write(b"new\n")
        assert b"new\n" == await process.stdout.readline()
    process.kill()
    assert (b"", b"") == await process.communicate()
    await after.stop()


async def successor(shell, runtime):
    server = WebServer(runtime, control=shell.home / "state" / "control.sock")
    await server.start(None)
    return server


async def test_who_follows_ends_once_no_supervisor_comes(shell, runtime, server):
    (shell.home / "state" / "logs").mkdir()
    commands = ("logs", "a", "-f"), ("events", "-f"), ("status", "--watch")
    processes = [await shell.start(*words) for words in commands]
    async with asyncio.timeout(GUARD):
        await asyncio.sleep(3)
        await server.stop()
        began = time.monotonic()
        ended = [await process.communicate() for process in processes]
    assert LONGEST - 1 < time.monotonic() - began < 2 * LONGEST
    assert [69, 69, 69] == [process.returncode for process in processes]
    said = (
        "zoosup: the supervisor has stopped; waiting for the next one\nzoosup: the supervisor has stopped\n"
    )
    assert 3 * [said] == [err.decode() for _, err in ended]


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


async def test_followed_events_go_on_while_one_supervisor_takes_over_from_another(shell, runtime, server):
    for n in range(30):
        runtime.journal.add("Tick", None, "", str(n))
    process = await shell.start("events", "-f", "--json")

    async def read(count):
        return [json.loads(await process.stdout.readline())["message"] for _ in range(count)]

    async with asyncio.timeout(GUARD):
        assert [str(n) for n in range(10, 30)] == await read(20)
        runtime.journal.add("Tick", None, "", "new")
        assert ["new"] == await read(1)
        await server.stop()
        for n in range(40):
            runtime.journal.add("Tick", None, "", f"meanwhile {n}")
        await asyncio.sleep(1)
        after = await successor(shell, runtime)
        runtime.journal.add("Tick", None, "", "after")
        assert [*(f"meanwhile {n}" for n in range(40)), "after"] == await read(41)
    process.kill()
    assert (b"", b"") == await process.communicate()
    await after.stop()


def test_events_whose_numbers_come_again_after_a_kill_are_new():
    seen = _Seen()
    first = [{"seq": seq, "at": float(seq)} for seq in range(7, 200)]
    assert [*first[:50]] == [event for event in first[:50] if seen.is_new(event)]
    assert 6 == seen.past()["since"]
    assert not [event for event in first[:50] if seen.is_new(event)]
    assert seen.is_new({"seq": 56, "at": 99.5})
    assert [*first[50:]] == [event for event in first[50:] if seen.is_new(event)]
    assert 199 - REMEMBERED <= seen.past()["since"] <= 199


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

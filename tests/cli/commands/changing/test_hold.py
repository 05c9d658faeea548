"""`hold` as it is typed: what is asked, what is said while it waits, and the command that it becomes."""

import asyncio
import json
import signal

import pytest

from tests.cli.conftest import GUARD
from tests.cli.fakes import GIB, hold, snapshot
from zoosup.errors import ZoosupError
from zoosup.web.api.server import WebServer

NOT_YET = hold(
    "waiting", reason="WaitingForEviction", message="waits for a to leave", memory={}, until=None, command="",
    pid=None,
)  # fmt: skip


def held(runtime, **more):
    runtime.publisher.publish(snapshot(holds={"h1": hold(**more)}))


async def test_it_becomes_the_command_whose_exit_code_it_has(shell, runtime, server):
    held(runtime)
    process = await shell.start(
        "hold", "--ram", "8GiB", "--for", "2h", "--", "sh", "-c", "echo $$ $1; exit 7", "-", "-x"
    )
    out, err = await process.communicate()
    assert (7, f"{process.pid} -x\n", "") == (process.returncode, out.decode(), err.decode())
    ((_, asked),) = runtime.commands.wishes
    assert (8 * GIB, 7200.0, process.pid, False) == (asked.ram, asked.lasts, asked.pid, asked.keep)
    assert "sh -c 'echo $$ $1; exit 7' - -x" == asked.command


async def test_the_command_is_told_its_gpu_and_ignores_no_signal_of_its_own_accord(shell, runtime, server):
    held(runtime, gpus=["GPU-7"], gpu_env={"ROCR_VISIBLE_DEVICES": "GPU-7"})
    script = "echo $ROCR_VISIBLE_DEVICES; grep SigIgn /proc/self/status"
    ended = await shell("hold", "--vram", "8GiB", "--gpu", "1", "--", "sh", "-c", script)
    hung_up = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # these tests were started by nohup
    ignored = 1 << signal.SIGHUP - 1 if hung_up else 0
    gpu, line = ended.out.splitlines()
    # Without those that the C library has for itself, 32 and 33: it may leave them ignored.
    found = int(line.split()[1], 16) & ~(0b11 << 31)
    assert (0, "GPU-7", ignored) == (ended.code, gpu, found)
    assert "1" == runtime.commands.wishes[0][1].gpu


async def test_what_it_waits_for_is_said_once(shell, runtime, server):
    runtime.publisher.publish(snapshot(holds={"h1": NOT_YET}))
    process = await shell.start("hold", "--ram", "8GiB", "--", "echo", "in")
    assert b"zoosup: hold h1 waits for a to leave\n" == await process.stderr.readline()
    held(runtime)
    async with asyncio.timeout(GUARD):
        assert (b"in\n", b"") == await process.communicate()


async def test_that_it_is_being_written_down_is_nobodys_business(shell, runtime, server):
    runtime.publisher.publish(snapshot(holds={"h1": hold("waiting", message="is being written down")}))
    process = await shell.start("hold", "--ram", "8GiB", "--", "echo", "in")
    while not runtime.commands.wishes:
        await asyncio.sleep(0.01)
    held(runtime)
    async with asyncio.timeout(GUARD):
        assert (b"in\n", b"") == await process.communicate()


async def test_who_waits_asks_the_zoosup_that_follows_anew(shell, runtime, server, monkeypatch):
    runtime.publisher.publish(snapshot(holds={"h1": NOT_YET}))
    process = await shell.start("hold", "--ram", "8GiB", "--", "echo", "in")
    await process.stderr.readline()
    await server.stop()
    assert (await process.stderr.readline()).endswith(b"; still waiting\n")
    runtime.publisher.publish(snapshot())
    hold_as_ever = runtime.commands.hold

    async def hold_at_once(asked):
        held(runtime)
        return await hold_as_ever(asked)

    monkeypatch.setattr(runtime.commands, "hold", hold_at_once)
    following = WebServer(runtime, control=server._control_path)
    await following.start(None)
    async with asyncio.timeout(GUARD):
        assert (b"in\n", b"") == await process.communicate()
    assert 2 == len(runtime.commands.wishes)
    await following.stop()


async def test_one_that_is_given_back_while_it_waits_is_1(shell, runtime, server):
    runtime.publisher.publish(snapshot(holds={"h1": NOT_YET}))
    process = await shell.start("hold", "--ram", "8GiB", "--", "echo", "in")
    await process.stderr.readline()
    runtime.publisher.publish(snapshot())
    async with asyncio.timeout(GUARD):
        out, err = await process.communicate()
    assert (1, b"", b"zoosup: no hold 'h1'; there are none\n") == (process.returncode, out, err)
    assert 1 == len(runtime.commands.wishes)


async def test_one_that_is_refused_while_it_waits_is_1_with_the_sum(shell, runtime, server):
    runtime.publisher.publish(snapshot(holds={"h1": NOT_YET}))
    process = await shell.start("hold", "--ram", "8GiB", "--", "echo", "in")
    await process.stderr.readline()
    held(runtime, state="refused", message="ram is short of 1 GiB")
    async with asyncio.timeout(GUARD):
        out, err = await process.communicate()
    assert (1, b"", b"zoosup: no room: ram is short of 1 GiB\n") == (process.returncode, out, err)


async def test_without_a_command_its_id_is_printed_and_it_is_kept(shell, runtime, server):
    held(runtime, command="", pid=None)
    ended = await shell("hold", "--ram", "8GiB")
    assert (0, True) == (ended.code, ended.out.startswith("h1  held: 8 GiB of ram (2 GiB in use)"))
    assert "zoosup hold --release h1" in ended.err
    assert runtime.commands.wishes[0][1].keep
    assert "h1" == json.loads((await shell("hold", "--ram", "8GiB", "--json")).out)["id"]


async def test_no_room_is_1_with_the_sum_and_nothing_is_run(shell, runtime, server):
    runtime.commands.fault = ZoosupError("no room: ram is short of 1 GiB")
    ended = await shell("hold", "--ram", "8GiB", "--", "echo", "in")
    assert (1, "", "zoosup: no room: ram is short of 1 GiB\n") == (ended.code, ended.out, ended.err)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ((), 64, "expected --ram or --vram"),
        (("--ram", "8"), 64, "got '8', expected"),
        (("--ram", "8GiB", "--", "no-such-program"), 1, "no-such-program: no such program"),
        (("--list", "--release", "h1"), 64, "not allowed with"),
    ],
)
async def test_what_can_not_be_meant_asks_nobody(shell, runtime, server, words, code, message):
    ended = await shell("hold", *words)
    assert code == ended.code
    assert message in ended.err
    assert [] == runtime.commands.wishes


async def test_holds_are_listed_and_given_back(shell, runtime, server):
    held(runtime)
    listed = "h1  held: 8 GiB of ram (2 GiB in use); 1h00m left; pid 77 game --fast\n"
    assert listed == (await shell("hold", "--list")).out
    assert {"h1": hold()} == json.loads((await shell("hold", "--list", "--json")).out)
    assert "hold h1 has gone back\n" == (await shell("hold", "--release", "h1")).out
    ended = await shell("hold", "--release", "h2")
    assert (1, "zoosup: no hold 'h2'\n") == (ended.code, ended.err)


async def test_the_status_has_them_in_the_pool_and_in_a_line(shell, runtime, server):
    pool = snapshot()["pools"][0] | {"holds": {"h1": {"reserved": 8 * GIB, "held": 2 * GIB}}}
    runtime.publisher.publish(snapshot(holds={"h1": hold()}, pools=[pool]))
    out = (await shell("status")).out
    assert "hold h1 holds 2 GiB and is promised 6 GiB more" in out
    assert "hold h1 held: 8 GiB of ram (2 GiB in use); 1h00m left; pid 77 game --fast\n" in out

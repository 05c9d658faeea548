"""`zoosup run --wait-for-file`: a first boot without a good file serves status with the error and waits for one."""

import asyncio
import shutil
import signal
from contextlib import asynccontextmanager

import aiohttp
import pytest

GUARD = 60
EMPTY = "active: []\nmodels: {}\ngateway: false\nstatus: {listen: null}\n"
LOADED = EMPTY.replace("[]", "[a]").replace("{}", "{a: {command: sleep 100, memory: {ram: 1MiB}}}")


@asynccontextmanager
async def supervisor(shell, *words, **options):
    process = await shell.start("run", "zoo.yaml", *words, **options)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(GUARD):
            await process.communicate()


async def until(shell, says, *words):
    async with asyncio.timeout(GUARD):
        while says not in ((ended := await shell(*words)).out + ended.err):
            await asyncio.sleep(0.1)
        return ended


@pytest.mark.parametrize(
    ("before", "says"), [(None, "is missing"), ("activ: x\n", "unknown key"), ("", "is empty")]
)
async def test_the_error_is_told_until_a_good_file_comes(shell, before, says):
    file = shell.home / "zoo.yaml"
    if before is not None:
        file.write_text(before)
    async with supervisor(shell, "--wait-for-file", "--status-listen", "127.0.0.1:0") as process:
        await until(shell, says, "status")
        for words, code in ((("wait",), 78), (("reload",), 78), (("start", "a"), 4)):
            ended = await shell(*words)
            assert code == ended.code, ended
        assert "nothing is in force until it is good" in (await shell("wait")).err
        file.write_text(EMPTY)
        assert 0 == (await until(shell, "all is well", "status")).code
        assert 0 == (await shell("wait")).code
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(GUARD):
            assert 0 == await process.wait()


async def test_reload_takes_the_good_file_up(shell):
    async with supervisor(shell, "--wait-for-file", "--status-listen", "none"):
        await until(shell, "is missing", "status")
        (shell.home / "zoo.yaml").write_text(EMPTY)
        await shell("reload")
        await until(shell, "all is well", "status")


async def test_it_ends_at_once_when_told_to(shell):
    async with supervisor(shell, "--wait-for-file", "--status-listen", "none") as process:
        await until(shell, "is missing", "status")
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(GUARD):
            assert 0 == await process.wait()
    assert not (shell.home / "state" / "control.sock").exists()


async def test_it_is_executed_anew_when_told_to_and_waits_on(shell):
    async with supervisor(shell, "--wait-for-file", "--status-listen", "none") as process:
        await until(shell, "is missing", "status")
        shutil.rmtree(shell.home / "state" / "logs")  # each start makes it
        process.send_signal(signal.SIGUSR2)
        async with asyncio.timeout(GUARD):
            while not (shell.home / "state" / "logs").exists():
                assert process.returncode is None
                await asyncio.sleep(0.05)
        (shell.home / "zoo.yaml").write_text(EMPTY)
        await until(shell, "all is well", "status")


async def test_without_it_a_missing_file_is_78(shell):
    process = await shell.start("run", "zoo.yaml")
    async with asyncio.timeout(GUARD):
        await process.communicate()
    assert 78 == process.returncode


async def test_health_checks_are_answered_meanwhile(shell):
    async with supervisor(shell, "--wait-for-file", "--status-listen", "127.0.0.1:18931"):
        await until(shell, "is missing", "status")
        async with aiohttp.ClientSession() as client:
            for path, status, says in (
                ("livez", 200, "ok"),
                ("readyz", 503, "no zoo.yaml has been applied yet: "),
                ("healthz", 503, "no zoo.yaml has been applied yet: "),
            ):
                async with client.get(f"http://127.0.0.1:18931/{path}") as answer:
                    assert (status, True) == (answer.status, says in await answer.text())


async def test_models_of_the_zoosup_before_live_on(shell):
    file = shell.home / "zoo.yaml"
    file.write_text(LOADED)
    async with supervisor(shell, "--on-exit", "keep"):
        pid = (await until(shell, "process", "status", "a")).out
    file.unlink()
    (shell.home / "state" / "state.json").unlink()  # with the last good file in it
    async with supervisor(shell, "--wait-for-file"):
        await until(shell, "is missing", "status")
        file.write_text(LOADED)
        after = (await until(shell, "process", "status", "a")).out
    assert _pid(pid) == _pid(after)


def _pid(text):
    return next(word for word in text.replace(",", " ").split() if word.isdecimal() and int(word) > 1)

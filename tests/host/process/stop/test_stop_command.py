"""A stop command by itself: it ends, or is ended, and is collected either way."""

import asyncio
import logging
import os
import threading

import psutil

from tests.host.conftest import RUN
from zoosup.host.process import spawn
from zoosup.host.process.stop.stop_command import run_command


def running(harness, *argv):
    instruments = harness.processes._instruments
    launch = harness.launch(RUN, *argv)
    return asyncio.create_task(run_command(launch, instruments.watcher, instruments.table))


async def test_one_that_works_is_collected_and_told(harness, caplog):
    caplog.set_level(logging.INFO)
    await running(harness, "true")
    assert [] == psutil.Process().children()
    assert "stop command of model exited with code 0" in caplog.text


async def test_one_that_is_given_up_is_killed_with_its_group(harness):
    task = running(harness, "sh", "-c", "trap '' TERM; sleep 600 & echo $!; wait")
    await harness.eventually(lambda: (harness.place / f"{RUN}.log").exists() and harness.log() != "")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await harness.eventually(lambda: psutil.Process().children() == [])
    member = int(harness.log())
    await harness.eventually(
        lambda: not psutil.pid_exists(member) or psutil.Process(member).status() == psutil.STATUS_ZOMBIE
    )


async def test_one_that_is_given_up_before_it_lives_is_killed_when_it_does(harness, monkeypatch, caplog):
    disk = threading.Event()
    monkeypatch.setattr(spawn, "_open_log", lambda _: disk.wait() and os.open(os.devnull, os.O_WRONLY))
    task = running(harness, "/bin/sleep", "600")
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    disk.set()
    await harness.eventually(lambda: "killed by SIGKILL" in caplog.text)
    assert [] == psutil.Process().children()


async def test_one_whose_identity_can_not_be_read_is_waited_for_all_the_same(harness, monkeypatch):
    def refuse(_):
        raise OSError("no descriptor left")

    instruments = harness.processes._instruments
    launch = harness.launch(RUN, "true")
    monkeypatch.setattr(type(instruments.table), "look", lambda *_: refuse(_))
    async with asyncio.timeout(20):
        await run_command(launch, instruments.watcher, instruments.table)

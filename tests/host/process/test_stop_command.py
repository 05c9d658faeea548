"""A stop command by itself: it ends, or is ended, and is collected either way."""

import asyncio
import logging
import os
import threading

import psutil

from zoosup.host.process import spawn
from zoosup.host.process.stop_command import run_command


def running(yard, *argv):
    instruments = yard.processes._instruments
    launch = yard.launch("r1", *argv)
    return asyncio.create_task(run_command(launch, instruments.watcher, instruments.table))


async def test_one_that_works_is_collected_and_told(yard, caplog):
    caplog.set_level(logging.INFO)
    await running(yard, "true")
    assert [] == psutil.Process().children()
    assert "stop command of model exited with code 0" in caplog.text


async def test_one_that_is_given_up_is_killed_with_its_group(yard):
    task = running(yard, "sh", "-c", "trap '' TERM; sleep 600 & echo $!; wait")
    await yard.eventually(lambda: (yard.place / "r1.log").exists() and yard.log() != "")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await yard.eventually(lambda: psutil.Process().children() == [])
    member = int(yard.log())
    await yard.eventually(
        lambda: not psutil.pid_exists(member) or psutil.Process(member).status() == psutil.STATUS_ZOMBIE
    )


async def test_one_that_is_given_up_before_it_lives_is_killed_when_it_does(yard, monkeypatch, caplog):
    disk = threading.Event()
    monkeypatch.setattr(spawn, "_open_log", lambda _: disk.wait() and os.open(os.devnull, os.O_WRONLY))
    task = running(yard, "/bin/sleep", "600")
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    disk.set()
    await yard.eventually(lambda: "killed by SIGKILL" in caplog.text)
    assert [] == psutil.Process().children()

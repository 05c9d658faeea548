"""A run without a container is one of processes: what is asked of it is asked of them."""

import asyncio
import os
import sys

import pytest

from tests.host.conftest import RUN
from tests.host.runs.test_failed_starts import HalfEngine, begun  # noqa: F401 - a fixture
from zoosup.host.ports.host import Ladder, Launch, RecordedRun

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"


def launch(tmp_path):
    return Launch(RUN, "m", (sys.executable, "-c", DEAF), dict(os.environ), None, tmp_path / "m.log")


async def started(runs, tmp_path):
    await runs.adopt({}, "mark")
    pid = await runs.spawn(launch(tmp_path))
    while "deaf" not in (tmp_path / "m.log").read_text():
        await asyncio.sleep(0.01)
    return pid


async def test_a_ladder_under_way_can_be_shortened(begun, tmp_path):  # noqa: F811
    runs, _ = await begun(HalfEngine())
    pid = await started(runs, tmp_path)
    assert (pid in runs.members(RUN), runs.identity(RUN) is not None) == (True, True)
    ending = asyncio.create_task(runs.terminate(RUN, Ladder("TERM", 600.0)))
    await asyncio.sleep(0.2)
    runs.hasten(RUN, 0.1)
    ended = await asyncio.wait_for(ending, 20)
    assert ("", "Signaled") == (ended.survivors, ended.exit.reason)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_the_next_zoosup_takes_it_over(begun, tmp_path):  # noqa: F811
    before, _ = await begun(HalfEngine())
    pid = await started(before, tmp_path)
    identity = before.identity(RUN)
    await before.close()
    runs, _ = await begun(HalfEngine())
    assert {RUN: pid} == await runs.adopt({RUN: RecordedRun(launch(tmp_path), identity)}, "mark")
    assert (await runs.usage())[RUN] > 2**20
    assert await runs.bytes_read(RUN) is not None
    assert "" == (await runs.terminate(RUN, Ladder("KILL", 1.0))).survivors
    assert {} == dict(await runs.usage())

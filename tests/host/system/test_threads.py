"""An executor that needs no thread when it is used, and that nobody waits for when it hangs."""

import asyncio
import os
import subprocess
import sys
import threading
import time

import pytest

from zoosup.host.system import threads
from zoosup.host.system.threads import DaemonThreads, ready_made


def test_all_threads_are_there_before_the_first_task(monkeypatch):
    before = threading.active_count()
    executor = ready_made(5)
    assert before + 5 == threading.active_count()

    def refuse(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    gate = threading.Barrier(5)
    tasks = [executor.submit(gate.wait) for _ in range(5)]
    assert {0, 1, 2, 3, 4} == {task.result() for task in tasks}
    executor.shutdown()
    until = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert before == threading.active_count()


def test_work_that_hangs_keeps_no_other_work_waiting_while_there_may_be_threads():
    executor, gate = DaemonThreads("test", ready=1, most=9), threading.Event()
    hanging = [executor.submit(gate.wait) for _ in range(8)]
    assert "done" == executor.submit(lambda: "done").result(10)
    gate.set()
    assert [True] * 8 == [each.result(10) for each in hanging]
    executor.shutdown()


def test_more_work_than_threads_waits_its_turn():
    executor = DaemonThreads("test", ready=1, most=2)
    tasks = [executor.submit(lambda n=n: n) for n in range(50)]
    assert list(range(50)) == [task.result(10) for task in tasks]
    executor.shutdown()
    with pytest.raises(RuntimeError):
        executor.submit(print)


def test_what_waits_at_the_end_is_done_unless_it_is_to_be_cancelled():
    for cancel in (False, True):
        executor, begun, gate = DaemonThreads("test", ready=1, most=1), threading.Event(), threading.Event()
        first = executor.submit(lambda b=begun, g=gate: b.set() or g.wait(10))
        assert begun.wait(10)
        second = executor.submit(lambda: "done")
        executor.shutdown(cancel_futures=cancel)
        gate.set()
        assert first.result(10)
        if cancel:
            assert second.cancelled()
        else:
            assert "done" == second.result(10)


def test_threads_that_a_burst_has_needed_end_though_there_is_work_all_the_while(monkeypatch):
    monkeypatch.setattr(threads, "SPARE", 0.3)
    before = threading.active_count()
    executor, gate = DaemonThreads("test", ready=1, most=9), threading.Event()
    burst = [executor.submit(gate.wait) for _ in range(8)]
    gate.set()
    assert [True] * 8 == [each.result(10) for each in burst]
    until = time.monotonic() + 10
    while threading.active_count() > before + 1 and time.monotonic() < until:
        executor.submit(lambda: None).result(10)
        time.sleep(0.01)  # eight threads that took turns would none of them wait as long as SPARE
    assert before + 1 == threading.active_count()
    executor.shutdown()


def test_an_error_reaches_whoever_awaits():
    with DaemonThreads("test") as executor, pytest.raises(ZeroDivisionError):
        executor.submit(lambda: 1 // 0).result(10)


async def test_cancelled_work_is_not_begun():
    executor, gate = DaemonThreads("test", ready=1, most=1), threading.Event()
    first = executor.submit(gate.wait)
    begun = []
    second = asyncio.ensure_future(executor.run(lambda: begun.append(1)))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait({second})
    gate.set()
    first.result(10)
    assert "last" == executor.submit(lambda: "last").result(10)
    assert [] == begun
    executor.shutdown()


def test_a_thread_that_hangs_keeps_no_program_from_ending():
    program = """
import asyncio, threading
from zoosup.host.system import threads
from zoosup.host.system.threads import ready_made
async def main():
    asyncio.get_running_loop().set_default_executor(ready_made(2))
    hanging = asyncio.create_task(asyncio.to_thread(threading.Event().wait))
    await asyncio.sleep(0.1)
    hanging.cancel()
asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", program], timeout=20, check=False, env=dict(os.environ))
    assert 0 == ended.returncode


def test_what_is_under_way_is_waited_for_as_long_as_one_is_told():
    executor, gate, done = DaemonThreads("test", ready=1, most=1), threading.Event(), []
    executor.submit(gate.wait)
    executor.submit(done.append, 1)
    assert not executor.finish(0.05)
    assert [] == done
    gate.set()
    assert executor.finish(10)
    assert [1] == done
    with pytest.raises(RuntimeError):
        executor.submit(print)

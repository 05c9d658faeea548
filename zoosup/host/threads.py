"""Threads for work that may hang on a disk: a pool made at the start, and one of its own for work that may never end.

Knows why a pool is made beforehand: in a shortage of threads (RLIMIT_NPROC, a container's pids limit) an executor that
makes them on demand raises RuntimeError wherever it is used, which once ended the watch over zoo.yaml for good.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

THREADS = 16
"""More than hang at a time on a disk that does not answer: looks at files and ports, one for each model that starts."""

_T = TypeVar("_T")


def ready_made(count: int = THREADS) -> ThreadPoolExecutor:
    """An executor that has its `count` threads already; RuntimeError when they can't be had."""
    executor = ThreadPoolExecutor(count, "zoosup")
    # Each waits for all the others, so that none is handed the task of another.
    together = threading.Barrier(count + 1)
    for _ in range(count):
        executor.submit(together.wait)
    together.wait()
    return executor


async def in_own_thread(work: Callable[[], _T]) -> _T:
    """Run what may hang on a disk in a thread of its own, which the end of the program doesn't wait for."""
    future: Future[_T] = Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001 - handed to whoever awaits
            future.set_exception(error)

    threading.Thread(target=run, name="zoosup-own", daemon=True).start()
    return await asyncio.wrap_future(future)

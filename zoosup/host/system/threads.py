"""Threads for work that may hang on a disk, all of them made at the start.

Knows how to have them beforehand: in a shortage of threads (RLIMIT_NPROC, a container's pids limit) an executor that
makes them on demand raises RuntimeError wherever it is used, which once ended the watch over zoo.yaml for good.
"""

import threading
from concurrent.futures import ThreadPoolExecutor

THREADS = 16
"""More than hang at a time on a disk that does not answer: looks at files and ports, one for each model that starts."""


def ready_made(count: int = THREADS) -> ThreadPoolExecutor:
    """An executor that has its `count` threads already; RuntimeError when they can't be had."""
    executor = ThreadPoolExecutor(count, "zoosup")
    # Each waits for all the others, so that none is handed the task of another.
    together = threading.Barrier(count + 1)
    for _ in range(count):
        executor.submit(together.wait)
    together.wait()
    return executor

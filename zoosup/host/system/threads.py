"""Threads for work that may hang on a disk: pools whose threads nobody waits for at the end, and threads of one's own.

Knows why a pool has threads made beforehand: in a shortage of threads (RLIMIT_NPROC, a container's pids limit) an
executor that makes them on demand raises RuntimeError wherever it is used, which once ended the watch over zoo.yaml
for good. Each kind of work that may hang has a pool of its own, so that it can take no thread from another kind.
Refuses to know what the work is.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

THREADS = 16
"""Of the event loop's own pool: reading zoo.yaml, the lock, answers that take a while to write."""

MOST = 64
"""Of a pool whose work may hang: so many disks that don't answer hold up nobody else."""

SPARE = 30.0
"""Seconds after which a thread beyond those made at the start ends for want of work."""

_READY = 4

_T = TypeVar("_T")


class DaemonThreads(ThreadPoolExecutor):
    """An executor with `ready` threads from the start, and more while all are busy, up to `most`.

    RuntimeError when the first ones can't be had. A ThreadPoolExecutor by name alone, which is what an event loop asks
    for: its own would be joined at the end of the program, for ever where one thread hangs.
    """

    def __init__(self, name: str, ready: int = _READY, most: int = MOST) -> None:
        super().__init__(most, name)  # makes no thread
        self._name = name
        self._ready, self._most = ready, most
        self._lock = threading.Lock()
        self._done = threading.Condition(self._lock)
        # The last to come is the first to be called, so that who is not needed waits long enough to end.
        self._waiting: list[threading.Condition] = []
        self._work: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._made = 0
        self._idle = 0
        self._closed = False
        for _ in range(ready):
            self._make_thread()

    def submit(self, fn: Callable[..., _T], /, *args: Any, **kwargs: Any) -> Future[_T]:
        """Have it called in a thread; RuntimeError after `shutdown`."""
        future: Future[_T] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._work.append((future, lambda: fn(*args, **kwargs)))
            if len(self._work) > self._idle and self._made < self._most:
                with contextlib.suppress(
                    RuntimeError
                ):  # no further thread is allowed: one that is there takes it
                    self._make_thread()
            if self._waiting:
                self._waiting.pop().notify()
        return future

    async def run(self, work: Callable[[], _T]) -> _T:
        """Call it in a thread and await the result."""
        return await asyncio.wrap_future(self.submit(work))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """Take no further work. Never waits: a thread that hangs ends with the program."""
        with self._lock:
            self._closed = True
            while cancel_futures and self._work:
                self._work.popleft()[0].cancel()
            while self._waiting:
                self._waiting.pop().notify()

    def finish(self, within: float) -> bool:
        """Take no further work, and wait at most so many seconds for what was handed in; whether all of it is done."""
        self.shutdown()
        with self._lock:
            return self._done.wait_for(lambda: not self._work and self._idle >= self._made, within)

    def _make_thread(self) -> None:
        threading.Thread(target=self._serve, name=f"{self._name}-{self._made}", daemon=True).start()
        self._made += 1
        self._idle += 1

    def _serve(self) -> None:
        called = threading.Condition(self._lock)
        while (taken := self._take(called)) is not None:
            _settle(*taken)
            del taken  # nothing of it is kept until the next comes
            with self._lock:
                self._idle += 1
                if self._closed:
                    self._done.notify_all()

    def _take(self, called: threading.Condition) -> tuple[Future[Any], Callable[[], Any]] | None:
        with self._lock:
            while not self._work:
                if self._closed:
                    return None
                self._waiting.append(called)
                called.wait(SPARE if self._made > self._ready else None)
                if called not in self._waiting:
                    continue
                self._waiting.remove(called)
                if not self._work and self._made > self._ready:
                    self._made -= 1
                    self._idle -= 1
                    return None  # what a burst has needed is not kept
            self._idle -= 1
            return self._work.popleft()


def ready_made(count: int = THREADS) -> DaemonThreads:
    """An executor that has its `count` threads already; RuntimeError when they can't be had."""
    return DaemonThreads("zoosup", ready=count, most=count)


async def in_own_thread(work: Callable[[], _T]) -> _T:
    """Run what may hang on a disk in a thread of its own, which the end of the program doesn't wait for."""
    future: Future[_T] = Future()
    threading.Thread(target=_settle, args=(future, work), name="zoosup-own", daemon=True).start()
    return await asyncio.wrap_future(future)


def _settle(future: Future[Any], work: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001 - handed to whoever awaits
        future.set_exception(error)

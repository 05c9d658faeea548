"""Hands lines to the log, in a thread: whoever reads it slowly must hold up no client.

They go to a logger of their own, below which nothing else logs. Refuses to know where that writes.
"""

import asyncio
import logging

from zoosup.host.system.threads import DaemonThreads
from zoosup.spec.model.gateway import AccessLogStyle
from zoosup.web.gateway.telemetry.access_log.record import Record

LOGGER = logging.getLogger("zoosup.access")

MOST = 10_000
"""Lines that may wait for the log; further ones are left out, and their number is said."""

LAST = 1.0
"""Seconds that the end of the gateway waits for the last lines."""


class AccessLog:
    """The lines of one gateway; `style` is that of those which end from now on."""

    def __init__(self) -> None:
        self.style = AccessLogStyle.OFF
        self._threads: DaemonThreads | None = None
        self._waiting: list[tuple[AccessLogStyle, Record]] = []
        self._writing: asyncio.Future[None] | None = None
        self._left_out = 0

    def add(self, record: Record) -> None:
        """One request has ended."""
        if self.style is AccessLogStyle.OFF:
            return
        if len(self._waiting) >= MOST:
            self._left_out += 1
            return
        self._waiting.append((self.style, record))
        if self._writing is None:
            self._write()

    def _write(self) -> None:
        """Hand on what waits. One batch at a time: a log that is slow gets long ones."""
        if self._threads is None:
            try:
                self._threads = DaemonThreads("zoosup-access", ready=1, most=1)
            except RuntimeError:  # no thread is allowed: the next line tries again
                return
        lines, self._waiting = self._waiting, []
        left_out, self._left_out = self._left_out, 0
        self._writing = asyncio.wrap_future(self._threads.submit(_log, lines, left_out))
        self._writing.add_done_callback(self._written)

    def _written(self, future: "asyncio.Future[None]") -> None:
        self._writing = None
        if not future.cancelled() and (error := future.exception()) is not None:
            LOGGER.error("internal error: lines of the access log are lost: %r", error)
        if self._waiting:
            self._write()

    async def close(self) -> None:
        """Let what waits be written, but not for long."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LAST
        while self._writing is not None and (left := deadline - loop.time()) > 0:
            await asyncio.wait([self._writing], timeout=left)
            await asyncio.sleep(0)
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = None


def _log(lines: list[tuple[AccessLogStyle, Record]], left_out: int) -> None:
    for style, record in lines:
        if LOGGER.isEnabledFor(logging.INFO):
            LOGGER.handle(_as_log_record(style, record))
    if left_out:
        LOGGER.warning("%d lines of the access log are left out: the log is read too slowly", left_out)


def _as_log_record(style: AccessLogStyle, record: Record) -> logging.LogRecord:
    """What logging passes on, with the time at which the request ended."""
    message, extra = record.text(), None
    if style is AccessLogStyle.JSON:
        message, extra = f"{record.method} {record.path} {record.status}", {"access": record.fields()}
    made = LOGGER.makeRecord(LOGGER.name, logging.INFO, "", 0, "%s", (message,), None, extra=extra)
    made.created = record.ended_at
    made.msecs = int(record.ended_at % 1 * 1000)
    return made

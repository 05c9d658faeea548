"""Lines reach the log from a thread; a log that is stuck holds up nobody, and what it has missed is said."""

import asyncio
import logging
import threading
from typing import Any

import pytest

from zoosup.spec.model.gateway import AccessLogStyle
from zoosup.web.gateway.telemetry.access_log import writer
from zoosup.web.gateway.telemetry.access_log.record import Ending, Record
from zoosup.web.gateway.telemetry.access_log.writer import LOGGER, AccessLog


class Kept(logging.Handler):
    """A handler that keeps what it gets, and gets nothing while `open` is clear."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.threads: set[int] = set()
        self.open = threading.Event()
        self.open.set()

    def emit(self, record: logging.LogRecord) -> None:
        self.open.wait(10)
        self.threads.add(threading.get_ident())
        self.records.append(record)

    @property
    def lines(self) -> list[str]:
        return [record.getMessage() for record in self.records]


@pytest.fixture
def kept():
    handler = Kept()
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    yield handler
    handler.open.set()
    LOGGER.removeHandler(handler)
    LOGGER.setLevel(logging.NOTSET)


@pytest.fixture
async def log():
    made = AccessLog()
    made.style = AccessLogStyle.TEXT
    yield made
    await made.close()


def end(log: AccessLog, name: str = "x") -> Record:
    record = Record(log.add, name, "", "127.0.0.1", b"GET", b"/health")
    record.answer("", 200, "", b"")
    return record


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_line_is_written_at_once_and_in_another_thread(log, kept):
    record = end(log)
    await until(lambda: kept.records)
    assert [record.text()] == kept.lines
    assert threading.get_ident() not in kept.threads
    assert ("zoosup.access", "INFO") == (kept.records[0].name, kept.records[0].levelname)
    assert record.ended_at == kept.records[0].created
    assert not hasattr(kept.records[0], "access")


async def test_for_programs_it_is_an_object(log, kept):
    log.style = AccessLogStyle.JSON
    record = end(log)
    await until(lambda: kept.records)
    assert record.fields() == kept.records[0].access
    assert ["GET /health 200"] == kept.lines


async def test_all_lines_come_in_their_order(log, kept):
    for number in range(500):
        end(log, f"n{number}")
        if number % 50 == 0:
            await asyncio.sleep(0.001)
    await until(lambda: len(kept.records) == 500)
    assert [f"id=n{number}" for number in range(500)] == [line.rpartition(" ")[2] for line in kept.lines]


async def test_a_log_that_is_stuck_holds_up_nobody_and_is_told_what_it_missed(log, kept, monkeypatch):
    monkeypatch.setattr(writer, "MOST", 3)
    kept.open.clear()
    for number in range(10):
        end(log, f"n{number}")
        await asyncio.sleep(0)
    kept.open.set()
    await until(lambda: len(kept.records) == 5)
    ids = [line.rpartition("id=")[2] for line in kept.lines[:4]]
    assert ["n0", "n1", "n2", "n3"] == ids
    assert "6 lines of the access log are left out: the log is read too slowly" == kept.lines[4]


async def test_its_end_writes_what_waits_but_does_not_wait_for_ever(log, kept, monkeypatch):
    monkeypatch.setattr(writer, "LAST", 0.1)
    for _ in range(3):
        end(log)
    await log.close()
    assert 3 == len(kept.records)
    kept.open.clear()
    end(log)
    async with asyncio.timeout(2):
        await log.close()


async def test_what_ends_once_it_is_off_is_not_written(log, kept):
    record = Record(log.add, "x", "", "")
    log.style = AccessLogStyle.OFF
    record.end(Ending.ANSWERED)
    await log.close()
    assert [] == kept.records


async def test_where_no_thread_can_be_had_clients_are_answered_all_the_same(log, kept, monkeypatch):
    def none(*_args: Any, **_more: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(writer, "DaemonThreads", none)
    end(log)
    monkeypatch.undo()
    end(log)
    await until(lambda: len(kept.records) == 2)

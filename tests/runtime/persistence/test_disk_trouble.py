"""A disk that refuses becomes one condition of the zoo, with every writer's word, and goes away again."""

import asyncio
import errno

import pytest

from zoosup.runtime.persistence import disk_trouble


def refusing(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def told(zoo):
    return {each["type"]: each for each in zoo.publisher.snapshot["conditions"]}


def test_while_all_is_written_there_is_no_condition():
    assert () == disk_trouble.conditions("", "", "")


def test_every_trouble_is_told_once():
    [condition] = disk_trouble.conditions("no room", "", "no room", "read-only")
    assert (None, False) == (condition.model, condition.status)
    assert condition.message.endswith(": no room; read-only")


@pytest.mark.looptime
async def test_a_disk_that_refuses_records_is_a_condition_until_it_takes_them(zoo, host, file, monkeypatch):
    async def refused(*_):
        # The host's own oracle wants a record with each spawn; it was told of this one, and has no place for it.
        host.records[_[0]] = {}
        refusing()

    with monkeypatch.context() as broken:
        broken.setattr(host, "write", refused)
        host.save(file({"a": "1GiB"}, "a"))
        await zoo.until("a", "ready")
        await asyncio.sleep(3)
        said = told(zoo)[disk_trouble.TYPE]
        assert (False, "Refused") == (said["status"], said["reason"])
        assert "No space left on device" in said["message"]
    await asyncio.sleep(5)
    assert {} == told(zoo)
    assert 1 == len(host.pids("a"))

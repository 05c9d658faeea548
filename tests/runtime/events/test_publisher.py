"""One newest snapshot, and waiters who hear once of what is new in it."""

import asyncio

import pytest

from zoosup.runtime.events.publisher import Publisher
from zoosup.runtime.loop.reconciler import REST

pytestmark = pytest.mark.looptime


async def test_before_the_first_pass_there_is_nothing():
    publisher = Publisher()
    assert ({}, 0) == (publisher.snapshot, publisher.version)


async def test_a_newer_snapshot_replaces_the_old_and_has_a_higher_number():
    publisher = Publisher()
    publisher.publish({"at": 1, "phase": "running"})
    publisher.publish({"at": 2, "phase": "stopping"})
    assert ({"at": 2, "phase": "stopping"}, 2) == (publisher.snapshot, publisher.version)


async def test_the_same_content_again_wakes_nobody():
    publisher = Publisher()
    publisher.publish({"phase": "running"})
    waiter = asyncio.create_task(publisher.newer(1))
    await asyncio.sleep(1)
    publisher.publish({"phase": "running"})
    await asyncio.sleep(1)
    assert not waiter.done()
    publisher.publish({"phase": "stopping"})
    assert 2 == await waiter


async def test_the_same_content_later_is_no_news_and_yet_shown():
    publisher = Publisher()
    publisher.publish({"at": 1, "phase": "running"})
    publisher.publish({"at": 2, "phase": "running"})
    assert ({"at": 2, "phase": "running"}, 1) == (publisher.snapshot, publisher.version)


async def test_an_idle_minute_is_news_to_nobody_and_looked_at_all_the_same(host, zoo, file):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    await asyncio.sleep(30)
    before = zoo.publisher.version
    await asyncio.sleep(60)
    assert zoo.publisher.version - before <= 2
    assert zoo.zoo.clock.wall() - zoo.publisher.snapshot["at"] <= REST


async def test_everyone_who_waits_is_woken():
    publisher = Publisher()
    waiters = [asyncio.create_task(publisher.newer(0)) for _ in range(3)]
    await asyncio.sleep(1)
    publisher.publish({"phase": "running"})
    assert [1, 1, 1] == await asyncio.gather(*waiters)


async def test_whoever_is_behind_does_not_wait():
    publisher = Publisher()
    for at in range(3):
        publisher.publish({"pid": at})
    assert 3 == await asyncio.wait_for(publisher.newer(1), 0.001)


async def test_a_waiter_that_gives_up_takes_nobody_with_it():
    publisher = Publisher()
    impatient, patient = asyncio.create_task(publisher.newer(0)), asyncio.create_task(publisher.newer(0))
    await asyncio.sleep(1)
    impatient.cancel()
    await asyncio.sleep(1)
    publisher.publish({"phase": "running"})
    assert 1 == await patient

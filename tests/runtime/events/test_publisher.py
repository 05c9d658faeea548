"""The board: one newest snapshot, and waiters who hear of it once."""

import asyncio

import pytest

from zoosup.runtime.events.publisher import Publisher

pytestmark = pytest.mark.looptime


async def test_before_the_first_pass_there_is_nothing():
    publisher = Publisher()
    assert ({}, 0) == (publisher.snapshot, publisher.version)


async def test_a_newer_snapshot_replaces_the_old_and_has_a_higher_number():
    publisher = Publisher()
    publisher.publish({"at": 1})
    publisher.publish({"at": 2})
    assert ({"at": 2}, 2) == (publisher.snapshot, publisher.version)


async def test_the_same_content_again_wakes_nobody():
    publisher = Publisher()
    publisher.publish({"at": 1})
    waiter = asyncio.create_task(publisher.newer(1))
    await asyncio.sleep(1)
    publisher.publish({"at": 1})
    await asyncio.sleep(1)
    assert not waiter.done()
    publisher.publish({"at": 2})
    assert 2 == await waiter


async def test_everyone_who_waits_is_woken():
    publisher = Publisher()
    waiters = [asyncio.create_task(publisher.newer(0)) for _ in range(3)]
    await asyncio.sleep(1)
    publisher.publish({"at": 1})
    assert [1, 1, 1] == await asyncio.gather(*waiters)


async def test_whoever_is_behind_does_not_wait():
    publisher = Publisher()
    for at in range(3):
        publisher.publish({"at": at})
    assert 3 == await asyncio.wait_for(publisher.newer(1), 0.001)


async def test_a_waiter_that_gives_up_takes_nobody_with_it():
    publisher = Publisher()
    impatient, patient = asyncio.create_task(publisher.newer(0)), asyncio.create_task(publisher.newer(0))
    await asyncio.sleep(1)
    impatient.cancel()
    await asyncio.sleep(1)
    publisher.publish({"at": 1})
    assert 1 == await patient

"""Images that a start needs: there, on their way, or why not."""

import asyncio

import pytest

from zoosup.core.state.phases import Reason
from zoosup.host.container.engine import EngineRefusedError, PullProgress
from zoosup.host.runs.images import Images
from zoosup.spec.model.process.container import PullPolicy as Policy

MIB = 1 << 20


class Registry:
    """An engine that pulls when it is let."""

    def __init__(self, there=False, fails=None):
        self.there, self.fails, self.pulls = there, fails, 0
        self.goes_on = asyncio.Event()

    async def has_image(self, image):
        return self.there

    async def pull(self, image):
        self.pulls += 1
        yield PullProgress(0, 0, "Pulling from x")
        yield PullProgress(3 * MIB, 12 * MIB, "Downloading")
        await self.goes_on.wait()
        if self.fails:
            raise self.fails
        self.there = True


@pytest.fixture
async def images():
    clock = [100.0]
    images = Images(lambda: clock[0])
    images.clock = clock
    yield images
    await images.close()


async def settled():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_one_that_is_there_is_no_trouble(images):
    assert await images.amiss(Registry(there=True), "x", Policy.MISSING) is None
    assert await images.amiss(Registry(there=True), "x", Policy.NEVER) is None


async def test_one_that_is_missing_is_pulled_once_and_says_how_far_it_is(images):
    engine = Registry()
    await images.amiss(engine, "x", Policy.MISSING)
    await settled()
    assert (Reason.PULLING_IMAGE, "pulling x: 3 MiB of 12 MiB") == await images.amiss(
        engine, "x", Policy.MISSING
    )
    engine.goes_on.set()
    await settled()
    assert await images.amiss(engine, "x", Policy.MISSING) is None
    assert 1 == engine.pulls


async def test_never_is_never(images):
    engine = Registry()
    reason, words = await images.amiss(engine, "x", Policy.NEVER)
    await settled()
    assert (Reason.IMAGE_MISSING, 0) == (reason, engine.pulls)
    assert "pull is never" in words


async def test_always_pulls_what_is_there_and_takes_it_for_new_for_a_while(images):
    engine = Registry(there=True)
    engine.goes_on.set()
    assert Reason.PULLING_IMAGE == (await images.amiss(engine, "x", Policy.ALWAYS))[0]
    await settled()
    assert await images.amiss(engine, "x", Policy.ALWAYS) is None
    images.clock[0] += 299.0
    assert await images.amiss(engine, "x", Policy.ALWAYS) is None
    images.clock[0] += 1.0
    assert Reason.PULLING_IMAGE == (await images.amiss(engine, "x", Policy.ALWAYS))[0]


async def test_a_pull_that_fails_is_told_and_tried_again_later_and_later(images):
    engine = Registry(fails=EngineRefusedError(404, "no such repository"))
    engine.goes_on.set()
    for number, pause in enumerate((10, 20, 40), 1):
        await images.amiss(engine, "x", Policy.MISSING)
        await settled()
        reason, words = await images.amiss(engine, "x", Policy.MISSING)
        assert (Reason.PULLING_IMAGE, number) == (reason, engine.pulls)
        assert f"again in {pause} s: no such repository" in words
        images.clock[0] += pause


async def test_a_plan_has_nothing_pulled(images):
    engine = Registry()
    found = await images.amiss(engine, "x", Policy.MISSING, bring=False)
    await settled()
    assert (Reason.PULLING_IMAGE, "the image x is pulled before a start") == found
    assert 0 == engine.pulls


async def test_one_that_tells_no_bytes_is_told_by_its_engines_words(images):
    class Wordy(Registry):
        async def pull(self, image):
            yield PullProgress(0, 0, "Copying blob")
            await self.goes_on.wait()

    engine = Wordy()
    await images.amiss(engine, "x", Policy.MISSING)
    await settled()
    assert "pulling x: Copying blob" == (await images.amiss(engine, "x", Policy.MISSING))[1]


async def test_what_is_under_way_is_told_as_that_whatever_the_policy(images):
    engine = Registry()
    await images.amiss(engine, "x", Policy.MISSING)
    await settled()
    for policy, bring in (Policy.NEVER, True), (Policy.MISSING, False):
        assert "pulling x: 3 MiB of 12 MiB" == (await images.amiss(engine, "x", policy, bring=bring))[1]
    assert (Reason.IMAGE_MISSING, Reason.PULLING_IMAGE) == (
        (await images.amiss(engine, "other", Policy.NEVER))[0],
        (await images.amiss(Registry(there=True), "x", Policy.ALWAYS, bring=False))[0],
    )


async def test_two_engines_pull_the_same_image_each():
    images, engines = Images(), (Registry(), Registry())
    for engine in engines:
        await images.amiss(engine, "x", Policy.MISSING)
    await settled()
    assert [1, 1] == [engine.pulls for engine in engines]
    await images.close()


async def test_what_is_under_way_is_given_up_in_the_end():
    images, engine = Images(), Registry()
    await images.amiss(engine, "x", Policy.MISSING)
    await settled()
    await images.close()
    assert {asyncio.current_task()} == asyncio.all_tasks()

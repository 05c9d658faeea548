"""Sleep instead of stop: the memory goes back and the process stays; the operating system is asked, not the server."""

import asyncio

import aiohttp
import psutil
import pytest

MIB = 1024 * 1024
PROMPT = {"prompt": "hello", "max_tokens": 1}


@pytest.fixture
async def asleep(start_demo):
    """A server with 200 MiB that has just fallen asleep, and a client of it."""
    demo = start_demo("--ram", "200MiB", "--sleep")
    demo.wait_ready()
    full = resident(demo)
    async with aiohttp.ClientSession(demo.url) as session:
        assert (200, {"is_sleeping": True}) == await ask(session.post("/sleep?level=1"))
        yield demo, session, full


def resident(demo):
    return psutil.Process(demo.pid).memory_info().rss


async def ask(request):
    async with request as response:
        return response.status, await response.json()


async def test_asleep_it_has_given_its_memory_back_and_lives(asleep):
    demo, session, full = asleep
    assert pytest.approx(200, abs=10) == (full - resident(demo)) / MIB
    assert (503, {"status": "sleeping"}) == await ask(session.get("/health"))
    assert (200, {"is_sleeping": True}) == await ask(session.get("/is_sleeping"))


async def test_asleep_it_answers_no_request(asleep):
    _, session, _ = asleep
    status, answer = await ask(session.post("/v1/completions", json=PROMPT))
    assert (503, "Sleeping") == (status, answer["error"]["message"])


async def test_awake_it_holds_what_it_held_and_answers(asleep):
    demo, session, full = asleep
    assert (200, {"is_sleeping": False}) == await ask(session.post("/wake_up"))
    assert pytest.approx(full / MIB, abs=10) == resident(demo) / MIB
    assert (200, {"status": "ok"}) == await ask(session.get("/health"))
    assert 200 == (await ask(session.post("/v1/completions", json=PROMPT)))[0]


async def test_to_ask_twice_changes_nothing(asleep):
    demo, session, full = asleep
    await ask(session.post("/sleep"))
    await ask(session.post("/wake_up"))
    await ask(session.post("/wake_up"))
    assert pytest.approx(full / MIB, abs=10) == resident(demo) / MIB


async def test_waking_takes_the_load_time_and_says_so(start_demo):
    demo = start_demo("--load-time", "400ms", "--sleep")
    demo.wait_ready()
    async with aiohttp.ClientSession(demo.url) as session:
        await ask(session.post("/sleep"))
        waking = asyncio.create_task(ask(session.post("/wake_up")))
        async with asyncio.timeout(30):
            while (answer := await ask(session.get("/health"))) == (503, {"status": "sleeping"}):
                pass
        assert (503, {"status": "waking up"}) == answer
        await waking
        assert (200, {"status": "ok"}) == await ask(session.get("/health"))


async def test_a_server_that_sleeps_can_be_stopped(asleep):
    demo, session, _ = asleep
    demo.terminate()
    await session.close()
    assert 0 == await asyncio.to_thread(demo.exit_code)


async def test_asleep_or_not_a_level_that_is_none_is_refused(asleep):
    assert 400 == (await ask(asleep[1].post("/sleep?level=9")))[0]


async def test_only_a_server_that_was_told_so_can_sleep(start_demo):
    demo = start_demo()
    demo.wait_ready()
    async with aiohttp.ClientSession(demo.url) as session:
        assert 404 == (await ask(session.post("/sleep")))[0]

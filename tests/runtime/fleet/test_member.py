"""The way out and back: when a report is due, what is asked beside it, and what an answer wakes."""

import asyncio

import pytest

from tests.runtime.fleet.fleet_file import answer, fleet_yaml
from zoosup.core.fleet import wire
from zoosup.core.fleet.words import Choice, HostReport
from zoosup.errors import ZoosupError
from zoosup.runtime.fleet.member import APART, LONGEST_BEAT, Member

pytestmark = pytest.mark.looptime


@pytest.fixture
async def member(host, zoo):
    host.save(fleet_yaml({"a1": "1GiB"}, ("a1",)))
    return Member(zoo.zoo, zoo.publisher, zoo.reconciler._inbox.wake)


async def quiet():
    """The file is in force, and nothing is new. Fixtures take real time."""
    await asyncio.sleep(20)


def now():
    return asyncio.get_running_loop().time()


def number(found):
    return wire.from_wire(HostReport, found["report"]).sequence


async def test_a_new_link_gets_a_report_at_once_and_then_one_a_beat(member):
    await quiet()
    began = now()
    first = await member.report(0, 0)
    second = await member.report(number(first), 0)
    assert ([1, 2], LONGEST_BEAT) == ([number(first), number(second)], pytest.approx(now() - began))
    again = await member.report(1, 0)  # a link that is new, or has not got the second
    assert (3, LONGEST_BEAT) == (number(again), pytest.approx(now() - began))


async def test_news_goes_out_soon_but_no_storm_of_it(member, host, zoo):
    await quiet()
    first = await member.report(0, 0)
    began = now()
    zoo.zoo.fleet.hear(answer(host.text, "a1"))
    zoo.reconciler._inbox.wake()
    second = await member.report(number(first), 0)
    assert APART == pytest.approx(now() - began, abs=0.01)
    assert "starting" == second["report"]["models"]["a1"]["phase"]


async def test_an_answer_is_obeyed_at_once(member, host, zoo):
    await quiet()
    member.hear({"answer": wire.to_wire(answer(host.text, "a1"))})
    await zoo.until("a1", "ready", within=2)


@pytest.mark.parametrize("told", [{"answer": {"view": 3}}, {"trouble": "?"}, {}, {"question": "x"}])
async def test_what_cant_be_read_is_refused(member, told):
    await quiet()
    with pytest.raises((ValueError, TypeError, KeyError)):
        member.hear(told)


async def test_trouble_is_told_until_the_fleet_answers(member, host, zoo):
    await quiet()
    member.trouble("HeadUnreachable", "10.0.0.5:6379: connection refused")
    await asyncio.sleep(1)
    (said,) = (each for each in zoo.publisher.snapshot["conditions"] if each["type"] == "FleetConnected")
    assert "HeadUnreachable" == said["reason"]
    assert said["message"].startswith("10.0.0.5:6379: connection refused")
    member.hear({"answer": wire.to_wire(answer(host.text, "a1"))})
    await zoo.until("a1", "ready")
    assert "FleetConnected" not in {each["type"] for each in zoo.publisher.snapshot["conditions"]}


async def test_a_fleet_that_falls_silent_is_told(member, host, zoo):
    await quiet()
    watching = asyncio.create_task(member.watch())
    member.hear({"answer": wire.to_wire(answer(host.text, "a1"))})
    await zoo.until("a1", "ready")
    began = now()
    while not [each for each in zoo.publisher.snapshot["conditions"] if each["type"] == "FleetConnected"]:
        await asyncio.sleep(0.1)
    assert 9 <= now() - began <= 11.5
    watching.cancel()


async def test_a_question_goes_out_at_once_and_its_answer_comes_back(member):
    await quiet()
    first = await member.report(0, 0)
    began = now()
    asking = asyncio.create_task(member.choose("a1"))
    second = await member.report(number(first), 0)
    assert 0.1 > now() - began
    (question,) = second["questions"]
    assert ("choose", "a1", "a") == (question["verb"], question["model"], question["node"])
    member.hear({"question": question["id"], "told": wire.to_wire(Choice("b"))})
    assert Choice("b") == await asking
    member.hear({"question": question["id"], "told": {}})  # doubled


async def test_a_question_is_kept_for_a_link_that_comes_later(member):
    await quiet()
    asking = asyncio.create_task(member.drain("", on=True))
    await asyncio.sleep(1)
    found = await member.report(0, 0)
    member.hear({"question": found["questions"][0]["id"], "told": {"error": "b is no host of this fleet"}})
    with pytest.raises(ZoosupError, match="no host of this fleet"):
        await asking


async def test_a_question_that_nobody_answers_ends(member):
    await quiet()
    with pytest.raises(ZoosupError, match="not answered for 10 s"):
        await member.choose("a1")
    assert [] == (await member.report(0, 0))["questions"]


async def test_what_a_report_waited_for_is_waited_for_no_longer_once_it_is_out(member):
    await quiet()
    tasks = len(asyncio.all_tasks())
    for at in range(3):
        await member.report(at, 0)
    await asyncio.sleep(0)
    assert tasks == len(asyncio.all_tasks())

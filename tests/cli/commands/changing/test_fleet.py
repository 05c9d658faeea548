"""`status --fleet`, `drain`, `undrain`: what a person sees of all hosts, and what the fleet is asked for."""

import asyncio
import json
from dataclasses import replace

import pytest

from tests.web.fleets import member
from zoosup.core.fleet.words import HostReport, ModelReport

PAGE = """\
fleet of 3 hosts   1 lost   head 10.0.0.5:6379   generation 4 of the file   as a knew it 0s ago
an older file than the others: c

HOST      REPORTS             RUNS  RAM          GPUS
a (here)  0s ago              1     2 of 60 GiB  0: 8 of 24 GiB
b         drained, 1s ago     1     2 of 60 GiB  -
c         lost, last 1m05s ago  0   0 B of 60 GiB  -

MODEL  WHERE
coder  a ready
chat   b starting
far    c lost
huge   no host can have it
rare   on demand
  huge b: needs 90 GiB of RAM, 60 GiB may be had; c: it is lost
"""


def words(text: str) -> list[list[str]]:
    return [each.split() for each in text.splitlines()]


async def test_all_hosts_are_shown_and_where_each_model_is(shell, runtime, server):
    runtime.member = member()
    shown = await shell("status", "--fleet")
    assert (0, words(PAGE)) == (shown.code, words(shown.out))


async def test_a_program_is_told_all_that_the_host_knows(shell, runtime, server):
    runtime.member = member()
    told = json.loads((await shell("status", "--fleet", "--json")).out)
    assert ["a", "b", "c"] == list(told["view"]["hosts"])
    assert "starting" == told["view"]["hosts"]["b"]["report"]["models"]["chat"]["phase"]


async def test_a_host_that_has_never_heard_of_its_fleet_says_why(shell, runtime, server):
    runtime.member = member(heard=False)
    shown = (await shell("status", "--fleet")).out
    assert "not heard of yet" in shown
    assert "nobody answers at the head" in shown


async def test_how_old_it_is_counts_from_when_the_host_itself_reported(shell, runtime, server):
    times = iter([100.0, 100.0])
    runtime.member = member(now=lambda: next(times, 105.0))
    shown = (await shell("status", "--fleet")).out
    assert "as a knew it 5s ago" in shown
    assert "drained, 6s ago" in shown


async def test_what_is_kept_over_a_restart_is_of_hosts_that_were_heard_of(shell, runtime, server):
    known = member()
    hosts = {
        node: replace(each, report=HostReport(node, f"10.0.0.{at}"), lost=False)
        for at, (node, each) in enumerate(known.here.view.hosts.items(), 1)
    }
    hosts["c"] = replace(hosts["c"], report=HostReport("c"))
    known.here.view = replace(known.here.view, hosts=hosts)
    runtime.member = known
    shown = (await shell("status", "--fleet")).out
    assert 1 == shown.count("never heard of")


@pytest.mark.parametrize("words", [("status", "--fleet"), ("drain",), ("drain", "b"), ("undrain", "b")])
async def test_a_host_by_itself_says_so(shell, runtime, server, words):
    told = await shell(*words)
    assert (1, "zoosup: zoo.yaml has no fleet: this host is by itself\n") == (told.code, told.err)


@pytest.mark.parametrize(("words", "asked"), [((), ("a", True)), (("b",), ("b", True))])
async def test_a_host_is_drained_this_one_where_none_is_named(shell, runtime, server, words, asked):
    runtime.member = member()
    told = await shell("drain", *words)
    assert (0, [asked]) == (told.code, runtime.member.drains)
    assert f"zoosup undrain {asked[0]}" in told.out
    assert 0 == (await shell("undrain", *words)).code
    assert (asked[0], False) == runtime.member.drains[-1]


async def test_a_fleet_that_does_not_answer_refuses(shell, runtime, server):
    runtime.member = member()
    runtime.member.refusal = "the fleet has not answered for 10 s"
    told = await shell("drain")
    assert (1, "zoosup: the fleet has not answered for 10 s\n") == (told.code, told.err)


async def test_a_drain_may_be_waited_for(shell, runtime, server):
    runtime.member = member()
    waits = asyncio.create_task(shell("drain", "b", "--timeout", "30s"))
    while not runtime.member.drains:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.3)
    here = runtime.member.here
    empty = replace(here.view.hosts["b"].report, models={"chat": ModelReport("stopped")})
    hosts = {**here.view.hosts, "b": replace(here.view.hosts["b"], report=empty)}
    here.view = replace(here.view, hosts=hosts)
    told = await waits
    assert (0, ["still there: chat", "b is empty"]) == (told.code, told.out.splitlines()[1:])


@pytest.mark.parametrize(
    ("node", "code", "said"), [("b", 124, "b still has chat"), ("c", 1, "c does not report")]
)
async def test_a_drain_that_does_not_end_is_no_success(shell, runtime, server, node, code, said):
    runtime.member = member()
    told = await shell("drain", node, "--timeout", "0.1s")
    assert code == told.code
    assert said in told.err

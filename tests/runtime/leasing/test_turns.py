"""DESIGN §6, turns: how often models are started for clients who alternate, and how long one waits for another."""

import asyncio
import itertools

import pytest

from tests.runtime.leasing.test_leases import Client, put, text

pytestmark = pytest.mark.looptime

TURN = 0.5 + 1.0 + 0.2
"""Seconds: the stop of one, the load of the other, and what zoosup may take of its own."""


def starts(host):
    return [who for _, who, what in host.history if what == "spawn"]


async def answer(client, seconds=0.0):
    """Let a client be answered, for so long."""
    assert "granted" == await client.answered(within=600)
    await asyncio.sleep(seconds)
    client.lease.release()


def ask(zoo, order, seconds=0.1, each=""):
    """One request after the other, each a little later; all are answered in the background."""
    clients = []

    async def all_of_them():
        async with asyncio.TaskGroup() as group:
            for number, model in enumerate(order):
                clients.append(Client(zoo, model, client=each or f"client {number}"))
                group.create_task(answer(clients[-1], seconds))
                await asyncio.sleep(0.01)
        return clients

    return all_of_them()


def alternations(order):
    return [model for model, _ in itertools.groupby(order)]


async def test_the_own_queue_of_a_busy_model_comes_before_a_later_waiter(host, zoo):
    await put(zoo, host, text(a="max_inflight: 1", b="", extra="gateway: {patience: 3s}"))
    order = ["a"] * 10 + ["b"]
    await ask(zoo, order, seconds=2.0)
    assert ["a", "b"] == starts(host)


@pytest.mark.parametrize("order", ["aab", "aaabbb", "aabab", "ababab", "abcabcabc", "aabbcca"])
@pytest.mark.parametrize("rules", ["patience: 1s", "patience: 1s, min_residency: 0s", "patience: 20s"])
async def test_clients_cost_at_most_the_starts_that_their_order_alternates(host, zoo, order, rules):
    await put(zoo, host, text(a="max_inflight: 1", b="", c="", extra=f"gateway: {{{rules}}}"))
    await ask(zoo, order, seconds=1.5)
    assert len(starts(host)) <= len(alternations(order))


async def test_nine_requests_over_three_models_are_three_starts(host, zoo):
    await put(zoo, host, text(a="", b="", c=""))
    began = asyncio.get_running_loop().time()
    await ask(zoo, "abcabcabc", each="one and the same")
    assert ["a", "b", "c"] == starts(host)
    assert asyncio.get_running_loop().time() - began <= 1.2 + 2 * (TURN + 0.2)


async def test_one_client_that_alternates_never_waits_for_residency(host, zoo):
    await put(zoo, host, text(a="", b=""))
    await answer(Client(zoo, "a", client="one"))
    loop = asyncio.get_running_loop()
    for model in "bababa":
        began = loop.time()
        await answer(Client(zoo, model, client="one"), 0.1)
        assert loop.time() - began <= TURN + 0.1, model


async def test_what_another_client_has_used_a_moment_ago_stays_its_time(host, zoo):
    await put(zoo, host, text(a="", b=""))
    for other in ("one", "two", "one"):
        await answer(Client(zoo, "a", client=other))
    began = asyncio.get_running_loop().time()
    await answer(Client(zoo, "b", client="one"))
    assert 9 <= asyncio.get_running_loop().time() - began <= 10 + TURN


async def test_whom_nobody_can_tell_apart_counts_as_another(host, zoo):
    await put(zoo, host, text(a="", b=""))
    await answer(Client(zoo, "a", client=""))
    began = asyncio.get_running_loop().time()
    await answer(Client(zoo, "b", client=""))
    assert 9 <= asyncio.get_running_loop().time() - began


@pytest.mark.parametrize("limit", ["", "max_inflight: 1"])
async def test_nobody_is_overtaken_for_longer_than_patience(host, zoo, limit):
    """A client that comes for the busy model once another has waited so long queues behind it."""
    await put(zoo, host, text(a=limit, b="", extra="gateway: {patience: 4s}"))
    loop, waiting = asyncio.get_running_loop(), None
    async with asyncio.TaskGroup() as group:
        for number in range(40):
            group.create_task(answer(Client(zoo, "a", client=f"client {number}"), 0.9))
            if number == 3:
                waiting = Client(zoo, "b", client="the one")
                began = loop.time()
                group.create_task(answer(waiting))
            await asyncio.sleep(0.5)
    assert waiting.at - began <= 4 + 4 * 0.9 + TURN
    assert ["a", "b", "a"] == starts(host)


async def test_later_clients_are_not_let_in_while_earlier_ones_are_answered(host, zoo):
    await put(zoo, host, text(a="max_inflight: 2", b="", extra="gateway: {patience: 2s}"))
    early = [Client(zoo, "a") for _ in range(4)]
    waiting = Client(zoo, "b")
    async with asyncio.TaskGroup() as group:
        for client, seconds in zip(early, (3.0, 9.0, 5.0, 5.0), strict=True):
            group.create_task(answer(client, seconds))
        await asyncio.sleep(0.2)
        late = Client(zoo, "a")
        group.create_task(answer(late))
        group.create_task(answer(waiting))
    assert waiting.at < late.at
    assert ["a", "b", "a"] == starts(host)


async def test_who_hangs_up_opens_the_queue_again(host, zoo):
    await put(zoo, host, text(a="", b="", extra="gateway: {patience: 2s}"))
    early = Client(zoo, "a")
    await early.answered()
    waiting = Client(zoo, "b")
    await asyncio.sleep(1.5)
    waiting.ticket.cancel()
    await asyncio.sleep(1)
    assert Client(zoo, "a").lease is not None
    assert ["a"] == starts(host)


async def test_an_abandoned_load_yields_at_once(host, zoo):
    host.behave("a", load=300.0)
    await put(zoo, host, text(a="", b=""))
    gone = Client(zoo, "a", client="one")
    await asyncio.sleep(1)
    gone.ticket.cancel()
    began = asyncio.get_running_loop().time()
    await answer(Client(zoo, "b", client="two"))
    assert asyncio.get_running_loop().time() - began <= TURN

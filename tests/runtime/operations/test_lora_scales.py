"""Scales of LoRA adapters are set while the model runs; a server that takes none makes room for one with the new ones.

The double answers as tools/server of llama.cpp does: what a POST leaves out is off.
"""

import asyncio
import json
from dataclasses import replace

import pytest

from tests.runtime.builders import ManualClock, a_run, a_zoo
from zoosup.core.state.facts import Recalled
from zoosup.core.state.phases import Cause
from zoosup.runtime.operations.lora_scales import AGAIN, LoraScales
from zoosup.runtime.operations.probes.probes import ProbeTarget
from zoosup.runtime.state.inbox import FactLearned

pytestmark = pytest.mark.looptime


def spec(loras):
    text = f"active: []\nmodels:\n  a: {{llama: {{weights: /m.gguf, loras: {loras}}}}}\n"
    return a_zoo(ManualClock(), text)


class Server:
    """llama-server's adapters; `asked` has the methods."""

    def __init__(self, *scales, status=200, silent=0):
        self.scales, self.status, self.silent, self.asked = list(scales), status, silent, []

    async def exchange(self, endpoint, method, path, body, within):
        assert "/lora-adapters" == path
        await asyncio.sleep(0.01)
        self.asked.append(method)
        if self.silent:
            self.silent -= 1
            raise OSError("no answer")
        if self.status != 200:
            return self.status, b"{}"
        if method == "POST":
            given = {each["id"]: each["scale"] for each in json.loads(body)}
            self.scales = [given.get(at, 0.0) for at in range(len(self.scales))]
            return 200, b'{"success":true}'
        listed = [{"id": at, "path": "/x", "scale": scale} for at, scale in enumerate(self.scales)]
        return 200, json.dumps(listed).encode()


class Followed:
    """The task keeper over one run; `said` what the journal would have, `posted` the facts."""

    def __init__(self, server, started):
        self.said, self.posted = [], []
        self.zoo = spec(started)
        self.run = replace(a_run(self.zoo, "a"), ready_since=100.0)
        self.keeper = LoraScales(server, self.posted.append, lambda run: (None, {}), self._said)

    def _said(self, *words):
        self.said.append(words)

    async def follow(self, loras, **changes):
        self.keeper.follow([ProbeTarget("a", replace(self.run, **changes), spec(loras).spec.models["a"])])
        await asyncio.sleep(1.0)

    async def close(self):
        await self.keeper.close()


BOTH = "[{path: /a, scale: 0.5}, {path: /b}]"


async def test_other_scales_are_set_once_and_adapters_of_args_stay_as_they_were():
    server = Server(0.5, 1.0, 0.25)
    run = Followed(server, BOTH)
    await run.follow(BOTH)
    assert (["GET"], []) == (server.asked, run.said)
    for _ in range(3):
        await run.follow("[{path: /a, scale: 0.75}, {path: /b}]")
    assert [0.75, 1.0, 0.25] == server.scales
    assert ["GET", "GET", "POST"] == server.asked
    assert [("a", "0.75, 1")] == run.said
    await run.close()


async def test_what_the_server_has_counts_whatever_an_earlier_zoosup_has_set():
    server = Server(0.9)
    run = Followed(server, "[{path: /a, scale: 0.5}]")
    await run.follow("[{path: /a, scale: 0.5}]")
    assert [0.5] == server.scales
    await run.close()


async def test_a_scale_that_is_rounded_by_the_server_is_no_other():
    server = Server(0.10000000149011612)
    run = Followed(server, "[{path: /a, scale: 0.1}]")
    await run.follow("[{path: /a, scale: 0.1}]")
    assert ["GET"] == server.asked
    await run.close()


async def test_nothing_is_asked_of_one_that_is_not_ready_or_will_be_replaced_or_has_none():
    server = Server(0.5)
    run = Followed(server, "[{path: /a, scale: 0.5}]")
    await run.follow("[{path: /a, scale: 0.75}]", ready_since=None)
    await run.follow("[{path: /other, scale: 0.75}]")
    await run.follow("[]")
    assert [] == server.asked
    await run.close()


async def test_one_that_takes_no_scales_is_replaced_by_one_with_the_new_ones():
    server = Server(0.5, status=404)
    run = Followed(server, "[{path: /a, scale: 0.5}]")
    await run.follow("[{path: /a, scale: 0.5}]")
    assert [] == run.posted
    await run.follow("[{path: /a, scale: 0.75}]")
    why = "llama.loras changed in the file, and its server takes no other scales: GET /lora-adapters answered 404"
    assert [FactLearned("a", Recalled(run.run.id, Cause.SPEC_CHANGED, why))] == run.posted
    await run.close()


@pytest.mark.parametrize(
    ("listed", "why"),
    [
        (b"[]", "GET /lora-adapters lists 0 adapters"),
        (b"<html>", "GET /lora-adapters answered no list of adapters"),
        (b'[{"scale": 0.5}]', "GET /lora-adapters answered no list of adapters"),
        (b'[{"id": 0, "scale": null}]', "GET /lora-adapters answered no list of adapters"),
        (b"[7]", "GET /lora-adapters answered no list of adapters"),
        (b"[" * 100_000, "GET /lora-adapters answered no list of adapters"),
        (b'[{"id": 1e999, "scale": 0.5}]', "GET /lora-adapters answered no list of adapters"),
    ],
)
async def test_one_that_lists_none_of_its_adapters_takes_no_scales(listed, why):
    server = Server(0.5)
    run = Followed(server, "[{path: /a, scale: 0.5}]")

    async def exchange(endpoint, method, path, body, within):
        assert "GET" == method
        return 200, listed

    server.exchange = exchange
    await run.follow("[{path: /a, scale: 0.75}]")
    (posted,) = run.posted
    assert posted.fact.message.endswith(f"takes no other scales: {why}")
    await run.close()


async def test_adapters_are_told_apart_by_their_ids_in_whichever_order_they_are_listed():
    server = Server(0.5, 1.0)
    run, answer = Followed(server, BOTH), server.exchange

    async def turned(endpoint, method, path, body, within):
        status, found = await answer(endpoint, method, path, body, within)
        return status, json.dumps(json.loads(found)[::-1]).encode() if method == "GET" else found

    server.exchange = turned
    await run.follow("[{path: /a, scale: 0.75}, {path: /b}]")
    assert [0.75, 1.0] == server.scales
    await run.close()


async def test_one_that_does_not_answer_is_asked_again():
    server = Server(0.5, silent=2)
    run = Followed(server, "[{path: /a, scale: 0.5}]")
    await run.follow("[{path: /a, scale: 0.75}]")
    await asyncio.sleep(2 * AGAIN)
    assert ([0.75], []) == (server.scales, run.posted)
    await run.close()


async def test_an_edit_of_the_scales_reaches_the_server_that_runs(host, zoo):
    server = Server(0.5)
    host.exchange = server.exchange
    loras = "[{path: /a, scale: SCALE}]"
    text = (
        f"active: a\nmodels:\n  a: {{llama: {{weights: /m.gguf, loras: {loras}}}, memory: {{ram: 1GiB}}}}\n"
    )
    host.save(text.replace("SCALE", "0.5"))
    await zoo.until("a", "ready")
    (before,) = host.pids("a")
    host.save(text.replace("SCALE", "0.75"))
    await asyncio.sleep(3)
    assert ([0.75], [before]) == (server.scales, host.pids("a"))

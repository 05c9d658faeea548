"""One scrape of all that runs: bounded in time and size, and nobody pays for another."""

import asyncio

import pytest

from tests.web.fakes import Runtime, model, snapshot
from tests.web.gateway.backend import Backend, saying
from tests.web.gateway.fake_leasing import FakeLeasing
from zoosup.core.state.refusal import Code, Refusal
from zoosup.spec.model.model import ModelSpec
from zoosup.web.api.metrics import models

TEXT = b"# TYPE tokens_total counter\ntokens_total 7\n"


def answer(body: bytes, status: str = "200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status.encode(), len(body), body)


@pytest.fixture
async def backend():
    made = Backend(saying(answer(TEXT)))
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def other():
    made = Backend(saying(answer(TEXT)))
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def runtime(backend, other):
    headers = {"upstream_headers": {"Authorization": "Bearer its-own"}}
    specs = {
        "a": ModelSpec(command=("x",), **headers),
        "b": ModelSpec(command=("x",)),
        "c": ModelSpec(command=("x",)),
    }
    made = Runtime(leasing=FakeLeasing(specs, {"a": backend.port, "b": other.port}))
    made.publisher.publish(snapshot({"a": model("ready"), "b": model("ready"), "c": model("stopped")}))
    return made


async def lines(harness) -> list[str]:
    status, body = await harness.get("/metrics/models")
    assert 200 == status
    assert [] == harness.runtime.leasing.out
    return [line for line in body.decode().splitlines() if not line.startswith("#")]


def up(**models_up: int) -> list[str]:
    return [f'zoosup_model_metrics_up{{model="{name}"}} {value}' for name, value in models_up.items()]


async def test_those_that_run_are_asked_by_a_look(harness, backend):
    expected = [*up(a=1, b=1), 'tokens_total{model="a"} 7', 'tokens_total{model="b"} 7']
    assert expected == await lines(harness)
    assert 2 == harness.runtime.leasing.looks
    (asked,) = backend.asked
    assert (b"GET /metrics HTTP/1.1", "Bearer its-own") == (asked.line, asked.headers["authorization"])


async def test_one_that_hangs_costs_the_others_nothing(harness, other, monkeypatch):
    monkeypatch.setattr(models, "PATIENCE", 0.1)

    async def script(asked, reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\ntokens_total")
        await asyncio.sleep(30)

    other.script = script
    assert [*up(a=1, b=0), 'tokens_total{model="a"} 7'] == await lines(harness)


@pytest.mark.parametrize(
    "said",
    [
        answer(b"{}", "501 Not Implemented"),
        answer(b"", "302 Found\r\nLocation: /elsewhere"),
        answer(b"<html>"),
        answer(b""),
        answer(b"a 1\n" * 300_000),
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08",
    ],
)
async def test_one_that_says_nothing_of_use_is_left_out(harness, other, said):
    other.script = saying(said)
    assert [*up(a=1, b=0), 'tokens_total{model="a"} 7'] == await lines(harness)


async def test_all_of_them_together_are_bounded(harness, other, monkeypatch):
    monkeypatch.setattr(models, "MOST_OF_ALL", len(TEXT))
    found = await lines(harness)
    assert 1 == len([line for line in found if line.startswith("tokens_total")])


async def test_one_whose_run_has_ended_meanwhile(harness, other):
    del harness.runtime.leasing.ports["b"]
    assert [*up(a=1, b=0), 'tokens_total{model="a"} 7'] == await lines(harness)


async def test_one_that_is_being_ended_is_not_waited_for(harness, other):
    async def script(asked, reader, writer):
        for lease in harness.runtime.leasing.out:
            if lease.model == "b":
                lease.holder.cut(Refusal(Code.MODEL_STOPPED, "it is stopped"))
        await asyncio.sleep(30)

    other.script = script
    async with asyncio.timeout(2):
        assert [*up(a=1, b=0), 'tokens_total{model="a"} 7'] == await lines(harness)

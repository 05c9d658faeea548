"""A link over a controller that restarts, and one that is gone; and its way to zoosup by the control socket."""

import asyncio
import functools
import json
from pathlib import Path

import pytest

from tests.fleet.conftest import FleetHost, fleet_yaml
from zoosup.core.fleet.wire import WireError
from zoosup.fleet import link
from zoosup.fleet.control_client import ControlClient, RefusedByZoosupError
from zoosup.fleet.exchange import Exchange
from zoosup.fleet.in_process import InProcessTransport
from zoosup.fleet.link import PATIENCE, carry_through_restarts
from zoosup.fleet.transport import FleetError


class _Zoosup:
    def __init__(self, host: FleetHost) -> None:
        self._host = host

    async def report(self, after, asked):
        return await self._host.member.report(after, asked)

    async def bring(self, told):
        self._host.member.hear(told)


@pytest.mark.looptime
async def test_a_link_outlives_the_controllers_restart_and_gives_up_on_one_that_stays_away(fleet):
    await fleet.begin("a", text=fleet_yaml({"m1": "1GiB"}, ["m1"]))
    host = fleet.hosts["a"]
    await asyncio.sleep(1)
    await host.kill_link()
    exchange = Exchange(_Zoosup(host), InProcessTransport(fleet.carrier, "a"))
    carrying = asyncio.create_task(carry_through_restarts(exchange))
    for away in (1, 5, 10):
        await asyncio.sleep(20)
        fleet.carrier.end()
        await asyncio.sleep(away)
        fleet.carrier.begin()
    await asyncio.sleep(20)
    assert not carrying.done()
    fleet.carrier.end()
    began = asyncio.get_running_loop().time()
    with pytest.raises(FleetError):
        await carrying
    assert PATIENCE <= asyncio.get_running_loop().time() - began <= PATIENCE + 4


@pytest.fixture
async def control(tmp_path):
    """A control socket that answers each request as it is told, and what it was asked."""
    asked, answers = [], []

    async def serve(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(int(line.split()[1]) for line in head.splitlines() if line.startswith("Content-Length"))
        asked.append((head.splitlines()[0], await reader.readexactly(length)))
        writer.write(answers.pop(0))
        writer.close()

    server = await asyncio.start_unix_server(serve, tmp_path / "c")
    yield ControlClient(tmp_path / "c"), asked, answers
    server.close()


async def test_it_asks_for_reports_and_brings_answers(control):
    client, asked, answers = control
    body = json.dumps({"report": {"node": "a"}, "questions": []}).encode()
    answers += [b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n" + body, b"HTTP/1.1 204 No Content\r\n\r\n"]
    assert {"report": {"node": "a"}, "questions": []} == await client.report(3, 4)
    await client.bring({"answer": 1})
    assert [
        ("GET /fleet/report?after=3&asked=4 HTTP/1.1", b""),
        ("POST /fleet/answer HTTP/1.1", b'{"answer": 1}'),
    ] == asked


async def test_where_there_is_no_fleet_there_is_no_report(control):
    client, _, answers = control
    answers.append(b"HTTP/1.1 404 Not Found\r\n\r\n{}")
    assert {} == await client.report(0, 0)


REFUSED = (
    b'HTTP/1.1 400 Bad Request\r\nX: y\r\n\r\n{"error": {"code": "invalid_body", "message": "no Answer: x"}}'
)


async def test_what_zoosup_refuses_is_an_error_that_says_why(control):
    client, _, answers = control
    answers += [REFUSED, REFUSED, b"HTTP/1.1 500 Oh\r\n\r\nno JSON"]
    with pytest.raises(RefusedByZoosupError, match="refuses the link's answer: 400 no Answer: x"):
        await client.bring({"answer": 1})
    with pytest.raises(RefusedByZoosupError, match="400 no Answer: x"):
        await client.report(0, 0)
    with pytest.raises(RefusedByZoosupError, match="500"):
        await client.bring({"question": 1})


@pytest.mark.parametrize("status", ["404 Not Found", "503 Stopping"])
async def test_where_there_is_no_fleet_any_more_what_comes_is_dropped(control, status):
    client, _, answers = control
    answers.append(f"HTTP/1.1 {status}\r\n\r\n{{}}".encode())
    await client.bring({"answer": 1})


@pytest.mark.looptime
async def test_a_link_whose_answers_zoosup_refuses_ends_at_once_though_the_fleet_answers(fleet):
    await fleet.begin("a", text=fleet_yaml({"m1": "1GiB"}, ["m1"]))
    host = fleet.hosts["a"]
    await asyncio.sleep(1)
    await host.kill_link()

    class Newer(_Zoosup):
        async def bring(self, told):
            raise RefusedByZoosupError("400 no Answer")

    exchange = Exchange(Newer(host), InProcessTransport(fleet.carrier, "a"))
    async with asyncio.timeout(5):
        with pytest.raises(RefusedByZoosupError):
            await carry_through_restarts(exchange)


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (FleetError("NoAnswer", "nobody"), 1, "NoAnswer"),
        (RefusedByZoosupError("400 no Answer"), 1, "AnswerRefused"),
        (WireError("no Answer: 3"), 1, "AnswerRefused"),
        (ConnectionError("gone"), 69, None),
    ],
)
async def test_why_a_link_ends_is_told_to_zoosup(control, monkeypatch, error, code, reason):
    client, asked, answers = control
    answers.append(b"HTTP/1.1 204 No Content\r\n\r\n")
    monkeypatch.setattr(link, "connect", lambda *_: None)

    async def fails(*_, **__):
        raise error

    monkeypatch.setattr(link, "_carry", fails)
    run = functools.partial(link.run, Path(client._control), "h:1", "a", of_head=False)
    ended = await asyncio.get_running_loop().run_in_executor(None, run)
    told = [json.loads(body)["trouble"]["reason"] for _, body in asked]
    assert (code, [reason] if reason else []) == (ended, told)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1"])
async def test_a_zoosup_that_dies_meanwhile_is_a_connection_error(control, answer):
    client, _, answers = control
    answers.append(answer)
    with pytest.raises(ConnectionError):
        await client.report(0, 0)


async def test_where_no_zoosup_is_there_is_an_error_that_ends_the_link(tmp_path):
    with pytest.raises((ConnectionError, FileNotFoundError)):
        await ControlClient(tmp_path / "nobody").report(0, 0)

"""A link over a controller that restarts, and one that is gone; and its way to zoosup by the control socket."""

import asyncio
import json

import pytest

from tests.fleet.conftest import FleetHost, fleet_yaml
from zoosup.fleet.control_client import ControlClient
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
    link = asyncio.create_task(carry_through_restarts(exchange))
    for away in (1, 5, 10):
        await asyncio.sleep(20)
        fleet.carrier.end()
        await asyncio.sleep(away)
        fleet.carrier.begin()
    await asyncio.sleep(20)
    assert not link.done()
    fleet.carrier.end()
    began = asyncio.get_running_loop().time()
    with pytest.raises(FleetError):
        await link
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


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1"])
async def test_a_zoosup_that_dies_meanwhile_is_a_connection_error(control, answer):
    client, _, answers = control
    answers.append(answer)
    with pytest.raises(ConnectionError):
        await client.report(0, 0)


async def test_where_no_zoosup_is_there_is_an_error_that_ends_the_link(tmp_path):
    with pytest.raises((ConnectionError, FileNotFoundError)):
        await ControlClient(tmp_path / "nobody").report(0, 0)

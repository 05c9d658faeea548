"""Requests that another host's gateway answers: what it is sent, what comes back, and what no client can pretend."""

import asyncio
import contextlib
import json
import socket
import struct

import pytest

from tests.web.gateway.conftest import CHAT, OK, STREAM, named, post, until
from tests.web.gateway.forms import TYPE, form
from tests.web.gateway.hosts import Hosts
from zoosup.core.state.refusal import Code, Refusal
from zoosup.web.gateway.context.limits import Limits

EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
async def hosts(models, limits):
    made = Hosts(models, limits)
    yield made
    await made.stop()


async def test_the_model_sees_what_it_would_see_without_the_hop(hosts):
    a, b = await hosts.pair()
    sent = post(CHAT, "/v1/chat/completions?x=%20", "X-Odd: 1", "Authorization: Bearer mine")
    assert OK.partition(b"\r\n\r\n")[2] == (await a.ask(sent))[2]
    await b.ask(sent)
    over, direct = b.backend.asked
    assert direct.head == over.head
    assert direct.body == over.body == CHAT
    assert 1 == a.gateway.counters.forwarded["qwen", "b"]
    assert {("qwen", "", 200): 1} == a.gateway.counters.requests
    assert {("qwen", "", 200): 2} == b.gateway.counters.requests


async def test_an_answer_passes_byte_for_byte(hosts):
    a, b = await hosts.pair()
    answer = b"HTTP/1.1 418 Short\r\nX-A: 1\r\nContent-Length: 3\r\nx-b:  2\r\n\r\nabc"
    b.script(answer)
    wire = await a.wire()
    wire.send(post())
    assert named(answer) == await wire.exactly(len(named(answer)))


async def test_what_runs_here_is_answered_here(hosts):
    a, b = await hosts.pair()
    a.leasing.ports["qwen"] = a.backend.port
    await a.ask(post())
    assert (1, 0) == (len(a.backend.asked), len(b.backend.asked))


async def test_one_hop_and_no_more_though_each_takes_the_other_for_the_host(hosts):
    a, b = await hosts.start("a"), await hosts.start("b")
    a.routing.hosts["qwen"], b.routing.hosts["qwen"] = ["b"], ["a"]
    for host in (a, b):
        host.routing.refusals["qwen"] = Refusal(Code.MODEL_NOT_HERE, "nobody has it")
        status, _, body = await host.ask(post())
        assert (503, "nobody has it") == (status, json.loads(body)["error"]["message"])
    assert 2 == a.gateway.counters.connections_total == b.gateway.counters.connections_total


async def test_what_passes_as_it_comes_is_not_sent_again(hosts):
    a, _ = await hosts.start("a"), await hosts.start("b")
    a.routing.hosts["qwen"] = ["b", "here"]
    wire = await a.wire()
    wire.send(b"PUT /upstream/qwen/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody")
    status, headers, body = await wire.answer()
    assert (503, "model_not_here") == (status, json.loads(body)["error"]["code"])
    assert "1" == headers["retry-after"]
    assert "x-zoosup-hop" not in headers
    assert [] == a.backend.asked


async def test_who_has_it_no_more_is_followed_by_the_next_host(hosts):
    a, b = await hosts.pair()
    await hosts.start("c")
    a.routing.hosts["qwen"] = ["c", "b"]
    assert 200 == (await a.ask(post()))[0]
    assert CHAT == b.backend.asked[0].body
    assert {("qwen", "b"): 1} == a.gateway.counters.forwarded


@pytest.mark.parametrize("code", [Code.MODEL_DISABLED, Code.SHUTTING_DOWN])
async def test_what_was_taken_from_a_host_while_it_was_waited_for_there_is_had_from_the_next(hosts, code):
    a, b = await hosts.pair()
    c = await hosts.start("c")
    c.leasing.queued.add("qwen")
    a.routing.hosts["qwen"] = ["c", "b"]
    wire = await a.wire()
    wire.send(post())
    await until(lambda: c.leasing.queue)
    c.leasing.queue.pop().holder.refused(Refusal(code, "the fleet has given it to another", final=True))
    assert 200 == (await wire.answer())[0]
    assert CHAT == b.backend.asked[0].body


async def test_a_refused_connection_is_followed_by_the_next_host_and_this_one_at_last(hosts):
    a, _ = await hosts.pair()
    with socket.create_server(("127.0.0.1", 0)) as gone:
        hosts.addresses["gone"] = gone.getsockname()[1]
    a.routing.hosts["qwen"] = ["gone", "b"]
    assert 200 == (await a.ask(post()))[0]
    a.routing.hosts["absent"] = ["gone", "here"]
    wire = await a.wire()
    wire.send(post(b'{"model": "absent"}'))
    await until(lambda: a.leasing.queue)
    a.leasing.arrive("absent", a.backend.port)
    assert 200 == (await wire.answer())[0]


async def test_nobody_left_is_told(hosts):
    a, _ = await hosts.pair()
    with socket.create_server(("127.0.0.1", 0)) as gone:
        hosts.addresses["gone"] = gone.getsockname()[1]
    a.routing.hosts["qwen"] = ["gone"]
    a.routing.refusals["qwen"] = Refusal(Code.MODEL_NOT_HERE, "qwen runs on gone", retry_after=2)
    status, headers, _ = await a.ask(post())
    assert (503, "2") == (status, headers["retry-after"])


class TestPatience:
    @pytest.fixture
    def limits(self):
        return Limits(tick=0.01, hop=0.1)

    async def test_a_host_that_does_not_answer_a_connection_is_given_up_soon(self, hosts):
        a, _ = await hosts.pair()
        with socket.create_server(("127.0.0.1", 0), backlog=1) as full:
            port = hosts.addresses["full"] = full.getsockname()[1]
            crowd = [
                socket.socket() for _ in range(8)
            ]  # the queue of connections is full, and nobody empties it
            for each in crowd:
                each.setblocking(False)
                each.connect_ex(("127.0.0.1", port))
            await asyncio.sleep(0.05)
            a.routing.hosts["qwen"] = ["full", "b"]
            assert 200 == (await a.ask(post()))[0]
            for each in crowd:
                each.close()


async def test_a_body_that_was_sent_is_sent_to_nobody_else(hosts):
    a, b = await hosts.pair()
    c = await hosts.start("c", "qwen")
    a.routing.hosts["qwen"] = ["c", "b"]

    async def die(asked, reader, writer):
        for client in list(c.gateway._context.connections.clients):
            client.abort()

    await a.ask(post())  # from now on the connection is one that was used before
    c.script(die)
    status, _, body = await a.ask(post())
    assert (502, "upstream_error") == (status, json.loads(body)["error"]["code"])
    assert "qwen on host c" in json.loads(body)["error"]["message"]
    assert (2, 0) == (len(c.backend.asked), len(b.backend.asked))


async def test_a_stream_over_a_host_that_dies_is_seen_as_broken_and_not_repeated(hosts):
    a, b = await hosts.pair()
    c = await hosts.start("c", "qwen")
    a.routing.hosts["qwen"] = ["b", "c"]
    go = asyncio.Event()

    async def some(asked, reader, writer):
        writer.write(EVENTS + b"9\r\ndata: 1\n\n\r\n")
        await go.wait()
        for client in list(b.gateway._context.connections.clients):
            sock = client.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.transport.abort()

    b.script(some)
    wire = await a.wire()
    wire.send(post(STREAM))
    await wire.until(b"data: 1\n\n\r\n")
    go.set()
    rest = await wire.rest()
    assert b'"upstream_error"' in rest
    assert b"0\r\n\r\n" not in rest
    assert [] == c.backend.asked
    assert 1 == a.gateway.counters.broken["qwen"]


async def test_a_client_that_hangs_up_ends_it_at_the_model(hosts):
    a, b = await hosts.pair()

    async def script(asked, reader, writer):
        writer.write(EVENTS + b"9\r\ndata: 1\n\n\r\n")
        await reader.read()

    b.script(script)
    wire = await a.wire()
    wire.send(post(STREAM))
    await wire.until(b"data: 1\n\n\r\n")
    await wire.hang_up()
    await until(lambda: b.backend.hung_up == 1)
    assert 1 == a.gateway.counters.cancelled["qwen"] == b.gateway.counters.cancelled["qwen"]


async def test_who_hangs_up_while_it_waits_there_leaves_no_demand(hosts):
    a, b = await hosts.pair()
    a.routing.hosts["absent"] = ["b"]
    b.leasing.queued.add("absent")
    wire = await a.wire()
    wire.send(post(b'{"model": "absent"}'))
    await until(lambda: b.leasing.queue)
    await wire.hang_up()
    await until(lambda: not b.leasing.queue)


class TestLoading:
    @pytest.fixture
    def limits(self):
        return Limits(tick=0.01, quiet=0.05, quiet_at_most=0.05, comment=0.05)

    async def test_a_wait_is_told_by_the_host_that_has_the_model(self, hosts):
        a, b = await hosts.pair()
        a.routing.hosts["absent"] = ["b"]
        b.leasing.queued.add("absent")
        b.script(EVENTS + b"9\r\ndata: 1\n\n\r\n0\r\n\r\n")
        wire = await a.wire()
        wire.send(post(b'{"model": "absent", "stream": true}'))
        told = await wire.until(b": loading absent: its weights are being read\n\n")
        b.leasing.arrive("absent", b.backend.port)
        told += await wire.until(b"0\r\n\r\n")
        assert told.endswith(b"data: 1\n\n\r\n0\r\n\r\n")
        assert 1 == told.count(b"HTTP/1.1 200 OK")

    async def test_a_refusal_of_that_host_is_the_clients(self, hosts):
        a, b = await hosts.pair()
        a.routing.hosts["absent"] = ["b"]
        b.leasing.queued.add("absent")
        b.leasing.refusals["absent"] = Refusal(Code.INSUFFICIENT_MEMORY, "4 GiB of 3", final=True)
        status, headers, body = await a.ask(post(b'{"model": "absent"}'))
        assert (424, "false") == (status, headers["x-should-retry"])
        assert ("insufficient_memory", "4 GiB of 3") == tuple(
            json.loads(body)["error"][n] for n in ("code", "message")
        )

    async def test_a_host_is_waited_for_in_silence_and_then_asked(self, hosts):
        a, b = await hosts.pair()
        a.routing.choosing.add("qwen")
        wire = await a.wire()
        wire.send(post(STREAM))
        await until(lambda: a.routing.tickets)
        await asyncio.sleep(0.2)
        holder = a.routing.tickets[0].holder
        holder.granted(a.routing.lease("qwen", holder, ["b"]))
        assert (await wire.until(b"{}")).startswith(b"HTTP/1.1 200 OK\r\nContent-Type: application/json")
        assert STREAM == b.backend.asked[0].body

    async def test_it_may_be_this_host_that_is_chosen(self, hosts):
        a, b = await hosts.pair()
        a.routing.choosing.add("qwen")
        wire = await a.wire()
        wire.send(post())
        await until(lambda: a.routing.tickets)
        a.leasing.ports["qwen"] = a.backend.port
        a.routing.tickets[0].holder.here()
        assert 200 == (await wire.answer())[0]
        assert (1, 0) == (len(a.backend.asked), len(b.backend.asked))

    async def test_who_hangs_up_while_a_host_is_chosen_is_asked_for_nowhere(self, hosts):
        a, b = await hosts.pair()
        a.routing.choosing.add("qwen")
        wire = await a.wire()
        wire.send(post())
        await until(lambda: a.routing.tickets)
        await wire.hang_up()
        await until(lambda: a.routing.tickets[0].cancelled)
        holder = a.routing.tickets[0].holder
        holder.here()
        holder.granted(a.routing.lease("qwen", holder, ["b"]))
        assert [] == a.backend.asked == b.backend.asked


WS = (
    b"GET /upstream/qwen/ws?x=1 HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: abc\r\n\r\n"
)
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX: y\r\n\r\n"


async def test_a_websocket_passes_both_ways_and_its_end_too(hosts):
    a, b = await hosts.pair()

    async def echo(asked, reader, writer):
        writer.write(SWITCHED + b"early")
        while data := await reader.read(100):
            writer.write(data.upper())
            await writer.drain()

    b.script(echo)
    wire = await a.wire()
    wire.send(WS)
    assert named(SWITCHED) + b"early" == await wire.exactly(len(named(SWITCHED)) + 5)
    wire.send(b"frame")
    assert b"FRAME" == await wire.exactly(5)
    assert 1 == a.gateway.counters.in_flight == b.gateway.counters.in_flight
    assert b"GET /ws?x=1 HTTP/1.1" == b.backend.asked[0].line
    await wire.hang_up()
    await until(lambda: b.backend.hung_up == 1)


async def test_an_upload_passes_as_it_comes(hosts):
    a, b = await hosts.pair()
    b.backend.read_bodies = False
    total, taken = 100 * 2**20, 0

    async def take(asked, reader, writer):
        nonlocal taken
        while taken < total:
            taken += len(await reader.read(2**20))
        writer.write(OK)

    b.script(take)
    wire = await a.wire()
    wire.send(b"PUT /upstream/qwen/big HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % total)
    piece = b"x" * 2**20
    for _ in range(100):
        wire.send(piece)
        await wire.writer.drain()
    assert 200 == (await wire.answer())[0]
    assert total == taken


async def test_a_form_is_the_one_that_was_sent(hosts):
    a, b = await hosts.pair()
    body = form(('name="model"', b"qwen"), ('name="file"; filename="a.wav"', b"x" * 300_000))
    sent = post(body, "/v1/audio/transcriptions").replace(b"application/json", TYPE.encode())
    assert 200 == (await a.ask(sent))[0]
    assert body == b.backend.asked[0].body


class TestAHostThatTheFleetHasGivenUp:
    """It hangs, and keeps its connections: its kernel answers for it. Or it is only cut off from the others."""

    @pytest.fixture
    def limits(self):
        return Limits(tick=0.01, sign_of_life=0.1)

    @staticmethod
    @contextlib.contextmanager
    def hanging(hosts):
        with socket.create_server(("127.0.0.1", 0)) as server:
            hosts.addresses["hung"] = server.getsockname()[1]
            yield

    async def test_one_that_hangs_is_waited_for_until_the_fleet_has_given_it_up(self, hosts):
        a, _ = await hosts.pair()
        with self.hanging(hosts):
            a.routing.hosts["qwen"] = ["hung", "b"]
            wire = await a.wire()
            wire.send(post())
            await asyncio.sleep(0.3)
            assert wire.reader.at_eof() is False
            assert 1 == len(a.routing.out)
            a.routing.gone.add("hung")
            status, _, body = await wire.answer()
        error = json.loads(body)["error"]
        assert (502, "upstream_error") == (status, error["code"])
        assert "qwen on host hung: the fleet has given the host up" in error["message"]

    async def test_what_does_no_harm_twice_is_asked_of_the_next_one(self, hosts):
        a, _ = await hosts.pair()
        with self.hanging(hosts):
            a.routing.hosts["qwen"] = ["hung", "b"]
            a.routing.gone.add("hung")
            status, _, _ = await a.ask(b"GET /upstream/qwen/props HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert 200 == status

    async def test_a_websocket_to_one_that_hangs_is_broken_off(self, hosts):
        """As a stopped process: what it has accepted stays open, and it accepts and says nothing more."""
        a, _ = await hosts.pair()

        async def switch(_reader, writer):
            server.close()
            accepted.append(writer)
            writer.write(SWITCHED)

        accepted = []

        server = await asyncio.start_server(switch, "127.0.0.1", 0)
        port = hosts.addresses["hung"] = server.sockets[0].getsockname()[1]
        a.routing.hosts["qwen"] = ["hung"]
        wire = await a.wire()
        wire.send(WS)
        await wire.until(b"X: y\r\n")
        with socket.create_server(("127.0.0.1", port)):
            await asyncio.sleep(0.3)
            assert 1 == len(a.routing.out), "nobody doubts it"
            a.routing.gone.add("hung")
            with contextlib.suppress(ConnectionError):
                await wire.rest()
        await until(lambda: a.routing.out == [])
        accepted[0].close()

    async def test_a_websocket_to_one_that_still_says_something_stays(self, hosts):
        a, b = await hosts.pair()

        async def echo(asked, reader, writer):
            writer.write(SWITCHED)
            while data := await reader.read(100):
                writer.write(data.upper())

        b.script(echo)
        wire = await a.wire()
        wire.send(WS)
        await wire.until(b"X: y\r\n")
        a.routing.gone.add("b")
        await asyncio.sleep(0.3)
        wire.send(b"frame")
        assert (await wire.until(b"FRAME")).endswith(b"FRAME")

    async def test_one_that_still_says_something_has_all_the_time_it_takes(self, hosts):
        a, b = await hosts.pair()

        async def slowly(_asked, _reader, writer):
            await asyncio.sleep(0.5)
            writer.write(OK)

        b.backend.script = slowly
        a.routing.gone.add("b")
        assert 200 == (await a.ask(post()))[0]

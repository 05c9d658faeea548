"""How exchanges end: every lease comes back once, whoever goes first, and nothing that is broken looks whole."""

import asyncio
import json

import pytest

from tests.web.gateway.conftest import CHAT, ID, OK, STREAM, GatewayHarness, post, until
from tests.web.gateway.fake_leasing import FakeLease, FakeTicket
from zoosup.core.state.refusal import Code, Refusal
from zoosup.web.gateway.context.limits import Limits

SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

WHOLE = (
    b'{"id": "c", "object": "chat.completion", "choices": [{"index": 0, "finish_reason": "stop",\r\n'
    b' "message": {"role": "assistant", "content": "hi\\nthere"}}], "usage": {"completion_tokens": 2}}\n'
)


def of_run(lease: FakeLease, run_id: str) -> FakeLease:
    lease.run_id = run_id
    return lease


async def _forever(asked, reader, writer):
    await reader.read()


async def test_a_client_that_hangs_up_cancels_the_model(harness: GatewayHarness):
    harness.script(_forever)
    wire = await harness.wire()
    wire.send(post())
    await until(lambda: harness.leasing.out)
    await until(lambda: harness.backend.asked)
    await wire.hang_up()
    await until(lambda: harness.backend.hung_up == 1)
    assert harness.leasing.out == []
    assert harness.gateway.counters.cancelled == {"qwen": 1}


async def test_a_client_that_has_just_connected_is_answered_before_the_gateway_ends(harness: GatewayHarness):
    harness.script(OK)
    wire = await harness.wire()
    await until(lambda: harness.gateway.counters.connections == 1)
    ending = asyncio.ensure_future(harness.gateway.stop(10))
    await until(lambda: harness.gateway.address is None)
    wire.send(post())
    await wire.until(b"HTTP/1.1 200 OK\r\n")
    await ending


async def test_a_client_that_hangs_up_in_mid_stream_cancels_the_model(harness: GatewayHarness):
    async def script(asked, reader, writer):
        writer.write(SSE)
        while not writer.is_closing():
            writer.write(b"8\r\ndata: a\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.001)

    harness.script(script)
    wire = await harness.wire()
    wire.send(post(STREAM))
    await wire.until(b"data: a\n")
    await wire.hang_up()
    await until(lambda: harness.backend.hung_up == 1)
    assert harness.leasing.out == []


async def test_a_client_that_hangs_up_while_it_waits_leaves_no_demand(harness: GatewayHarness):
    wire = await harness.wire()
    wire.send(post(b'{"model": "absent"}'))
    await until(lambda: harness.leasing.queue)
    ticket = harness.leasing.queue[0]
    await wire.hang_up()
    await until(lambda: ticket.cancelled)
    assert harness.leasing.queue == []


async def test_a_lease_granted_to_a_client_that_has_just_gone_goes_back(harness: GatewayHarness):
    wire = await harness.wire()
    wire.send(post(b'{"model": "absent"}'))
    await until(lambda: harness.leasing.queue)
    ticket = harness.leasing.queue[0]
    await wire.hang_up()
    await until(lambda: ticket.cancelled)
    harness.leasing.ports["absent"] = harness.backend.port
    ticket.holder.granted(harness.leasing.lease("absent", ticket.holder))  # decided in the same turn
    assert [lease.released for lease in harness.leasing.given] == [1]
    ticket.holder.refused(Refusal(Code.QUEUE_FULL, "too late"))
    ticket.holder.cut(Refusal(Code.MODEL_EVICTED, "too late"))


async def test_a_client_that_goes_while_its_long_body_is_read_asks_for_nothing(harness: GatewayHarness):
    body = b'{"model": "qwen", "image": "' + b"x" * 3_000_000 + b'"}'
    wire = await harness.wire()
    wire.send(post(body))
    await wire.writer.drain()
    await wire.hang_up()
    await until(lambda: harness.gateway.counters.connections == 0)
    await asyncio.sleep(0.05)
    assert harness.leasing.given == []


async def test_waiting_clients_are_answered_when_the_model_arrives(harness: GatewayHarness):
    wire = await harness.wire()
    wire.send(post(b'{"model": "absent"}'))
    await until(lambda: harness.leasing.queue)
    assert harness.gateway.counters.waiting == 1
    await asyncio.sleep(0.01)  # uvloop's clock moves in milliseconds
    harness.leasing.arrive("absent", harness.backend.port)
    assert (await wire.answer())[0] == 200
    assert harness.gateway.counters.waits["absent"].sum > 0


async def test_a_model_granted_while_it_is_asked_for_is_used_once(harness: GatewayHarness):
    def ask(model, holder):
        holder.granted(harness.leasing.lease(model, holder))
        return FakeTicket(harness.leasing, model, holder)

    harness.leasing.ask = ask
    wire = await harness.wire()
    for _ in range(2):
        wire.send(post())
        assert (await wire.answer())[2] == b"{}"
    assert len(harness.backend.asked) == 2
    assert harness.gateway.counters.waiting == 0


async def test_a_model_refused_while_it_is_asked_for_is_answered_once(harness: GatewayHarness):
    def ask(model, holder):
        holder.refused(Refusal(Code.QUEUE_FULL, "too many wait"))
        return FakeTicket(harness.leasing, model, holder)

    harness.leasing.ask = ask
    wire = await harness.wire()
    wire.send(post() + post())
    assert [(await wire.answer())[0] for _ in range(2)] == [429, 429]
    assert harness.gateway.counters.waiting == 0


async def test_a_wait_that_ends_in_a_refusal_is_answered(harness: GatewayHarness):
    wire = await harness.wire()
    wire.send(post(b'{"model": "absent"}'))
    await until(lambda: harness.leasing.queue)
    ticket = harness.leasing.queue.pop()
    ticket.holder.refused(Refusal(Code.MODEL_FAILED, "it crashed", final=True, details="CUDA error"))
    status, headers, body = await wire.answer()
    assert (status, headers["x-should-retry"]) == (424, "false")
    assert b"CUDA error" in body


async def test_who_was_sent_to_a_run_that_is_gone_waits_for_the_next(harness: GatewayHarness):
    """X2: what never reached a server costs nobody an answer."""
    harness.leasing.ports["qwen"] = 1
    wire = await harness.wire()
    wire.send(post())
    await until(lambda: harness.leasing.queue)
    harness.leasing.arrive("qwen", harness.backend.port)
    assert (await wire.answer())[0] == 200


async def test_it_is_told_what_became_of_the_model(harness: GatewayHarness):
    harness.leasing.ports["qwen"] = 1
    wire = await harness.wire()
    wire.send(post())
    await until(lambda: harness.leasing.queue)
    harness.leasing.queue.pop().holder.refused(Refusal(Code.MODEL_BACKOFF, "it crashed", 5.0))
    assert (await wire.answer())[0] == 503


async def test_a_look_that_a_dying_server_did_not_answer_waits_for_the_next(harness: GatewayHarness):
    """X14: it is safe to repeat, and nothing was answered."""

    async def script(asked, reader, writer):
        del harness.leasing.ports["qwen"]
        writer.close()

    harness.script(script)
    wire = await harness.wire()
    wire.send(b"GET /upstream/qwen/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await until(lambda: harness.leasing.queue)
    harness.script(OK)
    harness.leasing.arrive("qwen", harness.backend.port)
    assert (await wire.answer())[0] == 200


async def test_one_that_was_being_answered_is_told_of_its_servers_death(harness: GatewayHarness):
    async def script(asked, reader, writer):
        writer.close()

    harness.script(script)
    status, _, body = await harness.ask(post())
    error = json.loads(body)["error"]
    assert (status, error["code"]) == (502, "upstream_error")
    assert error["message"].startswith("qwen: ")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
async def test_an_answer_that_is_none_is_a_502(harness: GatewayHarness, answer: bytes):
    async def script(asked, reader, writer):
        writer.write(answer)
        writer.close()

    harness.script(script)
    assert (await harness.ask(post()))[0] == 502
    harness.script(OK)
    assert (await harness.ask(post()))[0] == 200


async def test_a_request_that_meets_a_connection_just_closed_is_sent_again_once(harness: GatewayHarness):
    wire = await harness.wire()
    wire.send(post())
    await wire.answer()
    served = 0

    async def script(asked, reader, writer):
        nonlocal served
        served += 1
        if served == 1:
            writer.transport.abort()
        else:
            writer.write(OK)

    harness.script(script)
    wire.send(post())
    assert (await wire.answer())[0] == 200
    assert harness.gateway.counters.retries == 1
    assert harness.backend.asked[-1].body == CHAT


async def test_a_request_that_fails_on_a_fresh_connection_is_not_sent_again(harness: GatewayHarness):
    async def script(asked, reader, writer):
        writer.transport.abort()

    harness.script(script)
    wire = await harness.wire()
    for _ in range(2):
        wire.send(post())
        assert (await wire.answer())[0] == 502
    assert len(harness.backend.asked) == 2


async def test_unused_connections_to_a_run_are_closed_when_another_follows_it(harness: GatewayHarness):
    wire = await harness.wire()
    wire.send(post())
    await wire.answer()
    assert harness.backend.hung_up == 0
    lease = harness.leasing.lease
    harness.leasing.lease = lambda model, holder: of_run(lease(model, holder), "the-next")
    wire.send(post())
    assert (await wire.answer())[0] == 200
    await until(lambda: harness.backend.hung_up == 1)
    assert len(harness.backend.writers) == 2


async def test_a_connection_in_use_is_closed_after_its_answer_when_another_run_has_followed(
    harness: GatewayHarness,
):
    go_on = asyncio.Event()

    async def script(asked, reader, writer):
        await go_on.wait()
        writer.write(OK)

    harness.script(script)
    old, new = await harness.wire(), await harness.wire()
    old.send(post())
    await until(lambda: harness.backend.asked)
    lease = harness.leasing.lease
    harness.leasing.lease = lambda model, holder: of_run(lease(model, holder), "the-next")
    harness.script(OK)
    new.send(post())
    assert (await new.answer())[0] == 200
    assert harness.backend.hung_up == 0
    go_on.set()
    assert (await old.answer())[0] == 200
    await until(lambda: harness.backend.hung_up == 1)


async def test_unused_connections_to_a_run_are_closed_when_it_is_cut(harness: GatewayHarness):
    held, unused = await harness.wire(), await harness.wire()
    harness.script(_forever)
    held.send(post())
    await until(lambda: harness.backend.asked)
    harness.script(OK)
    unused.send(post())
    await unused.answer()
    harness.leasing.out[0].holder.cut(Refusal(Code.MODEL_EVICTED, "it is being stopped"))
    assert (await held.answer())[0] == 503
    await until(lambda: harness.backend.hung_up == 2)


async def test_an_unasked_word_ends_an_unused_connection(harness: GatewayHarness):
    wire = await harness.wire()
    wire.send(post())
    await wire.answer()
    harness.backend.writers[0].write(OK)
    await until(lambda: harness.backend.hung_up == 1)
    wire.send(post())
    assert (await wire.answer())[0] == 200


async def test_a_model_that_dies_in_mid_answer_is_seen(harness: GatewayHarness):
    async def script(asked, reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.close()

    harness.script(script)
    wire = await harness.wire()
    wire.send(post())
    await wire.until(b"abc")
    with pytest.raises(ConnectionResetError):
        await wire.rest()
    assert harness.gateway.counters.broken == {"qwen": 1}


async def test_a_model_that_dies_in_mid_stream_is_said_to_and_no_clean_end_follows(harness: GatewayHarness):
    async def script(asked, reader, writer):
        writer.write(SSE + b"8\r\ndata: a\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.close()

    harness.script(script)
    told = await harness.told(post(STREAM))
    head, _, body = told.partition(b"8\r\ndata: a\n\r\n")
    assert head == SSE[:-2] + b"X-Accel-Buffering: no\r\n" + ID + b"\r\n"
    size, _, event = body.partition(b"\r\n")
    assert len(event) == int(size, 16) + 2
    assert json.loads(event.strip().removeprefix(b"data: "))["error"]["code"] == "upstream_error"
    assert not told.endswith(b"0\r\n\r\n")


async def test_a_stream_torn_within_a_chunk_gets_no_word_that_would_be_taken_for_its_own(
    harness: GatewayHarness,
):
    async def script(asked, reader, writer):
        writer.write(SSE + b"20\r\ndata: a")
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.close()

    harness.script(script)
    wire = await harness.wire()
    wire.send(post(STREAM))
    await wire.until(b"data: a")
    with pytest.raises(ConnectionResetError):
        await wire.rest()


async def test_an_answer_without_a_length_that_breaks_is_no_clean_end(harness: GatewayHarness):
    async def script(asked, reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc")
        await writer.drain()
        await asyncio.sleep(0.05)
        harness.leasing.out[0].holder.cut(Refusal(Code.MODEL_EVICTED, "it is being stopped"))

    harness.script(script)
    wire = await harness.wire()
    wire.send(post())
    await wire.until(b"abc")
    with pytest.raises(ConnectionResetError):
        await wire.rest()


async def test_a_cut_before_the_answer_is_a_503(harness: GatewayHarness):
    harness.script(_forever)
    wire = await harness.wire()
    wire.send(post())
    await until(lambda: harness.backend.asked)
    harness.leasing.out[0].holder.cut(
        Refusal(Code.MODEL_EVICTED, "qwen is being stopped: its drain time is over")
    )
    status, _, body = await wire.answer()
    assert status == 503
    assert b"its drain time is over" in body
    await until(lambda: harness.backend.hung_up == 1)


async def test_a_cut_in_mid_stream_is_an_event_and_no_clean_end(harness: GatewayHarness):
    async def script(asked, reader, writer):
        writer.write(SSE + b"8\r\ndata: a\n\r\n")
        await reader.read()

    harness.script(script)
    wire = await harness.wire()
    wire.send(post(STREAM))
    await wire.until(b"data: a\n\r\n")
    harness.leasing.out[0].holder.cut(Refusal(Code.MODEL_EVICTED, "its drain time is over"))
    told = await wire.rest()
    assert b"its drain time is over" in told
    assert b'"error"' in told
    assert not told.endswith(b"0\r\n\r\n")


class TestLoading:
    @pytest.fixture
    def limits(self):
        return Limits(tick=0.01, quiet=0.03, comment=0.05)

    async def _wait(self, harness: GatewayHarness, body: bytes = b'{"model": "absent", "stream": true}'):
        wire = await harness.wire()
        wire.send(post(body, "/v1/chat/completions", "Accept-Encoding: gzip"))
        await until(lambda: harness.leasing.queue)
        return wire

    async def test_a_streaming_client_is_told_what_is_waited_for(self, harness: GatewayHarness):
        wire = await self._wait(harness)
        told = await wire.until(b"\r\n\r\n")
        assert told.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream")
        for _ in range(2):
            assert b": loading absent: its weights are being read\n\n" in await wire.until(b"\n\n\r\n")
        stream = SSE + b"6\r\n: hi\n\n\r\n0\r\n\r\n"
        harness.script(stream)
        harness.leasing.arrive("absent", harness.backend.port)
        assert (await wire.until(b"0\r\n\r\n")).endswith(b"6\r\n: hi\n\n\r\n0\r\n\r\n")
        assert "accept-encoding" not in harness.backend.asked[0].headers
        wire.send(post())
        harness.script(OK)
        assert (await wire.answer())[0] == 200

    @pytest.mark.parametrize("framing", ["length", "close", "chunked"])
    async def test_a_stream_goes_on_however_it_is_framed(self, harness: GatewayHarness, framing: str):
        async def script(asked, reader, writer):
            head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            if framing == "length":
                writer.write(head + b"Content-Length: 12\r\n\r\ndata: abcd\n\n")
            elif framing == "chunked":
                writer.write(
                    head + b"Transfer-Encoding: chunked\r\n\r\n6\r\ndata: \r\n6\r\nabcd\n\n\r\n0\r\n\r\n"
                )
            else:
                writer.write(head + b"Connection: close\r\n\r\ndata: abcd\n\n")
                writer.close()

        wire = await self._wait(harness)
        await wire.until(b"\n\n\r\n")
        harness.script(script)
        harness.leasing.arrive("absent", harness.backend.port)
        assert (await wire.until(b"0\r\n\r\n")).endswith(b"c\r\ndata: abcd\n\n\r\n0\r\n\r\n")

    async def test_an_error_of_the_model_comes_as_an_event(self, harness: GatewayHarness):
        wire = await self._wait(harness)
        await wire.until(b"\n\n\r\n")
        harness.script(b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n7\r\ntoo hot\r\n0\r\n\r\n")
        harness.leasing.arrive("absent", harness.backend.port)
        told = await wire.until(b"0\r\n\r\n")
        assert b"answered 500: too hot" in told

    async def test_a_models_own_error_keeps_its_fields(self, harness: GatewayHarness):
        """X6: an agent that hears of n_ctx shortens its prompt."""
        error = b'{"error":{"code":400,"type":"exceed_context_size_error","n_ctx":4096}}'
        wire = await self._wait(harness)
        await wire.until(b"\n\n\r\n")
        head = b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n"
        harness.script(head + b"Content-Length: %d\r\n\r\n" % len(error) + error)
        harness.leasing.arrive("absent", harness.backend.port)
        assert b"data: " + error + b"\n\n" in await wire.until(b"0\r\n\r\n")

    @pytest.mark.parametrize("kind", [b"Content-Type: application/json\r\n", b""])
    @pytest.mark.parametrize("pause", [0.0, 0.02])
    async def test_an_answer_that_is_no_stream_comes_as_one(
        self, harness: GatewayHarness, kind: bytes, pause: float
    ):
        """A server that ignores `stream`: its client reads events by now, in which bare JSON would be nothing."""
        body = WHOLE

        async def script(asked, reader, writer):
            writer.write(b"HTTP/1.1 200 OK\r\n" + kind + b"Content-Length: %d\r\n\r\n" % len(body) + body[:9])
            await writer.drain()
            await asyncio.sleep(pause)
            writer.write(body[9:])

        wire = await self._wait(harness)
        await wire.until(b"\n\n\r\n")
        harness.script(script)
        harness.leasing.arrive("absent", harness.backend.port)
        first, done, end = (await wire.until(b"0\r\n\r\n")).split(b"\n\n")[-3:]
        assert (done, end) == (b"data: [DONE]", b"\r\n0\r\n\r\n")
        chunk = json.loads(first.partition(b"data: ")[2])
        assert chunk["object"] == "chat.completion.chunk"
        assert chunk["choices"][0]["delta"]["content"] == "hi\nthere"
        assert chunk["usage"]["completion_tokens"] == 2
        wire.send(post())
        harness.script(OK)
        assert (await wire.answer())[0] == 200

    async def test_an_answer_that_can_be_no_event_comes_as_an_error(self, harness: GatewayHarness):
        wire = await self._wait(harness)
        await wire.until(b"\n\n\r\n")
        harness.script(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 7\r\n\r\n<p>Hi\r\n")
        harness.leasing.arrive("absent", harness.backend.port)
        told = await wire.until(b"0\r\n\r\n")
        assert b"upstream_error" in told
        assert b"<p>" not in told

    async def test_a_stream_that_does_not_say_it_is_one_goes_on_as_it_comes(self, harness: GatewayHarness):
        async def script(asked, reader, writer):
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: a\n\n\r\n")
            await writer.drain()
            await reader.read(1)

        wire = await self._wait(harness)
        await wire.until(b"\n\n\r\n")
        harness.script(script)
        harness.leasing.arrive("absent", harness.backend.port)
        await wire.until(b"data: a\n\n")

    async def test_a_refusal_comes_as_an_event(self, harness: GatewayHarness):
        wire = await self._wait(harness)
        await wire.until(b"\n\n\r\n")
        harness.leasing.queue.pop().holder.refused(Refusal(Code.MODEL_FAILED, "it crashed"))
        assert b"it crashed" in await wire.until(b"0\r\n\r\n")

    async def test_a_death_after_it_is_no_clean_end(self, harness: GatewayHarness):
        async def script(asked, reader, writer):
            writer.write(SSE + b"8\r\ndata: a\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)
            writer.close()

        wire = await self._wait(harness)
        await wire.until(b"\n\n\r\n")
        harness.script(script)
        harness.leasing.arrive("absent", harness.backend.port)
        told = await wire.rest()
        assert b"upstream_error" in told
        assert not told.endswith(b"0\r\n\r\n")

    async def test_a_client_that_does_not_stream_just_waits(self, harness: GatewayHarness):
        wire = await self._wait(harness, b'{"model": "absent"}')
        await asyncio.sleep(0.15)
        harness.leasing.arrive("absent", harness.backend.port)
        assert (await wire.answer())[2] == b"{}"

    class TestAloud:
        @pytest.fixture
        def limits(self):
            return Limits(tick=0.01, quiet=0.03, comment=0.05)

        @pytest.fixture
        def settings(self):
            return {"loading": "reasoning"}

        async def test_it_is_said_as_reasoning(self, harness: GatewayHarness):
            wire = await TestLoading()._wait(harness)
            told = await wire.until(b"\n\n\r\n")
            event = json.loads(told.partition(b"data: ")[2].strip())
            assert "weights are being read" in event["choices"][0]["delta"]["reasoning_content"]

    class TestSilent:
        @pytest.fixture
        def limits(self):
            return Limits(tick=0.01, quiet=0.03, comment=0.05)

        @pytest.fixture
        def settings(self):
            return {"loading": "off"}

        async def test_nothing_is_said(self, harness: GatewayHarness):
            wire = await TestLoading()._wait(harness)
            await asyncio.sleep(0.15)
            harness.leasing.arrive("absent", harness.backend.port)
            assert (await wire.answer())[2] == b"{}"

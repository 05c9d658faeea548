"""Followers: what they see, and that none of them can hold up anybody."""

import asyncio
import contextlib
import json
import socket

import aiohttp
import pytest

from zoosup.web.api.followers import StreamLimits

SSE = {"Accept": "text/event-stream"}
GUARD = 20


async def lines_of(answer: aiohttp.ClientResponse, count: int) -> list[bytes]:
    async with asyncio.timeout(GUARD):
        return [await answer.content.readline() for _ in range(count)]


def add(harness, *messages: str, model: str = "a") -> None:
    for message in messages:
        harness.runtime.journal.add("Tick", model, "", message)


async def until(is_so) -> None:
    async with asyncio.timeout(GUARD):
        while not is_so():
            await asyncio.sleep(0.01)


async def test_an_event_follower_sees_what_was_and_what_comes(harness):
    add(harness, "one", "two")
    async with harness.tcp.get(f"{harness.url}/events", headers=SSE) as answer:
        assert "text/event-stream" == answer.headers["Content-Type"]
        past = await lines_of(answer, 6)
        add(harness, "three")
        framed = past + await lines_of(answer, 3)
    assert [b"id: 1\n", b"id: 2\n", b"id: 3\n"] == framed[0::3]
    assert ["one", "two", "three"] == [json.loads(line[6:])["message"] for line in framed[1::3]]
    assert [b"\n"] * 3 == framed[2::3]


async def test_an_event_follower_goes_on_after_its_last_event_id(harness):
    add(harness, "one", "two", "three")
    async with harness.tcp.get(
        f"{harness.url}/events?since=0", headers=SSE | {"Last-Event-ID": "2"}
    ) as answer:
        assert b"id: 3\n" == (await lines_of(answer, 1))[0]


async def test_an_event_follower_of_one_model_sees_no_other(harness):
    async with harness.tcp.get(f"{harness.url}/events?model=b&limit=0", headers=SSE) as answer:
        add(harness, "not this")
        add(harness, "this", model="b")
        assert "this" == json.loads((await lines_of(answer, 2))[1][6:])["message"]


async def test_many_events_at_once_all_arrive_in_order(harness):
    add(harness, *map(str, range(3000)))
    async with harness.tcp.get(f"{harness.url}/events", headers=SSE) as answer:
        framed = await lines_of(answer, 9000)
    assert [str(n) for n in range(3000)] == [json.loads(line[6:])["message"] for line in framed[1::3]]


async def test_a_log_follower_sees_the_last_lines_and_what_is_appended(harness):
    harness.runtime.logs.lines["a"] = ["old 1", "old 2", "old 3"]
    async with harness.tcp.get(f"{harness.url}/logs/a?lines=2&follow=1") as answer:
        assert [b"old 2\n", b"old 3\n"] == await lines_of(answer, 2)
        harness.runtime.logs.arrivals.put_nowait(b"new 1\nnew")
        harness.runtime.logs.arrivals.put_nowait(b" 2\n")
        assert [b"new 1\n", b"new 2\n"] == await lines_of(answer, 2)


async def test_a_client_that_goes_is_forgotten_even_when_nothing_is_written(harness):
    answer = await harness.tcp.get(f"{harness.url}/logs/a?follow=1")
    await until(lambda: harness.runtime.logs.following == 1)
    answer.close()
    await until(lambda: harness.runtime.logs.following == 0)


async def test_a_stopping_server_ends_every_stream_cleanly_and_at_once(harness):
    harness.runtime.logs.lines["a"] = ["old"]
    answers = [
        await harness.tcp.get(f"{harness.url}/events", headers=SSE),
        await harness.unix.get("http://zoosup/events", headers=SSE),
        await harness.tcp.get(f"{harness.url}/logs/a?follow=1"),
    ]
    async with asyncio.timeout(GUARD):
        await harness.server.stop()
        # A clean end of chunked encoding: a cut would raise ClientPayloadError.
        assert [b"", b"", b"old\n"] == [await answer.read() for answer in answers]
    assert 0 == harness.runtime.logs.following


async def test_a_feed_that_breaks_is_cut_and_not_taken_for_an_end(harness, caplog):
    async def broken(_model):
        yield b"half\n"
        raise OSError("the disk is gone")

    harness.runtime.logs.follow = broken
    async with harness.tcp.get(f"{harness.url}/logs/a?follow=1") as answer:
        with pytest.raises(aiohttp.ClientError):
            await answer.read()
    assert "the disk is gone" in caplog.text


class TestWithTightLimits:
    @pytest.fixture
    def limits(self):
        return StreamLimits(
            followers=2, connections=6, stall=0.2, heartbeat=0.05, idle=0.3, body=0.2, closing=0.1, grace=600
        )

    async def test_a_silent_event_follower_is_sent_comments(self, harness):
        async with harness.tcp.get(f"{harness.url}/events", headers=SSE) as answer:
            assert [b": heartbeat\n", b"\n"] * 2 == await lines_of(answer, 4)

    async def test_a_silent_log_is_not_written_into(self, harness):
        async with harness.tcp.get(f"{harness.url}/logs/a?follow=1") as answer:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await answer.content.read(1)

    async def test_one_follower_too_many_is_503_until_another_goes(self, harness):
        first = await harness.tcp.get(f"{harness.url}/events", headers=SSE)
        second = await harness.tcp.get(f"{harness.url}/events", headers=SSE)
        async with harness.tcp.get(f"{harness.url}/logs/a?follow=1") as third:
            assert 503 == third.status
            assert "30" == third.headers["Retry-After"]
            assert "too_many_followers" == (await third.json())["error"]["code"]
        assert 200 == (await harness.get("/status"))[0]
        first.close()
        async with asyncio.timeout(GUARD):
            while await self.refused(harness):
                await asyncio.sleep(0.01)
        second.close()

    async def test_followers_over_tcp_take_no_place_from_the_control_socket(self, harness):
        taken = [await harness.tcp.get(f"{harness.url}/events", headers=SSE) for _ in range(2)]
        assert await self.refused(harness)
        async with harness.unix.get("http://zoosup/events", headers=SSE) as answer:
            assert 200 == answer.status
        for each in taken:
            each.close()

    async def test_clients_that_ask_nothing_keep_nobody_from_asking(self, harness):
        socks = [connected(harness) for _ in range(12)]
        for sock in socks:
            with contextlib.suppress(OSError):
                sock.send(b"GET /livez HT")
        follower = await harness.tcp.get(f"{harness.url}/events", headers=SSE)
        for _ in range(12):
            socks.append(connected(harness))
            assert 200 == (await harness.get("/status"))[0]
        async with asyncio.timeout(GUARD):
            assert b": heartbeat\n" == await follower.content.readline()
        follower.close()
        for sock in socks:
            sock.close()

    async def refused(self, harness) -> bool:
        async with harness.tcp.get(f"{harness.url}/events", headers=SSE) as answer:
            return answer.status != 200

    async def test_a_follower_that_never_reads_is_dropped(self, harness):
        with silent(harness, b"GET /logs/a?follow=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"):
            await until(lambda: harness.runtime.logs.following == 1)
            for _ in range(400):
                harness.runtime.logs.arrivals.put_nowait(b"x" * 65536)
            await until(lambda: harness.runtime.logs.following == 0)
        assert harness.runtime.logs.arrivals.qsize() > 0

    @pytest.mark.parametrize("beginning", [b"", b"GET /sta", b"GET /status HTTP/1.1\r\nHost: lo"])
    async def test_a_request_that_never_ends_is_hung_up_on(self, harness, beginning):
        with silent(harness, beginning) as sock:
            async with asyncio.timeout(GUARD):
                while await asyncio.get_running_loop().sock_recv(sock, 4096):
                    pass

    async def test_a_body_that_never_ends_is_408(self, harness):
        head = b"POST /plan HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nactive:"
        harness.server.set_token("t")
        head = head.replace(b"Host: x", b"Host: localhost\r\nAuthorization: Bearer t")
        with silent(harness, head) as sock:
            async with asyncio.timeout(GUARD):
                answer = await asyncio.get_running_loop().sock_recv(sock, 4096)
        assert answer.startswith(b"HTTP/1.1 408 ")

    async def test_one_connection_too_many_is_closed_and_the_others_are_served(self, harness):
        loop = asyncio.get_running_loop()
        socks = [connected(harness) for _ in range(7)]
        async with asyncio.timeout(GUARD):
            ends = [asyncio.ensure_future(loop.sock_recv(sock, 1)) for sock in socks]
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait(ends)
        for sock in socks:
            sock.close()
        assert [b""] == [end.result() for end in done]
        assert 200 == (await harness.get("/status"))[0]

    async def test_headers_beyond_any_use_are_refused(self, harness):
        for headers in ({"X": "y" * 20000}, {f"X{n}": "y" for n in range(2000)}):
            assert 400 == (await harness.get("/status", headers=headers))[0]


class TestWithEndlessPatience:
    @pytest.fixture
    def limits(self):
        return StreamLimits(stall=600, grace=600, closing=0.1)

    async def test_a_follower_that_never_reads_does_not_hold_up_the_end(self, harness):
        with silent(harness, b"GET /logs/a?follow=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"):
            for _ in range(400):
                harness.runtime.logs.arrivals.put_nowait(b"x" * 65536)
            left = 400
            await until(lambda: harness.runtime.logs.arrivals.qsize() < left)
            while left != (left := harness.runtime.logs.arrivals.qsize()):
                await asyncio.sleep(0.1)
            async with asyncio.timeout(GUARD):
                await harness.server.stop()
        assert 0 == harness.runtime.logs.following
        assert harness.runtime.logs.arrivals.qsize() > 0


def connected(harness) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", harness.port), timeout=GUARD)
    sock.setblocking(False)
    return sock


class silent:  # noqa: N801 - reads as a statement
    """A client that sends `head` and then neither writes nor reads of itself."""

    def __init__(self, harness, head: bytes) -> None:
        self.sock = connected(harness)
        self.sock.send(head)

    def __enter__(self) -> socket.socket:
        return self.sock

    def __exit__(self, *_):
        self.sock.close()

"""A connection that says the same again is taken at its word; it gets no other answer for that than a new one would."""

import asyncio
import contextlib

import pytest

from tests.web.gateway.conftest import CHAT, OK, STREAM, GatewayHarness, Wire, named, post, until
from zoosup.spec.model.gateway import GatewaySpec as Settings
from zoosup.spec.model.model import ModelSpec
from zoosup.web.gateway.http1.heads.head_cache import HeadCache
from zoosup.web.gateway.http1.heads.head_pattern import HeadPattern, NamedPattern
from zoosup.web.gateway.http1.heads.request_head import Head

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def of(length: object, body: bytes = CHAT, more: bytes = b"") -> bytes:
    return HEAD + f"Content-Length: {length}\r\n".encode() + more + b"\r\n" + body


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(post(), id="the same"),
        pytest.param(post(b'{"model": "gpt-4o", "n": %b}' % (b"1" * 300)), id="another body, an alias"),
        pytest.param(post(STREAM), id="a stream"),
        pytest.param(post(b'{"model": "unknown"}'), id="no such model"),
        pytest.param(post(b'{"messages": []}'), id="no model"),
        pytest.param(post(b'{"model": 5}'), id="no name"),
        pytest.param(post(b'{"model": ""}'), id="an empty name"),
        pytest.param(post(b'{"model": "qw\\u00e9n"}'), id="another name"),
        pytest.param(post(b'{"model": "qwen", "model": "absurd"}'), id="two names"),
        pytest.param(post(b'{"model": "qwen", "x": "\\ud800"}'), id="half a pair"),
        pytest.param(post(b'{"model": "qwen"'), id="broken JSON"),
        pytest.param(post(b""), id="no body"),
        pytest.param(of("033"), id="a length with a zero in front"),
        pytest.param(of("+33"), id="a length with a sign"),
        pytest.param(of("3_3"), id="a length as Python would read it"),
        pytest.param(of("33 "), id="a length with a space behind"),
        pytest.param(of(" 33"), id="a length with spaces in front"),
        pytest.param(of(""), id="no length"),
        pytest.param(of("9" * 30), id="an absurd length"),
        pytest.param(of(33, more=b"Content-Length: 33\r\n"), id="two lengths"),
        pytest.param(of(33, more=b"Transfer-Encoding: chunked\r\n"), id="a length and chunks"),
        pytest.param(of(33, more=b"Connection: close\r\n"), id="the last one"),
        pytest.param(of(33, more=b"Expect: 100-continue\r\n"), id="waits to be asked"),
        pytest.param(of(33, more=b"Origin: http://evil.example\r\n"), id="from elsewhere"),
        pytest.param(post(CHAT, "/v1/chat/completions?model=absent"), id="two models"),
        pytest.param(post(CHAT, "/v1/embeddings"), id="another address"),
        pytest.param(post(CHAT, "/nowhere"), id="no address"),
        pytest.param(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", id="another method"),
        pytest.param(b"nonsense\r\n\r\n", id="nonsense"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("pieces", [1, 2])
async def test_a_second_request_is_answered_as_a_first_one_is(
    harness: GatewayHarness, second: bytes, pieces: int
):
    fresh, used = await harness.wire(), await harness.wire()
    used.send(post())
    assert (await used.answer())[0] == 200
    before = len(harness.backend.asked)
    at = len(second) // pieces if pieces > 1 else len(second)
    told = await asyncio.gather(*(_told(wire, second[:at], second[at:]) for wire in (fresh, used)))
    assert told[0] == told[1]
    asked = harness.backend.asked[before:]
    assert len({(each.head, each.body) for each in asked}) == len(asked) / 2


async def _told(wire: Wire, *pieces: bytes) -> bytes:
    """All that is said to this, and whether the connection is closed then."""
    for piece in pieces:
        wire.send(piece)
        await asyncio.sleep(0.01)
    async with asyncio.timeout(5):
        said = await wire.reader.read(65536)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.03):
            while piece := await wire.reader.read(65536):
                said += piece
            said += b"(closed)"
    return said


async def test_requests_in_one_piece_are_answered_one_after_the_other(harness: GatewayHarness):
    wire = await harness.wire()
    wire.send(post())
    await wire.answer()
    wire.send(post(STREAM) + post() + post(STREAM)[:100])
    await wire.answer()
    await wire.answer()
    wire.send(post(STREAM)[100:])
    await wire.answer()
    assert [each.body for each in harness.backend.asked] == [CHAT, STREAM, CHAT, STREAM]


async def _asked_again(harness: GatewayHarness, second: bytes) -> tuple[Wire, asyncio.Event]:
    """A connection whose second request is being answered, and what the answer waits for."""
    go = asyncio.Event()

    async def script(asked, reader, writer):
        await go.wait()
        writer.write(OK)

    wire = await harness.wire()
    wire.send(post())
    await wire.answer()
    harness.script(script)
    wire.send(second)
    await until(lambda: len(harness.backend.asked) == 2)
    return wire, go


async def test_a_request_sent_before_the_last_answer_waits_for_it(harness: GatewayHarness):
    wire, go = await _asked_again(harness, post(STREAM))
    wire.send(post())
    await asyncio.sleep(0.02)
    assert len(harness.backend.asked) == 2
    go.set()
    await wire.answer()
    await wire.answer()
    assert [each.body for each in harness.backend.asked] == [CHAT, STREAM, CHAT]


async def test_new_settings_count_for_the_next_request(harness: GatewayHarness):
    wire = await harness.wire()
    wire.send(post())
    assert (await wire.answer())[0] == 200
    address = Settings(listen="127.0.0.1:0")
    await harness.gateway.configure(address, ("secret",))
    wire.send(post())
    assert (await wire.answer())[0] == 401
    wire = await harness.wire()
    for _ in range(2):
        wire.send(post(CHAT, "/v1/chat/completions", "Authorization: Bearer secret"))
        assert (await wire.answer())[0] == 200
    assert "authorization" not in harness.backend.asked[-1].headers, (
        "a key of ours is no business of the model's"
    )
    await harness.gateway.configure(Settings(listen="127.0.0.1:0", max_body=20), ("secret",))
    wire.send(post(CHAT, "/v1/chat/completions", "Authorization: Bearer secret"))
    assert (await wire.answer())[0] == 413


@pytest.mark.parametrize("length", [19, 20, 21])
@pytest.mark.parametrize("settings", [{"max_body": 20}])
async def test_the_longest_body_is_the_same_for_the_next_request(harness: GatewayHarness, length: int):
    wire = await harness.wire()
    wire.send(post(b'{"model":"qwen"}'))
    assert (await wire.answer())[0] == 200
    wire.send(post(b'{"model":"qwen"}'.ljust(length)))
    assert (await wire.answer())[0] == (200 if length <= 20 else 413)


async def test_a_body_that_is_changed_goes_with_its_new_length(harness: GatewayHarness):
    wire = await harness.wire()
    wire.send(post())
    await wire.answer()
    harness.leasing.models["other"] = ModelSpec(command=("x",), set_params={"n": 1})
    harness.leasing.ports["other"] = harness.backend.port
    wire.send(post(b'{"model": "other"}'))
    await wire.answer()
    assert harness.backend.asked[-1].body == b'{"model": "other","n":1}'
    assert harness.backend.asked[-1].headers["content-length"] == "24"


OF_TWO = b"Content-Length: 2\r\n\r\n{}"
START = b"HTTP/1.1 200 OK\r\n"
CHUNKS = START + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
NOTHING = b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n"
IN_BODY = START + b"Content-Length: 26\r\n\r\n{}\r\nConnection: keep-alive"
ERROR = b"HTTP/1.1 503 Loading\r\nRetry-After: 1\r\n" + OF_TWO
ANSWERS = {
    "plain": (OK, OK),
    "nothing": (NOTHING, NOTHING),
    "kept": (START + b"Connection: keep-alive\r\n" + OF_TWO, START + OF_TWO),
    "spelled otherwise": (START + b"cOnnection:kEep-alive\r\nKeep-Alive: 5\r\n" + OF_TWO, START + OF_TWO),
    "named": (START + b"Connection: X-Mine\r\nX-Mine: 1\r\n" + OF_TWO, START + OF_TWO),
    "twice": (
        START + b"Connection: keep-alive\r\nConnection: X-Mine\r\nX-Mine: 1\r\n" + OF_TWO,
        START + OF_TWO,
    ),
    "a header in the body": (IN_BODY, IN_BODY),
    "closes": (START + b"Connection: close\r\n" + OF_TWO, START + OF_TWO),
    "old": (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + OF_TWO, START + OF_TWO),
    "chunks": (CHUNKS, CHUNKS),
    "informed": (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK, OK),
    "an error": (ERROR, ERROR),
    "conflicting": (START + b"Content-Length: 3\r\n" + OF_TWO + b"}", b"HTTP/1.1 502 "),
    "nonsense": (b"nonsense\r\n\r\n", b"HTTP/1.1 502 "),
    "too long": (OK + b"more", b"HTTP/1.1 502 "),
    "two": (OK + OK, b"HTTP/1.1 502 "),
}


@pytest.mark.parametrize("pieces", [1, 2])
@pytest.mark.parametrize(("answer", "passed"), ANSWERS.values(), ids=ANSWERS)
async def test_its_answer_passes_as_that_to_a_first_one(
    harness: GatewayHarness, answer: bytes, passed: bytes, pieces: int
):
    async def script(asked, reader, writer):
        at = len(answer) if pieces == 1 else answer.find(b"\r\n\r\n") + 2
        writer.write(answer[:at])
        if at < len(answer):
            await asyncio.sleep(0.01)
            writer.write(answer[at:])

    wire = await harness.wire()
    wire.send(post())
    await wire.answer()
    harness.script(script)
    for _ in range(2):  # the first time it is news, and then perhaps no longer
        said = await _told(wire, post())
        assert said == named(passed) or (said.startswith(passed) and b" 502 " in passed)


KEPT = START + b"Server: x\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5, max=99\r\nX-Id: 7\r\n"
PASSED = START + b"Server: x\r\nX-Id: 8\r\n"
LIKE = {
    "another length": (b"Content-Length: 3\r\n\r\n{ }", PASSED + b"Content-Length: 3\r\n\r\n{ }"),
    "too long": (b"Content-Length: 1\r\n\r\n{}", b"HTTP/1.1 502 "),
    "two": (OF_TWO + KEPT + OF_TWO, b"HTTP/1.1 502 "),
    "too short": (b"Content-Length: 9\r\n\r\n{}", None),
}


@pytest.mark.parametrize(("like", "passed"), LIKE.values(), ids=LIKE)
async def test_the_numbers_of_a_familiar_answer_count(
    harness: GatewayHarness, like: bytes, passed: bytes | None
):
    wire = await harness.wire()
    answer = [KEPT + OF_TWO]

    async def script(asked, reader, writer):
        writer.write(answer[0])
        if passed is None:
            writer.close()

    harness.script(script)
    for _ in range(2):
        wire.send(post())
        assert (await wire.answer())[0] == 200
    answer[0] = KEPT.replace(b"X-Id: 7", b"X-Id: 8").replace(b"=99", b"=98") + like
    if passed is None:
        with pytest.raises(ConnectionResetError):
            await _told(wire, post())
    else:
        assert (await _told(wire, post())).startswith(named(passed))


@pytest.mark.parametrize(
    ("line", "status"),
    [(b"HTTP/1.1 404 OK\r\n", 404), (b"HTTP/1.1 500 OK\r\n", 500), (b"HTTP/1.0 200 OK\r\n", 200)],
)
async def test_another_status_of_a_familiar_answer_counts(harness: GatewayHarness, line: bytes, status: int):
    wire = await harness.wire()
    answer = [START + OF_TWO]

    async def script(asked, reader, writer):
        writer.write(answer[0])

    harness.script(script)
    for _ in range(2):
        wire.send(post())
        assert (await wire.answer())[0] == 200
    answer[0] = line + OF_TWO
    before = dict(harness.gateway.counters.requests)
    said = await _told(wire, post())
    assert said.startswith(line.replace(b"1.0", b"1.1"))
    assert harness.gateway.counters.requests["qwen", "", status] == before.get(("qwen", "", status), 0) + 1
    opened = harness.gateway.counters.upstream_connections_total
    wire.send(post())
    await until(lambda: len(harness.backend.asked) == 4)
    again = harness.gateway.counters.upstream_connections_total - opened
    assert again == (b"1.0" in line), "an older server keeps no connection, which must not be used again"


async def test_what_looks_like_an_answer_within_one_is_none(harness: GatewayHarness):
    wire = await harness.wire()
    known = KEPT + OF_TWO
    pieces = [[known]]

    async def script(asked, reader, writer):
        for piece in pieces[-1]:
            writer.write(piece)
            await asyncio.sleep(0.01)

    harness.script(script)
    for _ in range(2):
        wire.send(post())
        assert (await wire.answer())[0] == 200
    pieces.append([START + b"Content-Length: %d\r\n\r\n" % len(known), known])
    wire.send(post())
    status, _, body = await wire.answer()
    assert (status, body) == (200, known)


async def test_an_answer_is_the_last_one_once_the_gateway_ends(harness: GatewayHarness):
    wire, go = await _asked_again(harness, post())
    ending = asyncio.create_task(harness.gateway.stop(5.0))
    await asyncio.sleep(0.01)
    go.set()
    said = await wire.rest()
    await ending
    assert b"Connection: close\r\n" in said
    assert said.endswith(b"{}")


def test_a_head_is_known_by_every_byte_but_its_number():
    raw = HEAD + b"Content-Length: "
    known = HeadPattern(raw, b"\r\nX: 1", 100)
    good = raw + b"33\r\nX: 1\r\n\r\n" + CHAT
    assert known.body_in(good) == CHAT
    for at in range(len(good) - len(CHAT)):
        assert known.body_in(good[:at] + b"?" + good[at + 1 :]) is None, at
        assert known.body_in(good[:at]) is None, at
    assert known.body_in(good + b" ") is None
    assert known.body_in(raw + b"101\r\nX: 1\r\n\r\n" + b"x" * 101) is None


def test_one_that_bears_an_id_is_known_by_every_byte_but_its_number_and_the_id():
    raw = HEAD + b"Content-Length: "
    known = NamedPattern(raw, b"\r\nx-request-id: ", b"\r\nX: 1", 100)
    good = raw + b"33\r\nx-request-id: a.b-1\r\nX: 1\r\n\r\n" + CHAT
    assert CHAT == known.body_in(good)
    assert b"x-request-id: a.b-1\r\n" == known.id_line
    for at in range(len(good) - len(CHAT)):
        assert known.body_in(good[:at] + b"?" + good[at + 1 :]) is None, at
        assert known.body_in(good[:at]) is None, at
    for wrong in (b"", b"a b", b"a\r\nX: 2", b"x" * 129, b"\xff"):
        assert known.body_in(good.replace(b"a.b-1", wrong)) is None
    assert known.body_in(good + b" ") is None
    assert known.body_in(raw + b"101\r\nx-request-id: a\r\nX: 1\r\n\r\n" + b"x" * 101) is None


@pytest.mark.parametrize("before", [0, 5, 99, 100_000])
@pytest.mark.parametrize("length", [0, 1, 9, 10, 11, 98, 99, 100, 101, 999, 1000, 99_999, 100_000])
def test_a_body_of_any_length_is_found(before: int, length: int):
    raw = HEAD + b"Content-Length: "
    known = HeadPattern(raw, b"", 1 << 20)
    for each in (before, length):
        body = b"x" * each
        assert known.body_in(raw + b"%d\r\n\r\n" % each + body) == body
        assert known.body_in(raw + b"%d\r\n\r\n" % (each + 1) + body) is None
        assert known.body_in(raw + b"0%d\r\n\r\n" % each + body) is None


@pytest.mark.parametrize(
    "ids",
    [
        pytest.param(["a", "b", "b", "c.1-2_3"], id="another each time"),
        pytest.param(["a", "not plain", "b", ""], id="some that are none"),
        pytest.param(["a\r\nx-request-id: b", "c\r\nx-request-id: b", "c"], id="two of them"),
        pytest.param(["a\r\nX-Request-Id: b", "c\r\nX-Request-Id: b", "c"], id="two, spelled in two ways"),
    ],
)
@pytest.mark.parametrize("behind", [True, False])
async def test_an_id_of_the_clients_own_is_each_requests(harness: GatewayHarness, ids, behind):
    """Whether a head like it was seen before makes no difference to what is told."""
    wire = await harness.wire()

    async def told(given: str) -> tuple[str | None, str | None]:
        """Of one request: its id in the answer, and at the model."""
        lines = [b"Content-Length: 33", b"x-request-id: " + given.encode()]
        wire.send(HEAD + b"\r\n".join(lines if behind else lines[::-1]) + b"\r\n\r\n" + CHAT)
        headers = (await wire.answer())[1]
        return headers.get("x-request-id"), harness.backend.asked[-1].headers.get("x-request-id")

    used = [await told(each) for each in ids]
    fresh = []
    for each in ids:
        harness.gateway._router.enforce(harness.gateway._router._admission.policy)
        fresh.append(await told(each))
    assert fresh == used
    plain = [each for each in ids if each in {"a", "b", "c", "c.1-2_3"}]
    assert plain == [at_model for _, at_model in used if at_model != "the-same"]


@pytest.mark.parametrize("end", [b"", b"\r\nContent-Length: 0"])
def test_who_bears_no_id_is_not_given_that_of_another_who_says_the_same(end):
    cache, bare = HeadCache(), b"GET /v1/models HTTP/1.1\r\nHost: a" + end
    named = bare + b"\r\nx-request-id: theirs"
    cache.remember(named, Head(named), 0)
    assert b"theirs" not in cache.request(bare).id_line
    assert b"x-request-id: theirs\r\n" == cache.request(named).id_line

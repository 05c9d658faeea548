"""Models that are servers elsewhere: their addresses, keys and names, TLS that is verified, and what failing says."""

import json

import pytest

from tests import certificates
from tests.web.gateway.conftest import CHAT, ID, OK, STREAM, GatewayHarness, post, until
from zoosup.runtime.api.upstream import Upstream
from zoosup.spec.model.external import ExternalModelSpec

EVENTS = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"9\r\ndata: 1\n\n\r\n0\r\n\r\n"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return certificates.make(tmp_path_factory.mktemp("elsewhere"))


def put(harness, url="http://127.0.0.1:%d/v1", **fields):
    """Make qwen a server elsewhere: the scripted one, by this address."""
    url = url.replace("%d", str(harness.backend.port))
    more = {name: fields.pop(name) for name in ("api_key", "ca_file", "models") if name in fields}
    spec = ExternalModelSpec.model_validate({"external": {"url": url, **more}, **fields})
    harness.leasing.models = {**harness.leasing.models, "qwen": spec}
    harness.leasing.upstreams["qwen"] = Upstream.of(spec)


async def secure(harness, made):
    await harness.backend.stop()
    harness.backend.tls = made.server()
    await harness.backend.start()


async def test_its_key_goes_in_place_of_the_clients(harness: GatewayHarness):
    put(harness, api_key="own")
    keys = ("Authorization: Bearer client", "x-api-key: client", "api-key: client")
    for _ in range(2):
        await harness.ask(post(CHAT, "/v1/chat/completions", *keys, "X-Odd: 1"))
    for asked in harness.backend.asked:
        assert asked.head == (
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
            b"X-Odd: 1\r\nAuthorization: Bearer own\r\nContent-Length: 33\r\n%b\r\n"
            % (harness.backend.port, ID)
        )
        assert asked.body == CHAT
    assert harness.backend.connections == 1


async def test_without_a_key_of_its_own_it_sees_the_clients_where_the_gateway_asks_for_none(
    harness: GatewayHarness,
):
    put(harness)
    await harness.ask(post(CHAT, "/v1/chat/completions", "Authorization: Bearer client"))
    assert "Bearer client" == harness.backend.asked[0].headers["authorization"]


class TestWithKeys:
    @pytest.fixture
    def keys(self):
        return ("gate",)

    async def test_the_gateways_key_goes_nowhere(self, harness: GatewayHarness):
        put(harness)
        await harness.ask(post(CHAT, "/v1/chat/completions", "Authorization: Bearer gate"))
        assert "authorization" not in harness.backend.asked[0].headers


@pytest.mark.parametrize(
    ("url", "path", "line"),
    [
        ("http://127.0.0.1:%d", "/chat/completions", b"POST /chat/completions HTTP/1.1"),
        (
            "http://127.0.0.1:%d/v1",
            "/v1/chat/completions?a=%20b",
            b"POST /v1/chat/completions?a=%20b HTTP/1.1",
        ),
        (
            "http://127.0.0.1:%d/v1beta/openai/",
            "/v1/chat/completions",
            b"POST /v1beta/openai/chat/completions HTTP/1.1",
        ),
        ("http://127.0.0.1:%d/v1", "/upstream/qwen/odd/%41?x", b"POST /odd/%41?x HTTP/1.1"),
    ],
)
async def test_a_path_is_one_below_its_address(harness: GatewayHarness, url: str, path: str, line: bytes):
    put(harness, url)
    await harness.ask(post(CHAT, path))
    assert line == harness.backend.asked[0].line


async def test_a_name_here_is_told_as_the_name_there(harness: GatewayHarness):
    put(harness, models={"big": "org/big", "qwen": "org/small"}, aliases=["b2"], upstream_model="up")
    for name in (b"big", b"qwen", b"b2"):
        await harness.ask(post(b'{"model": "%b"}' % name))
    told = [json.loads(asked.body)["model"] for asked in harness.backend.asked]
    assert ["org/big", "org/small", "up"] == told
    _, _, body = await harness.ask(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
    listed = {each["id"]: each for each in json.loads(body)["data"]}
    assert {"qwen", "big", "absent"} == set(listed)
    assert (True, ["b2"]) == (listed["qwen"]["external"], listed["qwen"]["aliases"])
    assert "variant_of" not in listed["big"]


async def test_over_tls_answers_and_streams_pass_byte_for_byte(harness: GatewayHarness, made):
    await secure(harness, made)
    put(harness, "https://localhost:%d/v1", ca_file=str(made.ca))
    for script, request in (
        (OK, post()),
        (EVENTS, post(STREAM)),
        (OK, post(b"x" * 100_000, "/upstream/qwen/up")),
    ):
        harness.script(script)
        wire = await harness.wire()
        wire.send(request)
        body = script.partition(b"\r\n\r\n")[2]
        assert (await wire.until(body)).endswith(body)
    assert f"localhost:{harness.backend.port}" == harness.backend.asked[0].headers["host"]
    assert 1 == harness.backend.connections
    assert b"x" * 100_000 == harness.backend.asked[2].body


async def test_a_client_that_hangs_up_is_seen_over_tls(harness: GatewayHarness, made):
    await secure(harness, made)
    put(harness, "https://localhost:%d/v1", ca_file=str(made.ca))

    async def script(asked, reader, writer):
        writer.write(EVENTS.partition(b"0\r\n\r\n")[0])
        await reader.read()

    harness.script(script)
    wire = await harness.wire()
    wire.send(post(STREAM))
    await wire.until(b"data: 1\n\n")
    await wire.hang_up()
    await until(lambda: harness.backend.hung_up == 1)


async def test_a_stranger_is_sent_nothing_and_the_client_is_told(harness: GatewayHarness, made):
    await secure(harness, made)
    put(harness, "https://localhost:%d/v1", api_key="own")
    status, _, body = await harness.ask(post())
    error = json.loads(body)["error"]
    assert (502, "upstream_error") == (status, error["code"])
    said = "its certificate is not accepted: unable to get local issuer certificate"
    assert f"qwen: can't connect to 127.0.0.1:{harness.backend.port}: {said}" == error["message"]
    assert [] == harness.backend.asked


@pytest.mark.parametrize("verb", [post(), b"GET /upstream/qwen/x HTTP/1.1\r\nHost: localhost\r\n\r\n"])
async def test_one_that_is_away_is_a_502_at_once_and_nobody_waits(harness: GatewayHarness, verb: bytes):
    await harness.backend.stop()
    put(harness)
    status, _, body = await harness.ask(verb)
    assert (502, "upstream_error") == (status, json.loads(body)["error"]["code"])
    assert "can't connect to 127.0.0.1" in json.loads(body)["error"]["message"]
    assert [] == harness.leasing.queue


async def test_a_look_that_it_drops_is_a_502(harness: GatewayHarness):
    async def script(asked, reader, writer):
        writer.close()

    harness.script(script)
    put(harness)
    status, _, _ = await harness.ask(b"GET /upstream/qwen/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (502, 1) == (status, len(harness.backend.asked))

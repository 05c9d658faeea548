"""Asking a server elsewhere: with its own key, over TLS that is verified, and what is said where it does not answer."""

import asyncio
from contextlib import aclosing

import pytest

from tests import certificates
from zoosup.host.ports.probes import RemoteEndpoint
from zoosup.host.probes.prober import HttpProber
from zoosup.spec.model.external import BaseUrl, RemoteReadySpec

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
KEY = (("Authorization", "Bearer hunter2"),)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return certificates.make(tmp_path_factory.mktemp("remote"))


class Server:
    """Says `answer` to whatever is asked."""

    def __init__(self):
        self.asked, self.answer = [], OK

    async def start(self, tls=None):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=tls)
        self.port = self.server.sockets[0].getsockname()[1]

    async def serve(self, reader, writer):
        try:
            self.asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(self.answer)
        except asyncio.IncompleteReadError:
            pass
        writer.close()


@pytest.fixture
async def server():
    server = Server()
    await server.start()
    yield server
    server.server.close()


@pytest.fixture
async def prober():
    prober = HttpProber()
    yield prober
    await prober.close()


async def first(prober, url, ready=None, headers=KEY, ca_file=None):
    endpoint = RemoteEndpoint(BaseUrl.of(url), headers, ca_file)
    async with aclosing(prober.elsewhere(endpoint, ready or RemoteReadySpec())) as answers:
        return await anext(answers)


async def test_its_models_are_asked_for_with_its_own_key(server, prober):
    verdict = await first(prober, f"http://127.0.0.1:{server.port}/v1")
    assert (True, "GET /v1/models answered 200") == (verdict.ok, verdict.message)
    head = server.asked[0].split(b"\r\n")
    assert b"GET /v1/models HTTP/1.1" == head[0]
    assert b"Authorization: Bearer hunter2" in head


async def test_what_ready_says_is_asked_for_below_its_address(server, prober):
    await first(prober, f"http://127.0.0.1:{server.port}/v1beta/openai", RemoteReadySpec(http="/v1/x?y=1"))
    assert server.asked[0].startswith(b"GET /v1beta/openai/x?y=1 ")


async def test_connecting_may_do(server, prober):
    verdict = await first(prober, f"http://127.0.0.1:{server.port}", RemoteReadySpec(tcp=True))
    assert (True, f"127.0.0.1:{server.port} accepts connections") == (verdict.ok, verdict.message)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 401 No\r\nContent-Length: 3\r\n\r\nkey", "GET /v1/models answered 401: key"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://evil/\r\nContent-Length: 0\r\n\r\n",
            "GET /v1/models answered 302: redirected to http://evil/",
        ),
        (b"", "GET /v1/models: the connection was closed without an answer"),
    ],
)
async def test_another_answer_is_told(server, prober, answer, said):
    server.answer = answer
    verdict = await first(prober, f"http://127.0.0.1:{server.port}")
    assert (False, said) == (verdict.ok, verdict.message)


async def test_nobody_there_is_told(server, prober):
    server.server.close()
    verdict = await first(prober, f"http://127.0.0.1:{server.port}")
    assert (False, "connection refused") == (verdict.ok, verdict.message)


async def test_certificates_are_verified(made, prober):
    server = Server()
    await server.start(made.server())
    url = f"https://localhost:{server.port}/v1"
    verdict = await first(prober, url)
    said = "GET /v1/models: its certificate is not accepted: unable to get local issuer certificate"
    assert (False, said) == (verdict.ok, verdict.message)
    assert [] == server.asked
    assert (await first(prober, url, ca_file=str(made.ca))).ok
    verdict = await first(prober, url, ca_file="/nowhere/ca.pem")
    said = "GET /v1/models: the certificates of /nowhere/ca.pem can't be used: No such file or directory"
    assert (False, said) == (verdict.ok, verdict.message)
    server.server.close()


def test_a_key_is_not_shown():
    assert "hunter2" not in repr(RemoteEndpoint(BaseUrl.of("http://b"), KEY))

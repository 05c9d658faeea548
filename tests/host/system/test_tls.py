"""Whose certificates are believed, and how it is told where they are not."""

import asyncio
import ssl

import pytest

from tests import certificates
from zoosup.host.system.tls import Authorities, in_words


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return certificates.make(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def port(made):
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=made.server())
    yield server.sockets[0].getsockname()[1]
    server.close()


async def connect(port, context, host="127.0.0.1"):
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=host)
    writer.transport.abort()


async def test_an_authority_of_ones_own_is_believed_where_it_is_named(made, port):
    await connect(port, await Authorities().context(str(made.ca)))


async def test_the_environment_names_the_systems_authorities(made, port, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(made.ca))
    await connect(port, await Authorities().context())


async def test_a_stranger_is_refused_in_words(port):
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        await connect(port, await Authorities().context())
    assert "its certificate is not accepted: unable to get local issuer certificate" == in_words(caught.value)


async def test_another_name_than_the_certificates_is_refused_in_words(made, port):
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        await connect(port, await Authorities().context(str(made.ca)), "box2")
    assert "Hostname mismatch" in in_words(caught.value)


async def test_a_server_without_tls_is_told_apart(made):
    async def plain(reader, writer):
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    with pytest.raises(ssl.SSLError) as caught:
        await connect(server.sockets[0].getsockname()[1], await Authorities().context(str(made.ca)))
    server.close()
    assert in_words(caught.value).startswith("it speaks no TLS that is understood: ")


async def test_a_file_that_is_missing_or_none_is_named(tmp_path):
    with pytest.raises(OSError, match="No such file") as caught:
        await Authorities().context(str(tmp_path / "none.pem"))
    assert f"the certificates of {tmp_path}/none.pem can't be used: No such file or directory" == in_words(
        caught.value
    )
    odd = tmp_path / "odd.pem"
    odd.write_text("x")
    with pytest.raises(OSError, match="PEM") as caught:
        await Authorities().context(str(odd))
    assert f"the certificates of {odd} can't be used: it holds no certificates in PEM" == in_words(
        caught.value
    )


async def test_authorities_are_read_again_after_a_while(made, monkeypatch):
    authorities = Authorities()
    first = await authorities.context(str(made.ca))
    assert first is await authorities.context(str(made.ca))
    monkeypatch.setattr("zoosup.host.system.tls.FRESH", -1.0)
    assert first is not await authorities.context(str(made.ca))


def test_what_has_no_words_of_its_own():
    assert "no answer in time" == in_words(TimeoutError())
    assert "Connection refused" == in_words(ConnectionRefusedError(111, "Connection refused"))

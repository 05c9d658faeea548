"""How the sockets begin, move and end; the oracle is the operating system."""

import asyncio
import os
import socket
import stat
import sys
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from zoosup.errors import ZoosupError
from zoosup.web.api.server import WebServer

on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="127.0.0.2 is an address of every Linux, not of macOS"
)


async def answers(address: str) -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://{address}/livez") as answer:
            return answer.status == 200
    except aiohttp.ClientConnectionError:
        return False


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as sock:
        return sock.getsockname()[1]


async def test_the_control_socket_is_for_its_owner_alone(harness):
    assert 0o600 == stat.S_IMODE(harness.control.stat().st_mode)


@pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere the 0700 directory covers the moment before chmod"
)
async def test_the_control_socket_never_has_a_wider_mode_whatever_the_umask(runtime, tmp_path, monkeypatch):
    seen = []
    bind = socket.socket.bind

    def bind_and_look(self, address):
        bind(self, address)
        seen.append(stat.S_IMODE(Path(address).stat().st_mode))

    monkeypatch.setattr(socket.socket, "bind", bind_and_look)
    before = os.umask(0)
    try:
        server = WebServer(runtime, control=tmp_path / "c.sock")
        await server.start(None)
    finally:
        os.umask(before)
    await server.stop()
    assert [0o600] == seen


async def test_the_control_socket_of_a_killed_supervisor_is_replaced(runtime, tmp_path):
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "control.sock"))
    left.close()
    server = WebServer(runtime, control=tmp_path / "control.sock")
    await server.start(None)
    connector = aiohttp.UnixConnector(path=str(tmp_path / "control.sock"))
    session = aiohttp.ClientSession(connector=connector)
    async with session, session.get("http://zoosup/livez") as answer:
        assert 200 == answer.status
    await server.stop()
    assert [] == list(tmp_path.iterdir())


async def test_a_file_in_the_place_of_the_control_socket_is_not_destroyed(runtime, tmp_path):
    (tmp_path / "control.sock").write_text("mine")
    server = WebServer(runtime, control=tmp_path / "control.sock")
    with pytest.raises(ZoosupError, match=r"control\.sock: Address already in use"):
        await server.start(None)
    await server.stop()
    assert "mine" == (tmp_path / "control.sock").read_text()


async def test_without_an_address_there_is_only_the_control_socket(runtime, tmp_path):
    server = WebServer(runtime, control=tmp_path / "control.sock")
    await server.start(None)
    assert server.address is None
    await server.stop()


async def test_port_0_is_any_free_one_and_told(harness):
    assert await answers(harness.server.address)
    assert not harness.server.address.endswith(":0")


async def test_a_taken_port_is_an_error_that_names_the_address(runtime, tmp_path):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        server = WebServer(runtime, control=tmp_path / "control.sock")
        with pytest.raises(ZoosupError, match=f"status.listen 127.0.0.1:{port}: Address already in use"):
            await server.start(f"127.0.0.1:{port}")
        await server.stop()


async def test_a_name_that_does_not_resolve_is_an_error_that_names_it(runtime, tmp_path):
    server = WebServer(runtime, control=tmp_path / "control.sock")
    with pytest.raises(ZoosupError, match=r"status\.listen no\.such\.invalid:1: "):
        await server.start("no.such.invalid:1", "token")
    await server.stop()


async def test_the_server_moves_to_another_port_while_a_follower_stays(harness):
    before = harness.server.address
    follower = await harness.tcp.get(f"{harness.url}/events", headers={"Accept": "text/event-stream"})
    await harness.server.rebind(f"127.0.0.1:{free_port()}")
    assert await answers(harness.server.address)
    assert not await answers(before)
    harness.runtime.journal.add("Tick", None, "", "still here")
    async with asyncio.timeout(20):
        assert b"id: 1\n" == await follower.content.readline()
    follower.close()


@on_linux
async def test_the_server_moves_to_all_interfaces_on_its_own_port_and_back(harness):
    port = harness.port
    harness.server.set_token("t")
    await harness.server.rebind(f"127.0.0.1:{port}")
    await harness.server.rebind(f"0.0.0.0:{port}")
    assert f"0.0.0.0:{port}" == harness.server.address
    assert await answers(f"127.0.0.2:{port}")
    await harness.server.rebind(f"127.0.0.1:{port}")
    assert await answers(f"127.0.0.1:{port}")
    assert not await answers(f"127.0.0.2:{port}")


async def test_an_address_that_cannot_be_had_leaves_the_server_where_it_is(harness):
    before = harness.server.address
    taken = socket.create_server(("127.0.0.1", 0))
    with closing(taken), pytest.raises(ZoosupError, match="Address already in use"):
        await harness.server.rebind(f"127.0.0.1:{taken.getsockname()[1]}")
    assert before == harness.server.address
    assert await answers(before)


@on_linux
async def test_its_own_port_under_an_address_that_cannot_be_had_leaves_it_where_it_is(harness):
    port = harness.port
    harness.server.set_token("t")
    await harness.server.rebind(f"127.0.0.1:{port}")
    taken = socket.create_server(("127.0.0.2", port))
    with closing(taken), pytest.raises(ZoosupError, match="Address already in use"):
        await harness.server.rebind(f"0.0.0.0:{port}")
    assert f"127.0.0.1:{port}" == harness.server.address
    assert await answers(harness.server.address)


async def test_the_server_can_be_switched_off_and_on_again(harness):
    before = harness.server.address
    await harness.server.rebind(None)
    assert harness.server.address is None
    assert not await answers(before)
    await harness.server.rebind(before)
    assert await answers(before)


async def test_localhost_is_answered_under_every_address_it_stands_for(harness):
    port = free_port()
    await harness.server.rebind(f"localhost:{port}")
    assert await answers(f"localhost:{port}")
    assert await answers(f"127.0.0.1:{port}")


async def test_a_stopped_server_leaves_no_socket(harness):
    address, control = harness.server.address, harness.control
    await harness.server.stop()
    assert not await answers(address)
    assert not control.exists()

"""Who is let in: Host, Origin and token on the TCP server; only a mode on the control socket."""

import socket

import pytest


async def test_a_rebound_name_reads_nothing(house):
    status, answer = await house.json("/status", headers={"Host": "evil.example"})
    assert 421 == status
    assert "wrong_host" == answer["error"]["code"]


async def test_this_machines_name_reads_everything(house):
    assert 200 == (await house.get("/status", headers={"Host": f"{socket.gethostname()}:{house.port}"}))[0]


async def test_without_a_token_nobody_changes_anything_over_tcp(house):
    status, answer = await house.post("/models/a/stop", headers={"Authorization": "Bearer guess"})
    assert 403 == status
    assert "read_only" == answer["error"]["code"]
    assert [] == house.runtime.commands.wishes


@pytest.mark.parametrize("path", ["/models/a/start", "/reload", "/plan"])
async def test_every_change_over_tcp_needs_the_right_token(house, path):
    house.server.set_token("s3cret-tökén")
    for wrong in (None, "Bearer", "Bearer s3cret", "Basic s3cret-tökén", "Bearer s3cret-tökén2"):
        headers = {} if wrong is None else {"Authorization": wrong}
        status, answer = await house.post(path, headers=headers)
        assert (401, "unauthorized") == (status, answer["error"]["code"])
        assert "s3cret" not in str(answer)
    assert [] == house.runtime.commands.wishes
    assert 200 == (await house.post(path, headers={"Authorization": "Bearer s3cret-tökén"}))[0]
    assert 1 == len(house.runtime.commands.wishes)


async def test_a_token_that_is_taken_back_no_longer_counts(house):
    house.server.set_token("old")
    assert 200 == (await house.post("/reload", headers={"Authorization": "Bearer old"}))[0]
    house.server.set_token(None)
    assert 403 == (await house.post("/reload", headers={"Authorization": "Bearer old"}))[0]


@pytest.mark.parametrize(
    ("origin", "expected"), [("http://evil.example", 403), ("null", 403), ("http://{address}", 200)]
)
async def test_a_page_of_another_origin_changes_nothing_even_with_the_token(house, origin, expected):
    house.server.set_token("t")
    headers = {"Authorization": "Bearer t", "Origin": origin.format(address=house.server.address)}
    assert expected == (await house.post("/reload", headers=headers))[0]


async def test_the_control_socket_asks_for_neither_host_nor_token(house):
    async with house.unix.post("http://evil.example/models/a/stop", headers={"Origin": "null"}) as answer:
        assert 200 == answer.status
    assert [("stop", "a")] == house.runtime.commands.wishes

"""Who is let in: Host, Origin and token on the TCP server; only a mode on the control socket."""

import socket

import pytest

from zoosup.web.guard import host_allowed, same_origin


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8081",
        "192.168.1.7:8081",
        "[::1]:8081",
        "[fe80::1%25eth0]:8081",
        "localhost",
        "LOCALHOST:8081",
        "localhost.",
        "zoo.localhost:1",
        "gpu-box.lan:8081",
        "tower",
        "tower.home.arpa",
        "tower.local",
    ],
)
def test_a_host_that_no_stranger_can_name_is_allowed(host):
    assert host_allowed(host, "gpu-box.lan", "tower.home.arpa")


@pytest.mark.parametrize(
    "host",
    [
        "",
        ":8081",
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evillocalhost",
        "tower.evil.example",
        "evil.example#127.0.0.1",
        "evil.example@",
        "[::1",
        "1.2.3",
        "a b",
    ],
)
def test_a_host_that_a_stranger_can_name_is_refused(host):
    assert not host_allowed(host, "gpu-box.lan", "tower.home.arpa")


def test_a_listen_address_of_all_interfaces_allows_no_name():
    assert not host_allowed("evil.example", "0.0.0.0", "tower")
    assert host_allowed("0.0.0.0:8081", "0.0.0.0", "tower")


def test_an_origin_is_the_same_only_to_the_last_character():
    assert same_origin("http://localhost:8081", "localhost:8081")
    assert not same_origin("http://localhost:3000", "localhost:8081")
    assert not same_origin("null", "localhost:8081")
    assert not same_origin("http://", "")


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
    assert [] == house.faces.commands.wishes


@pytest.mark.parametrize("path", ["/models/a/start", "/reload", "/plan"])
async def test_every_change_over_tcp_needs_the_right_token(house, path):
    house.server.set_token("s3cret-tökén")
    for wrong in (None, "Bearer", "Bearer s3cret", "Basic s3cret-tökén", "Bearer s3cret-tökén2"):
        headers = {} if wrong is None else {"Authorization": wrong}
        status, answer = await house.post(path, headers=headers)
        assert (401, "unauthorized") == (status, answer["error"]["code"])
        assert "s3cret" not in str(answer)
    assert [] == house.faces.commands.wishes
    assert 200 == (await house.post(path, headers={"Authorization": "Bearer s3cret-tökén"}))[0]
    assert 1 == len(house.faces.commands.wishes)


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
    assert [("stop", "a")] == house.faces.commands.wishes

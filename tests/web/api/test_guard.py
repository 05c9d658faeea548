"""Who is let in: Host, Origin and token on the TCP server; only a mode on the control socket."""

import socket

import pytest


async def test_a_rebound_name_reads_nothing(harness):
    status, answer = await harness.json("/status", headers={"Host": "evil.example"})
    assert 421 == status
    assert "wrong_host" == answer["error"]["code"]


async def test_this_machines_name_reads_everything(harness):
    assert (
        200 == (await harness.get("/status", headers={"Host": f"{socket.gethostname()}:{harness.port}"}))[0]
    )


async def test_without_a_token_nobody_changes_anything_over_tcp(harness):
    status, answer = await harness.post("/models/a/stop", headers={"Authorization": "Bearer guess"})
    assert 403 == status
    assert "read_only" == answer["error"]["code"]
    assert [] == harness.runtime.commands.wishes


@pytest.mark.parametrize("path", ["/models/a/start", "/reload", "/plan"])
async def test_every_change_over_tcp_needs_the_right_token(harness, path):
    harness.server.set_token("s3cret-tökén")
    for wrong in (None, "Bearer", "Bearer s3cret", "Basic s3cret-tökén", "Bearer s3cret-tökén2"):
        headers = {} if wrong is None else {"Authorization": wrong}
        status, answer = await harness.post(path, headers=headers)
        assert (401, "unauthorized") == (status, answer["error"]["code"])
        assert "s3cret" not in str(answer)
    assert [] == harness.runtime.commands.wishes
    assert 200 == (await harness.post(path, headers={"Authorization": "Bearer s3cret-tökén"}))[0]
    assert 1 == len(harness.runtime.commands.wishes)


async def test_a_token_that_is_taken_back_no_longer_counts(harness):
    harness.server.set_token("old")
    assert 200 == (await harness.post("/reload", headers={"Authorization": "Bearer old"}))[0]
    harness.server.set_token(None)
    assert 403 == (await harness.post("/reload", headers={"Authorization": "Bearer old"}))[0]


@pytest.mark.parametrize(
    ("origin", "expected"), [("http://evil.example", 403), ("null", 403), ("http://{address}", 200)]
)
async def test_a_page_of_another_origin_changes_nothing_even_with_the_token(harness, origin, expected):
    harness.server.set_token("t")
    headers = {"Authorization": "Bearer t", "Origin": origin.format(address=harness.server.address)}
    assert expected == (await harness.post("/reload", headers=headers))[0]


async def test_the_control_socket_asks_for_neither_host_nor_token(harness):
    async with harness.unix.post("http://evil.example/models/a/stop", headers={"Origin": "null"}) as answer:
        assert 200 == answer.status
    assert [("stop", "a")] == harness.runtime.commands.wishes

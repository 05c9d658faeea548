"""Who is let in: Host, Origin and token on the TCP server; only a mode on the control socket."""

import socket

import pytest

from zoosup.errors import ZoosupError
from zoosup.spec.model.gateway import StatusSpec


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


async def exposed(harness, **rules):
    """The server on all interfaces of this host, with these rules of the file."""
    harness.server.configure(StatusSpec(**rules))
    await harness.server.rebind(f"0.0.0.0:{harness.port}")


async def test_other_hosts_are_let_in_only_with_a_token_or_when_it_is_said_so(harness):
    before = harness.server.address
    with pytest.raises(
        ZoosupError, match=r"which other hosts reach, .* expected status\.token, .* status\.open"
    ):
        await exposed(harness)
    assert before == harness.server.address


@pytest.mark.parametrize(
    "path", ["/status", "/status/a", "/events", "/logs/a", "/memory", "/metrics", "/nothing"]
)
async def test_where_other_hosts_can_connect_reading_needs_the_token(harness, path):
    await exposed(harness, token="t")
    status, answer = await harness.json(path)
    assert (401, "unauthorized") == (status, answer["error"]["code"])
    assert (await harness.get(path, headers={"Authorization": "Bearer t"}))[0] in {200, 404}
    harness.server.set_token(None)  # taken back: nobody reads
    assert 401 == (await harness.get(path, headers={"Authorization": "Bearer "}))[0]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
async def test_health_checks_are_free_everywhere(harness, path):
    await exposed(harness, token="t")
    assert 200 == (await harness.get(path))[0]


async def test_an_open_server_is_read_by_any_name_and_changed_by_nobody(harness):
    await exposed(harness, open=True)
    assert 200 == (await harness.get("/status", headers={"Host": "box.example.org"}))[0]
    assert 403 == (await harness.post("/reload"))[0]


async def test_names_that_the_file_lists_are_its_own(harness):
    named = {"Host": "Box.Example.org:8081"}
    assert 421 == (await harness.get("/metrics", headers=named))[0]
    harness.server.configure(StatusSpec(hosts=("box.example.org",)))
    assert 200 == (await harness.get("/metrics", headers=named))[0]
    assert 421 == (await harness.get("/metrics", headers={"Host": "other.example.org"}))[0]


async def test_whoever_shows_the_token_may_use_any_name(harness):
    harness.server.set_token("t")
    headers = {"Host": "proxy.example.org", "Authorization": "Bearer t"}
    assert 200 == (await harness.get("/status", headers=headers))[0]

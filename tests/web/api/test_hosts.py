"""`/fleet`: what is known of all hosts may be read, and only with the token may one be drained."""

import pytest

from tests.web.fleets import member

TOKEN = {"Authorization": "Bearer secret"}


async def test_who_may_read_sees_all_hosts(harness):
    harness.runtime.member = member()
    status, told = await harness.json("/fleet")
    assert (200, "a", ["a", "b", "c"]) == (status, told["node"], list(told["view"]["hosts"]))


@pytest.mark.parametrize(("verb", "on"), [("drain", True), ("undrain", False)])
async def test_a_host_is_drained_by_who_has_the_token_alone(harness, verb, on):
    harness.runtime.member = member()
    harness.server.set_token("secret")
    assert 401 == (await harness.post(f"/fleet/b/{verb}"))[0]
    assert [] == harness.runtime.member.drains
    assert (200, {"node": "b", "verb": verb}) == await harness.post(f"/fleet/b/{verb}", headers=TOKEN)
    assert [("b", on)] == harness.runtime.member.drains


async def test_a_host_by_itself_has_no_fleet(harness):
    status, told = await harness.json("/fleet")
    assert (404, "no_fleet") == (status, told["error"]["code"])


async def test_nobody_over_tcp_speaks_for_the_fleet(harness):
    harness.runtime.member = member()
    harness.server.set_token("secret")
    assert 404 == (await harness.get("/fleet/report", headers=TOKEN))[0]

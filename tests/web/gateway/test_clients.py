"""By what clients are told apart whose turns are taken: by their keys where there are several, else by address."""

import pytest

from tests.web.gateway.conftest import CHAT, GatewayHarness, post


async def clients(harness: GatewayHarness, *headers: str) -> list[str]:
    """Who each of these requests is taken to be from; each comes over a connection of its own, twice."""
    for header in headers:
        wire = await harness.wire()
        for _ in range(2):
            wire.send(post(CHAT, "/v1/chat/completions", *([header] if header else [])))
            status, _, _ = await wire.answer()
            assert 200 == status
    found = [lease.holder.client for lease in harness.leasing.given]
    assert found[::2] == found[1::2]
    return found[::2]


class TestSeveralKeys:
    @pytest.fixture
    def keys(self) -> tuple[str, ...]:
        return ("alice-key", "bob-key")

    async def test_each_is_a_client_however_it_is_presented(self, harness: GatewayHarness) -> None:
        alice, bob, again, basic = await clients(
            harness,
            "Authorization: Bearer alice-key",
            "x-api-key: bob-key",
            "api-key: alice-key",
            "Authorization: Basic eDpib2Ita2V5",
        )
        assert (alice, bob) == (again, basic)
        assert alice != bob
        assert not {"alice", "bob", "127.0.0.1"} & {alice, bob}
        assert "alice" not in alice

    async def test_a_wrong_key_beside_a_right_one_changes_nothing(self, harness: GatewayHarness) -> None:
        one, other = await clients(
            harness,
            "Authorization: Bearer alice-key",
            "Authorization: Bearer nobodys\r\nx-api-key: alice-key",
        )
        assert one == other


class TestOneKey:
    @pytest.fixture
    def keys(self) -> tuple[str, ...]:
        return ("the-key",)

    async def test_says_nothing_of_who_asks(self, harness: GatewayHarness) -> None:
        assert ["127.0.0.1"] == await clients(harness, "Authorization: Bearer the-key")


async def test_without_keys_the_address_counts_whatever_is_presented(harness: GatewayHarness) -> None:
    assert ["127.0.0.1", "127.0.0.1"] == await clients(harness, "x-api-key: a", "x-api-key: b")

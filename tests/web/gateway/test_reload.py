"""The gateway follows zoo.yaml and its key file; trouble is told and tried again, and nothing opens without keys."""

import asyncio
import socket

import aiohttp
import pytest

from tests.runtime.builders import ManualClock, a_zoo, text_of
from zoosup.runtime.events.publisher import Publisher
from zoosup.runtime.leasing.leases import Leases
from zoosup.spec.parse import parse
from zoosup.web.gateway import reload as keeping
from zoosup.web.gateway.reload import ExposedError, GatewayKeeper
from zoosup.web.gateway.server import Gateway


@pytest.fixture(autouse=True)
def _often(monkeypatch):
    monkeypatch.setattr(keeping, "LOOK_EVERY", 0.05)


LOCAL = {"listen": "127.0.0.1:0"}


class GatewayHarness:
    def __init__(self, listen=lambda from_file: from_file):
        self.zoo = a_zoo(ManualClock(), self.text(LOCAL))
        self.publisher = Publisher()
        self.gateway = Gateway(Leases(self.zoo, lambda: None))
        self.keeper = GatewayKeeper(self.gateway, self.zoo, listen, lambda: None)

    @staticmethod
    def text(gateway):
        return text_of({"a": {}}, "a", gateway=gateway)

    def save(self, gateway):
        text = self.text(gateway)
        self.zoo.take_over(parse(text, path="z", environ={}), text)

    async def until(self, true):
        async with asyncio.timeout(5):
            while not true():
                await asyncio.sleep(0.01)

    async def ask(self, key=None):
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        url = f"http://{self.gateway.address}/v1/models"
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
            return answer.status


@pytest.fixture
async def harness():
    harness = GatewayHarness()
    await harness.keeper.begin()
    keeping_it = asyncio.create_task(harness.keeper.keep(harness.publisher))
    yield harness
    keeping_it.cancel()
    await asyncio.gather(keeping_it, return_exceptions=True)
    await harness.gateway.stop(0.1)


async def test_it_listens_where_the_file_says_and_says_so(harness):
    assert harness.gateway.address == harness.zoo.gateway.address
    assert 200 == await harness.ask()


async def test_an_edit_moves_it(harness):
    before = harness.gateway.address
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    harness.save({"listen": f"127.0.0.1:{port}"})
    await harness.until(lambda: harness.zoo.gateway.address == f"127.0.0.1:{port}")
    assert before != harness.gateway.address
    assert 200 == await harness.ask()


async def test_false_turns_it_off_and_back_on(harness):
    harness.save(False)
    await harness.until(lambda: harness.zoo.gateway.address is None)
    harness.save({"listen": "127.0.0.1:0"})
    await harness.until(lambda: harness.zoo.gateway.address is not None)
    assert 200 == await harness.ask()


async def test_an_address_that_is_taken_is_told_and_tried_again(harness):
    stranger = socket.socket()
    stranger.bind(("127.0.0.1", 0))
    stranger.listen()
    port = stranger.getsockname()[1]
    harness.save({"listen": f"127.0.0.1:{port}"})
    await harness.until(lambda: harness.zoo.gateway.trouble)
    assert f"gateway.listen 127.0.0.1:{port}: Address already in use" == harness.zoo.gateway.trouble
    stranger.close()
    await harness.until(lambda: not harness.zoo.gateway.trouble)
    assert f"127.0.0.1:{port}" == harness.gateway.address
    words = [(e.type, e.reason) for e in harness.zoo.journal.since(0) if e.reason == "GatewayListen"]
    assert [("Refused", "GatewayListen"), ("Applied", "GatewayListen")] == words


@pytest.fixture
def taken():
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        yield f"127.0.0.1:{stranger.getsockname()[1]}"


async def test_a_key_that_is_taken_back_counts_no_more_where_the_new_address_can_not_be_had(harness, taken):
    harness.save({"listen": "127.0.0.1:0", "api_keys": ["one", "two"]})
    await harness.until(lambda: harness.keeper._put.keys == ("one", "two"))
    harness.save({"listen": taken, "api_keys": ["two", "three"]})
    await harness.until(lambda: harness.zoo.gateway.trouble)
    assert [401, 401, 200, 200] == [await harness.ask(key) for key in (None, "one", "two", "three")]


async def test_what_needs_no_key_on_an_address_that_can_not_be_had_needs_one_on_that_of_other_hosts(
    harness, taken
):
    harness.save({"listen": "0.0.0.0:0", "api_keys": ["one"]})
    await harness.until(lambda: harness.keeper._put.keys == ("one",))
    harness.save({"listen": taken})
    await harness.until(lambda: harness.zoo.gateway.trouble)
    assert [401, 200] == [await harness.ask(key) for key in (None, "one")]


async def test_a_key_of_the_key_file_is_no_model_s_where_the_address_can_not_be_had(harness, taken, tmp_path):
    (tmp_path / "keys").write_text("one\n")
    harness.save({"listen": taken, "api_key_file": str(tmp_path / "keys")})
    await harness.until(lambda: harness.zoo.gateway.trouble)
    assert ("one",) == harness.keeper.secrets


async def test_keys_of_the_file_count_at_once(harness):
    harness.save({"listen": "127.0.0.1:0", "api_keys": ["one", "two"]})
    await harness.until(lambda: harness.keeper._put.keys == ("one", "two"))
    assert [401, 401, 200, 200] == [await harness.ask(key) for key in (None, "three", "one", "two")]


async def test_keys_of_the_key_file_are_read_again_when_it_changes(harness, tmp_path):
    file = tmp_path / "keys"
    file.write_text("# mine\none\n")
    harness.save({"listen": "127.0.0.1:0", "api_key_file": str(file)})
    await harness.until(lambda: harness.keeper._put.keys == ("one",))
    assert [401, 200] == [await harness.ask(key) for key in (None, "one")]
    file.write_text("two\n")
    await harness.until(lambda: harness.keeper._put.keys == ("two",))
    assert [401, 200] == [await harness.ask(key) for key in ("one", "two")]


async def test_a_key_file_that_is_gone_or_empty_leaves_the_keys_in_force(harness, tmp_path):
    file = tmp_path / "keys"
    file.write_text("one\n")
    harness.save({"listen": "127.0.0.1:0", "api_key_file": str(file)})
    await harness.until(lambda: harness.keeper._put.keys == ("one",))
    file.write_text("\n")
    await harness.until(lambda: "holds no key" in harness.zoo.gateway.trouble)
    file.unlink()
    await harness.until(lambda: "No such file" in harness.zoo.gateway.trouble)
    assert [401, 200] == [await harness.ask(key) for key in (None, "one")]


async def test_a_setting_that_would_hand_every_model_to_other_hosts_keeps_zoosup_from_starting():
    harness = GatewayHarness(lambda _: "0.0.0.0:0")
    with pytest.raises(ExposedError, match="can be reached by other hosts and no key is asked for"):
        await harness.keeper.begin()
    assert harness.gateway.address is None
    await harness.gateway.stop(0.0)


async def test_the_keys_in_force_are_those_of_the_file_and_of_the_key_file(harness, tmp_path):
    file = tmp_path / "keys"
    file.write_text("from-the-file\n")
    harness.save(LOCAL | {"api_keys": ["by-hand"], "api_key_file": str(file)})
    await harness.until(lambda: harness.keeper.secrets == ("by-hand", "from-the-file"))
    assert "from-the-file" not in repr(harness.keeper._put)


async def test_one_that_closes_says_why_keeps_its_address_and_opens_no_more(harness):
    """Other hosts go on asking there: the next zoosup will listen at it."""
    before = harness.gateway.address
    harness.keeper.close("zoosup ends alone")
    stopping = asyncio.create_task(harness.gateway.stop(0.1))
    harness.save({"listen": "127.0.0.1:0", "max_queue": 3})
    await stopping
    await asyncio.sleep(0.2)
    assert (before, "zoosup ends alone") == (harness.zoo.gateway.address, harness.zoo.gateway.trouble)
    assert harness.gateway.address is None

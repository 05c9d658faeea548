"""What goes on beside the reconciler."""

import asyncio
from contextlib import suppress
from types import SimpleNamespace

import pytest

from tests.runtime.builders import ManualClock, a_zoo, text_of
from zoosup.errors import ZoosupError
from zoosup.runtime.events.publisher import Publisher
from zoosup.supervisor.background import LISTEN_EVERY, _follow_status_section

pytestmark = pytest.mark.looptime


class Web:
    """A status server whose address is taken until somebody lets go of it."""

    def __init__(self):
        self.taken, self.asked, self.address = True, [], "127.0.0.1:8"

    def configure(self, status):
        pass

    async def rebind(self, listen):
        if listen is None:
            self.address = None
            return
        self.asked.append(listen)
        if self.taken:
            raise ZoosupError(f"status.listen {listen}: Address already in use")


def _supervisor():
    return SimpleNamespace(
        zoo=a_zoo(ManualClock(), text_of({}, [])),
        web=Web(),
        publisher=Publisher(),
        settings=SimpleNamespace(listen=lambda listen: listen, gateway=lambda listen: listen),
        inbox=SimpleNamespace(wake=lambda: None),
    )


@pytest.mark.parametrize(("wanted", "left"), [("127.0.0.1:8", None), ("127.0.0.1:7", "127.0.0.1:8")])
async def test_the_status_server_lets_go_of_an_address_that_the_file_gives_the_gateway(wanted, left):
    supervisor = _supervisor()
    zoo = supervisor.zoo
    following = asyncio.create_task(_follow_status_section(supervisor))
    await asyncio.sleep(1)
    moved = zoo.spec.status.model_copy(update={"listen": "127.0.0.1:9"})
    gateway = zoo.spec.gateway.model_copy(update={"listen": wanted})
    zoo.spec = zoo.spec.model_copy(update={"status": moved, "gateway": gateway})
    await asyncio.sleep(LISTEN_EVERY + 1)
    assert left == supervisor.web.address
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following


async def test_an_address_that_can_not_be_had_is_tried_again_and_told():
    supervisor = _supervisor()
    zoo, web, publisher = supervisor.zoo, supervisor.web, supervisor.publisher
    following = asyncio.create_task(_follow_status_section(supervisor))
    await asyncio.sleep(1)
    assert [] == web.asked
    moved = zoo.spec.status.model_copy(update={"listen": "127.0.0.1:9"})
    zoo.spec = zoo.spec.model_copy(update={"status": moved})
    for second in range(20):  # a pass a second, as ever
        publisher.publish({"at": second})
        await asyncio.sleep(1)
    assert 2 <= len(web.asked) <= 20 / LISTEN_EVERY + 2
    assert "status.listen 127.0.0.1:9: Address already in use" == zoo.status_trouble
    web.taken = False
    await asyncio.sleep(2 * LISTEN_EVERY + 1)
    assert "" == zoo.status_trouble
    tries = len(web.asked)
    await asyncio.sleep(30)
    assert tries == len(web.asked)
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following

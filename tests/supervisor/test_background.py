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
        self.taken, self.asked = True, []

    def configure(self, status):
        pass

    async def rebind(self, listen):
        self.asked.append(listen)
        if self.taken:
            raise ZoosupError(f"status.listen {listen}: Address already in use")


async def test_an_address_that_can_not_be_had_is_tried_again_and_told():
    zoo, web, publisher = a_zoo(ManualClock(), text_of({}, [])), Web(), Publisher()
    supervisor = SimpleNamespace(
        zoo=zoo,
        web=web,
        publisher=publisher,
        settings=SimpleNamespace(listen=lambda listen: listen),
        inbox=SimpleNamespace(wake=lambda: None),
    )
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

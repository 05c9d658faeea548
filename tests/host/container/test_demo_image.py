"""The fixture's demo image serves, as a model's container does."""

import asyncio
import socket

import aiohttp

from tests.host.container.conftest import RUN
from zoosup.host.container.api_engine import ApiEngine
from zoosup.host.container.engine import ContainerConfig


async def test_the_demo_server_runs_in_a_container(api: ApiEngine, demo_image: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ("--port", str(port), "--ram", "64MiB", "--model-id", "zoo")
    made = await api.create(ContainerConfig("zoo-demo", demo_image, words, labels=RUN))
    await api.start(made)
    async with aiohttp.ClientSession() as session, asyncio.timeout(60):
        while True:
            try:
                async with session.get(f"http://127.0.0.1:{port}/v1/models") as answer:
                    if answer.status == 200:
                        listed = await answer.json()
                        break
            except aiohttp.ClientConnectionError:
                state = await api.inspect(made)
                assert state is not None
                assert state.running, [batch async for batch in api.log_batches(made)]
            await asyncio.sleep(0.1)
        assert listed["data"][0]["id"] == "zoo"
    assert await api.memory(made) > 64 << 20
    await api.signal(made, "TERM")
    assert await api.wait(made) == 0

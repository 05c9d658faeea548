"""More logs than a client of HTTP has connections, unless it is told otherwise, followed at once in a real engine."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, aclosing
from typing import Any

from zoosup.host.container.api_engine import ApiEngine

MANY = 120


async def test_an_engine_answers_however_many_logs_are_followed(
    api: ApiEngine, started: Callable[..., Any]
) -> None:
    made = await started("print", "hello", "sleep", "0")
    async with AsyncExitStack() as until:

        async def follow() -> None:
            batches = await until.enter_async_context(aclosing(api.log_batches(made)))
            assert await anext(batches)

        await asyncio.gather(*(follow() for _ in range(MANY)))
        assert await api.inspect(made) is not None

"""Real engines, and containers of them that the tests make."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.containers.engines import RealEngine
from tests.containers.fixtures import (  # noqa: F401 - fixtures
    demo_image,
    docker,
    docker_session,
    engine,
    podman,
    podman_session,
)
from tests.containers.images import TINY
from zoosup.host.container.api_engine import ApiEngine
from zoosup.host.container.engine import ContainerConfig

RUN = {"zoosup.run": "r1"}


@pytest.fixture
async def api(engine: RealEngine) -> AsyncIterator[ApiEngine]:  # noqa: F811
    """The adapter under test, for each engine."""
    api = ApiEngine(engine.address)
    yield api
    await api.aclose()


def tiny(*args: str, name: str = "zoo-a", **changes: Any) -> ContainerConfig:
    """A container of the tiny image with these words."""
    return ContainerConfig(name, TINY, args, **({"labels": RUN} | changes))


@pytest.fixture
def started(api: ApiEngine) -> Callable[..., Any]:
    """Makes and starts a container; its id."""

    async def start(*args: str, **changes: Any) -> str:
        made = await api.create(tiny(*args, **changes))
        await api.start(made)
        return made

    return start

"""Pulls, from a stand-in for a registry, by real engines."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.containers.engines import RealEngine
from tests.containers.images import tiny_root
from tests.containers.registry import Registry
from zoosup.host.container.api_engine import ApiEngine
from zoosup.host.container.engine import ContainerConfig, EngineRefusedError, PullProgress


@pytest.fixture
async def registry(pytestconfig: pytest.Config) -> AsyncIterator[Registry]:
    program = tiny_root(pytestconfig.cache.mkdir("containers"))
    async with Registry(program, padding=4 << 20).serving() as registry:
        yield registry


async def pulled(api: ApiEngine, image: str) -> list[PullProgress]:
    async with asyncio.timeout(60):
        return [each async for each in api.pull(image)]


async def test_a_pull_tells_its_bytes_and_the_image_runs(
    engine: RealEngine, api: ApiEngine, registry: Registry
) -> None:
    registry.rate = 2 << 20
    image = registry.image()
    assert not await api.has_image(image)

    told = await pulled(api, image)

    assert await api.has_image(image)
    if engine.name == "docker":  # this Podman tells no bytes
        assert told[-1].done == told[-1].total == registry.layer_size
        assert len({each.done for each in told}) > 4
        assert [each.done for each in told] == sorted(each.done for each in told)
    assert all(each.done <= each.total for each in told)
    assert all(each.message for each in told[:1])
    made = await api.create(ContainerConfig("zoo-p", image, ("exit", "4")))
    await api.start(made)
    assert await api.wait(made) == 4
    await api.remove(made)
    engine.cli("rmi", image)


@pytest.mark.parametrize("case", ["no such tag", "a connection that breaks"])
async def test_a_pull_that_fails_has_the_registrys_words(
    engine: RealEngine, api: ApiEngine, registry: Registry, case: str
) -> None:
    if case == "no such tag":
        image, words = registry.image("none"), "manifest unknown"
    else:
        if engine.name == "docker":
            pytest.skip("Docker tries five times, for minutes")
        registry.breaks_after, registry.rate = 1 << 20, 10 << 20
        image, words = registry.image(), "EOF|reset"
    with pytest.raises(EngineRefusedError, match=words):
        await pulled(api, image)
    assert not await api.has_image(image)


async def test_a_pull_can_be_given_up(engine: RealEngine, api: ApiEngine, registry: Registry) -> None:
    registry.rate = 200 << 10
    pulling = asyncio.ensure_future(pulled(api, registry.image()))
    async with asyncio.timeout(60):
        await registry.begun.wait()
        pulling.cancel()
        with suppress(asyncio.CancelledError):
            await pulling
        while not registry.given:
            await asyncio.sleep(0.05)
    assert registry.given[0] < registry.layer_size, "the engine has hung up"
    assert not await api.has_image(registry.image())


async def test_who_has_logged_in_may_pull(
    engine: RealEngine, pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    program = tiny_root(pytestconfig.cache.mkdir("containers"))
    async with Registry(program, padding=1, login="zoo:se cret").serving() as registry:
        (tmp_path / ".docker").mkdir()
        api = ApiEngine(engine.address, {"HOME": str(tmp_path)})
        with pytest.raises(EngineRefusedError, match=r"(?i)auth"):
            await pulled(api, registry.image())
        auth = {f"127.0.0.1:{registry.port}": {"auth": base64.b64encode(b"zoo:se cret").decode()}}
        (tmp_path / ".docker/config.json").write_text(json.dumps({"auths": auth}))
        await pulled(api, registry.image())
        assert await api.has_image(registry.image())
        await api.aclose()
        engine.cli("rmi", registry.image())

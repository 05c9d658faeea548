"""What a start in a container needs besides: an engine that answers, and an image."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.host.container.engine_double import EngineDouble
from zoosup.core.state.phases import Reason
from zoosup.host.runs.engines import Engines
from zoosup.host.runs.preflight import ContainerPreflight
from zoosup.spec.model.model import ModelSpec

HERE = "GET images/image:1/json"


@pytest.fixture
async def double(tmp_path) -> AsyncIterator[EngineDouble]:
    made = EngineDouble(str(tmp_path / "s"))
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def look():
    engines = Engines({})
    made = ContainerPreflight(engines)

    async def amiss(spec, env=(), *, bring=False):
        return await made.amiss(ModelSpec.model_validate(spec), dict(env), bring=bring)

    yield amiss
    await made.close()
    await engines.close()


def contained(double, **more):
    return {"container": {"image": "image:1", "engine": f"unix://{double.socket}", **more}}


async def test_a_container_needs_its_engine_and_its_image(double, look):
    assert (Reason.PULLING_IMAGE, "the image image:1 is pulled before a start") == await look(
        contained(double)
    )
    reason, words = await look(contained(double, pull="never"))
    assert (Reason.IMAGE_MISSING, True) == (reason, "pull is never" in words)
    double.answers[HERE] = 200, {}
    assert await look(contained(double)) is None
    double.answers[HERE] = 500, {"message": "no"}
    assert (Reason.ENGINE_UNREACHABLE, "the engine refuses: no") == await look(contained(double))
    nowhere = contained(double)
    nowhere["container"]["engine"] = "unix:///no/such/socket"
    reason, words = await look(nowhere)
    assert (Reason.ENGINE_UNREACHABLE, True) == (reason, "is the engine started?" in words)


async def test_an_image_is_pulled_only_for_a_start(double, look):
    await look(contained(double))
    assert "POST images/create" not in double.calls
    double.answers["POST images/create"] = 200, b"{}"
    await look(contained(double), bring=True)
    async with asyncio.timeout(20):
        while "POST images/create" not in double.calls:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("does", "reason", "words"),
    [
        ("exit 0", None, ""),
        (
            "echo 'is the daemon running?' >&2; exit 1",
            Reason.ENGINE_UNREACHABLE,
            "docker: is the daemon running?",
        ),
    ],
)
async def test_a_client_needs_an_engine_that_answers(tmp_path, look, does, reason, words):
    client = tmp_path / "docker"
    client.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/calls\n{does}\n')
    client.chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    found = await look({"command": "docker run image:1"}, env)
    assert (found or (None, "")) == (reason, words)
    [asked] = (tmp_path / "calls").read_text().splitlines()
    assert asked == "ps --all --quiet --no-trunc --filter label=zoosup.run=none"


async def test_a_process_needs_neither(look):
    assert await look({"command": "serve"}) is None

"""X4, X21: scrapes, and what browsers ask for by themselves, start nothing and keep nothing loaded."""

import pytest

from tests.web.gateway.conftest import GatewayHarness, until

LOOKS = [
    "metrics",
    "health",
    "slots",
    "props",
    "v1/health",
    "favicon.ico",
    "robots.txt",
    "apple-touch-icon.png",
]


def get(path: str, method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()


@pytest.mark.parametrize("path", [f"/upstream/absent/{each}" for each in LOOKS] + ["/metrics?model=absent"])
async def test_a_look_at_a_model_that_does_not_run_is_refused(harness: GatewayHarness, path: str):
    said = await harness.told(get(path))
    assert said.startswith(b"HTTP/1.1 503 ")
    assert b"model_not_loaded" in said
    assert (harness.leasing.queue, harness.leasing.given) == ([], [])


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/upstream/qwen/metrics", "/metrics"),
        ("/upstream/gpt-4o/slots?fail_on_no_slot=1", "/slots?fail_on_no_slot=1"),
        ("/metrics?model=qwen", "/metrics"),
        ("/v1/props?a=b&model=gpt-4o&c=d", "/v1/props?a=b&c=d"),
    ],
)
async def test_a_look_at_one_that_runs_reaches_it(harness: GatewayHarness, path: str, target: str):
    assert b" 200 " in await harness.told(get(path))
    assert f"GET {target} HTTP/1.1".encode() == harness.backend.asked[0].line
    assert harness.leasing.looks == 1
    await until(lambda: not harness.leasing.out)


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/upstream/qwen/metrics", "POST"),
        ("/upstream/qwen/v1/models", "GET"),
        ("/upstream/qwen/x/metrics", "GET"),
    ],
)
async def test_all_else_is_demand(harness: GatewayHarness, path: str, method: str):
    await harness.told(get(path, method))
    assert (harness.leasing.looks, len(harness.leasing.given)) == (0, 1)


async def test_health_without_a_model_is_the_gateways_own(harness: GatewayHarness):
    assert b'"ok"' in await harness.told(get("/health"))
    assert harness.leasing.looks == 0


async def test_a_model_that_nobody_knows_is_told(harness: GatewayHarness):
    assert b"model_not_found" in await harness.told(get("/metrics?model=nobody"))

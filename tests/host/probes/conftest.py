"""What zoosup writes on a transport of the loop's own is tried on uvloop's too, which are none of asyncio's classes."""

import asyncio

import uvloop

ON_BOTH = {"test_http_request"}


def pytest_asyncio_loop_factories(config, item):
    both = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return both if item.path.stem in ON_BOTH else {"asyncio": asyncio.new_event_loop}

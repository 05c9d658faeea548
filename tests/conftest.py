"""What every test shares."""

import asyncio


def pytest_sessionstart() -> None:
    """Leave no event loop of the main thread behind: one that pytest-asyncio makes and nobody closes is a warning."""
    asyncio.set_event_loop(None)

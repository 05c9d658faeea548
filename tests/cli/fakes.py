"""The fake runtime of the web server's tests: the command line is tested through that server."""

from tests.web.fakes import (
    GIB,
    NOW,
    Runtime,
    condition,
    healthy,
    hold,
    memory,
    model,
    plan,
    pool,
    snapshot,
    sums,
)

__all__ = [
    "GIB",
    "NOW",
    "Runtime",
    "condition",
    "healthy",
    "hold",
    "memory",
    "model",
    "plan",
    "pool",
    "snapshot",
    "sums",
]

"""The runtime of paper of the web server's tests: the command line is tested through that server."""

from ..web.fakes import (  # noqa: TID252 - tests are no package that could be named
    GIB,
    NOW,
    Runtime,
    condition,
    memory,
    model,
    plan,
    pool,
    snapshot,
    sums,
)

__all__ = ["GIB", "NOW", "Runtime", "condition", "memory", "model", "plan", "pool", "snapshot", "sums"]

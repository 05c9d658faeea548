"""Images that a start needs: there, on their way with bytes, or why not. Pulling is no start, and has no deadline.

One pull at a time of an image and an engine, whoever asks. Refuses to know what is in an image.
"""

import time
from collections.abc import Callable
from functools import partial

from zoosup.core.state.phases import Reason
from zoosup.host.container.api_engine import ApiEngine
from zoosup.host.container.engine import EngineRefusedError, EngineUnreachableError
from zoosup.host.fetching.errands import ErrandError, Errands, Tell
from zoosup.spec.model.process.container import PullPolicy
from zoosup.spec.syntax.units import describe_size

FRESH = 300.0
"""Seconds for which `pull: always` takes what it has pulled for new: as long as a start may wait for room."""

Amiss = tuple[Reason, str]


class Images:
    """By engine and name."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._errands = Errands(now)

    async def amiss(
        self, engine: ApiEngine, image: str, policy: PullPolicy, *, bring: bool = True
    ) -> Amiss | None:
        """None where it is there; else why not, and with `bring` it is pulled meanwhile where the policy allows."""
        key = id(engine), image
        if not self._errands.is_under_way(key):
            fresh = self._errands.since_done(key) < FRESH
            if (policy is not PullPolicy.ALWAYS or fresh) and await engine.has_image(image):
                return None
            if policy is PullPolicy.NEVER:
                return Reason.IMAGE_MISSING, f"the image {image} is not there, and pull is never"
            if not bring:
                return Reason.PULLING_IMAGE, f"the image {image} is pulled before a start"
        return Reason.PULLING_IMAGE, self._errands.ask(key, f"pulling {image}", partial(_pull, engine, image))

    async def close(self) -> None:
        """Give up what is under way."""
        await self._errands.close()


async def _pull(engine: ApiEngine, image: str, tell: Tell) -> None:
    try:
        async for seen in engine.pull(image):
            sizes = f"{describe_size(seen.done)} of {describe_size(seen.total)}"
            tell(sizes if seen.total else seen.message)
    except (EngineRefusedError, EngineUnreachableError) as error:
        raise ErrandError(str(error)) from None

"""What a start in a container needs besides files and a port: an engine that answers, and an image.

Nothing is stopped for a model whose engine is away. Refuses to start anything.
"""

from collections.abc import Mapping

from zoosup.core.state.phases import Reason
from zoosup.host.container.engine import RUN_LABEL, EngineRefusedError, EngineUnreachableError
from zoosup.host.runs.engines import Engines
from zoosup.host.runs.images import Amiss, Images
from zoosup.spec.engine.run import parse_run
from zoosup.spec.model.model import ModelSpec

_NOBODY = "none"  # no run has this id


class ContainerPreflight:
    """Asked by the inspector once files and port are in order."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._images = Images()

    async def amiss(self, spec: ModelSpec, env: Mapping[str, str], *, bring: bool) -> Amiss | None:
        """The first thing amiss; None also for a model without a container. `bring`: its image is pulled meanwhile."""
        try:
            if spec.container is not None:
                engine = self._engines.by_api(spec.container.engine)
                return await self._images.amiss(
                    engine, spec.container.image, spec.container.pull, bring=bring
                )
            client = parse_run(spec.command)
            if client is not None:
                await self._engines.by_client(client.prefix, env).find({RUN_LABEL: _NOBODY})
        except EngineUnreachableError as error:
            return Reason.ENGINE_UNREACHABLE, str(error)
        except EngineRefusedError as error:
            return Reason.ENGINE_UNREACHABLE, f"the engine refuses: {error.message}"
        return None

    async def close(self) -> None:
        """Give up whatever is being pulled."""
        await self._images.close()

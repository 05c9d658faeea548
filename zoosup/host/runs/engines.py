"""Which engine a launch means: one reached by its own API, or by the words of its client.

One connection for each that zoo.yaml names, made at its first use. Refuses to know what is asked of it.
"""

from collections.abc import Mapping

from zoosup.host.container.api_engine import ApiEngine
from zoosup.host.container.client_engine import ClientEngine
from zoosup.host.ports.launch import Launch
from zoosup.host.runs.tie import Kept
from zoosup.spec.engine.run import EngineRun, parse_run

_LEADING = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY")
_LEADING_PODMAN = ("CONTAINER_HOST", "CONTAINER_CONNECTION", "CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF")
_LEADING_ALL = (
    *_LEADING,
    *_LEADING_PODMAN,
    "HOME",
    "PATH",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
)
"""Variables that decide which engine a client talks to; a later zoosup needs them as they were."""


class Engines:
    """By what zoo.yaml calls them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._by_api: dict[str, ApiEngine] = {}

    def by_api(self, name: str) -> ApiEngine:
        """`auto`, `docker`, `podman` or an address."""
        if name not in self._by_api:
            self._by_api[name] = ApiEngine(name, self._environ)
        return self._by_api[name]

    def by_client(self, prefix: tuple[str, ...], env: Mapping[str, str]) -> ClientEngine:
        """The one to which the words before `run` lead, in this environment."""
        return ClientEngine(prefix, leading(env))

    def of_kept(self, kept: Kept) -> ApiEngine | ClientEngine:
        """The one that a run of an earlier zoosup is in."""
        return self.by_client(kept.client, kept.env) if kept.client else self.by_api(kept.address)

    async def close(self) -> None:
        """Close all connections."""
        for engine in self._by_api.values():
            await engine.aclose()


def client_run(launch: Launch) -> EngineRun | None:
    """The launch as the words of a client, where it is one's."""
    return parse_run(launch.argv) if launch.argv else None


def leading(env: Mapping[str, str]) -> dict[str, str]:
    """What of an environment leads a client to its engine."""
    return {name: env[name] for name in _LEADING_ALL if name in env}

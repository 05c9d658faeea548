"""Fixtures with real engines; a conftest imports those that its tests use.

`engine` is each of docker and podman in turn, `docker` and `podman` are one. They live as long as the session; each
test finds them up and without containers. Where one can't be had its tests are skipped, and say why.
"""

from collections.abc import Iterator

import pytest

from tests.containers.engines import NoEngineError, RealEngine, running
from tests.containers.images import DEMO, TINY, NoImageError, demo_changes, demo_root, tiny_root


@pytest.fixture(scope="session")
def docker_session(pytestconfig: pytest.Config) -> Iterator[RealEngine]:
    """Docker, with the tiny image."""
    yield from _session("docker", pytestconfig)


@pytest.fixture(scope="session")
def podman_session(pytestconfig: pytest.Config) -> Iterator[RealEngine]:
    """Podman, with the tiny image."""
    yield from _session("podman", pytestconfig)


@pytest.fixture
def docker(docker_session: RealEngine) -> Iterator[RealEngine]:
    """Docker without containers."""
    yield from _without_containers(docker_session)


@pytest.fixture
def podman(podman_session: RealEngine) -> Iterator[RealEngine]:
    """Podman without containers."""
    yield from _without_containers(podman_session)


@pytest.fixture(params=["docker", "podman"])
def engine(request: pytest.FixtureRequest) -> RealEngine:
    """Each engine in turn."""
    found: RealEngine = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def demo_image(engine: RealEngine, pytestconfig: pytest.Config) -> str:
    """The name of an image that runs the demo server."""
    if not engine.cli("images", "-q", DEMO).strip():
        try:
            tar = demo_root(pytestconfig.cache.mkdir("containers"))
        except (NoImageError, OSError) as error:
            _cannot(str(error))
        engine.import_image(tar, DEMO, *demo_changes())
    return DEMO


def _without_containers(engine: RealEngine) -> Iterator[RealEngine]:
    left = engine.cli("ps", "-a", "--format", "{{.Names}}").split()
    assert [] == left, f"{left} are left by the test before, or made by somebody who has outlived it"
    yield engine
    engine.empty()


def _session(name: str, config: pytest.Config) -> Iterator[RealEngine]:
    try:
        tar = tiny_root(config.cache.mkdir("containers"))
        with running(name) as engine:
            engine.import_image(tar, TINY, 'ENTRYPOINT ["/tiny"]')
            yield engine
    except (NoEngineError, NoImageError) as error:
        _cannot(str(error))


def _cannot(reason: str) -> None:
    pytest.skip(reason)

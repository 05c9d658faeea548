"""Faults of containers and of their engines, on real ones: each is put into a zoosup that runs two models in them."""

import os
import signal
from collections.abc import Callable, Iterator

import psutil
import pytest

from tests.containers.box import Box, running_box
from tests.containers.engines import NoEngineError, RealEngine, full_disk, running
from tests.containers.fixtures import (  # noqa: F401 - fixtures
    demo_image,
    docker,
    docker_session,
    engine,
    podman,
    podman_session,
)
from tests.containers.images import DEMO, TINY, NoImageError, demo_changes, demo_root
from tests.e2e.driver import Zoosup, poll
from tests.faults.table import fault

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def zoosup(tmp_path) -> Iterator[Callable[..., Zoosup]]:
    made: list[Zoosup] = []

    def make(text: str, status_port: int) -> Zoosup:
        made.append(Zoosup(tmp_path, text, status_port))
        return made[-1]

    yield make
    for each in made:
        each.clean_up()


@pytest.fixture
def by_api(zoosup, docker, docker_session, demo_image) -> Iterator[Box]:  # noqa: F811
    with running_box(zoosup, docker, demo_image, "api") as box:
        yield box


@pytest.fixture
def by_client(zoosup, docker, docker_session, demo_image) -> Iterator[Box]:  # noqa: F811
    with running_box(zoosup, docker, demo_image, "client") as box:
        yield box


@pytest.fixture
def on_own_disk(zoosup, docker_session, pytestconfig) -> Iterator[Box]:  # noqa: F811
    """By the API of an engine that has a file system of its own."""
    try:
        with running("docker", disk=True) as own:
            own.import_image(demo_root(pytestconfig.cache.mkdir("containers")), DEMO, *demo_changes())
            with running_box(zoosup, own, DEMO, "api") as box:
                yield box
    except (NoEngineError, NoImageError) as error:
        pytest.skip(str(error))


@pytest.fixture
def engine(docker: RealEngine) -> RealEngine:  # noqa: F811
    """One is enough here: what differs between them is tested where they are asked."""
    return docker


@fault("a container removed by somebody else", "a crash: a new one starts in its place", 1, 9)
def test_a_container_that_somebody_removes(by_api: Box):
    container = by_api.alone("a")
    by_api.engine.cli("rm", "-f", container)
    poll(lambda: by_api.zoo.model("a")["restarts"] == 1, "the crash to be noticed")
    by_api.zoo.wait_phase("a", "ready")
    assert container != by_api.alone("a")


@fault(
    "SIGKILL for the client of a container, which lives on",
    "ends and removes the container, then starts another",
    *(1, 3, 4),
)
def test_a_client_that_is_killed(by_client: Box):
    container, client = by_client.alone("a"), by_client.zoo.pid("a")
    assert "docker" in psutil.Process(client).name()
    os.kill(client, signal.SIGKILL)
    poll(lambda: by_client.zoo.model("a")["restarts"] == 1, "the crash to be noticed")
    by_client.zoo.wait_phase("a", "ready")
    assert container != by_client.alone("a")
    assert [] == by_client.pids(container)


@fault(
    "the engine killed while its containers live on, and back later",
    "the model serves on, same process; one that is to end meanwhile counts as held until the engine has said it is "
    "gone",
    *(3, 16),
)
def test_an_engine_that_is_killed(by_api: Box):
    container, pid = by_api.alone("a"), by_api.zoo.pid("a")
    by_api.engine.kill()
    try:
        assert 200 == by_api.ask("a")
        assert pid == by_api.zoo.pid("a")
        by_api.zoo.edit(("active: a", "active: []"), ("on_demand: true", "on_demand: false"))
        poll(lambda: by_api.zoo.model("a")["phase"] == "stopping", "it to be told to end")
        poll(lambda: not by_api.pids(container), "its processes to end, by signals of our own")
        assert by_api.zoo.model("a")["memory"]["ram"]["reserved"]
    finally:
        by_api.engine.socket.unlink(missing_ok=True)
        by_api.engine.start()
    by_api.zoo.wait_phase("a", "stopped")
    assert [] == by_api.containers()


@fault(
    "an engine that is away when a model is to start",
    "pending with what to do; starts by itself when it is back",
    9,
)
def test_an_engine_that_is_away(by_api: Box):
    by_api.zoo.edit(("active: a", "active: []"), ("on_demand: true", "on_demand: false"))
    by_api.zoo.wait_phase("a", "stopped")
    by_api.engine.kill()
    try:
        by_api.zoo.edit(("active: []", "active: b"))
        waits = by_api.zoo.wait_phase("b", "pending")
        poll(lambda: by_api.zoo.model("b")["reason"] == "EngineUnreachable", "the engine to be missed")
        assert str(by_api.engine.socket) in by_api.zoo.model("b")["message"], waits
    finally:
        by_api.engine.socket.unlink(missing_ok=True)
        by_api.engine.start()
    by_api.zoo.wait_phase("b", "ready")
    by_api.alone("b")


@fault(
    "an image that is missing, and may not be fetched",
    "failed at once, with its name; starts by itself when it is there",
    9,
)
def test_an_image_that_is_missing(by_api: Box):
    by_api.zoo.edit(
        ("active: a", "active: b"),
        ('  b: {container: {image: "', '  b: {container: {pull: never, image: "missing-'),
    )
    poll(lambda: by_api.zoo.model("b")["reason"] == "ImageMissing", "the image to be missed")
    assert "missing-" in by_api.zoo.model("b")["message"]
    assert by_api.alone("a")
    image = by_api.engine.cli("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    (own,) = (name for name in image if "demo" in name)
    by_api.engine.cli("tag", own, f"missing-{own}")
    by_api.zoo.wait_phase("b", "ready")
    by_api.engine.cli("rmi", f"missing-{own}", check=False)


@fault(
    "a name that a container of somebody else has",
    "fails as its client does, in the engine's words; theirs is not touched; the model before comes back",
    *(5, 9),
)
def test_a_name_that_is_taken(by_client: Box):
    theirs = by_client.engine.cli(
        "run", "-d", "--name", "taken", "--network", "host", TINY, "sleep", "0"
    ).strip()
    command = '  b: {command: "docker run'
    by_client.zoo.edit(("active: a", "active: b"), (command, f"{command} --name taken"))
    poll(lambda: by_client.zoo.model("b")["last_exit"], "its client to fail")
    ended = by_client.zoo.model("b")["last_exit"]
    assert 125 == ended["code"]
    assert 'container name "/taken" is already in use' in str(ended["log"])
    assert by_client.pids(theirs)
    by_client.zoo.wait_phase("a", "ready")
    by_client.alone("a")


@fault(
    "a full disk under the engine",
    "what runs goes on; who is to start fails in the engine's words, and starts when there is room again",
    *(1, 9, 16),
)
def test_an_engine_without_room(on_own_disk: Box):
    container = on_own_disk.alone("a")
    with full_disk(on_own_disk.engine):
        on_own_disk.zoo.edit(("active: a", "active: [a, b]"), ("ram: 500MiB", "ram: 800MiB"))
        poll(lambda: on_own_disk.zoo.model("b")["last_exit"], "its start to fail")
        message = on_own_disk.zoo.model("b")["last_exit"]["message"]
        assert "the engine refuses: " in message
        assert "no space left on device" in message
        assert 200 == on_own_disk.ask("a")
    on_own_disk.zoo.wait_phase("b", "ready")
    assert [container] == on_own_disk.containers("a")
    assert 2 == len(on_own_disk.containers())

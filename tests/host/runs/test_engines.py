"""Which engine is meant: one connection for each that zoo.yaml calls by a name, and a client as it was started."""

from tests.host.container.engine_double import EngineDouble
from zoosup.host.container.api_engine import ApiEngine
from zoosup.host.container.client_engine import ClientEngine
from zoosup.host.runs.engines import Engines, leading
from zoosup.host.runs.tie import Kept


async def test_one_that_is_named_twice_is_asked_over_the_same_connection():
    engines = Engines({})
    docker, podman = engines.by_api("docker"), engines.by_api("unix:///run/podman.sock")
    assert docker is engines.by_api("docker")
    assert docker is not podman
    assert podman is engines.of_kept(Kept(address="unix:///run/podman.sock"))
    assert [ApiEngine, ApiEngine] == [type(docker), type(podman)]
    await engines.close()


async def test_a_runs_client_is_known_by_its_words_and_by_what_leads_it_to_its_engine():
    engines = Engines({"DOCKER_HOST": "tcp://zoosups:1"})
    kept = Kept(client=("docker", "--context", "x"), env={"DOCKER_HOST": "tcp://box:2"})
    found = engines.of_kept(kept)
    assert isinstance(found, ClientEngine)
    same = engines.by_client(("docker", "--context", "x"), {"DOCKER_HOST": "tcp://box:2", "LANG": "C"})
    assert (found._words, found._env) == (same._words, same._env)


LEADING = {
    "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "CONTAINER_HOST",
    "CONTAINER_CONNECTION", "CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF", "HOME", "PATH", "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME", "XDG_DATA_HOME",
}  # fmt: skip


def test_what_leads_a_client_to_its_engine_is_kept_and_no_more():
    env = {name: f"of {name}" for name in LEADING}
    assert env == leading(env | {"LANG": "C", "ZOOSUP_RUN_ID": "r", "LD_PRELOAD": "x"})
    assert {} == leading({})


async def test_all_connections_are_closed_in_the_end(tmp_path):
    double = EngineDouble(str(tmp_path / "s"), answers={"GET images/json": (200, [])})
    await double.start()
    engines = Engines({})
    engine = engines.by_api(f"unix://{double.socket}")
    await engine.images()
    docker = await engine._api.docker()
    await engines.close()
    assert docker.session.closed
    await double.stop()

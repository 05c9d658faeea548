"""Which engine is meant: one connection for each that zoo.yaml calls by a name, and a client as it was started."""

from zoosup.host.container.api_engine import ApiEngine
from zoosup.host.container.client_engine import ClientEngine
from zoosup.host.runs.engines import Engines
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

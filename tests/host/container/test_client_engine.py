"""ClientEngine against real engines' own clients, and clients that don't answer as they should."""

import asyncio
import json
import signal
from pathlib import Path

import psutil
import pytest

from tests.containers.engines import RealEngine
from tests.containers.images import TINY
from tests.host.container.conftest import RUN
from zoosup.host.container.api_engine import ApiEngine
from zoosup.host.container.client_engine import ClientEngine
from zoosup.host.container.engine import EngineRefusedError, EngineUnreachableError
from zoosup.host.system.programs.bounded_run import Printed

LABELS = ("--label", "zoosup.run=r1", "--network", "host")


@pytest.fixture
def client(engine: RealEngine) -> ClientEngine:
    return ClientEngine(engine.client, engine.env)


def ran(engine: RealEngine, name: str, *words: str) -> str:
    return engine.cli("run", "--detach", "--name", name, *LABELS, TINY, *words).strip()


async def test_what_a_command_started_is_found_signalled_and_removed(
    engine: RealEngine, client: ClientEngine
) -> None:
    made = ran(engine, "zoo-a", "deaf", "sleep", "0")
    (found,) = await client.find(RUN)
    assert (found.id, found.name, found.run_id, found.running) == (made, "zoo-a", "r1", True)
    assert found.pid is not None
    assert psutil.Process(found.pid).cmdline() == ["/tiny", "deaf", "sleep", "0"]
    await client.signal(made, "TERM")
    assert await client.inspect(made) == found
    await client.signal(made, "KILL")
    ended = await client.inspect(made)
    while ended is not None and ended.running:
        ended = await client.inspect(made)
    assert ended is not None
    assert ended.exit_code == 137
    await client.signal(made, "TERM")  # it doesn't run
    await client.remove(made)
    await client.remove(made)
    assert await client.inspect(made) is None
    assert await client.find(RUN) == ()
    await client.signal(made, "TERM")


async def test_one_that_runs_is_removed_at_once(engine: RealEngine, client: ClientEngine) -> None:
    made = ran(engine, "zoo-a", "deaf", "sleep", "0")
    async with asyncio.timeout(8):
        await client.remove(made)
    assert engine.cli("ps", "-aq") == ""


async def test_client_and_api_say_the_same(engine: RealEngine, api: ApiEngine, client: ClientEngine) -> None:
    for at in range(10):  # more than one inspect has
        ran(engine, f"zoo-{at}", "exit", str(at)) if at % 2 else ran(engine, f"zoo-{at}", "sleep", "0")
    for at in range(1, 10, 2):
        engine.cli("wait", f"zoo-{at}")
    by_client, by_api = await client.find(RUN), await api.find(RUN)
    assert len(by_client) == 10
    assert set(by_client) == set(by_api)


async def test_a_daemon_that_is_away_or_hangs_is_unreachable(docker: RealEngine) -> None:
    client = ClientEngine(docker.client, docker.env)
    made = ran(docker, "zoo-a", "sleep", "0")
    docker.kill()
    for asked in (client.find(RUN), client.inspect(made), client.signal(made, "TERM"), client.remove(made)):
        with pytest.raises(EngineUnreachableError, match="docker: Cannot connect to the Docker daemon"):
            await asked
    docker.start()
    docker.signal(signal.SIGSTOP)
    try:
        hurried = ClientEngine(docker.client, docker.env, within=0.5)
        with pytest.raises(EngineUnreachableError, match=r"docker: no answer within 0\.5 s"):
            await hurried.find(RUN)
    finally:
        docker.signal(signal.SIGCONT)
    (found,) = await client.find(RUN)
    assert found.id == made


GONE = "echo 'Error: No such container: aaa' >&2; exit 1"


def noting(place: Path, text: str) -> ClientEngine:
    """One that notes its words, a line each call, and then does this."""
    return script(place / "docker", f'echo "$*" >> {place}/calls\n{text}')


def calls(place: Path) -> list[str]:
    return (place / "calls").read_text().splitlines()


def inspected(*ids: str, running: bool = True) -> str:
    return json.dumps([{"Id": each, "State": {"Running": running, "Pid": 1}} for each in ids])


async def test_what_has_the_labels_is_listed_running_or_not_and_looked_at_by_eights(tmp_path: Path) -> None:
    ids = [f"{number:064}" for number in range(17)]
    shown = 'shift 2; printf "["; for id; do printf \'%s{"Id":"%s","State":{}}\' "$comma" $id; comma=,; done; echo "]"'
    client = noting(tmp_path, f"case $1 in ps) echo {' '.join(ids)};; *) {shown};; esac")
    assert ids == [each.id for each in await client.find({"zoosup.run": "r1", "zoosup.instance": "i"})]
    listed, *looks = calls(tmp_path)
    filters = "--filter label=zoosup.run=r1 --filter label=zoosup.instance=i"
    assert listed == f"ps --all --quiet --no-trunc {filters}"
    assert looks == [f"container inspect {' '.join(ids[at : at + 8])}" for at in (0, 8, 16)]


@pytest.mark.parametrize("code", [0, 1])
async def test_one_is_killed_before_it_is_removed_with_its_volumes(tmp_path: Path, code: int) -> None:
    """Of one that is gone nothing is said: by Docker with a failure, by Podman without."""
    client = noting(tmp_path, f"case $1 in container) {GONE};; *) exit {code};; esac")
    await client.remove("aaa")
    asked = [each for each in calls(tmp_path) if not each.startswith("container")]
    assert asked == ["kill --signal KILL aaa", "rm --force --volumes aaa"]
    assert (code > 0) == ("container inspect aaa" in calls(tmp_path))


@pytest.mark.parametrize(
    ("words", "there"),
    [
        ("Error: No such container: aaa", False),
        ("Error: no such object: aaa", False),
        ('Error: no container with name or ID "aaa" found: no such container', False),
        ('Error: no container with name or ID "aaa" found', False),
        ("Cannot connect to the Docker daemon", True),
    ],
)
async def test_only_who_says_so_has_no_such_container(tmp_path: Path, words: str, there: bool) -> None:
    client = script(tmp_path / "docker", f"echo '{words}' >&2; echo '[]'; exit 1")
    if there:
        with pytest.raises(EngineUnreachableError, match=words):
            await client.inspect("aaa")
    else:
        assert await client.inspect("aaa") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("echo told; echo 'it is broken' >&2; exit 1", "it is broken"),
        ("echo told; exit 1", "told"),
        ("exit 3", "exit code 3"),
        ("printf '%0400d' 7 >&2; exit 1", "0" * 300),
    ],
)
async def test_why_nothing_is_known_is_told_in_the_clients_words_within_a_line(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(EngineUnreachableError) as told:
        await script(tmp_path / "docker", text).find({})
    assert str(told.value) == f"{tmp_path}/docker: {words}"


async def test_a_removal_may_take_longer_than_an_answer(tmp_path: Path) -> None:
    script(tmp_path / "docker", f"case $1 in rm) sleep 1;; container) echo '{inspected('aaa')}';; esac")
    client = ClientEngine((str(tmp_path / "docker"),), {"PATH": "/usr/bin:/bin"}, within=0.6)
    await client.remove("aaa")


async def test_an_answer_has_a_quarter_of_a_minute_and_a_removal_two(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = []

    def run(argv: tuple[str, ...], env: object, cwd: object, limit: float, given_up: object) -> Printed:
        limits.append((argv[1], limit))
        return Printed("", "", 0)

    monkeypatch.setattr("zoosup.host.container.client_engine.run", run)
    await ClientEngine(("docker",), {}).remove("aaa")
    assert limits == [("kill", 15.0), ("rm", 120.0)]


async def test_a_client_runs_where_and_with_what_its_command_does(tmp_path: Path) -> None:
    place = tmp_path / "docker"
    place.write_text(f"#!/bin/sh\nenv > {tmp_path}/env; pwd > {tmp_path}/cwd\n")
    place.chmod(0o755)
    env = {"PATH": "/usr/bin:/bin", "DOCKER_HOST": "tcp://box:1"}
    assert await ClientEngine((str(place),), env).find({}) == ()
    assert (tmp_path / "cwd").read_text() == "/\n"
    assert "DOCKER_HOST=tcp://box:1" in (tmp_path / "env").read_text().splitlines()
    await ClientEngine((str(place),), env, tmp_path).find({})
    assert (tmp_path / "cwd").read_text() == f"{tmp_path}\n"


def script(place: Path, text: str) -> ClientEngine:
    place.write_text(f"#!/bin/sh\n{text}\n")
    place.chmod(0o755)
    return ClientEngine((str(place),), {"PATH": "/usr/bin:/bin"})


@pytest.mark.parametrize(
    "text",
    [
        "echo 'sudo: a password is required' >&2; exit 1",
        "echo 'sudo: docker: command not found' >&2; exit 1",
        "exit 3",
        "kill -9 $$",
    ],
    ids=["sudo asks", "sudo finds none", "it says nothing", "it is killed"],
)
async def test_a_client_that_fails_knows_nothing(tmp_path: Path, text: str) -> None:
    client = script(tmp_path / "docker", text)
    for asked in (
        client.find(RUN),
        client.inspect("a" * 64),
        client.signal("a" * 64, "TERM"),
        client.remove("a" * 64),
    ):
        with pytest.raises(EngineUnreachableError):
            await asked


@pytest.mark.parametrize("printed", ["hello", "[{}]", '[{"Id": 1, "State": null}]', "{"])
async def test_what_is_no_answer_is_unknown_not_gone(tmp_path: Path, printed: str) -> None:
    client = script(tmp_path / "docker", f"cat <<'END'\n{printed}\nEND")
    with pytest.raises(EngineUnreachableError):
        await client.inspect("a" * 64)


async def test_a_refusal_has_the_clients_own_words(tmp_path: Path) -> None:
    running = [{"Id": "a" * 64, "State": {"Running": True, "Pid": 1}}]
    denied = "echo 'permission denied by policy' >&2; exit 1"
    client = script(
        tmp_path / "docker", f"case $1 in container) echo '{json.dumps(running)}';; *) {denied};; esac"
    )
    for asked in (client.signal("a" * 64, "TERM"), client.remove("a" * 64)):
        with pytest.raises(EngineRefusedError, match=r"\Apermission denied by policy\Z") as refused:
            await asked
        assert refused.value.status == 0, "a client has none of HTTP"


async def test_a_removal_that_the_engine_has_begun_itself_is_waited_for(tmp_path: Path) -> None:
    """As after `run --rm`: the client has ended, and the engine takes its time."""
    ended = [{"Id": "a" * 64, "State": {"Status": "removing", "Running": False}}]
    begun = "echo 'Error response from daemon: removal of container aaa is already in progress' >&2; exit 1"
    gone = "echo 'Error: No such container: aaa' >&2; exit 1"
    looks = f"echo >> {tmp_path}/looks; [ $(wc -l < {tmp_path}/looks) -lt 4 ]"
    inspected = f"if {looks}; then echo '{json.dumps(ended)}'; else {gone}; fi"
    client = script(tmp_path / "docker", f"case $1 in container) {inspected};; *) {begun};; esac")
    await client.remove("a" * 64)
    assert 4 == (tmp_path / "looks").read_text().count("\n")


async def test_a_client_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(EngineUnreachableError, match="No such file"):
        await ClientEngine((str(tmp_path / "nerdctl"),), {}).find(RUN)


async def test_who_gives_up_leaves_no_client(tmp_path: Path) -> None:
    client = script(tmp_path / "docker", f"echo $$ > {tmp_path}/pid; exec sleep 60")
    asking = asyncio.ensure_future(client.find(RUN))
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    async with asyncio.timeout(10):
        while psutil.pid_exists(int((tmp_path / "pid").read_text())):
            await asyncio.sleep(0.02)

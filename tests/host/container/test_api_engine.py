"""ApiEngine against real engines; the engine's own client and the operating system are the oracles."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.containers.engines import RealEngine
from tests.host.container.conftest import RUN, tiny
from zoosup.host.container.api_engine import ApiEngine
from zoosup.host.container.engine import ContainerConfig, EngineRefusedError, EngineUnreachableError

Started = Callable[..., Any]


def ids(engine: RealEngine) -> list[str]:
    return engine.cli("ps", "-aq", "--no-trunc").split()


async def test_a_container_is_made_started_found_and_ended(engine: RealEngine, api: ApiEngine) -> None:
    made = await api.create(tiny("deaf", "sleep", "0"))
    new = await api.inspect(made)
    assert new is not None
    assert (new.id, new.name, new.run_id) == (made, "zoo-a", "r1")
    assert (new.running, new.pid, new.exit_code) == (False, None, None)

    await api.start(made)
    await api.start(made)  # it runs already

    (found,) = await api.find(RUN)
    assert found.running
    assert found.exit_code is None
    assert found.pid is not None
    async with asyncio.timeout(30):  # an engine may have said so before the exec
        while psutil.Process(found.pid).cmdline() != ["/tiny", "deaf", "sleep", "0"]:
            await asyncio.sleep(0.02)
    assert made in Path(f"/proc/{found.pid}/cgroup").read_text()
    assert ids(engine) == [made]

    waiting = asyncio.ensure_future(api.wait(made))
    await api.signal(made, "TERM")
    done, _ = await asyncio.wait({waiting}, timeout=0.5)
    assert not done, "it is deaf to TERM"
    await api.signal(made, "KILL")
    assert await waiting == 137
    ended = await api.inspect(made)
    assert ended is not None
    assert (ended.running, ended.pid, ended.exit_code) == (False, None, 137)
    assert not psutil.pid_exists(found.pid)

    await api.signal(made, "TERM")  # it doesn't run: nothing happens
    await api.remove(made)
    assert ids(engine) == []
    assert await api.inspect(made) is None
    await api.signal(made, "TERM")
    await api.remove(made)
    assert await api.find(RUN) == ()


async def test_only_what_has_all_the_labels_is_found(api: ApiEngine, started: Started) -> None:
    mine = await started("sleep", "0", labels=RUN | {"zoosup.instance": "i1"})
    stopped = await started("exit", "3", name="zoo-b", labels=RUN | {"zoosup.instance": "i1"})
    await started("sleep", "0", name="zoo-c")
    await started("sleep", "0", name="zoo-d", labels={"zoosup.run": "r2", "zoosup.instance": "i1"})
    assert await api.wait(stopped) == 3

    found = {each.id: each for each in await api.find({"zoosup.run": "r1", "zoosup.instance": "i1"})}

    assert set(found) == {mine, stopped}
    assert (found[stopped].running, found[stopped].exit_code) == (False, 3)
    assert {each.run_id for each in found.values()} == {"r1"}


async def test_one_that_runs_and_hears_nothing_is_removed_at_once(
    engine: RealEngine, api: ApiEngine, started: Started
) -> None:
    made = await started("deaf", "sleep", "0")
    async with asyncio.timeout(8):  # less than the ten seconds that an engine leaves for an end by itself
        await asyncio.gather(api.remove(made), api.remove(made), api.remove(made))
    assert ids(engine) == []


async def test_options_reach_the_container(engine: RealEngine, api: ApiEngine, started: Started) -> None:
    made = await started(
        "sleep", "0", options={"tmpfs": ["/scratch:size=1m"], "read_only": True, "user": 65534}
    )
    state = await api.inspect(made)
    assert state is not None
    assert psutil.Process(state.pid).uids().real == 65534
    mounts = Path(f"/proc/{state.pid}/mounts").read_text()
    assert any(line.split()[1] == "/scratch" for line in mounts.splitlines())
    assert (
        next(line for line in mounts.splitlines() if line.split()[1] == "/").split()[3].split(",")[0] == "ro"
    )


async def test_device_files_reach_the_container_with_the_groups_that_may_use_them(
    api: ApiEngine, started: Started
) -> None:
    """As AMD's and Intel's GPUs are handed on; this host's own stands for them."""
    if not Path("/dev/fuse").exists():
        pytest.skip("no /dev/fuse to hand on")
    made = await started("sleep", "0", devices=("/dev/fuse",), groups=("44", "993"), options={"user": 65534})
    state = await api.inspect(made)
    assert state is not None
    inside = Path(f"/proc/{state.pid}/root/dev/fuse")
    assert inside.is_char_device()
    assert Path("/dev/fuse").stat().st_rdev == inside.stat().st_rdev
    (groups,) = (
        line.split()[1:]
        for line in Path(f"/proc/{state.pid}/status").read_text().splitlines()
        if line.startswith("Groups:")
    )
    assert {"44", "993"} <= set(groups)


async def test_a_container_that_outgrows_its_memory_is_killed(
    engine: RealEngine, api: ApiEngine, started: Started
) -> None:
    if not Path("/sys/fs/cgroup/memory").exists() and "memory" not in _controllers():
        pytest.skip("no memory controller for containers here")
    made = await started("hold", "200", "exit", "0", options={"memory": 32 << 20, "memory_swap": 32 << 20})
    assert await api.wait(made) == 137
    state = await api.inspect(made)
    assert state is not None
    told = json.loads(engine.cli("container", "inspect", made))[0]["State"]["OOMKilled"]
    assert state.oom_killed == told
    if engine.name == "docker":  # Podman's monitor misses it under cgroup v1
        assert state.oom_killed


def _controllers() -> str:
    with suppress(OSError):
        return Path("/sys/fs/cgroup/cgroup.controllers").read_text()
    return ""


async def test_memory_is_what_it_holds(api: ApiEngine, started: Started) -> None:
    made = await started("hold", "64", "print", "held", "sleep", "0")
    async for _ in api.log_batches(made):
        break
    assert 64 << 20 <= await api.memory(made) <= 80 << 20


async def test_a_port_is_published_by_its_number(engine: RealEngine, api: ApiEngine) -> None:
    made = await api.create(tiny("sleep", "0", inner_port=8080, host="127.0.0.1", port=18342))
    told = json.loads(engine.cli("container", "inspect", made))[0]["HostConfig"]["PortBindings"]
    assert told == {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18342"}]}


async def test_a_folder_of_the_host_is_there(api: ApiEngine, started: Started, tmp_path: Path) -> None:
    made = await started("sleep", "0", volumes=(f"{tmp_path}:/models:ro",), env={"ZOO": "a b", "PATH": "/x"})
    state = await api.inspect(made)
    assert state is not None
    mounts = Path(f"/proc/{state.pid}/mounts").read_text().splitlines()
    assert next(line for line in mounts if line.split()[1] == "/models").split()[3].split(",")[0] == "ro"
    environ = Path(f"/proc/{state.pid}/environ").read_bytes().split(b"\0")
    assert {b"ZOO=a b", b"PATH=/x"} <= set(environ)


async def test_without_a_port_it_is_in_the_hosts_network(api: ApiEngine, started: Started) -> None:
    made = await started("sleep", "0")
    state = await api.inspect(made)
    assert state is not None
    assert Path(f"/proc/{state.pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink()


REFUSALS = {
    "the name is taken": (tiny("sleep", "0"), "already in use"),
    "no such image": (ContainerConfig("zoo-b", "127.0.0.1:1/nope:1"), "nope:1"),
    "no such program": (tiny(name="zoo-b", options={"entrypoint": "/nope"}), "/nope"),
    "no such kind of IPC": (tiny(name="zoo-b", options={"ipc": "nonsense"}), "nonsense"),
    "no such network": (tiny(name="zoo-b", options={"network": "nonsense"}), "nonsense"),
    "no such option": (tiny(name="zoo-b", options={"colour": "red"}), "colour is no option of a container"),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_a_refusal_has_the_engines_own_words(engine: RealEngine, api: ApiEngine, case: str) -> None:
    config, words = REFUSALS[case]
    await api.create(tiny("sleep", "0"))
    with pytest.raises(EngineRefusedError, match=words) as refused:
        await api.start(await api.create(config))
    assert 400 <= refused.value.status <= 500
    assert "{" not in str(refused.value), "words, no JSON"


async def test_an_image_is_here_or_not(api: ApiEngine) -> None:
    assert await api.has_image(tiny().image)
    assert not await api.has_image("zoosup-test/tiny:2")
    assert any(name.endswith(tiny().image) for name in await api.images())
    assert not await api.has_image("127.0.0.1:1/a/b/c:1")


async def test_a_start_that_failed_can_be_told_from_one_that_never_was(
    engine: RealEngine, api: ApiEngine
) -> None:
    made = await api.create(tiny(options={"entrypoint": "/nope"}))
    with pytest.raises(EngineRefusedError):
        await api.start(made)
    state = await api.inspect(made)
    assert state is not None
    assert not state.running
    if engine.name == "docker":  # Podman forgets it
        assert state.exit_code == 127
        assert "/nope" in state.error
    await api.remove(made)
    assert ids(engine) == []


async def test_the_wait_for_one_that_is_removed_ends(
    engine: RealEngine, api: ApiEngine, started: Started
) -> None:
    made = await started("sleep", "0")
    waiting = asyncio.ensure_future(api.wait(made))
    await asyncio.sleep(0.3)
    engine.cli("rm", "-f", made)
    async with asyncio.timeout(20):
        with suppress(EngineRefusedError):
            assert await waiting in (0, 137)  # by TERM or by KILL, as the engine has it
    with pytest.raises(EngineRefusedError) as refused:
        await api.wait(made)
    assert refused.value.status == 404


async def test_an_engine_that_is_away_is_unreachable_and_found_again(
    engine: RealEngine, api: ApiEngine, started: Started
) -> None:
    made = await started("sleep", "0")
    before = await api.inspect(made)
    assert before is not None
    waiting = asyncio.ensure_future(api.wait(made))
    await asyncio.sleep(0.2)
    engine.kill()
    for asked in (
        api.find(RUN),
        api.inspect(made),
        api.signal(made, "TERM"),
        api.remove(made),
        api.start(made),
    ):
        with pytest.raises(EngineUnreachableError, match="start"):
            await asked
    with pytest.raises(EngineUnreachableError):
        await waiting
    assert before.pid is not None
    assert psutil.pid_exists(before.pid), "it lives without its engine"
    await asyncio.to_thread(engine.start)
    assert await api.inspect(made) == before
    await api.remove(made)
    assert not psutil.pid_exists(before.pid)


async def test_an_engine_that_hangs_is_unreachable_and_found_again(
    engine: RealEngine, api: ApiEngine, started: Started
) -> None:
    patient, api = api, ApiEngine(engine.address, soon=2.0, quiet=0.3)
    made = await started("print", "a", "sleep", "0")
    waiting = asyncio.ensure_future(api.wait(made))

    async def read() -> None:
        async for _ in api.log_batches(made):
            pass

    reading = asyncio.ensure_future(read())
    await asyncio.sleep(1)  # they outlive silence while the engine answers
    assert not waiting.done()
    assert not reading.done()
    engine.signal(signal.SIGSTOP)
    try:
        async with asyncio.timeout(30):
            for asked in (api.find(RUN), api.inspect(made), api.signal(made, "TERM"), waiting, reading):
                with pytest.raises(EngineUnreachableError, match=r"has not answered within 2 s"):
                    await asked
            fresh = ApiEngine(engine.address, soon=2.0)
            with pytest.raises(EngineUnreachableError, match=r"has not answered within 2 s"):
                await fresh.find(RUN)
    finally:
        engine.signal(signal.SIGCONT)
    (found,) = await patient.find(RUN)
    assert found.id == made
    await api.aclose()


async def test_a_user_without_permission_is_told_the_group(engine: RealEngine) -> None:
    engine.home.chmod(0o755)
    engine.socket.chmod(0o660)
    program = f"""
import asyncio, os, sys
sys.path[:0] = {sys.path!r}
from zoosup.host.container.api_engine import ApiEngine
os.setgroups([]), os.setgid(65534), os.setuid(65534)
asyncio.run(ApiEngine({engine.address!r}).find({{}}))
"""
    done = subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, check=False)
    assert (
        f"EngineUnreachableError: no permission for {engine.socket}: add this user to the group "
        in done.stderr
    )
    assert f"the group {engine.socket.group()} and log in again" in done.stderr


async def test_all_that_was_tried_is_told(tmp_path: Path) -> None:
    (tmp_path / "docker.sock").touch()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead.sock"))
        api = ApiEngine(
            "auto", {"XDG_RUNTIME_DIR": str(tmp_path), "DOCKER_HOST": f"unix://{tmp_path}/dead.sock"}
        )
        with pytest.raises(EngineUnreachableError) as told:
            await api.find(RUN)
    assert f"{tmp_path}/dead.sock: nobody listens there: start the engine" in str(told.value)
    assert f"{tmp_path}/docker.sock is no socket" in str(told.value)
    assert f"{tmp_path}/podman/podman.sock does not exist: is the engine started?" in str(told.value)


async def test_a_server_that_is_no_engine_is_unreachable(tmp_path: Path) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 5\r\n\r\n<a/>\n")
        writer.close()

    async with await asyncio.start_unix_server(answer, tmp_path / "s"):
        with pytest.raises(EngineUnreachableError):
            await ApiEngine(f"unix://{tmp_path}/s").find(RUN)


async def test_the_first_that_answers_is_taken(engine: RealEngine, tmp_path: Path) -> None:
    (tmp_path / "podman").mkdir()
    (tmp_path / "podman/podman.sock").symlink_to(engine.socket)
    api = ApiEngine("auto", {"XDG_RUNTIME_DIR": str(tmp_path), "DOCKER_HOST": f"unix://{tmp_path}/none.sock"})
    assert await api.find(RUN) == ()
    assert api.address == f"unix://{tmp_path}/podman/podman.sock"
    await api.aclose()


async def test_no_descriptor_is_left_by_what_was_given_up(api: ApiEngine, started: Started) -> None:
    made = await started("count", "5", "0", "sleep", "0")
    await api.find(RUN)
    before = psutil.Process().num_fds()
    for _ in range(10):
        async for _ in api.log_batches(made):
            break
        waiting = asyncio.ensure_future(api.wait(made))
        await asyncio.sleep(0.02)
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
    await api.find(RUN)
    await asyncio.sleep(0.1)
    assert psutil.Process().num_fds() <= before + 2


def test_nobody_imports_aiodocker_before_an_engine_is_used() -> None:
    program = """
import sys
import zoosup.host.container.api_engine, zoosup.host.container.client_engine, zoosup.host.container.log_copier
print("aiodocker" in sys.modules, "aiohttp" in sys.modules)
"""
    done = subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.host.preflight.inspectors import host_inspector
from zoosup.core.state.phases import Reason
from zoosup.core.state.runs import Preflight
from zoosup.core.state.weights import WeightFacts
from zoosup.host.preflight import inspector
from zoosup.host.preflight.inspector import HostInspector
from zoosup.host.preflight.llama_fit_params import FitParams
from zoosup.host.preflight.weight_look import WeightLook
from zoosup.host.weights import caches
from zoosup.host.weights.reader import WeightReader
from zoosup.spec.model.model import ModelSpec


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An empty directory that is the child's whole PATH."""
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin"


def program(at: Path, text: str = "#!/bin/sh\n", mode: int = 0o755) -> Path:
    at.parent.mkdir(parents=True, exist_ok=True)
    at.write_text(text)
    at.chmod(mode)
    return at


async def look(
    path: Path,
    *command: str,
    cwd: Path | None = None,
    port: int | None = None,
    with_: HostInspector | None = None,
) -> tuple[str | None, str]:
    spec = ModelSpec(command=list(command), cwd=str(cwd) if cwd else None)
    found = await (with_ or host_inspector()).inspect(spec, {"PATH": str(path)}, port, 12.5)
    assert 12.5 == found.at
    return found.reason, found.message


FINE = (None, "")


async def test_nothing_amiss(path: Path) -> None:
    program(path / "server")
    spec = ModelSpec(command=["server", "--port", "${PORT}"])
    assert Preflight(3.0, weights=WeightFacts()) == await host_inspector().inspect(
        spec, {"PATH": str(path)}, None, 3.0
    )


@pytest.mark.skipif(
    sys.platform != "linux", reason="the removed directory of a process can be asked on Linux"
)
async def test_where_our_own_directory_has_been_removed_absolute_paths_are_found_still(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(path / "server")
    (path / "gone").mkdir()
    monkeypatch.chdir(path / "gone")
    (path / "gone").rmdir()
    assert FINE == await look(path, "server")
    assert Reason.NOT_EXECUTABLE == (await look(path, "./server"))[0]
    spec = ModelSpec(command=["llama-server", "-m", "/nowhere.gguf"])
    assert () == (await host_inspector().weights(spec, {"PATH": str(path)})).files


async def test_a_program_that_is_not_in_path_is_said_with_where_it_was_looked_for(path: Path) -> None:
    expected = (Reason.NOT_EXECUTABLE, f"llama-server was not found in PATH ({path})")
    assert expected == await look(path, "llama-server")


async def test_without_path_the_systems_default_is_searched(path: Path) -> None:
    spec = ModelSpec(command=["no-such-program"])
    found = await host_inspector().inspect(spec, {}, None, 0.0)
    assert f"no-such-program was not found in PATH ({os.defpath})" == found.message


async def test_path_is_the_childs_not_ours(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(path / "server")
    monkeypatch.setenv("PATH", "/nowhere")
    assert FINE == await look(path, "server")


async def test_a_missing_absolute_program_is_named(path: Path) -> None:
    assert (Reason.NOT_EXECUTABLE, f"{path}/server is missing") == await look(path, f"{path}/server")


async def test_a_relative_program_is_looked_for_in_the_childs_directory(path: Path, tmp_path: Path) -> None:
    program(tmp_path / "there" / "run.sh")
    assert FINE == await look(path, "./run.sh", cwd=tmp_path / "there")
    expected = (Reason.NOT_EXECUTABLE, f"{path}/run.sh is missing")
    assert expected == await look(path, "./run.sh", cwd=path)


async def test_a_relative_entry_of_path_is_looked_for_in_the_childs_directory(tmp_path: Path) -> None:
    program(tmp_path / "there" / "bin" / "server")
    assert FINE == await look(Path("bin"), "server", cwd=tmp_path / "there")


@pytest.mark.parametrize("name", ["server", "{path}/server"])
async def test_a_program_without_the_executable_bit_is_named(path: Path, name: str) -> None:
    program(path / "server", mode=0o644)
    expected = f"{path}/server is not executable (chmod +x it, or name its interpreter)"
    assert (Reason.NOT_EXECUTABLE, expected) == await look(path, name.format(path=path))


async def test_a_later_entry_of_path_makes_up_for_one_that_is_not_executable(tmp_path: Path) -> None:
    program(tmp_path / "a" / "server", mode=0o644)
    program(tmp_path / "b" / "server")
    assert FINE == await look(Path(f"{tmp_path}/a:{tmp_path}/b"), "server")


async def test_a_directory_is_no_program(path: Path) -> None:
    assert (Reason.NOT_EXECUTABLE, f"{path} is a directory") == await look(path, str(path))


async def test_a_link_that_leads_nowhere_is_said_to(path: Path) -> None:
    (path / "server").symlink_to("gone")
    expected = f"{path}/server is a symbolic link that leads nowhere"
    assert (Reason.NOT_EXECUTABLE, expected) == await look(path, "server")


async def test_a_program_below_a_file_is_an_answer_and_not_an_exception(path: Path) -> None:
    reason, _ = await look(path, f"{program(path / 'file')}/server")
    assert Reason.NOT_EXECUTABLE == reason


async def test_a_name_that_no_file_can_have_is_said_to_be_so(path: Path) -> None:
    long = f"{path}/{'x' * 300}"
    assert (Reason.NOT_EXECUTABLE, f"{long} can't be looked at: File name too long") == await look(path, long)


async def test_a_missing_interpreter_is_named_with_the_script(path: Path) -> None:
    program(path / "server", "#!/opt/python9/bin/python -u\n")
    expected = f"{path}/server needs /opt/python9/bin/python -u, and /opt/python9/bin/python is missing"
    assert (Reason.NOT_EXECUTABLE, expected) == await look(path, "server")


async def test_what_env_is_to_find_must_be_in_the_childs_path(path: Path) -> None:
    program(path / "server", "#!/usr/bin/env python9.9\n")
    expected = f"{path}/server needs /usr/bin/env python9.9, and python9.9 was not found in PATH ({path})"
    assert (Reason.NOT_EXECUTABLE, expected) == await look(path, "server")
    program(path / "python9.9")
    assert FINE == await look(path, "server")


@pytest.mark.parametrize(
    "line", ["#!/usr/bin/env -S python9 -u", "#!/usr/bin/env A=b python9", "#!", "\x7fELF"]
)
async def test_what_can_not_be_told_from_the_first_line_is_let_pass(path: Path, line: str) -> None:
    program(path / "server", f"{line}\n")
    assert FINE == await look(path, "server")


async def test_what_the_inspector_lets_pass_the_kernel_starts(path: Path) -> None:
    program(path / "server", "#!/usr/bin/env sh\nexit 7\n")
    (path / "sh").symlink_to("/bin/sh")
    assert FINE == await look(path, "server")
    assert 7 == subprocess.run(["server"], env={"PATH": str(path)}, check=False).returncode


async def test_a_missing_working_directory_is_named(path: Path) -> None:
    expected = (Reason.FILE_MISSING, "the working directory /no/such/directory is missing")
    assert expected == await look(path, "server", cwd=Path("/no/such/directory"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["-m", "{0}/x.gguf"],
        ["--model", "{0}/x.gguf"],
        ["--model={0}/x.gguf"],
        ["--ctx", "1", "--model-path", "{0}/x.gguf", "--verbose"],
        ["--model", "org/model", "--mmproj", "{0}/x.gguf"],
        ["--model-path", "./x.gguf"],
        ["--model-path", "../weights/x.gguf"],
        ["--model", "x.gguf"],
        ["--model=sub/x.safetensors"],
    ],
)
async def test_missing_weights_are_named_and_found_once_they_are_there(
    path: Path, tmp_path: Path, arguments: list[str]
) -> None:
    program(path / "server")
    weights = tmp_path / "weights"
    weights.mkdir()
    command = ["server", *(word.format(weights) for word in arguments)]
    reason, message = await look(path, *command, cwd=weights)
    assert Reason.FILE_MISSING == reason
    (missing,) = re.findall(rf"({weights}/\S+) \(--?m\S*\) is missing", message)
    program(Path(missing))
    assert FINE == await look(path, *command, cwd=weights)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--model", "org/model"],
        ["--model", "qwen3"],
        ["-m", "mlx_lm.server"],
        ["--model"],
        ["--model", ""],
        ["--model-id", "/no/such"],
        ["--", "/no/such.gguf"],
    ],
)
async def test_what_is_no_path_of_this_host_is_not_looked_for(path: Path, arguments: list[str]) -> None:
    program(path / "server")
    assert FINE == await look(path, "server", *arguments)


@pytest.mark.parametrize("command", [["docker", "run", "image"], ["sudo", "-n", "podman", "run", "image"]])
async def test_weights_inside_a_container_are_not_looked_for(path: Path, command: list[str]) -> None:
    program(path / command[0])
    assert FINE == await look(path, *command, "-m", "/models/x.gguf")


async def test_weights_that_a_volume_hands_to_a_container_must_be_there(path: Path, tmp_path: Path) -> None:
    program(path / "docker")
    command = [
        "docker",
        "run",
        "-v",
        f"{tmp_path}/models:/models",
        "x",
        "llama-server",
        "-m",
        "/models/x.gguf",
    ]
    weights = tmp_path / "models/x.gguf"
    expected = (Reason.FILE_MISSING, f"{weights}, which the container is to see, is missing")
    assert expected == await look(path, *command)
    program(weights, mode=0)
    assert FINE == await look(path, *command)
    weights.unlink()
    weights.symlink_to("/only/in/the/container.gguf")
    assert FINE == await look(path, *command)


async def test_relative_volumes_begin_where_the_client_is_started(path: Path, tmp_path: Path) -> None:
    program(path / "docker")
    command = ["docker", "run", "-v", "./models:/models", "x", "llama-server", "-m", "/models/x.gguf"]
    assert Reason.FILE_MISSING == (await look(path, *command, cwd=tmp_path))[0]
    program(tmp_path / "models/x.gguf")
    assert FINE == await look(path, *command, cwd=tmp_path)


async def test_a_folder_that_only_the_container_can_follow_is_let_pass(path: Path, tmp_path: Path) -> None:
    program(path / "docker")
    (tmp_path / "models").symlink_to("/only/in/the/container")
    command = ["docker", "run", "-v", f"{tmp_path}:/m", "x", "llama-server", "-m", "/m/models/x.gguf"]
    assert FINE == await look(path, *command)


async def test_weights_of_an_engine_elsewhere_are_not_looked_for(path: Path) -> None:
    program(path / "docker")
    command = ["docker", "run", "-v", "/no/such:/m", "x", "llama-server", "-m", "/m/x.gguf"]
    env = {"PATH": str(path)}
    for more, reason in ({}, Reason.FILE_MISSING), ({"DOCKER_HOST": "ssh://box"}, None):
        found = await host_inspector().inspect(ModelSpec(command=command), env | more, None, 0.0)
        assert reason == found.reason


async def test_a_directory_of_weights_will_do(path: Path, tmp_path: Path) -> None:
    program(path / "server")
    assert FINE == await look(path, "server", "--model-path", str(tmp_path))


async def test_weights_that_can_not_be_read_are_named(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(path / "server")
    weights = program(tmp_path / "x.gguf")
    monkeypatch.setattr(os, "access", lambda _, mode: mode != os.R_OK)
    expected = (Reason.FILE_MISSING, f"{weights} (-m) can't be read: permission denied")
    assert expected == await look(path, "server", "-m", str(weights))


async def test_escapes_of_templates_are_taken_away_before_looking(path: Path, tmp_path: Path) -> None:
    program(path / "server")
    (tmp_path / "${odd}.gguf").touch()
    assert FINE == await look(path, "server", "-m", f"{tmp_path}/$${{odd}}.gguf")


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
async def test_a_port_in_use_is_said_with_its_holder(path: Path, host: str) -> None:
    program(path / "server")
    with socket.create_server((host, 0)) as server:
        port = server.getsockname()[1]
        reason, message = await look(path, "server", port=port)
    assert Reason.PORT == reason
    assert message.startswith(f"port {port} is held by pid {os.getpid()} (")
    assert FINE == await look(path, "server", port=port)


async def test_a_port_bound_without_listening_is_in_use(path: Path) -> None:
    program(path / "server")
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        reason, message = await look(path, "server", port=port)
    assert (Reason.PORT, True) == (reason, "nobody listens" in message or "another process" in message)


async def test_time_wait_does_not_hold_a_port(path: Path) -> None:
    program(path / "server")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = server.accept()
            accepted.close()
            client.recv(1)
    with socket.socket() as strict, pytest.raises(OSError, match="in use"):
        strict.bind(("127.0.0.1", port))
    assert FINE == await look(path, "server", port=port)


async def test_a_port_that_we_may_not_bind_is_left_to_the_model(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(path / "server")

    class Refusing(socket.socket):
        def bind(self, address: object) -> None:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(inspector.socket, "socket", Refusing)
    assert FINE == await look(path, "server", port=80)


async def test_on_macos_a_listener_on_all_addresses_is_found_too(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(path / "server")
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(inspector, "_is_taken", lambda host, port: host == "0.0.0.0")
    mac = host_inspector(holder=lambda host, port: "pid 9 (AirPlay)")
    expected = (Reason.PORT, "port 5000 is held by pid 9 (AirPlay)")
    assert expected == await look(path, "server", port=5000, with_=mac)


def test_a_free_port_can_be_bound_and_is_none_of_those_taken() -> None:
    taken: set[int] = set()
    for _ in range(50):
        port = host_inspector().free_port(frozenset(taken))
        assert port not in taken
        taken.add(port)
        with socket.create_server(("127.0.0.1", port)):
            pass


def test_when_every_port_is_taken_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspector, "_PORT_ATTEMPTS", 3)
    with pytest.raises(OSError, match="no free port"):
        host_inspector().free_port(frozenset(range(65536)))


@pytest.mark.parametrize("memory", ["auto", {"ram": "1GiB"}])
async def test_weights_are_looked_at_whatever_is_declared(path: Path, tmp_path: Path, memory: object) -> None:
    (tmp_path / "m.gguf").write_bytes(b"x" * 100)
    spec = ModelSpec.model_validate(
        {"command": ["llama-server", "-m", str(tmp_path / "m.gguf")], "memory": memory}
    )
    found = await host_inspector().inspect(spec, {"PATH": str(path)}, None, 0.0)
    assert found.weights is not None
    assert [100] == [facts.size for _, facts in found.weights.files]


@pytest.mark.parametrize("kind", ["the look before a start", "that after an end", "at weights alone"])
async def test_what_a_look_was_at_is_not_kept_beyond_it(path: Path, kind: str) -> None:
    program(path / "llama-server")
    spec = ModelSpec(command=["llama-server", "-m", str(path / "m.gguf")])
    looks = host_inspector()
    match kind:
        case "the look before a start":
            await looks.inspect(spec, {"PATH": str(path)}, None, 0.0)
        case "that after an end":
            await looks.amiss(spec, {"PATH": str(path)}, None)
        case _:
            await looks.weights(spec, {"PATH": str(path)})
    assert "its files" == looks.looking_at(spec)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere TIME_WAIT is no hindrance")
async def test_a_port_in_time_wait_is_not_told_as_held_by_anybody(path: Path) -> None:
    program(path / "server")
    # Without SO_REUSEADDR, as the server that closes first leaves it.
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = server.accept()
            accepted.close()
            client.recv(1)
    reason, message = await look(path, "server", port=port)
    assert (Reason.PORT, True) == (reason, "TIME_WAIT" in message)


@pytest.mark.parametrize(
    ("spec_port", "given", "named"), [("auto", 1234, 1234), (4321, None, 4321), ("auto", None, 0)]
)
async def test_a_path_with_the_port_in_it_is_looked_for_by_the_port_that_it_will_have(
    path: Path, tmp_path: Path, spec_port: object, given: int | None, named: int
) -> None:
    program(path / "server")
    spec = ModelSpec.model_validate(
        {"command": ["server", "-m", "./${PORT}.gguf"], "cwd": str(tmp_path), "port": spec_port}
    )
    found = await host_inspector().inspect(spec, {"PATH": str(path)}, given, 0.0)
    assert f"{tmp_path}/{named}.gguf (-m) is missing" == found.message


async def test_all_that_path_has_and_can_not_be_run_is_named(tmp_path: Path) -> None:
    program(tmp_path / "a/server", mode=0o644)
    (tmp_path / "b/server").mkdir(parents=True)
    reason, message = await look(Path(f"{tmp_path}/a:{tmp_path}/b:{tmp_path}/c"), "server")
    expected = f"{tmp_path}/a/server is not executable (chmod +x it, or name its interpreter); "
    assert (Reason.NOT_EXECUTABLE, f"{expected}{tmp_path}/b/server is a directory") == (reason, message)


async def test_what_can_not_be_looked_at_is_told(path: Path, tmp_path: Path) -> None:
    program(path / "server")
    weights = tmp_path / f"{'x' * 300}.gguf"
    reason, message = await look(path, "server", "-m", str(weights))
    assert (Reason.FILE_MISSING, f"{weights} (-m) can't be looked at: File name too long") == (
        reason,
        message,
    )


@pytest.mark.parametrize(("padding", "seen"), [(200, True), (300, False)])
async def test_only_as_much_of_the_first_line_as_the_kernel_reads_counts(
    path: Path, padding: int, seen: bool
) -> None:
    program(path / "server", f"#!{' ' * padding}/no/such/interpreter\n")
    assert seen == ((await look(path, "server"))[0] is not None)


@pytest.mark.parametrize(
    ("volume", "missing"),
    [("{0}/none:/m", True), ("{0}:/m", False), ("named:/m", False), ("{0}/none:/m:ro", True)],
)
async def test_a_folder_that_a_container_is_to_have_must_be_there(
    tmp_path: Path, volume: str, missing: bool
) -> None:
    spec = ModelSpec.model_validate({"container": {"image": "x", "volumes": [volume.format(tmp_path)]}})
    found = await host_inspector().amiss(spec, {}, None)
    assert ((Reason.FILE_MISSING, f"{tmp_path}/none (volumes) is missing") if missing else None) == found


class Engine:
    """What a start in a container needs: it has this amiss."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.looks: HostInspector | None = None

    async def amiss(self, spec: ModelSpec, env: object, *, bring: bool) -> tuple[Reason, str]:
        assert self.looks is not None
        self.asked.append((env, bring, self.looks.looking_at(spec)))
        return Reason.IMAGE_MISSING, "no image"


async def test_a_containers_port_must_be_free_and_its_engine_is_asked_last() -> None:
    spec = ModelSpec.model_validate({"container": {"image": "x"}})
    engine = Engine()
    looks = engine.looks = HostInspector(
        WeightLook(WeightReader(), caches.locate), lambda host, port: "", FitParams(), engine
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        found = await looks.amiss(spec, {"A": "b"}, port)
    assert (Reason.PORT, f"port {port} is not free yet: {inspector.LINGERS}") == found
    assert [] == engine.asked
    assert (Reason.IMAGE_MISSING, "no image") == await looks.amiss(spec, {"A": "b"}, port, bring=True)
    assert [({"A": "b"}, True, "its container engine")] == engine.asked
    assert "its files" == looks.looking_at(spec)

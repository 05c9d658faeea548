"""`zoosup doctor`: what is amiss on a host, and what to do about it."""

import json
import socket
from contextlib import closing

import pytest

from tests.cli.fakes import GIB, pool, snapshot
from zoosup.cli.commands.looking import doctor
from zoosup.cli.render.findings import memory
from zoosup.cli.render.layout import plain
from zoosup.host.ports.host import PoolReading

GOOD = "active: a\nmodels:\n  a: {command: sleep 1, port: %d}\nstatus: {listen: null}\ngateway: false\n"


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as sock:
        return sock.getsockname()[1]


async def findings(shell, *words):
    ended = await shell("doctor", "--json", *words)
    return ended.code, {each["name"]: each for each in json.loads(ended.out)}


async def test_it_tells_memory_limits_file_and_tools(shell):
    (shell.home / "zoo.yaml").write_text(GOOD % free_port())
    code, found = await findings(shell)
    assert 0 == code
    assert "zoo.yaml: 1 model, active: a" == found["zoo.yaml"]["message"]
    assert "ok" == found["RAM"]["state"]
    for word in ("free by", "reserve", "budget"):
        assert word in found["RAM"]["message"]
    assert "control.sock" in found["supervisor"]["message"]
    assert "(will be made)" in found["state"]["message"]
    assert "1 wanted, all free" == found["ports"]["message"]
    assert "zoosup" in found
    assert "open files" in found


async def test_an_invalid_file_fails_with_its_first_problem(shell):
    (shell.home / "zoo.yaml").write_text("activ: x\n")
    code, found = await findings(shell)
    assert 1 == code
    assert "fail" == found["zoo.yaml"]["state"]
    assert found["zoo.yaml"]["message"].startswith("zoo.yaml:1:1: ")
    assert "zoosup check" in found["zoo.yaml"]["remedy"]


async def test_no_file_at_all_is_a_warning(shell):
    code, found = await findings(shell)
    assert (0, "warn") == (code, found["zoo.yaml"]["state"])


async def test_a_taken_port_fails_and_says_for_whom(shell):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        (shell.home / "zoo.yaml").write_text(GOOD % port)
        code, found = await findings(shell)
    assert (1, f"in use: 127.0.0.1:{port} (for a)") == (code, found["ports"]["message"])


async def test_the_ports_of_a_running_supervisor_are_not_taken_for_a_fault(shell, server):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        (shell.home / "zoo.yaml").write_text(GOOD % taken.getsockname()[1])
        code, found = await findings(shell)
    assert 0 == code
    assert "ports" not in found
    assert "pid 4242 follows /srv/zoo.yaml, all is well" == found["supervisor"]["message"]


async def test_a_state_directory_that_is_a_file_fails(shell):
    (shell.home / "state").write_text("")
    code, found = await findings(shell)
    assert 1 == code
    assert "is no directory" in found["state"]["message"]


async def test_a_misspelt_variable_is_a_warning_with_a_guess(shell):
    shell.env = {"ZOOSUP_STATUS_LISTN": "none"}
    _, found = await findings(shell)
    assert (
        "ZOOSUP_STATUS_LISTN is no setting of zoosup; did you mean ZOOSUP_STATUS_LISTEN?"
        == (found["environment"]["message"])
    )


async def test_for_people_each_line_begins_with_its_state(shell):
    out = (await shell("doctor")).out
    assert {"ok", "warn"} == {each.split()[0] for each in out.splitlines() if not each.startswith(" ")}


@pytest.mark.parametrize(("limit", "state"), [("128", "ok"), ("4", "warn"), ("?", "warn")])
def test_few_inotify_instances_are_a_warning(tmp_path, monkeypatch, limit, state):
    (tmp_path / "limit").write_text(limit)
    monkeypatch.setattr("sys.platform", "linux")
    assert [state] == [each.state for each in doctor._inotify(tmp_path / "limit")]


def test_macos_has_no_inotify(monkeypatch):
    monkeypatch.setattr("sys.platform", "darwin")
    assert [] == list(doctor._inotify())


@pytest.mark.parametrize(
    ("limits", "state"), [((256, 256), "warn"), ((256, 1 << 20), "ok"), ((1024, -1), "ok"), ((-1, -1), "ok")]
)
def test_few_open_files_are_a_warning(monkeypatch, limits, state):
    monkeypatch.setattr("resource.getrlimit", lambda _: limits)
    monkeypatch.setattr("resource.RLIM_INFINITY", -1)
    assert state == doctor._open_files().state


def test_unreadable_memory_fails(monkeypatch):
    class Blind:
        def read(self):
            return (PoolReading("ram", "ram", "RAM", 1 << 34, None, "unreadable: no /proc"),)

    monkeypatch.setattr("zoosup.host.memory.ram.RamGauge", Blind)
    found, *_ = memory.memory(None)
    assert "fail" == found.state
    assert "unreadable: no /proc" in found.message
    assert found.remedy


class Gpus:
    """What the gauge of GPUs says on some other host."""

    pools: tuple[PoolReading, ...] = ()
    unified: tuple[str, ...] = ()
    trouble = ""

    def read(self):
        return self.pools

    def start(self):
        pass

    def wait(self, timeout):
        return True

    def close(self):
        pass


def gpu_findings(monkeypatch, **says):
    monkeypatch.setattr("zoosup.host.memory.gpus.Gpus", type("Other", (Gpus,), says))
    return {each.name: each for each in memory.memory(None) if each.name != "RAM"}


def gpu(available=20 << 30, source="NVML"):
    return PoolReading("vram:GPU-a", "vram", "GPU 0 NVIDIA L4", 24 << 30, available, source, "0")


def test_a_gpu_is_told_with_its_bounds(monkeypatch):
    found = gpu_findings(monkeypatch, pools=(gpu(),))
    told = "NVIDIA L4: 24 GiB, 20 GiB free by NVML; reserve 512 MiB, budget 23.5 GiB"
    assert told == found["GPU 0"].message
    assert ("ok", "1 with memory of their own, by NVML") == (found["GPUs"].state, found["GPUs"].message)


def test_a_gpu_that_can_not_be_read_fails(monkeypatch):
    lost = gpu(None, "NVML: GPU is lost")
    found = gpu_findings(monkeypatch, pools=(lost,), trouble="GPU 0: GPU is lost")
    assert ("fail", "warn") == (found["GPU 0"].state, found["GPUs"].state)
    assert "GPU is lost" in found["GPU 0"].message
    assert "nvidia-smi" in found["GPU 0"].remedy


def test_a_host_without_nvml_says_why_it_has_no_gpus(monkeypatch):
    found = gpu_findings(monkeypatch, trouble="NVML Shared Library Not Found")
    assert {"GPUs"} == set(found)
    assert "none that can be seen: NVML Shared Library Not Found" == found["GPUs"].message
    assert "ok" == found["GPUs"].state


def test_unified_memory_is_told(monkeypatch):
    found = gpu_findings(monkeypatch, unified=("NVIDIA GB10",))
    assert "NVIDIA GB10: its memory is the host's RAM" == found["GPUs"].message


def test_tools_are_told_there_or_not():
    (found,) = doctor._tools({"docker": "/usr/bin/docker"}.get)
    assert (
        "docker /usr/bin/docker; not on PATH: llama-server, llama-fit-params, vllm, podman" == found.message
    )


# pools


def drawn(finding, width):
    return plain(doctor._finding_lines(finding, width, {}))


def test_without_a_supervisor_a_pool_is_told_as_it_is_without_models(monkeypatch):
    found = gpu_findings(monkeypatch, pools=(gpu(),))["GPU 0"]
    figures = {"total": 24 << 30, "free": 20 << 30, "foreign": 4 << 30, "reserved": 0, "models": {}}
    assert figures == {key: found.pool[key] for key in figures}
    assert "others 4 GiB   ╱ reserve 512 MiB   · free 19.5 GiB" in drawn(found, 100)  # noqa: RUF001
    assert "pool vram:GPU-a: total 24 GiB, free 20 GiB" in drawn(found, None)


def test_with_a_supervisor_it_is_told_who_holds_what_of_it(monkeypatch):
    gpu_findings(monkeypatch)
    known = pool(models={"a": {"reserved": 3 * GIB, "held": 2 * GIB}}, reserved=3 * GIB, held=2 * GIB)
    found = next(iter(memory.memory(None, snapshot(pools=[known]))))
    assert known == found.pool
    assert "a holds 2 GiB and is promised 1 GiB more" in drawn(found, None)
    assert "█▒ a 2 of 3 GiB" in drawn(found, 100)


async def test_programs_get_the_pools_figures(shell):
    _, found = await findings(shell)
    assert {"id", "total", "free", "reserve", "budget", "foreign", "models"} <= found["RAM"]["pool"].keys()
    assert found["zoosup"]["pool"] is None


@pytest.mark.parametrize(
    ("share", "state", "words"),
    [
        (None, "ok", "not counted by this kernel"),
        (0.02, "ok", "stood still 2% of the last 10 s"),
        (0.4, "warn", "stood still 40% of the last 10 s"),
    ],
)
def test_stalls_for_want_of_memory_are_told(monkeypatch, share, state, words):
    monkeypatch.setattr("zoosup.host.memory.ram.RamGauge.stalled_lately", lambda _: share)
    found = memory.stalls()
    assert (state, state == "warn") == (found.state, bool(found.remedy))
    assert words in found.message


async def test_caches_and_the_extra_are_told_and_what_the_file_names_that_is_nowhere(shell):
    (shell.home / "zoo.yaml").write_text("active: []\nmodels:\n  a: {llama: {weights: 'hf://o/r:Q4'}}\n")
    (shell.home / ".cache/huggingface/hub").mkdir(parents=True)
    found = json.loads((await shell("doctor", "--json")).out)
    of = {name: [each for each in found if each["name"] == name] for name in ("weights", "fetch")}
    assert ("ok", f"{shell.home}/.cache/huggingface/hub") == (
        of["weights"][0]["state"],
        of["weights"][0]["message"],
    )
    assert "warn" == of["weights"][1]["state"]
    assert of["weights"][1]["message"].startswith("a: hf://o/r:Q4 is in no cache of this host")
    assert "zoosup fetch hf://o/r:Q4 downloads it" == of["weights"][1]["remedy"]
    assert of["fetch"][0]["message"].startswith("huggingface_hub ")

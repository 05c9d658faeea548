"""llama-fit-params as the host has it: where it is found, what it sees, what a bad one comes to, what is remembered."""

import asyncio
import json
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from tests.host import weight_files
from tests.host.conftest import eventually, lives
from tests.host.preflight.inspectors import host_inspector
from zoosup.core.state.weights import UNASKED, FitAnswer, FitSilence
from zoosup.host.ports.host import PoolReading
from zoosup.host.preflight import llama_fit_params
from zoosup.host.preflight.llama_fit_params import ROOM, FitParams
from zoosup.spec.model.model import ModelSpec

GIB, MIB = 2**30, 2**20
PRINTS = "print('Host 189 128 65 ')"
COMMAND = "llama-server -m m.gguf -c 512 --port ${PORT}"


class Place:
    """A directory with weights, a llama-server on PATH, and a llama-fit-params that notes how it was called."""

    def __init__(self, root: Path) -> None:
        self.root, self.bin, self.calls_file = root, root / "bin", root / "calls"
        self.bin.mkdir()
        (root / "m.gguf").write_bytes(weight_files.gguf())
        (self.bin / "llama-server").write_text("#!/bin/sh\n")
        (self.bin / "llama-server").chmod(0o755)
        self.clock = 0.0

    def install(self, body: str = PRINTS, at: Path | None = None) -> Path:
        """Put a program there that does this once it has noted its words, its environment, directory and pid."""
        program = at or self.bin / "llama-fit-params"
        program.parent.mkdir(exist_ok=True)
        noted = "[sys.argv, dict(os.environ), os.getcwd(), os.getpid()]"
        program.write_text(
            f"#!{sys.executable}\nimport json, os, signal, sys, time\n"
            f"with open({str(self.calls_file)!r}, 'a') as file: print(json.dumps({noted}), file=file)\n"
            + textwrap.dedent(body)
        )
        program.chmod(0o755)
        return program

    @property
    def calls(self) -> list[tuple[list[str], dict[str, str], str, int]]:
        if not self.calls_file.exists():
            return []
        return [tuple(json.loads(line)) for line in self.calls_file.read_text().splitlines()]

    def fit_params(self, pools=(), within=30.0, patience=30.0) -> FitParams:
        return FitParams(
            lambda: pools, within=within, patience=patience, clock=lambda: time.monotonic() + self.clock
        )

    async def ask(self, fit_params: FitParams | None = None, command: str = COMMAND, env=(), **fields):
        """What is heard of one model; FitParams are closed where none are given."""
        own = fit_params or self.fit_params()
        inspector = host_inspector(own)
        spec = ModelSpec.model_validate({"command": command, "cwd": str(self.root), **fields})
        environment = {"PATH": str(self.bin), **dict(env)}
        try:
            return (await inspector.weights(spec, environment)).fitted
        finally:
            if fit_params is None:
                await own.close()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def why(heard) -> str:
    assert isinstance(heard, FitSilence), heard
    return heard.why


# where it is found


async def test_it_stands_beside_the_models_own_server(place):
    place.install()
    heard = (await place.ask()).ram
    assert isinstance(heard, FitAnswer)
    assert 189 * MIB == heard.host.model
    elsewhere = place.root / "opt"
    program = place.install("print('Host 1 1 1')", elsewhere / "llama-fit-params")
    (elsewhere / "llama-server").write_text("#!/bin/sh\n")
    (elsewhere / "llama-server").chmod(0o755)
    assert MIB == (await place.ask(command="nice ./opt/llama-server -m m.gguf")).ram.host.model
    assert str(program) == place.calls[-1][0][0]


async def test_a_link_to_a_server_leads_to_what_stands_beside_that(place):
    place.install("print('Host 1 1 1')", place.root / "cellar" / "llama-fit-params")
    (place.root / "cellar" / "llama-server").write_text("#!/bin/sh\n")
    (place.root / "cellar" / "llama-server").chmod(0o755)
    (place.bin / "llama-server").unlink()
    (place.bin / "llama-server").symlink_to("../cellar/llama-server")
    assert isinstance((await place.ask()).ram, FitAnswer)


async def test_else_it_is_looked_for_on_the_models_path(place):
    place.install(at=place.root / "more" / "llama-fit-params")
    path = {"PATH": f"{place.bin}:{place.root / 'more'}"}
    assert isinstance((await place.ask(env=path)).ram, FitAnswer)


async def test_where_there_is_none_that_is_said(place):
    assert "llama-fit-params is neither beside llama-server nor on PATH" == why((await place.ask()).ram)


# what it is asked


async def test_it_runs_in_the_models_directory_and_environment_but_hears_nothing_that_is_not_of_memory(place):
    place.install()
    kept = {"LD_LIBRARY_PATH": "/opt/lib", "LLAMA_ARG_NO_REPACK": "1"}
    dropped = {
        "LLAMA_ARG_LOG_FILE": "server.log", "LLAMA_ARG_HF_REPO": "a/b", "LLAMA_ARG_OVERRIDE_TENSOR": "exps=CUDA0",
        "CUDA_VISIBLE_DEVICES": "1",
    }  # fmt: skip
    await place.ask(env=kept | dropped)
    [(argv, env, cwd, _)] = place.calls
    assert str(place.root) == cwd
    assert ["--fit-print", "on", "-m", "m.gguf"] == argv[1:5]
    assert "--port" not in argv
    assert kept.items() <= env.items()
    assert not dropped.keys() - {"CUDA_VISIBLE_DEVICES"} & env.keys()
    # Nothing is fetched, and no context made on a GPU that is not to be asked about.
    assert ("1", "") == (env["LLAMA_ARG_OFFLINE"], env["CUDA_VISIBLE_DEVICES"])


@pytest.mark.parametrize(
    ("command", "fields"),
    [
        (COMMAND, {"memory": {"ram": "1GiB"}}),
        ("llama-server -m gone.gguf", {}),
        ("llama-server -hf org/model", {}),
        ("other --model m.gguf", {}),
        ("llama-server -m broken.gguf", {}),
    ],
)
async def test_where_it_could_add_nothing_it_is_not_run(place, command, fields):
    place.install()
    (place.root / "broken.gguf").write_bytes(b"GGUF")
    assert UNASKED == await place.ask(command=command, **fields)
    assert [] == place.calls


# GPUs

PRINTS_BOTH = """
    if os.environ["CUDA_VISIBLE_DEVICES"]: print("CUDA0 100 20 30 ")
    print("Host 189 128 65 ")
"""


def gpu(name: str, free: int, **fields) -> PoolReading:
    return PoolReading(f"vram:{name}", "vram", name, 24 * GIB, free, "NVML", **fields)


RAM = PoolReading("ram", "ram", "RAM", 64 * GIB, 32 * GIB, "test")


async def test_of_gpus_it_is_asked_on_the_one_with_most_room(place):
    place.install(PRINTS_BOTH)
    cards = (RAM, gpu("GPU-a", 2 * GIB), gpu("GPU-b", 9 * GIB))
    heard = await place.ask(place.fit_params(cards))
    assert ("CUDA0", 100 * MIB) == (heard.gpu.devices[0].device, heard.gpu.devices[0].model)
    assert {"", "GPU-b"} == {env["CUDA_VISIBLE_DEVICES"] for _, env, _, _ in place.calls}


async def test_it_keeps_to_the_gpus_that_the_file_gives_the_model(place):
    place.install(PRINTS_BOTH)
    cards = (gpu("GPU-a", 2 * GIB, index="0"), gpu("GPU-b", 9 * GIB, index="1"))
    await place.ask(place.fit_params(cards), gpus=[0])
    assert {"", "GPU-a"} == {env["CUDA_VISIBLE_DEVICES"] for _, env, _, _ in place.calls}


@pytest.mark.parametrize("fields", [{"gpus": "none"}, {"command": f"{COMMAND} -ngl 0"}])
async def test_of_a_model_that_uses_no_gpu_it_is_not_asked_there(place, fields):
    place.install(PRINTS_BOTH)
    heard = await place.ask(place.fit_params((gpu("GPU-a", 9 * GIB),)), **fields)
    assert heard.gpu is None
    assert 1 == len(place.calls)


async def test_a_gpu_that_is_nearly_full_is_left_alone_and_asked_once_there_is_room(place):
    place.install(PRINTS_BOTH)
    cards = [gpu("GPU-a", ROOM - 1)]
    fit_params = place.fit_params(cards)
    heard = await place.ask(fit_params)
    assert "llama-fit-params was not asked: no GPU has 1 GiB free" == why(heard.gpu)
    assert heard.unsettled
    assert [""] == [env["CUDA_VISIBLE_DEVICES"] for _, env, _, _ in place.calls]
    cards[:] = [gpu("GPU-a", ROOM)]
    assert isinstance((await place.ask(fit_params)).gpu, FitAnswer)
    cards[:] = [gpu("GPU-a", 0)]
    assert isinstance((await place.ask(fit_params)).gpu, FitAnswer), "what is known needs no room"
    cards[:] = [PoolReading("vram:GPU-a", "vram", "", 24 * GIB, None, "lost", device="another")]
    assert "no GPU has 1 GiB free" in why((await place.ask(fit_params)).gpu)


async def test_on_gpus_one_is_asked_after_the_other_and_room_is_looked_for_each_time(place):
    cards = [gpu("GPU-a", 2 * GIB)]
    place.install(PRINTS_BOTH)
    fit_params = place.fit_params(cards)
    await fit_params._turns_on_gpus.acquire()
    waiting = asyncio.create_task(place.ask(fit_params))
    await eventually(lambda: [""] == [env["CUDA_VISIBLE_DEVICES"] for _, env, _, _ in place.calls])
    cards[:] = [gpu("GPU-a", 0)]
    fit_params._turns_on_gpus.release()
    assert "no GPU has 1 GiB free" in why((await waiting).gpu)


# a bad one


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "llama-fit-params: it printed no figures"),
        ("print('what?')", "llama-fit-params: it printed no figures"),
        (
            "print('error: invalid argument: --fit-print', file=sys.stderr); print('x', file=sys.stderr); sys.exit(1)",
            "llama-fit-params exited with 1: error: invalid argument: --fit-print",
        ),
        ("print('Host 1 2 3'); sys.exit(2)", "llama-fit-params exited with 2"),
        ("os.kill(os.getpid(), signal.SIGABRT)", "llama-fit-params was ended by signal 6"),
        (
            "while True: os.write(1, b'Host 1 2 3\\n' * 9999)",
            "llama-fit-params: more than 256 KiB printed",
        ),
        ("os.write(1, b'\\xff\\x00Host 1 2 3'); sys.exit(0)", "llama-fit-params: it printed no figures"),
    ],
)
async def test_whatever_it_does_instead_of_answering_is_the_reason(place, body, reason):
    place.install(body)
    heard = await place.ask()
    assert (reason, False) == (why(heard.ram), heard.unsettled)


async def test_one_that_can_not_be_run_is_no_error(place):
    program = place.install()
    program.write_text("#!/nowhere/interpreter\n")
    assert f"{program} can't be run: [Errno 2]" in why((await place.ask()).ram)


HANGS = """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)
"""


async def test_one_that_hangs_is_ended_and_asked_again_after_a_while(place):
    place.install(HANGS)
    fit_params = place.fit_params(within=0.5)
    assert "llama-fit-params: no answer within 0.5 s" == why((await place.ask(fit_params)).ram)
    [(_, _, _, pid)] = place.calls
    assert not psutil.pid_exists(pid)
    await place.ask(fit_params)
    assert 1 == len(place.calls)
    place.clock += llama_fit_params.AGAIN + 1
    await place.ask(fit_params)
    assert 2 == len(place.calls)


async def test_nobody_waits_long_for_it_and_its_answer_counts_when_it_comes(place):
    go = place.root / "go"
    place.install(f"while not os.path.exists({str(go)!r}): time.sleep(.01)\n{PRINTS}")
    fit_params = place.fit_params(patience=0.2)
    began = time.monotonic()
    heard = await place.ask(fit_params)
    assert ("llama-fit-params has not answered yet", True) == (why(heard.ram), heard.unsettled)
    assert time.monotonic() - began < 10
    again = time.monotonic()
    assert (await place.ask(fit_params)).unsettled
    assert time.monotonic() - again < 10, "patience is counted from when it was asked first"
    go.touch()
    await eventually(lambda: not fit_params._asking)
    assert isinstance((await place.ask(fit_params)).ram, FitAnswer)
    assert 1 == len(place.calls)


async def test_the_loop_goes_on_meanwhile(place):
    place.install(f"time.sleep(.5)\n{PRINTS}")
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.01)
            turns += 1

    turning = asyncio.create_task(turn())
    assert isinstance((await place.ask()).ram, FitAnswer)
    turning.cancel()
    assert turns > 10


async def test_what_is_being_asked_ends_with_zoosup(place):
    place.install(HANGS)
    fit_params = place.fit_params(patience=0.1)
    await place.ask(fit_params)
    await eventually(lambda: bool(place.calls))
    [(_, _, _, pid)] = place.calls
    assert lives(pid)
    await fit_params.close()
    await eventually(lambda: not psutil.pid_exists(pid))


async def test_of_a_whole_zoo_only_few_are_asked_at_once(place):
    place.install(f"""
        here = os.open({str(place.root / "now")!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(here, b"+"); time.sleep(.2); os.write(here, b"-")
        {PRINTS}
    """)
    fit_params = place.fit_params()
    heard = await asyncio.gather(*(place.ask(fit_params, f"{COMMAND} -ub {n}") for n in range(1, 7)))
    assert all(isinstance(each.ram, FitAnswer) for each in heard)
    running = most = 0
    for step in (place.root / "now").read_text():
        running += 1 if step == "+" else -1
        most = max(most, running)
    assert llama_fit_params.AT_ONCE == most


# what is remembered


async def test_it_is_asked_once_as_long_as_nothing_changes(place):
    place.install()
    fit_params = place.fit_params()
    first = await place.ask(fit_params)
    assert first == await place.ask(fit_params, "llama-server -m m.gguf -c 512 --port 9 --alias x")
    assert 1 == len(place.calls)


async def test_two_that_ask_at_the_same_time_have_one_answer(place):
    place.install(f"time.sleep(.2)\n{PRINTS}")
    fit_params = place.fit_params()
    first, second = await asyncio.gather(place.ask(fit_params), place.ask(fit_params))
    assert first == second
    assert 1 == len(place.calls)


async def _options(place, fit_params):
    await place.ask(fit_params, "llama-server -m m.gguf -c 1024")


async def _weights(place, fit_params):
    (place.root / "m.gguf").write_bytes(weight_files.gguf(pad=32))
    await place.ask(fit_params)


async def _program(place, fit_params):
    place.install(f"{PRINTS}  # newer")
    await place.ask(fit_params)


async def _environment(place, fit_params):
    await place.ask(fit_params, env={"GGML_CUDA_NO_VMM": "1"})


@pytest.mark.parametrize("change", [_options, _weights, _program, _environment])
async def test_it_is_asked_anew_of_another_command_other_weights_by_another_program(place, change):
    place.install()
    fit_params = place.fit_params()
    await place.ask(fit_params)
    await change(place, fit_params)
    assert 2 == len(place.calls)


async def test_no_descriptor_and_no_process_is_left(place):
    place.install(PRINTS)
    fit_params = place.fit_params(within=0.3)
    await place.ask(fit_params)
    before = psutil.Process().num_fds()
    for n in range(1, 4):
        await place.ask(fit_params, f"{COMMAND} -ub {n}")
    place.install(HANGS)
    await place.ask(fit_params)
    assert before == psutil.Process().num_fds()
    assert not any(psutil.pid_exists(pid) for *_, pid in place.calls)

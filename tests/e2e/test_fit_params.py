"""Real input: what a real llama-fit-params says of a model, beside what a real llama-server then holds of it."""

import subprocess
import sys

import psutil
import pytest

from tests.e2e.driver import alive, free_ports, poll

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]  # the first run builds llama.cpp

pytest.importorskip("gguf", reason="needs the dependency group e2e")

MIB = 1024 * 1024
CONTEXT = 524288  # 256 bytes of KV cache each: 128 MiB
OPTIONS = f"-c {CONTEXT} -b 32 -ub 32 --no-webui --cache-ram 0 --fit off"

ZOO = """\
active: a
status: {{listen: "127.0.0.1:{status}"}}
gateway: false
models:
  a:
    command: {server} -m {gguf} --host ${{HOST}} --port ${{PORT}} {options}
    ready: {{http: /health, deadline: 1m}}
"""


@pytest.fixture
def zoo(zoosup, llama, fit_params, ggufs):
    (status,) = free_ports(1)
    zoo = zoosup(ZOO.format(status=status, server=llama, gguf=ggufs[0], options=OPTIONS), status)
    zoo.start()
    return zoo


def test_a_model_is_booked_with_what_its_own_llama_cpp_says_and_holds_no_more(zoo):
    memory = zoo.wait_phase("a", "ready")["memory"]["ram"]
    assert ("llama-fit-params", "") == (memory["source"], memory["note"])
    assert memory["need"] == memory["reserved"] == sum(term["amount"] for term in memory["terms"])
    held = psutil.Process(zoo.pid("a")).memory_info().rss
    assert held > 128 * MIB
    assert held <= memory["need"] < 1.5 * held + 32 * MIB
    told = zoo.cli("estimate", "a")
    assert 0 == told.returncode, told.stderr
    assert "a  llama-fit-params" == told.stdout.splitlines()[0]


def test_it_says_no_less_of_slots_and_batches_than_the_server_takes(zoosup, llama, fit_params, ggufs):
    (status,) = free_ports(1)
    options = OPTIONS.replace("-b 32 -ub 32", "-np 4 -ub 256 -fa off").replace(str(CONTEXT), "32768")
    zoo = zoosup(ZOO.format(status=status, server=llama, gguf=ggufs[0], options=options), status)
    zoo.start()
    memory = zoo.wait_phase("a", "ready")["memory"]["ram"]
    assert "llama-fit-params" == memory["source"]
    assert psutil.Process(zoo.pid("a")).memory_info().rss <= memory["need"]


def test_one_that_hangs_keeps_no_model_and_ends_with_zoosup(zoosup, llama, ggufs, tmp_path):
    folder, told = tmp_path / "bin", tmp_path / "pid"
    folder.mkdir()
    (folder / "llama-server").symlink_to(llama)
    hangs = "import os, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    hangs += f"open({str(told)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    (folder / "llama-fit-params").write_text(f"#!{sys.executable}\n{hangs}")
    (folder / "llama-fit-params").chmod(0o755)
    (status,) = free_ports(1)
    zoo = zoosup(
        ZOO.format(status=status, server=folder / "llama-server", gguf=ggufs[0], options=OPTIONS), status
    )
    zoo.start()
    memory = zoo.wait_phase("a", "ready")["memory"]["ram"]
    assert ("derived", "llama-fit-params has not answered yet") == (memory["source"], memory["note"])
    pid = int(told.read_text())
    assert alive(pid)
    assert 0 == zoo.terminate()
    poll(lambda: not alive(pid), "it to be ended with zoosup")


def printed(program, *options):
    done = subprocess.run([program, *options], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def test_the_real_one_takes_every_option_that_it_may_be_given(fit_params, ggufs):
    common = (
        "--fit-print",
        "on",
        "-m",
        ggufs[0],
        "-np",
        "2",
        "-c",
        "512",
        "-b",
        "64",
        "-ub",
        "64",
        "-ctk",
        "f16",
    )
    rest = (
        "-ctv",
        "f16",
        "-fa",
        "off",
        "--swa-full",
        "--override-kv",
        "a.b=int:1",
        "--repack",
        "-nr",
        "--no-repack",
    )
    placed = (
        "--no-host",
        "-dev",
        "none",
        "-ngl",
        "2",
        "-nkvo",
        "-ncmoe",
        "1",
        "-ncffn",
        "1",
        "-cmoe",
        "--cpu-moe",
    )
    names = ("--n-cpu-moe", "1", "--n-cpu-ffn", "1", "--op-offload", "--no-op-offload", "-ot", "x=CPU")
    code, out, said = printed(fit_params, *common, *rest, *placed, *names, "--override-tensor", "x=CPU")
    assert (0, "Host") == (code, out.split()[0]), said


@pytest.mark.parametrize(
    "option", [("--port", "80"), ("--cache-ram", "0"), ("--kv-unified",), ("--mmproj", "x")]
)
def test_the_real_one_refuses_what_is_the_servers_alone(fit_params, ggufs, option):
    code, out, said = printed(fit_params, "--fit-print", "on", "-m", ggufs[0], *option)
    assert (1, "") == (code, out)
    assert f"error: invalid argument: {option[0]}" in said

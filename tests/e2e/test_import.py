"""A llama-swap file of twelve models as people have them is imported, measured, run, and asked for each of them.

Demonstration servers of known sizes, a real llama-server, and a container.
"""

import json
import re
import signal
import subprocess
import sys
from urllib.request import Request, urlopen

import psutil
import pytest

from tests.containers.fixtures import (  # noqa: F401 - fixtures
    demo_image,
    docker,
    docker_session,
)
from tests.e2e.driver import BIN, alive, free_ports, poll

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]  # the first run builds llama.cpp

MIB = 2**20
SWAP = """\
healthCheckTimeout: 120
startPort: 5800
macros:
  python: {python}
  demo: ${{python}} -m zoosup.demo --port ${{PORT}}
  llama: >
    {llama} --host 0.0.0.0 --port ${{PORT}} -c 4096 -b 32 -ub 32 --parallel 1 --cache-ram 0 --no-webui --fit off
models:
  plain:
    cmd: ${{demo}} --model-id plain --ram 20MiB
    ttl: 300
  block:
    cmd: |
      # the larger one
      ${{demo}}
      --model-id block \\
      --ram 120MiB
    aliases: [gpt-4o-mini]
  shell:
    cmd: sh -c 'exec ${{python}} -m zoosup.demo --port "$0" --ram 20MiB' ${{PORT}}
  script:
    cmd: bash ./serve.sh ${{PORT}}
    checkEndpoint: /v1/models
  fixed-a:
    proxy: http://127.0.0.1:{fixed}
    cmd: ${{python}} -m zoosup.demo --port {fixed} --ram 20MiB
  fixed-b:
    proxy: http://127.0.0.1:{fixed}
    cmd: ${{python}} -m zoosup.demo --port {fixed} --ram 20MiB
  renamed:
    cmd: env GREETING=hello nice ${{demo}} --model-id inner --ram 20MiB
    useModelName: inner
  "Org/Model:Q4":
    cmd: ${{demo}} --model-id ${{MODEL_ID}} --ram 20MiB
  variants:
    cmd: ${{demo}} --ram 20MiB
    filters: {{setParamsByID: {{"${{MODEL_ID}}:think": {{temperature: 0.1}}}}}}
  llama-a:
    cmd: ${{llama}} -m {a}
  llama-b:
    cmd: ${{llama}} -m {b}
    ttl: 60
  docked:
    cmd: docker run --rm --name docked-${{PORT}} --network host {image} --port ${{PORT}} --ram 60MiB
    cmdStop: docker stop docked-${{PORT}}
    env: ["DOCKER_HOST={docker}"]
groups:
  one-at-a-time: {{swap: true, exclusive: true, members: [plain, block, shell]}}
hooks: {{on_startup: {{preload: [plain]}}}}
"""
NAMES = [
    *("plain", "block", "shell", "script", "fixed-a", "fixed-b", "renamed", "Org/Model:Q4", "variants"),
    *("llama-a", "llama-b", "docked"),
]


@pytest.fixture
def engine(docker):  # noqa: F811 - the image is made for this one alone
    return docker


@pytest.fixture
def swap(tmp_path, llama, ggufs, docker, demo_image):  # noqa: F811
    (fixed,) = free_ports(1)
    path = tmp_path / "config.yaml"
    path.write_text(
        SWAP.format(
            python=sys.executable, llama=llama, a=ggufs[0], b=ggufs[1],
            fixed=fixed, image=demo_image, docker=docker.address,
        )
    )  # fmt: skip
    (tmp_path / "serve.sh").write_text(f'exec {sys.executable} -m zoosup.demo --port "$1" --ram 20MiB\n')
    return path


def ask(zoo, model):
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 3}
    request = Request(
        f"{zoo.gateway()}/v1/chat/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urlopen(request, timeout=120) as answer:
        return json.load(answer)["choices"][0]["message"]


def without_places(text, status):
    """The file for a test: free addresses, and only memory for a few at a time."""
    text = re.sub(r"^gateway:.*\n(?: .*\n)*", "", text, flags=re.MULTILINE)
    return f'{text}status: {{listen: "127.0.0.1:{status}"}}\ngateway: {{listen: "127.0.0.1:0"}}\n'


def test_twelve_models_are_imported_measured_run_and_asked(zoosup, swap):
    (status,) = free_ports(1)
    zoo = zoosup("active: []\nmodels: {}\n", status)
    imported = zoo.cli("import", "llama-swap", str(swap), "--measure", timeout=600)
    assert 0 == imported.returncode, imported.stderr
    assert "could not be measured" not in imported.stderr
    assert "what memory it needs can't be reckoned" not in imported.stderr
    zoo.file.write_text(without_places(imported.stdout, status))
    assert "ok: 12 models, active: plain\n" == zoo.cli("check").stdout
    zoo.start()
    zoo.wait_phase("plain", "ready")
    for name in (*NAMES, "gpt-4o-mini", "variants:think"):
        assert ask(zoo, name)["role"] == "assistant", name
    models = zoo.status()["models"]
    assert NAMES == list(models)
    sizes = {name: model["memory"]["ram"]["need"] / MIB for name, model in models.items()}
    for name, held in (("plain", 20), ("block", 120), ("script", 20), ("docked", 60)):
        assert held < sizes[name] < held + 80, sizes
    assert 100 < sizes["block"] - sizes["plain"] < 120
    assert all("declared" == model["memory"]["ram"]["source"] for model in models.values())
    assert 0 == zoo.terminate()


def test_what_can_not_be_started_is_said_and_keeps_its_fallback(zoosup, tmp_path):
    path = tmp_path / "config.yaml"
    demo = f"{sys.executable} -m zoosup.demo --port ${{PORT}}"
    path.write_text(
        f"models:\n  good: {{cmd: '{demo} --ram 40MiB'}}\n  bad: {{cmd: '{demo} --fail-load --exit-code 3'}}\n"
        "  absent: {cmd: 'no-such-program ${PORT}'}\n"
    )
    zoo = zoosup("active: []\nmodels: {}\n", free_ports(1)[0])
    ended = zoo.cli("import", "llama-swap", str(path), "--measure", "--strict")
    assert 1 == ended.returncode
    said = [line for line in ended.stderr.splitlines() if "could not be measured" in line]
    assert [f"{path}:3: bad", f"{path}:4: absent"] == [line.partition(" could")[0] for line in said]
    assert "exited with code 3" in said[0]
    assert "no-such-program was not found" in said[1]
    lines = re.findall(
        r"^  (\w+):\n(?:.*\n)*?    memory: \{ram: (\w+)\}   # measured(.)", ended.stdout, re.MULTILINE
    )
    assert [("good", " "), ("bad", ":"), ("absent", ":")] == [(name, sign) for name, _, sign in lines]


def test_one_that_is_ended_while_it_measures_leaves_nothing_running(zoosup, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        f"models: {{slow: {{cmd: '{sys.executable} -m zoosup.demo --port ${{PORT}} --load-time 10m'}}}}\n"
    )
    zoo = zoosup("active: []\nmodels: {}\n", free_ports(1)[0])
    words = [str(BIN / "zoosup"), "import", "llama-swap", str(path), "--measure"]
    process = subprocess.Popen(words, env=zoo.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    started: list[int] = []

    def slow_runs():
        started[:] = [each.pid for each in psutil.Process(process.pid).children(recursive=True)]
        return any("--load-time" in psutil.Process(pid).cmdline() for pid in started)

    poll(slow_runs, "the model to be started")
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert (130, b"") == (process.returncode, out)
    assert [] == [pid for pid in started if alive(pid)]

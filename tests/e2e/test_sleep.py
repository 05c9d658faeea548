"""Two servers that can sleep behind a real gateway, on memory for one awake: they take turns, and none is ended."""

import json
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import psutil
import pytest

from tests.e2e.driver import alive, free_ports, poll

MIB = 2**20
WEIGHTS = 96 * MIB

ZOO = """\
active: []
budget: {{ram: 260MiB, ram_reserve: 64MiB}}
status: {{listen: "127.0.0.1:{status}"}}
gateway: {{listen: "127.0.0.1:{gateway}", min_residency: 0s, patience: 0s}}
defaults:
  memory: {{ram: 160MiB}}
  on_demand: true
  stop: {{grace: 5s}}
  ready: {{http: /health, interval: 200ms, deadline: 30s}}
models:
  a: {{command: {a}, park: {park}}}
  b: {{command: {b}, park: {park}}}
"""


@pytest.fixture(params=["{ram: 80MiB}", "null"], ids=["declared", "learned"])
def zoo(zoosup, request):
    """A zoosup over two demonstration servers, and the address of its gateway."""
    status, gateway = free_ports(2)
    park = f'{{sleep: "POST /sleep?level=1", wake: POST /wake_up, holds: {request.param}}}'
    command = [sys.executable, "-m", "zoosup.demo", "--port", "${PORT}", "--ram", "96MiB", "--sleep"]
    commands = {name: json.dumps([*command, "--model-id", name]) for name in "ab"}
    zoo = zoosup(ZOO.format(status=status, gateway=gateway, park=park, **commands), status)
    zoo.start()
    zoo.wait(lambda _: True, "an answer")
    return zoo, f"http://127.0.0.1:{gateway}"


def ask(gateway, model):
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 2}
    request = Request(
        f"{gateway}/v1/chat/completions",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urlopen(request, timeout=60) as answer:
        return json.load(answer)["model"]


def held(pid):
    return psutil.Process(pid).memory_info().rss


def test_two_servers_take_turns_asleep_and_outlive_their_zoosup(zoo):
    zoosup, gateway = zoo
    assert "a" == ask(gateway, "a")
    a = zoosup.pid("a")
    assert held(a) > WEIGHTS
    assert "b" == ask(gateway, "b")
    b = zoosup.pid("b")
    parked = zoosup.wait_phase("a", "parked")
    assert (a, True) == (parked["pid"], held(a) < WEIGHTS)
    assert parked["memory"]["ram"]["reserved"] < 100 * MIB
    assert "a" == ask(gateway, "a")
    zoosup.wait_phase("b", "parked")
    assert (a, b) == (zoosup.pid("a"), zoosup.pid("b"))
    assert held(a) > WEIGHTS > held(b)

    zoosup.process.kill()
    zoosup.process.wait()
    zoosup.start()
    zoosup.wait_phase("a", "ready")
    assert "parked" == zoosup.model("b")["phase"]
    assert "b" == ask(gateway, "b")
    zoosup.wait_phase("a", "parked")
    assert (a, b) == (zoosup.pid("a"), zoosup.pid("b"))
    assert 0 == zoosup.terminate()
    assert (False, False) == (alive(a), alive(b))
    assert "internal error" not in zoosup.log.read_text()


PICTURES = """\
active: []
budget: {{ram: 260MiB, ram_reserve: 64MiB}}
status: {{listen: "127.0.0.1:{status}"}}
gateway: {{listen: "127.0.0.1:{gateway}", min_residency: 0s, patience: 0s}}
defaults:
  memory: {{ram: 160MiB}}
  on_demand: true
  stop: {{grace: 5s}}
models:
  b: {{command: {b}}}
  pictures:
    command: {pictures}
    ready: {{http: /system_stats, interval: 200ms, deadline: 30s}}
    park: {park}
"""


def shipped_park():
    """What the example says of ComfyUI, but for what that holds asleep."""
    text = (Path(__file__).parents[2] / "examples/desktop/zoo.yaml").read_text()
    park = text.partition("    park:\n")[2]
    return "\n" + "\n".join(line for line in park.splitlines() if "holds" not in line)


@pytest.mark.e2e
def test_a_server_like_comfyui_frees_its_memory_for_another_and_loads_again(zoosup, tmp_path):
    status, gateway = free_ports(2)
    log, server = tmp_path / "asked", Path(__file__).with_name("comfyui_like.py")
    pictures = [sys.executable, str(server), "${PORT}", "96", str(log)]
    b = [sys.executable, "-m", "zoosup.demo", "--port", "${PORT}", "--ram", "96MiB", "--model-id", "b"]
    text = PICTURES.format(
        status=status, gateway=gateway, b=json.dumps(b), pictures=json.dumps(pictures), park=shipped_park()
    )
    zoo = zoosup(text, status)
    zoo.start()
    zoo.wait(lambda _: True, "an answer")
    url = f"http://127.0.0.1:{gateway}"
    paint = Request(f"{url}/upstream/pictures/prompt", data=b"{}", method="POST")
    with urlopen(paint, timeout=60) as answer:
        assert b"{}" == answer.read()
    pid = zoo.pid("pictures")
    poll(lambda: held(pid) > WEIGHTS, "it to have loaded")
    assert "b" == ask(url, "b")
    assert (pid, True) == (zoo.wait_phase("pictures", "parked")["pid"], held(pid) < WEIGHTS)
    asked = [json.loads(line) for line in log.read_text().splitlines() if "system_stats" not in line]
    freed = {"unload_models": True, "free_memory": True}
    assert [["POST", "/prompt", {}], ["POST", "/interrupt", {}], ["POST", "/free", freed]] == asked
    with urlopen(paint, timeout=60) as answer:
        assert b"{}" == answer.read()
    poll(lambda: held(pid) > WEIGHTS, "it to have loaded again")
    assert pid == zoo.pid("pictures")
    assert 0 == zoo.terminate()

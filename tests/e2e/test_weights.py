"""A real llama-server whose weights come from a hub of ours, and whose LoRA adapter is made stronger while it runs."""

import asyncio
import json
import subprocess
import threading
from urllib.request import Request, urlopen

import pytest

from tests.e2e.driver import free_ports, poll
from tests.host.fetching.stand_in_hub import COMMIT, StandIn
from zoosup.host.weights.caches import locate

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]  # the first run builds llama.cpp

pytest.importorskip("gguf", reason="needs the dependency group e2e")

from tests.e2e import tiny_gguf  # noqa: E402

NAME = "hf://o/r:F16"
ZOO = """\
active: a
budget: {{ram: 600MiB, ram_reserve: 64MiB}}
status: {{listen: "127.0.0.1:{status}"}}
gateway: false
models:
  a:
    fetch: true
    memory: {{ram: 200MiB}}
    ready: {{http: /health, deadline: 1m}}
    llama:
      weights: {name}
      context: 512
      parallel: 1
      cache_ram: 0B
      loras: [{{path: {lora}, scale: 0.25}}]
      program: {server}
      args: [--no-webui, --fit, "off"]
"""


class HubInThread:
    """The hub, on a loop of its own."""

    def __init__(self, **behaviour):
        self.hub = StandIn(**behaviour)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.hub.start(), self._loop).result(30)
        return self.hub

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self.hub.stop(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def hub(ggufs):
    content = ggufs[0].read_bytes()
    with HubInThread(files={"m-F16.gguf": content}, pause=0.5, piece=len(content) // 12) as made:
        yield made


@pytest.fixture
def zoo(zoosup, llama, hub, tmp_path):
    (status,) = free_ports(1)
    lora = tiny_gguf.write_lora(tmp_path / "lora.gguf", 7)
    zoo = zoosup(ZOO.format(status=status, server=llama, lora=lora, name=NAME), status)
    zoo.env |= {
        "HOME": str(tmp_path),
        "HF_ENDPOINT": hub.url,
        "XDG_CACHE_HOME": "",
        "HF_HOME": "",
        "HF_HUB_CACHE": "",
    }
    zoo.start()
    return zoo


def adapters(zoo):
    with urlopen(f"{zoo.model('a')['url']}/lora-adapters", timeout=10) as answer:
        return [round(each["scale"], 3) for each in json.load(answer)]


def said(zoo):
    """What it goes on with, without chance."""
    body = {"prompt": "hello", "n_predict": 8, "temperature": 0, "seed": 1, "cache_prompt": False}
    request = Request(f"{zoo.model('a')['url']}/completion", data=json.dumps(body).encode())
    with urlopen(request, timeout=60) as answer:
        return json.load(answer)["content"]


def fetching(status):
    model = status["models"]["a"]
    return model["reason"] == "FetchingWeights" and " KiB of " in model["message"]


def test_a_start_waits_for_its_weights_whatever_becomes_of_zoosup_and_scales_are_set_live(zoo, hub, tmp_path):
    zoo.wait(fetching, "weights on their way")
    zoo.process.kill()
    zoo.process.wait()
    hub.pause = 0.0
    zoo.start()
    model = zoo.wait_phase("a", "ready")
    path = tmp_path / ".cache/huggingface/hub/models--o--r/snapshots" / COMMIT / "m-F16.gguf"
    assert {NAME: str(path)} == model["weights"]
    assert 1 == [begins for _, begins in hub.asked].count(""), "what had come was fetched again"
    assert [0.25] == adapters(zoo)

    pid, before = zoo.pid("a"), said(zoo)
    plan = zoo.cli("plan", str(changed(zoo)))
    assert "a: applied live llama.loras, without a restart" in plan.stdout
    zoo.edit(("scale: 0.25", "scale: 8"))
    poll(lambda: adapters(zoo) == [8.0], "the new scale")
    assert pid == zoo.pid("a")
    assert before != said(zoo)

    other = tiny_gguf.write_lora(tmp_path / "other.gguf", 8)
    zoo.edit((str(tmp_path / "lora.gguf"), str(other)))
    zoo.wait(lambda s: s["models"]["a"]["pid"] not in {None, pid}, "another process for another adapter")
    zoo.wait_phase("a", "ready")
    assert [8.0] == adapters(zoo)


def changed(zoo):
    """The file as it will be, beside it."""
    path = zoo.file.with_name("next.yaml")
    path.write_text(zoo.file.read_text().replace("scale: 0.25", "scale: 8"))
    return path


FILES = {
    "plain": ["m-Q2_K.gguf", "m-Q4_K_M.gguf", "m-Q8_0.gguf", "mmproj-F16.gguf", "imatrix.gguf"],
    "folders": ["Q8_0/m-Q8_0.gguf", "UD-Q2/m-UD-Q2.gguf", "mmproj-BF16.gguf", "Q8_0/mmproj-Q8_0.gguf"],
}
"""Not of those where llama.cpp takes the first: without a network that is the first which the disk happens to list."""


@pytest.mark.parametrize(
    ("files", "tag"),
    [
        ("plain", ""),
        ("plain", ":q8_0"),
        ("plain", ":Q2_K"),
        ("folders", ":Q8_0"),
        ("folders", ":UD-Q2"),
    ],
)
def test_llama_cpp_itself_takes_the_file_that_zoosup_finds(llama, ggufs, tmp_path, files, tag):
    cache, env = (
        tmp_path / "hub",
        {"HOME": str(tmp_path), "HF_HUB_CACHE": str(tmp_path / "hub"), "PATH": "/bin"},
    )
    snapshot = cache / "models--o--r/snapshots" / COMMIT
    for name in FILES[files]:
        path = snapshot / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(ggufs[0].read_bytes())
    (cache / "models--o--r/refs").mkdir()
    (cache / "models--o--r/refs/main").write_text(COMMIT)
    ours = locate(f"hf://o/r{tag}", env, whole=False)
    (port,) = free_ports(1)
    words = f"-hf o/r{tag} --offline --port {port} -c 64 --no-webui --no-warmup --no-mmproj".split()
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen([llama, *words], env=env, stdout=log, stderr=log)
    try:
        poll(lambda: server.poll() is not None or is_healthy(port), "llama-server")
        with urlopen(f"http://127.0.0.1:{port}/props", timeout=10) as answer:
            assert ours.path == json.load(answer)["model_path"]
    finally:
        server.kill()
        server.wait()


def is_healthy(port):
    try:
        with urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False

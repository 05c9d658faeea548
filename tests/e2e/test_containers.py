"""Two models of half the memory each in real containers: an edit, a request, a kill of each party, an end.

The engine and the operating system are the oracles, never zoosup's word.
"""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from tests.containers.box import HELD, Box, running_box
from tests.containers.engines import RealEngine
from tests.containers.fixtures import (  # noqa: F401 - fixtures
    demo_image,
    docker,
    docker_session,
    engine,
    podman,
    podman_session,
)
from tests.containers.images import PYTHON
from tests.e2e.driver import Zoosup, free_ports, poll
from tests.host.fetching.stand_in_hub import COMMIT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


@pytest.fixture(params=["api", "client"])
def box(
    request: pytest.FixtureRequest,
    zoosup: Callable[..., Zoosup],
    engine: RealEngine,  # noqa: F811
    demo_image: str,  # noqa: F811
) -> Iterator[Box]:
    with running_box(zoosup, engine, demo_image, request.param) as box:
        yield box


def test_an_edit_and_a_request_change_places_and_nothing_is_left(box: Box):
    first = box.alone("a")
    box.zoo.wait(
        lambda s: s["models"]["a"]["memory"]["ram"]["held"] >= HELD, "what it holds to be the model's"
    )
    box.zoo.edit(("active: a", "active: b"))
    box.zoo.wait_phase("b", "ready")
    box.zoo.wait_phase("a", "stopped")
    second = box.alone("b")
    assert first != second
    assert [] == box.pids(first)
    box.zoo.edit(("active: b", "active: a"))
    box.zoo.wait_phase("a", "ready")
    assert 200 == box.ask("b")
    box.alone("b")
    box.zoo.wait_phase("a", "ready")  # the file wants it back, and b is idle
    last = box.alone("a")
    assert 0 == box.zoo.terminate()
    assert [] == box.containers()
    assert [] == box.pids(last)


def test_a_zoosup_that_is_killed_is_followed_by_one_that_goes_on(box: Box):
    container, pid = box.alone("a"), box.zoo.pid("a")
    assert box.zoo.process is not None
    box.zoo.process.kill()
    box.zoo.process.wait()
    assert container == box.alone("a")
    box.zoo.start()
    box.zoo.wait_phase("a", "ready")
    assert pid == box.zoo.pid("a")
    assert container == box.alone("a")
    assert 200 == box.ask("a")
    log = box.zoo.state / "logs" / "a.log"
    poll(lambda: "demo is ready" in log.read_text(), "what it printed while nobody watched")
    assert 1 == log.read_text().count("demo is ready")
    assert 0 == box.zoo.terminate()
    assert [] == box.containers()


def test_a_server_that_is_killed_comes_back_in_a_new_container(box: Box):
    container = box.alone("a")
    for pid in box.pids(container):
        if psutil.Process(pid).name().startswith("python"):
            os.kill(pid, signal.SIGKILL)
    poll(lambda: box.zoo.model("a")["restarts"] == 1, "the crash to be noticed")
    box.zoo.wait_phase("a", "ready")
    assert "SIGKILL" == box.zoo.model("a")["last_exit"]["signal"]
    assert container != box.alone("a")
    assert [] == box.pids(container)


def test_a_container_that_somebody_removes_comes_back(box: Box):
    container = box.alone("a")
    box.engine.cli("rm", "-f", container)
    poll(lambda: box.zoo.model("a")["restarts"] == 1, "the crash to be noticed")
    box.zoo.wait_phase("a", "ready")
    assert container != box.alone("a")


READER = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
words = sys.argv[1:]
of = lambda option: words[words.index(option) + 1]
content = open(of("-m"), "rb").read() + open(of("--mmproj"), "rb").read()
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
HTTPServer((of("--host"), int(of("--port"))), Handler).serve_forever()
"""
NAMED = """\
active: a
budget: {{ram: 500MiB, ram_reserve: 64MiB}}
gateway: false
status: {{listen: "127.0.0.1:{status}"}}
models:
  a:
    memory: {{ram: 100MiB}}
    stop: {{grace: 2s}}
    llama: {{weights: "hf://o/r:Q8_0"}}
    container: {{image: "{image}", engine: "{engine}", options: {{entrypoint: {entry}}}}}
"""


def test_a_container_sees_weights_of_the_hubs_cache_through_their_links(
    zoosup: Callable[..., Zoosup],
    engine: RealEngine,  # noqa: F811
    demo_image: str,  # noqa: F811
    tmp_path: Path,
):
    folder = tmp_path / "hub/models--o--r"
    for name in ("m-Q8_0.gguf", "mmproj-F16.gguf"):
        blob, link = folder / "blobs" / name.upper(), folder / "snapshots" / COMMIT / name
        for each in (blob, link):
            each.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(f"content of {name};".encode())
        link.symlink_to(f"../../blobs/{blob.name}")
    (folder / "refs").mkdir()
    (folder / "refs/main").write_text(COMMIT)
    (status,) = free_ports(1)
    entry = json.dumps([str(PYTHON), "-c", READER])
    text = NAMED.format(status=status, image=demo_image, engine=engine.address, entry=entry)
    zoo = zoosup(text, status)
    zoo.env["HF_HUB_CACHE"] = str(tmp_path / "hub")
    zoo.start()
    model = zoo.wait_phase("a", "ready")
    with urlopen(f"{model['url']}/health", timeout=10) as answer:
        assert b"content of m-Q8_0.gguf;content of mmproj-F16.gguf;" == answer.read()
    assert 0 == zoo.terminate()

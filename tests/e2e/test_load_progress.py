"""How far a load is, of real processes: by what they read, by what they map, and in what a waiting client is told."""

import json
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import psutil
import pytest

from tests.bench.weight_files import ANSWERING, MIB
from tests.e2e.driver import BIN, free_ports, poll

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(sys.platform != "linux", reason="macOS counts no reads")]

SIZE, PIECE = 96, 2
"""MiB of weights, and of them at a time; a piece each 0.1 s: 4.8 s for all."""

SERVER = """
import mmap, sys, time
how, path, port = sys.argv[1], sys.argv[3], int(sys.argv[5])
file = open(path, "rb", buffering=0)
mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) if how == "map" else None
for at in range(0, WHOLE, PIECE):
    if mapped is None:
        file.read(PIECE)
    else:
        sum(mapped[at : at + PIECE : mmap.PAGESIZE])
    time.sleep(0.1)
""".replace("WHOLE", str(SIZE * MIB)).replace("PIECE", str(PIECE * MIB))

ZOO = """\
active: []
budget: {{ram: 256MiB, ram_reserve: 64MiB}}
gateway: {{listen: "127.0.0.1:0"}}
status: {{listen: "127.0.0.1:{status}"}}
models:
  a:
    command: [python, {server}, {how}, -m, {weights}, --port, "${{PORT}}"]
    memory: {{ram: 200MiB}}
    on_demand: true
"""


@pytest.mark.parametrize("how", ["read", "map"])
def test_a_load_is_followed_by_bytes_and_a_client_that_waits_is_told(zoosup, tmp_path, how):
    (tmp_path / "server.py").write_text(SERVER + ANSWERING)
    (tmp_path / "weights.bin").write_bytes(bytes(SIZE * MIB))
    [status] = free_ports(1)
    places = {"server": tmp_path / "server.py", "weights": tmp_path / "weights.bin", "how": how}
    zoo = zoosup(ZOO.format(status=status, **places), status)
    zoo.start()
    body = json.dumps({"model": "a", "messages": [], "stream": True})
    ask = ["curl", "--silent", "--no-buffer", "--json", body, f"{zoo.gateway()}/v1/chat/completions"]
    with subprocess.Popen(ask, stdout=subprocess.PIPE, text=True) as client:
        seen = list(followed(zoo))
        told, _ = client.communicate(timeout=60)
    shares = [each["share"] for each in seen]
    assert len(shares) > 2
    assert shares == sorted(shares)
    assert {"bytes"} == {each["source"] for each in seen}
    assert {SIZE * MIB} == {each["total"] for each in seen}
    assert shares[-1] < 1
    assert all(abs(min(0.99, each["read"] / each["total"]) - each["share"]) < 0.01 for each in seen)
    assert re.search(r": loading a: a is starting \(\d+ %, [\d.]+ MiB of 96 MiB read", told)
    assert told.endswith("data: [DONE]\n\n")
    assert None is zoo.model("a")["progress"]


def followed(zoo):
    """What the status says while a loads, each once; the command says it too."""
    last, said = None, ""
    while (model := zoo.model("a"))["phase"] != "ready":
        assert model["phase"] != "backoff"
        found = model["progress"]
        if found is not None and found != last:
            last = found
            yield found
            said = said or shown(zoo)
        time.sleep(0.1)
    assert re.search(r"load +loading for \d+s: \d+ %, [\d.]+ (B|KiB|MiB) of 96 MiB read", said), said


def shown(zoo):
    done = subprocess.run(
        [str(BIN / "zoosup"), "status", "a"], env=zoo.env, capture_output=True, text=True, check=True
    )
    return done.stdout


LLAMA_ZOO = """\
active: a
budget: {{ram: 3GiB, ram_reserve: 64MiB}}
status: {{listen: "127.0.0.1:{status}"}}
models:
  a:
    command: >-
      {server} -m {weights} --load-mode none -c 512 --parallel 1 --no-webui --cache-ram 0 --fit off
      --host ${{HOST}} --port ${{PORT}}
    memory: {{ram: 2GiB}}
"""


@pytest.mark.timeout(1800)  # the first run builds llama.cpp
def test_the_load_of_a_real_llama_server_is_followed_by_what_it_has_read(zoosup, llama, tmp_path):
    gguf = pytest.importorskip("tests.bench.random_gguf", reason="needs the dependency group e2e")
    weights = gguf.write(tmp_path / "a.gguf", gguf.Shape(width=1024, feed=4096, layers=24))
    total = weights.stat().st_size
    [status] = free_ports(1)
    zoo = zoosup(LLAMA_ZOO.format(status=status, server=llama, weights=weights), status)
    zoo.start()
    with halted_in_its_load(zoo, total):
        [server] = servers(zoo)
        read = server.io_counters().read_chars
        poll(
            lambda: (zoo.model("a")["progress"] or {}).get("read", 0) > read * 0.99,
            f"{read} bytes to be seen",
        )
        seen = zoo.model("a")["progress"]
        assert ("bytes", total) == (seen["source"], seen["total"])
        assert seen["read"] <= read
        assert abs(seen["read"] / total - seen["share"]) < 0.01
    zoo.wait_phase("a", "ready")
    assert None is zoo.model("a")["progress"]


@contextmanager
def halted_in_its_load(zoo, total):
    """A server of which the operating system says that it has read between a tenth and nine tenths."""
    poll(lambda: servers(zoo), "a llama-server")
    [server] = servers(zoo)
    while server.io_counters().read_chars < total / 10:
        pass
    server.send_signal(signal.SIGSTOP)
    try:
        assert server.io_counters().read_chars < total * 0.9
        yield
    finally:
        server.send_signal(signal.SIGCONT)


def servers(zoo):
    return [each for each in map(psutil.Process, zoo.descendants()) if each.name() == "llama-server"]

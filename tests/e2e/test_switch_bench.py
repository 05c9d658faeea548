"""The bench of an agent that alternates, with stand-ins for llama-server and llama-swap: it asks, counts and draws.

What it measures is measured by the real ones.
"""

import os
import sys
import xml.etree.ElementTree as ET

import psutil
import pytest

from tests.bench.plot import HEIGHT, WIDTH, Plot

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

pytest.importorskip("gguf", reason="needs the dependency group e2e")
switch = pytest.importorskip("tests.bench.switch")
WITH, WITHOUT, PEER, Turn, Shape = (
    switch.WITH,
    switch.WITHOUT,
    switch.PEER,
    switch.Turn,
    switch.Shape,
)

SERVER = """\
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

known = []


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200 if self.path == "/health" else 404, b"{}")

    def do_POST(self):
        prompt = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["prompt"]
        reused = next((n for n, (a, b) in enumerate(zip(known, prompt)) if a != b), min(len(known), len(prompt)))
        known[:] = prompt
        last = json.dumps({"timings": {"cache_n": reused, "prompt_n": len(prompt) - reused}})
        self.answer(200, f'data: {{"content": "w"}}\\n\\ndata: {last}\\n\\ndata: [DONE]\\n\\n'.encode())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Handler).serve_forever()
"""
SWAP = """\
import json, signal, subprocess, sys, time, urllib.error, urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

config, listen = (sys.argv[sys.argv.index(each) + 1] for each in ("-config", "-listen"))
lines = open(config).read().splitlines()
models = {name.strip(" :"): cmd.partition("cmd: ")[2] for name, cmd in zip(lines[1::2], lines[2::2])}
port = int(listen.rpartition(":")[2])
running = {}


def have(model):
    if model in running:
        return
    for each in list(running):
        running[each].terminate()
        running.pop(each).wait()
    running[model] = subprocess.Popen(models[model].replace("${PORT}", str(port + 1)).split())
    for _ in range(500):
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{port + 1}/health").close()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.02)


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        have(json.loads(body)["model"])
        with urllib.request.urlopen(f"http://127.0.0.1:{port + 1}{self.path}", body) as answer:
            said = answer.read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)


signal.signal(signal.SIGTERM, lambda *_: sys.exit())
try:
    HTTPServer(("127.0.0.1", port), Handler).serve_forever()
finally:
    for each in running.values():
        each.kill()
        each.wait()
"""


@pytest.fixture
def stand_ins(tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("llama-server", SERVER), ("llama-swap", SWAP)):
        path = folder / name
        path.write_text(f"#!{sys.executable}\n{text}")
        path.chmod(0o755)
    monkeypatch.setenv("ZOOSUP_TEST_LLAMA_SERVER", str(folder / "llama-server"))
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_every_program_is_asked_the_same_turns(stand_ins, tmp_path):
    measured = switch.measure(tmp_path, 90, 3, Shape(width=64, feed=64, layers=1, heads=1, kv_heads=1))
    ours = [each for each in psutil.process_iter(["cmdline"]) if str(tmp_path) in str(each.info["cmdline"])]
    assert [] == ours, "nothing is left"
    assert [WITH, WITHOUT, PEER] == list(measured)
    for turns in measured.values():
        assert [(30, 0), (60, 0), (90, 0)] == [(turn.tokens, turn.reused) for turn in turns], (
            "each server ended before its next turn"
        )
        assert all(turn.seconds > 0 for turn in turns)


MEASURED = {
    WITH: [Turn(2500, 0, 3.04), Turn(5000, 0, 6.0), Turn(7500, 2500, 6.5)],
    WITHOUT: [Turn(2500, 0, 3.1), Turn(5000, 0, 6.2), Turn(7500, 0, 9.5)],
}


def test_the_table_is_markdown():
    head, rule, *rows = switch.table(MEASURED).splitlines()
    assert f"| turn | model | tokens | {WITH} | {WITHOUT} |" == head
    assert {5} == {line.count("|") - 1 for line in (head, rule, *rows)}
    assert "| 1 | a | 2,500 | 3.0 s, 0 reused | 3.1 s, 0 reused |" == rows[0]
    assert "| 3 | a | 7,500 | 6.5 s, 2,500 reused | 9.5 s, 0 reused |" == rows[2]


def test_the_picture_has_each_line_within_its_frame():
    root = ET.fromstring(switch.picture(MEASURED))
    space = "{http://www.w3.org/2000/svg}"
    said = [each.text for each in root.iter(f"{space}text")]
    assert {WITH, WITHOUT, "seconds", "0", "10", "8,000"} <= set(said)
    dots = [(float(each.get("cx")), float(each.get("cy"))) for each in root.iter(f"{space}circle")]
    assert 6 == len(dots)
    assert all(0 < x < WIDTH and 0 < y < HEIGHT for x, y in dots)
    assert dots[0] < dots[1] < dots[2], "from left to right"
    assert dots[2][1] > dots[5][1], "what takes longer lies higher"
    assert "prefers-color-scheme: dark" in root.find(f"{space}style").text


@pytest.mark.parametrize("most", [0.02, 0.7, 1, 9.5, 61, 999, 1000, 20_000])
def test_an_axis_has_a_handful_of_round_steps(most):
    plot = Plot("t", "x", "y")
    plot.add("a", [(0, 0), (1, most)])
    ticks = [
        float(each.text.replace(",", ""))
        for each in ET.fromstring(plot.svg()).iter("{http://www.w3.org/2000/svg}text")
        if each.get("text-anchor") == "end" and each.text != "y"
    ]
    assert 3 <= len(ticks) <= 12
    assert max(ticks) >= most > ticks[-2]

"""The first file of a host runs as it was written, and so does the request in its comments."""

import json
import os
import re
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.e2e.driver import BIN
from tests.host.weights.homes import hub_file

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]  # the first run builds llama.cpp


@pytest.fixture
def env(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    return {"HOME": str(home), "PATH": os.environ["PATH"]}


def served(zoosup, env):
    """What is asked for in the comments of the file that init writes, of a zoosup that runs by that file."""
    init = [str(BIN / "zoosup"), "init", "-o", "-"]
    text = subprocess.run(init, env=env, capture_output=True, text=True, check=True).stdout
    (port,) = re.findall(r'^status:\n  listen: "127.0.0.1:(\d+)"', text, re.MULTILINE)
    zoo = zoosup(text, int(port))
    zoo.env |= env
    zoo.start()
    zoo.gateway()
    (request,) = re.findall(r"^#   (curl .*\n#      .*)$", text, re.MULTILINE)
    shell = ["bash", "-c", request.replace("\n#", "\n")]
    answer = subprocess.run(shell, env=env, capture_output=True, text=True, check=True).stdout
    return zoo, json.loads(answer)


def test_on_an_empty_host_what_init_writes_serves_the_demonstration_model(zoosup, env):
    zoo, answer = served(zoosup, env)
    assert "assistant" == answer["choices"][0]["message"]["role"]
    assert ["demo"] == list(zoo.status()["models"])


def test_weights_in_the_hubs_cache_are_served_by_the_llama_server_on_path(zoosup, env, llama, ggufs):
    hub = Path(env["HOME"], ".cache/huggingface/hub")
    path = hub_file(hub, "org/Tiny-GGUF", "tiny-F32.gguf", ggufs[0].read_bytes())
    env["PATH"] = f"{llama.parent}{os.pathsep}{env['PATH']}"
    zoo, answer = served(zoosup, env)
    assert "assistant" == answer["choices"][0]["message"]["role"]
    assert {"tiny-F32"} == set(zoo.status()["models"])
    assert str(path) in psutil.Process(zoo.pid("tiny-F32")).cmdline()

"""What is spawned for a run, to the last character, where its weights are named by their origin."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.runtime.builders import ManualClock, a_run, a_zoo
from zoosup.core.state.weights import Located
from zoosup.runtime.operations.start.child_env import (
    RUN_ID,
    Secrets,
    WithoutSecrets,
    contained,
    environment_of,
    launch_of,
)

TEXT = """
active: []
models:
  a: {llama: {weights: "hf://o/r:Q4"}}
  b: {llama: {weights: "hf://o/r:Q4"}, container: {image: i/llama.cpp:server, port: 8080, volumes: ["/x:/y"]}}
"""
THERE = Located("/c/snapshots/$x/m.gguf", "/c/snapshots/$x/mmproj.gguf", ("/c/snapshots/$x", "/c/blobs"))


def launched(name):
    zoo = a_zoo(ManualClock(), TEXT)
    run = replace(a_run(zoo, name), located=(("hf://o/r:Q4", THERE),))
    return launch_of(name, run, {}, Path(os.devnull))


def test_a_process_is_given_the_paths_where_they_were_when_it_was_booked():
    assert ("llama-server", "-m", THERE.path, "--mmproj", THERE.mmproj, "--host") == launched("a").argv[:6]


def test_a_container_sees_them_read_only_under_the_same_paths():
    made = launched("b").container
    assert ("-m", THERE.path, "--mmproj", THERE.mmproj, "--host") == made.args[:5]
    assert ("/x:/y", "/c/snapshots/$x:/c/snapshots/$x:ro", "/c/blobs:/c/blobs:ro") == made.volumes


def test_a_run_is_shown_its_gpus_and_what_its_model_says_of_them_stands_above():
    text = "{active: [], models: {a: {command: [serve], env: {HIP_VISIBLE_DEVICES: '1', MINE: x}}}}"
    ours = {"ROCR_VISIBLE_DEVICES": "GPU-aa", "HIP_VISIBLE_DEVICES": "0", "GGML_VK_VISIBLE_DEVICES": "0"}
    run = replace(a_run(a_zoo(ManualClock(), text), "a"), gpus=("GPU-aa",), gpu_env=ours)
    shown = {"HIP_VISIBLE_DEVICES": "1", "MINE": "x", "GGML_VK_VISIBLE_DEVICES": "0", RUN_ID: run.id}
    assert shown == environment_of({"GGML_VK_VISIBLE_DEVICES": "7"}, run)


def test_a_secret_is_not_there_whichever_way_one_looks():
    shown = WithoutSecrets({"KEY": "gateway-key", "HOME": "/root"}, lambda: Secrets(("gateway-key",)))
    assert (1, ["HOME"], None, "/root") == (len(shown), list(shown), shown.get("KEY"), shown["HOME"])
    assert "KEY" not in shown


@pytest.mark.parametrize(
    ("fields", "elsewhere"),
    [
        ("command: [serve]", False),
        ("container: {image: i, port: 8080}", True),
        ("container: {image: i}", False),
        ("command: [docker, run, i]", True),
        ("command: [docker, run, --network=host, i]", False),
        ("command: [./wrapper], stop: {command: [docker, stop, a]}", True),
        ("command: [./wrapper], stop: {command: [/usr/bin/podman, stop, a]}", True),
        ("command: [./wrapper], stop: {command: [./end]}", False),
        ("command: [/usr/bin/docker, compose, up]", True),
    ],
)
def test_whose_port_belongs_to_a_container_shows_in_its_command_or_in_how_it_is_stopped(fields, elsewhere):
    text = f"{{active: [], models: {{a: {{{fields}}}}}}}"
    assert contained(a_zoo(ManualClock(), text).spec.models["a"]) is elsewhere

"""The first zoo.yaml of a host, by what was seen of it."""

from dataclasses import replace

import pytest

from tests.importing.imports import Imported
from zoosup.core.state.stored_weights import GGUF, REPOSITORY, WHISPER, StoredWeights
from zoosup.importing.draft import Host
from zoosup.importing.first_file import Seen, first_file
from zoosup.importing.report import Report

GIB = 2**30
HUB = "/home/u/.cache/huggingface/hub/models--o--r"
NOTHING = Seen(
    python="/venv/bin/python", programs={}, engines=(), images=(), weights=(), memory=Host(16 * GIB, None),
    gateway="127.0.0.1:8080", status="127.0.0.1:8081",
)  # fmt: skip
CHAT = StoredWeights(
    "Qwen3-8B-Q4_K_M",
    GGUF,
    f"{HUB}/snapshots/c/Qwen3-8B-Q4_K_M.gguf",
    HUB,
    "the Hugging Face cache",
    5 * GIB,
)
TENSORS = StoredWeights(
    "Qwen3-8B",
    REPOSITORY,
    f"{HUB}/snapshots/c",
    HUB,
    "the Hugging Face cache",
    15 * GIB,
    repository="Qwen/Qwen3-8B",
)
SPEECH = StoredWeights("ggml-base", WHISPER, "/w/ggml-base.bin", "/w", "the Hugging Face cache", 1 << 20)
LLAMA = {"llama-server": "/usr/bin/llama-server"}
IMAGE = "ghcr.io/ggml-org/llama.cpp:server"


def made(**seen):
    report = Report()
    return Imported(first_file(replace(NOTHING, **seen), report), report)


def form(found, name, key="llama"):
    return getattr(found.spec.models[name], key)


def test_without_anything_it_is_the_demonstration_server_and_says_how_to_go_on():
    found = made()
    assert ("demo",) == found.spec.active
    assert ("/venv/bin/python", "-m", "zoosup.demo") == found.spec.models["demo"].command[:3]
    assert "#   for models  16.0 GiB of RAM; GPUs: none\n#   servers     none on PATH\n" in found.text
    assert "llama: {weights: hf://" in found.text


def test_weights_whose_name_no_file_can_hold_are_left_out():
    found = made(programs=LLAMA, weights=(replace(CHAT, path="/w/na\udcffme.gguf"),))
    assert "is left out: its name is not UTF-8" in found.text
    assert ["demo"] == list(found.spec.models)


def test_the_example_in_its_comments_is_a_model_that_may_be_put_below():
    found = made()
    begin = found.text.index("#   qwen3-4b:")
    example = [line[2:] for line in found.text[begin:].split("\n\n")[0].splitlines()]
    found.text += "\n".join(example) + "\n"
    assert found.spec.models["qwen3-4b"].on_demand
    assert found.spec.models["qwen3-4b"].fetch


def test_weights_that_llama_server_reads_are_models_on_demand():
    eyes = replace(CHAT, name="eyes", path=f"{HUB}/e.gguf", mmproj=f"{HUB}/mmproj-e.gguf")
    embedder = replace(CHAT, name="bge", path=f"{HUB}/b.gguf", task="embed")
    found = made(programs=LLAMA, weights=(CHAT, eyes, embedder))
    assert ["Qwen3-8B-Q4_K_M", "eyes", "bge"] == list(found.spec.models)
    assert () == found.spec.active
    assert all(each.on_demand for each in found.spec.models.values())
    chat = form(found, "Qwen3-8B-Q4_K_M")
    assert (CHAT.path, 8192, GIB) == (chat.weights, chat.context, chat.cache_ram)
    assert f"{HUB}/mmproj-e.gguf" == form(found, "eyes").mmproj
    assert "embed" == form(found, "bge").task
    assert "  # the Hugging Face cache, 5.0 GiB\n" in found.text
    assert "demo" not in found.spec.models


def test_the_newer_program_of_llama_cpp_will_do():
    found = made(programs={"llama": "/usr/bin/llama"}, weights=(CHAT,))
    assert ("llama", "serve") == found.spec.models["Qwen3-8B-Q4_K_M"].command[:2]


@pytest.mark.parametrize(("program", "key"), [("vllm", "vllm"), ("mlx_lm.server", "mlx")])
def test_a_repository_of_tensors_goes_by_its_name(program, key):
    found = made(programs={program: "/bin/x"}, weights=(TENSORS,))
    assert "Qwen/Qwen3-8B" == form(found, "Qwen3-8B", key).weights


def test_speech_goes_to_whisper():
    found = made(programs={"whisper-server": "/bin/x"}, weights=(SPEECH,))
    assert "/w/ggml-base.bin" == form(found, "ggml-base", "whisper").weights


def test_an_image_serves_where_no_program_does_with_paths_of_the_container():
    found = made(engines=("docker",), images=("postgres:17", IMAGE), weights=(CHAT,))
    model = found.spec.models["Qwen3-8B-Q4_K_M"]
    assert (IMAGE, (f"{HUB}:/models:ro",)) == (model.container.image, model.container.volumes)
    assert "/models/snapshots/c/Qwen3-8B-Q4_K_M.gguf" == model.llama.weights
    assert "postgres" not in found.text


def test_on_a_host_with_gpus_the_image_for_them_is_taken():
    cuda = f"{IMAGE}-cuda"
    found = made(engines=("docker",), images=(IMAGE, cuda), weights=(CHAT,), memory=Host(16 * GIB, 24 * GIB))
    model = found.spec.models["Qwen3-8B-Q4_K_M"]
    assert (cuda, 1) == (model.container.image, model.gpus)
    assert "24.0 GiB on the largest" in found.text


def test_a_program_here_goes_before_an_image():
    found = made(programs=LLAMA, engines=("docker",), images=(IMAGE,), weights=(CHAT,))
    assert found.spec.models["Qwen3-8B-Q4_K_M"].container is None


def test_weights_that_nothing_here_reads_are_comments_with_the_reason():
    broken = replace(CHAT, name="half", path="/h.gguf", problem="1 of its 2 parts are missing")
    found = made(programs=LLAMA, weights=(TENSORS, SPEECH, broken))
    assert ["demo"] == list(found.spec.models)
    assert "Qwen3-8B is left out: no vllm or mlx_lm.server here, on PATH or as an image" in found.text
    assert "half is left out: 1 of its 2 parts are missing\n  #   /h.gguf" in found.text


def test_one_that_can_not_fit_is_said():
    found = made(programs=LLAMA, weights=(replace(CHAT, size=17 * GIB),))
    assert "# larger than what models may hold here: it would be refused\n" in found.text


def test_names_are_made_fit_and_paths_are_no_templates():
    twice = replace(CHAT, name="qwen3-8b-q4_k_m", path="/a b/${HOME}/x.gguf")
    found = made(programs=LLAMA, weights=(CHAT, twice, replace(CHAT, name="odd name", path="/y.gguf")))
    assert ["Qwen3-8B-Q4_K_M", "qwen3-8b-q4_k_m-2", "odd-name"] == list(found.spec.models)
    assert "/a b/$${HOME}/x.gguf" in found.spec.models["qwen3-8b-q4_k_m-2"].command


def test_it_is_the_same_each_time():
    seen = {"programs": LLAMA, "weights": (CHAT, TENSORS, SPEECH), "images": (IMAGE,), "engines": ("docker",)}
    assert made(**seen).text == made(**seen).text

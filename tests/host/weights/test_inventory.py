"""What weights are found in a home as people have it."""

import json
import os
from pathlib import Path

import pytest

from tests.host.weight_files import safetensors
from tests.host.weights.homes import COMMIT, furnish, hub_file, ollama_model, variant
from zoosup.host.weights.inventory import HUB, LLAMA, LM_STUDIO, OLLAMA, stored


@pytest.fixture
def home(tmp_path):
    furnish(tmp_path)
    return tmp_path


def look(home, **env):
    return stored({"HOME": str(home), **env})


def by_name(home, **env):
    return {each.name: each for each in look(home, **env)}


def test_each_model_is_found_once_by_the_cache_that_has_it(home):
    assert [
        (LLAMA, "tiny-Q8_0", "gguf", "chat"),
        (HUB, "Qwen3-0.6B", "repository", "chat"),
        (HUB, "ggml-tiny", "whisper", "chat"),
        (HUB, "big", "gguf", "chat"),
        (HUB, "half", "gguf", "chat"),
        (HUB, "embed", "gguf", "embed"),
        (HUB, "rank", "gguf", "rerank"),
        (LM_STUDIO, "Gemma-Q4_K_M", "gguf", "chat"),
        (OLLAMA, "org/repo:Q4_K_M", "gguf", "chat"),
        (OLLAMA, "llama3.2:3b", "gguf", "chat"),
        (OLLAMA, "llava", "gguf", "chat"),
    ] == [(each.cache, each.name, each.kind, each.task) for each in look(home)]


def test_a_path_leads_to_the_weights_and_stays_within_the_folder(home):
    for each in look(home):
        assert Path(each.path).exists()
        assert os.path.realpath(each.path).startswith(f"{os.path.realpath(each.folder)}/")
        assert each.path.startswith(f"{each.folder}/")


def test_projectors_are_those_beside_the_model(home):
    found = by_name(home)
    assert found["tiny-Q8_0"].mmproj.endswith("ggml-org_tiny-GGUF_mmproj-tiny.gguf")
    assert found["Gemma-Q4_K_M"].mmproj.endswith("mmproj-Gemma.gguf")
    assert variant(13) == Path(found["llava"].mmproj).read_bytes()
    assert "" == found["llama3.2:3b"].mmproj == found["big"].mmproj


def test_sizes_are_of_all_parts_and_a_missing_part_is_a_problem(home):
    found = by_name(home)
    assert len(variant(3)) + len(variant(4)) == found["big"].size
    assert "1 of its 2 parts are missing" == found["half"].problem
    assert {"half"} == {name for name, each in found.items() if each.problem}


def test_variables_move_the_caches(tmp_path):
    hub_file(tmp_path / "a", "o/r", "a.gguf", variant(1))
    assert ["a"] == [each.name for each in look(tmp_path, HF_HUB_CACHE=str(tmp_path / "a"))]
    hub_file(tmp_path / "b/hub", "o/r", "b.gguf", variant(2))
    assert ["b"] == [each.name for each in look(tmp_path, HF_HOME=str(tmp_path / "b"))]
    hub_file(tmp_path / "c/huggingface/hub", "o/r", "c.gguf", variant(3))
    assert ["c"] == [each.name for each in look(tmp_path, XDG_CACHE_HOME=str(tmp_path / "c"))]
    hub_file(tmp_path / "d", "o/r", "d.gguf", variant(4))
    assert [("d", LLAMA)] == [
        (each.name, each.cache) for each in look(tmp_path, LLAMA_CACHE=str(tmp_path / "d"))
    ]
    ollama_model(tmp_path / "e", "registry.ollama.ai/library/e/latest", model=variant(5))
    assert ["e"] == [each.name for each in look(tmp_path, OLLAMA_MODELS=str(tmp_path / "e"))]


def test_lm_studio_is_found_where_it_was_moved_to(tmp_path):
    def put(models, name):
        (models / "p/r").mkdir(parents=True)
        (models / "p/r" / f"{name}.gguf").write_bytes(variant(len(name)))
        return [each.name for each in look(tmp_path)]

    assert ["usual"] == put(tmp_path / ".lmstudio/models", "usual")
    assert ["old"] == put(tmp_path / ".cache/lm-studio/models", "old")
    (tmp_path / ".lmstudio-home-pointer").write_text(f"{tmp_path}/moved\n")
    assert ["pointed-to"] == put(tmp_path / "moved/models", "pointed-to")
    (tmp_path / "moved/settings.json").write_text(json.dumps({"downloadsFolder": f"{tmp_path}/disk"}))
    assert ["chosen-by-hand"] == put(tmp_path / "disk", "chosen-by-hand")


def test_a_repository_of_lm_studio_is_its_folder_which_no_server_would_find_by_a_name(tmp_path):
    folder = tmp_path / ".lmstudio/models/mlx-community/Q-4bit"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    (found,) = look(tmp_path)
    assert ("Q-4bit", str(folder), "") == (found.name, found.path, found.repository)


def test_a_snapshot_without_main_is_the_first_there_is(tmp_path):
    path = hub_file(tmp_path / "hub", "o/r", "a.gguf", variant(1), revision="v2")
    (found,) = look(tmp_path, HF_HOME=str(tmp_path))
    assert (str(path), "o/r") == (found.path, found.repository)
    assert COMMIT in found.path


def test_a_repository_is_a_model_by_its_tensors_and_its_config(tmp_path):
    hub = tmp_path / "hub"
    hub_file(hub, "o/tensors", "model.safetensors", safetensors([8]))
    hub_file(hub, "o/config", "config.json", b"{}")
    assert [] == look(tmp_path, HF_HOME=str(tmp_path))
    hub_file(hub, "o/both", "model.safetensors", safetensors([16]))
    hub_file(hub, "o/both", "config.json", b"{ }")
    assert ["both"] == [each.name for each in look(tmp_path, HF_HOME=str(tmp_path))]


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "[" * 100_000, '{"layers": 3}', '{"layers": [3, {"digest": 5}]}']
)
def test_a_manifest_that_says_nothing_is_passed_over(tmp_path, text):
    path = tmp_path / ".ollama/models/manifests/registry.ollama.ai/library/m/latest"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert [] == look(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_passed_over(home):
    (home / ".ollama/models").chmod(0)
    assert OLLAMA not in {each.cache for each in look(home)}


def test_an_empty_home_has_none(tmp_path):
    assert [] == look(tmp_path)


@pytest.mark.parametrize(
    ("metadata", "tasks"),
    [
        ({"general__architecture": each}, [])
        for each in ("clip", "flux", "sd1", "sdxl", "sd3", "wan", "t5encoder", "whisper")
    ]
    + [({"general__type": each}, []) for each in ("adapter", "mmproj", "imatrix", "vocab")]
    + [
        ({"general__architecture": each}, ["embed"])
        for each in ("bert", "nomic-bert-moe", "jina-bert-v2", "modern-bert", "gemma-embedding")
    ]
    + [
        ({"llama__pooling_type": 0}, ["chat"]),
        ({"llama__pooling_type": 3}, ["embed"]),
        ({"llama__pooling_type": 4}, ["rerank"]),
        ({"general__type": "model"}, ["chat"]),
    ],
)
def test_what_a_file_is_for_is_told_by_its_header(tmp_path, metadata, tasks):
    hub_file(tmp_path / "hub", "o/r", "a.gguf", variant(1, **metadata))
    assert tasks == [each.task for each in look(tmp_path, HF_HOME=str(tmp_path))]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("My-ReRank-Q8_0.gguf", [("My-ReRank-Q8_0", "rerank")]),
        ("My-Embed-Q8_0.gguf", [("My-Embed-Q8_0", "embed")]),
        ("MMPROJ-a.gguf", []),
        ("a-00001-of-00001.gguf", [("a", "chat")]),
        ("a-00002-of-00002.gguf", []),
        ("a.gguf.part", []),
        ("ggml-a.bin", [("ggml-a", "chat")]),
        ("a.bin", []),
        ("ggml-a.txt", []),
    ],
)
def test_what_a_file_is_called_tells_whether_it_is_a_model(tmp_path, name, found):
    hub_file(tmp_path / "hub", "o/r", name, variant(1))
    assert found == [(each.name, each.task) for each in look(tmp_path, HF_HOME=str(tmp_path))]


def test_main_counts_before_whatever_else_a_repository_was_asked_for(tmp_path):
    folder = tmp_path / "hub" / "models--o--r"
    hub_file(tmp_path / "hub", "o/r", "a.gguf", variant(1), revision="main")
    (folder / "refs/a").write_text("a" * 40)
    (folder / "snapshots" / ("a" * 40)).mkdir()
    assert ["a"] == [each.name for each in look(tmp_path, HF_HOME=str(tmp_path))]
    (folder / "refs/main").write_bytes(b"\xff")
    (folder / "refs/a").write_text("no commit")
    (folder / "refs/z").write_text(COMMIT)
    assert ["a"] == [each.name for each in look(tmp_path, HF_HOME=str(tmp_path))]


def test_whatever_lies_in_a_cache_and_is_no_repository_is_passed_over(tmp_path):
    hub_file(tmp_path / "hub", "o/r", "a.gguf", variant(1))
    (tmp_path / "hub" / "models--o--r").rename(tmp_path / "hub" / "datasets--o--r")
    assert [] == look(tmp_path, HF_HOME=str(tmp_path))


@pytest.mark.parametrize("settings", ["{", "[]", '{"downloadsFolder": 3}', '{"downloadsFolder": ""}', "{}"])
def test_settings_of_lm_studio_that_say_nothing_leave_the_usual_folder(tmp_path, settings):
    folder = tmp_path / ".lmstudio/models/p/r"
    folder.mkdir(parents=True)
    (folder / "a.gguf").write_bytes(variant(1))
    (tmp_path / ".lmstudio/settings.json").write_text(settings)
    assert [(LM_STUDIO, "a", str(folder / "a.gguf"))] == [(e.cache, e.name, e.path) for e in look(tmp_path)]


def test_a_manifest_of_ollama_is_four_folders_deep(tmp_path):
    root = tmp_path / ".ollama/models"
    for name in ("registry.ollama.ai/library/m", "registry.ollama.ai/library/m2/latest/deeper"):
        ollama_model(root, name, model=variant(1))
    assert [] == look(tmp_path)

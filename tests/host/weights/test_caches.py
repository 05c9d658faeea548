"""The caches that people have: each as the program that keeps it lays it out, and in which order they count."""

import json
from pathlib import Path

import pytest

from tests.host.weight_files import gguf
from zoosup.host.weights import ollama
from zoosup.host.weights.caches import locate

COMMIT, OTHER = "a" * 40, "b" * 40
MODEL = gguf()


class Caches:
    """A home with all of them empty, and an environment that leads to them."""

    def __init__(self, home):
        self.home = home
        self.env = {"HOME": str(home)}

    def hub(self, repo, files, *, revision="main", commit=COMMIT, root=None):
        """As huggingface_hub has it: blobs, and links to them in a snapshot."""
        folder = (root or self.home / ".cache/huggingface/hub") / f"models--{repo.replace('/', '--')}"
        for number, name in enumerate(files):
            blob, link = folder / "blobs" / f"{commit}{number}", folder / "snapshots" / commit / name
            blob.parent.mkdir(parents=True, exist_ok=True)
            blob.write_bytes(MODEL)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to("../" * len(link.relative_to(folder).parts[1:]) + f"blobs/{blob.name}")
        ref = folder / "refs" / revision
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(commit)
        return folder / "snapshots" / commit

    def write(self, path, content=MODEL):
        file = self.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return file

    def find(self, name, *, whole=False):
        return locate(name, self.env, whole)

    def missing(self, name, *, whole=False):
        with pytest.raises(FileNotFoundError) as caught:
            self.find(name, whole=whole)
        return str(caught.value)


@pytest.fixture
def caches(tmp_path):
    return Caches(tmp_path)


def test_the_hubs_cache_is_found_where_the_environment_says(caches, tmp_path):
    for variable, root in (("HF_HUB_CACHE", tmp_path / "a"), ("HF_HOME", tmp_path / "b" / "hub")):
        snapshot = caches.hub("o/r", ["m-Q4_K_M.gguf"], root=root)
        caches.env = {"HOME": "/nowhere", variable: str(root.parent if variable == "HF_HOME" else root)}
        assert str(snapshot / "m-Q4_K_M.gguf") == caches.find("hf://o/r").path


def test_a_revision_is_a_ref_a_commit_or_main_and_else_any_ref(caches):
    main = caches.hub("o/r", ["m-Q4_0.gguf"])
    old = caches.hub("o/r", ["m-Q4_0.gguf"], revision="refs/pr/1", commit=OTHER)
    asked = {"": main, "@main": main, "@refs/pr/1": old, f"@{OTHER}": old}
    assert {rev: str(folder / "m-Q4_0.gguf") for rev, folder in asked.items()} == {
        rev: caches.find(f"hf://o/r/m-Q4_0.gguf{rev}").path for rev in asked
    }
    assert "is in no cache" in caches.missing("hf://o/r/m-Q4_0.gguf@v9")
    alone = caches.hub("o/alone", ["m-Q4_0.gguf"], revision="v1")
    assert str(alone / "m-Q4_0.gguf") == caches.find("hf://o/alone").path


def test_a_projector_comes_with_it_and_a_container_is_shown_links_and_blobs(caches):
    snapshot = caches.hub("o/r", ["m-Q4_K_M.gguf", "mmproj-F16.gguf"])
    found = caches.find("hf://o/r:Q4_K_M")
    assert str(snapshot / "mmproj-F16.gguf") == found.mmproj
    assert (str(snapshot), str(snapshot.parents[1] / "blobs")) == found.folders


def test_a_download_that_is_not_complete_is_none(caches):
    snapshot = caches.hub("o/r", ["m-Q4_K_M.gguf"])
    (snapshot / "m-Q4_K_M.gguf").resolve().rename(snapshot.parents[1] / "blobs" / "x.incomplete")
    assert "zoosup fetch hf://o/r:Q4_K_M downloads it" in caches.missing("hf://o/r:Q4_K_M")


def test_parts_that_are_missing_are_told(caches):
    snapshot = caches.hub("o/r", ["m-Q4-00001-of-00002.gguf"])
    said = caches.missing("hf://o/r:Q4")
    assert f"1 of its 2 parts are missing beside {snapshot}/m-Q4-00001-of-00002.gguf" in said


def test_llama_cpps_own_cache_counts_first_and_lm_studios_last(caches, tmp_path):
    studio = caches.write(".lmstudio/models/o/r/m-Q4_0.gguf")
    assert str(studio) == caches.find("hf://o/r:Q4_0").path
    hub = caches.hub("o/r", ["m-Q4_0.gguf"])
    assert str(hub / "m-Q4_0.gguf") == caches.find("hf://o/r:Q4_0").path
    own = caches.hub("o/r", ["m-Q4_0.gguf"], root=tmp_path / "llama")
    caches.env["LLAMA_CACHE"] = str(tmp_path / "llama")
    assert str(own / "m-Q4_0.gguf") == caches.find("hf://o/r:Q4_0").path


def test_what_older_llama_cpp_downloaded_is_found_by_file_and_by_its_manifest(caches):
    model, part = (caches.write(f".cache/llama.cpp/o_r_q_m-{i:05}-of-00002.gguf") for i in (1, 2))
    projector = caches.write(".cache/llama.cpp/o_r_mmproj-F16.gguf")
    assert str(model) == caches.find("hf://o/r/q/m-00001-of-00002.gguf").path
    assert "is in no cache" in caches.missing("hf://o/r:Q4_0")
    named = {
        "ggufFile": {"rfilename": "q/m-00001-of-00002.gguf"},
        "mmprojFile": {"rfilename": "mmproj-F16.gguf"},
    }
    caches.write(".cache/llama.cpp/manifest=o=r=Q4_0.json", named)
    assert (str(model), str(projector)) == (
        caches.find("hf://o/r:Q4_0").path,
        caches.find("hf://o/r:Q4_0").mmproj,
    )
    part.unlink()
    assert "1 of its 2 parts are missing" in caches.missing("hf://o/r:Q4_0")


def test_lm_studio_is_where_it_points_to(caches, tmp_path):
    caches.write(".lmstudio-home-pointer", str(tmp_path / "elsewhere").encode())
    there = caches.write("elsewhere/models/o/r/m-Q4_0.gguf")
    assert str(there) == caches.find("hf://o/r/m-Q4_0.gguf").path
    caches.write("elsewhere/settings.json", {"downloadsFolder": str(tmp_path / "moved")})
    moved = caches.write("moved/o/r/m-Q4_0.gguf")
    assert str(moved) == caches.find("hf://o/r/m-Q4_0.gguf").path


def test_a_whole_repository_is_its_directory_once_it_is_complete(caches):
    snapshot = caches.hub("o/r", ["config.json", "model-00001-of-00002.safetensors"])
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (snapshot / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "model-00002-of-00002.safetensors missing" in caches.missing("hf://o/r", whole=True)
    (snapshot / "model-00002-of-00002.safetensors").write_bytes(b"x")
    assert str(snapshot) == caches.find("hf://o/r", whole=True).path
    assert "is in no cache" in caches.missing("hf://o/none", whole=True)


@pytest.mark.parametrize("files", [["model.safetensors"], ["m-Q4_0.gguf"]])
def test_a_repository_without_a_configuration_is_no_model(caches, files):
    caches.hub("o/r", files)
    assert "is in no cache" in caches.missing("hf://o/r", whole=True)


def test_a_path_names_no_origin(caches):
    assert "/w/m.gguf names no weights" == caches.missing("/w/m.gguf")


# Ollama

MODEL_DIGEST, EYES = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def in_ollama(caches, layers, name="registry.ollama.ai/library/qwen3/latest", **more):
    kinds = [
        {"mediaType": f"application/vnd.ollama.image.{kind}", "digest": digest} for kind, digest in layers
    ]
    caches.write(f".ollama/models/manifests/{name}", {"layers": kinds, **more})
    for _, digest in layers:
        caches.write(f".ollama/models/blobs/{digest.replace(':', '-')}")


def test_ollamas_blobs_are_found_by_their_manifest(caches):
    in_ollama(caches, [("model", MODEL_DIGEST), ("projector", EYES), ("template", EYES)])
    blobs = caches.home / ".ollama/models/blobs"
    found = caches.find("ollama://qwen3")
    assert (str(blobs / f"sha256-{'1' * 64}"), str(blobs / f"sha256-{'2' * 64}")) == (
        found.path,
        found.mmproj,
    )
    in_ollama(caches, [("model", MODEL_DIGEST)], "hf.co/o/r/Q4_K_M")
    assert found.path == caches.find("ollama://hf.co/o/r:Q4_K_M").path


@pytest.mark.parametrize(
    ("layers", "more", "said"),
    [
        ([("tensor", MODEL_DIGEST)], {}, "its own engine alone can run it"),
        ([("model", MODEL_DIGEST), ("adapter", EYES)], {}, "has a LoRA adapter"),
        ([], {"mediaType": "application/vnd.ollama.manifest.list.v2+json"}, "a list of several models"),
        ([("license", EYES)], {}, "is no GGUF"),
    ],
)
def test_what_no_other_server_could_run_from_there_is_refused(caches, layers, more, said):
    in_ollama(caches, layers, **more)
    assert said in caches.missing("ollama://qwen3")


def test_what_ollama_lacks_is_told_with_its_own_command(caches):
    assert "ollama pull qwen3:8b brings it there" in caches.missing("ollama://qwen3:8b")
    in_ollama(caches, [("model", MODEL_DIGEST)])
    next((caches.home / ".ollama/models/blobs").iterdir()).unlink()
    assert "is not complete in Ollama's store" in caches.missing("ollama://qwen3")
    caches.write(".ollama/models/manifests/registry.ollama.ai/library/bad/latest", b"{")
    assert "can't be read in Ollama's store" in caches.missing("ollama://bad")


def test_the_older_name_of_the_variable_is_heard_too(caches, tmp_path):
    snapshot = caches.hub("o/r", ["m-Q4_K_M.gguf"], root=tmp_path / "a")
    caches.env = {"HOME": "/nowhere", "HUGGINGFACE_HUB_CACHE": str(tmp_path / "a")}
    assert str(snapshot / "m-Q4_K_M.gguf") == caches.find("hf://o/r").path


def test_where_was_looked_is_told_and_each_folder_once(caches, tmp_path):
    caches.env["LLAMA_CACHE"] = str(tmp_path / ".cache/llama.cpp")
    said = caches.missing("hf://o/r")
    assert (
        f"({tmp_path}/.cache/llama.cpp, {tmp_path}/.cache/huggingface/hub, {tmp_path}/.lmstudio/models)"
        in said
    )


def test_caches_that_know_no_revisions_have_none(caches):
    caches.write(".lmstudio/models/o/r/m-Q4_0.gguf")
    caches.write(".cache/llama.cpp/o_r_m-Q4_0.gguf")
    assert caches.find("hf://o/r/m-Q4_0.gguf").path.endswith("o_r_m-Q4_0.gguf")
    assert "is in no cache" in caches.missing("hf://o/r/m-Q4_0.gguf@main")


@pytest.mark.parametrize("manifest", [b"{", b"[]", {"ggufFile": "m"}, {"ggufFile": {"rfilename": 3}}, {}])
def test_a_manifest_of_llama_cpp_that_says_nothing_is_passed_over(caches, manifest):
    caches.write(".cache/llama.cpp/o_r_m-Q4_0.gguf")
    caches.write(".cache/llama.cpp/manifest=o=r=Q4_0.json", manifest)
    assert "is in no cache" in caches.missing("hf://o/r:Q4_0")


def test_a_file_that_is_named_and_not_there_is_not_another_that_the_cache_remembers(caches):
    caches.write(".cache/llama.cpp/o_r_m-Q4_0.gguf")
    caches.write(".cache/llama.cpp/manifest=o=r=latest.json", {"ggufFile": {"rfilename": "m-Q4_0.gguf"}})
    assert caches.find("hf://o/r").path.endswith("o_r_m-Q4_0.gguf")
    assert "is in no cache" in caches.missing("hf://o/r/other.gguf")


def test_on_macos_older_llama_cpp_has_its_cache_where_programs_have_theirs_there(caches, monkeypatch):
    monkeypatch.setattr("sys.platform", "darwin")
    model = caches.write("Library/Caches/llama.cpp/o_r_m-Q4_0.gguf")
    assert str(model) == caches.find("hf://o/r/m-Q4_0.gguf").path


def test_ollamas_store_is_the_users_or_that_of_its_service(caches, tmp_path, monkeypatch):
    assert (tmp_path / ".ollama/models", Path("/usr/share/ollama/.ollama/models")) == ollama.roots(caches.env)
    monkeypatch.setattr(ollama, "_SERVICE", tmp_path / "service/.ollama/models")
    in_ollama(Caches(tmp_path / "service"), [("model", MODEL_DIGEST)])
    assert caches.find("ollama://qwen3").path.startswith(f"{tmp_path}/service/")
    caches.env["OLLAMA_MODELS"] = str(tmp_path / "other")
    assert f"is not in Ollama's store ({tmp_path}/other)" in caches.missing("ollama://qwen3")


def test_a_store_that_may_not_be_read_is_told_with_what_to_do(caches, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    assert "permission denied; let zoosup's user read it" in caches.missing("ollama://qwen3")


def test_what_stands_in_the_way_of_a_manifest_is_none(caches):
    caches.write(".ollama/models/manifests/registry.ollama.ai/library/qwen3")
    assert "is not in Ollama's store" in caches.missing("ollama://qwen3")


def test_a_blob_that_may_not_be_looked_at_is_told(caches, monkeypatch):
    in_ollama(caches, [("model", MODEL_DIGEST)])

    def refused(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "is_file", refused)
    assert "Input/output error" in caches.missing("ollama://qwen3")


def test_of_a_repository_that_lacks_many_files_a_few_are_named(caches):
    snapshot = caches.hub("o/r", ["config.json"])
    index = {"weight_map": {str(n): f"model-{n}.safetensors" for n in range(5)}}
    (snapshot / "model.safetensors.index.json").write_text(json.dumps(index))
    said = caches.missing("hf://o/r", whole=True)
    named = ", ".join(f"model-{n}.safetensors" for n in range(3))
    assert f"is not complete: {named} missing in {snapshot}" in said


@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin", "sub/weights.npz"])
def test_a_repository_of_which_a_cache_has_no_weights_is_none(caches, weights):
    """As whoever asks for its tokenizer or its config alone leaves it."""
    caches.hub("o/r", ["config.json", "tokenizer.json", "tokenizer.model", "vocab.txt"])
    assert "is in no cache" in caches.missing("hf://o/r", whole=True)
    caches.hub("o/s", ["config.json", weights])
    assert caches.find("hf://o/s", whole=True).path

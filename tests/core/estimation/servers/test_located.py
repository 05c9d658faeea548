"""Names give way to paths: in the words that are executed, and in what a server is estimated by."""

import shlex

import pytest

from tests.core.zoo import GIB, a_model
from zoosup.core.estimation.need import need
from zoosup.core.estimation.servers.command_line import understand
from zoosup.core.estimation.servers.located import is_whole, names_among, names_of, placed
from zoosup.core.state.weights import FileFacts, Located, WeightFacts
from zoosup.spec.model.model import ModelSpec

M = ("hf://o/r:Q4", Located("/c/m.gguf", "/c/mmproj.gguf", ("/c",)))
D = ("hf://o/d", Located("/c/d.gguf", "/c/none.gguf"))


@pytest.mark.parametrize(
    ("words", "executed"),
    [
        ("llama-server -m hf://o/r:Q4 -c 1", "llama-server -m /c/m.gguf --mmproj /c/mmproj.gguf -c 1"),
        (
            "llama-server -m hf://o/r:Q4 -md hf://o/d --no-mmproj",
            "llama-server -m /c/m.gguf -md /c/d.gguf --no-mmproj",
        ),
        ("llama-server -m hf://o/r:Q4 --mmproj /p", "llama-server -m /c/m.gguf --mmproj /p"),
        ("llama-server -m hf://o/r:Q4 -mm /p", "llama-server -m /c/m.gguf -mm /p"),
        ("llama-server --model hf://o/r:Q4", "llama-server --model /c/m.gguf --mmproj /c/mmproj.gguf"),
        ("llama-server -m hf://o/r:Q4 --no-mmproj-auto", "llama-server -m /c/m.gguf --no-mmproj-auto"),
        ("llama-server -m /m -md hf://o/r:Q4", "llama-server -m /m -md /c/m.gguf"),  # a draft has none
        ("vllm serve hf://o/d --x", "vllm serve /c/d.gguf --x"),
        ("bash -c 'x -m hf://o/d --y hf://o/d2'", "bash -c 'x -m /c/d.gguf --y hf://o/d2'"),
        ("llama-server -m hf://o/other", "llama-server -m hf://o/other"),
    ],
)
def test_the_words_have_paths_and_the_projector(words, executed):
    assert tuple(shlex.split(executed)) == placed(shlex.split(words), (M, D))


def test_a_path_is_quoted_for_the_shell_that_will_split_the_word():
    odd = ("hf://o/d", Located("/c/a \\1.gguf", ""))
    (_, _, script) = placed(("bash", "-c", "x -m hf://o/d"), (odd,))
    assert ["x", "-m", "/c/a \\1.gguf"] == shlex.split(script)


@pytest.mark.parametrize(
    ("command", "names", "whole"),
    [
        ("llama-server -hf o/r:Q4 --mmproj /p", {"hf://o/r:Q4": "hf://o/r:Q4"}, False),
        ("llama-server -m o/r", {}, False),
        ("vllm serve o/r", {"o/r": "hf://o/r"}, True),
        ("vllm serve /srv/o/r", {}, True),
        ("sglang serve --model-path o/r", {"o/r": "hf://o/r"}, True),
        ("mlx_lm.server --model o/r", {"o/r": "hf://o/r"}, True),
        ("text-embeddings-router --model-id o/r", {"o/r": "hf://o/r"}, True),
        ("mine --model o/r", {}, False),
    ],
)
def test_a_server_of_the_hubs_takes_a_repository_by_its_name_and_as_a_whole(command, names, whole):
    server = understand(a_model("auto", command=command))
    assert (names, whole) == (names_among(server), is_whole(server))


def test_a_command_without_a_server_takes_nothing():
    assert not is_whole(None)


def test_only_a_short_form_has_names_that_zoosup_resolves():
    form = ModelSpec.model_validate({"llama": {"weights": "hf://o/r", "draft": "hf://o/d"}}, context=None)
    assert ("hf://o/r", "hf://o/d") == names_of(form)
    assert () == names_of(ModelSpec(command=("llama-server", "-m", "hf://o/r")))


@pytest.mark.parametrize(
    ("words", "model", "mmproj"),
    [
        ("llama-server -m hf://o/r:Q4", "/c/m.gguf", "/c/mmproj.gguf"),
        ("llama-server -hf o/r:Q4", "/c/m.gguf", "/c/mmproj.gguf"),
        ("llama-server -hf o/r:Q4 --no-mmproj", "/c/m.gguf", ""),
        ("llama-server -hf o/r:Q4 --mmproj /p", "/c/m.gguf", "/p"),
        ("llama-server -hf o/r:Q8", "hf://o/r:Q8", ""),
    ],
)
def test_a_server_is_estimated_by_the_files_it_will_open(words, model, mmproj):
    server = understand(a_model("auto", command=words.split()), (M,))
    assert (model, mmproj) == (server.model, server.mmproj)


@pytest.mark.parametrize("words", ["llama-server -hf o/r:Q4", "llama-server -m hf://o/r:Q4"])
def test_weights_that_were_found_are_reckoned_with_their_projector(words):
    model, projector = FileFacts("gguf", 2 * GIB, tensors=2 * GIB), FileFacts("gguf", GIB, tensors=GIB)
    facts = WeightFacts((("/c/m.gguf", model), ("/c/mmproj.gguf", projector)), located=(M,))
    found = need(a_model("auto", command=words.split()), facts)
    assert "derived" == found.source
    assert {"weights", "mmproj"} <= {term.name for term in found.terms}

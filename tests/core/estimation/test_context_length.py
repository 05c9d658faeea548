"""How long a conversation may be."""

import pytest

from zoosup.core.estimation.context_length import context_length
from zoosup.core.state.weights import FileFacts, WeightFacts
from zoosup.spec.model.model import ModelSpec


def weights(trained=40960, path="/m.gguf"):
    metadata = {"general.architecture": "qwen3", "qwen3.context_length": trained}
    return WeightFacts(((path, FileFacts("gguf", 1, metadata=metadata)),))


def length(command, facts=None, **env):
    return context_length(ModelSpec.model_validate({"command": command, "env": env}), facts)


LLAMA = "llama-server -m /m.gguf"


@pytest.mark.parametrize(
    ("options", "tokens"),
    [
        ("", 40960),
        ("-c 0", 40960),
        ("-c 8192", 8192),
        ("--ctx-size=8192", 8192),
        ("-c many", 40960),
        # shared among slots, unless these share one cache
        ("-c 8192 -np 4", 2048),
        ("-c 8192 -np 4 --kv-unified", 8192),
        ("-c 8192 -np -1", 8192),
        ("-c 8192 -np 1", 8192),
        ("-np 4", 10240),
        ("-np 2 --kv-unified-per-slot 3000", 3000),
        ("-np 2 --kv-unified --kv-unified-per-slot 3000 -c 9000", 3000),
        # never more than trained, unless stretched
        ("-c 131072", 40960),
        ("-c 131072 --rope-scaling yarn --rope-scale 4", 131072),
        ("-c 131072 --rope_freq_scale=0.25", 131072),
        ("-c 131072 --override-kv qwen3.context_length=int:131072", 131072),
    ],
)
def test_llama_server_says_it_on_its_command_line_or_in_its_weights(options, tokens):
    assert tokens == length(f"{LLAMA} {options}", weights())


@pytest.mark.parametrize(
    ("trained", "tokens"),
    [(2**31, 2**31), (2**31 + 1, None), (1, 1), (0, None), (True, None), ("many", None)],
)
def test_what_it_was_trained_with_counts_where_it_is_a_number_of_sensible_size(trained, tokens):
    assert tokens == length(LLAMA, weights(trained))


def test_the_environment_says_it_too():
    assert 4096 == length(LLAMA, weights(), LLAMA_ARG_CTX_SIZE="4096")


def test_what_is_said_counts_before_the_weights_are_looked_at():
    assert 8192 == length(f"{LLAMA} -c 8192")
    assert length(LLAMA) is None
    assert length(LLAMA, WeightFacts()) is None


def test_llama_cpp_python_has_a_default_of_its_own():
    assert 2048 == length("python -m llama_cpp.server --model /m.gguf", weights())
    assert 40960 == length("python -m llama_cpp.server --model /m.gguf --n_ctx 0", weights())


@pytest.mark.parametrize(
    ("command", "tokens"),
    [
        ("vllm serve Qwen/Qwen3-8B --max-model-len 32768", 32768),
        ("vllm serve Qwen/Qwen3-8B --max_model_len=32K", 32768),
        ("vllm serve Qwen/Qwen3-8B --max-model-len 25.6k", 25600),
        ("vllm serve Qwen/Qwen3-8B --max-model-len 1M", 1048576),
        ("vllm serve Qwen/Qwen3-8B --max-model-len auto", None),
        ("vllm serve Qwen/Qwen3-8B --max-model-len -1", None),
        ("vllm serve Qwen/Qwen3-8B", None),
        ("mlx-openai-server launch --model-path m --model-type lm --context-length 8192", 8192),
        ("mlx_lm.server --model m", None),
        ("python -m sglang.launch_server --model-path m --context-length 16384", 16384),
        ("docker exec llama-server -m /m.gguf -c 8192", None),
        ("docker run x llama-server -m /m.gguf -c 8192", 8192),
        ("sh -c serve.sh", None),
    ],
)
def test_other_servers_say_it_in_their_own_words(command, tokens):
    assert tokens == length(command)


def test_an_unknown_server_of_a_gguf_may_use_what_it_was_trained_with():
    assert 40960 == length("my-server --model /m.gguf", weights())


@pytest.mark.parametrize("trained", [0, -1, 2**40, True, "40960", (1, 2), 4096.0])
def test_metadata_that_make_no_sense_say_nothing(trained):
    assert length(LLAMA, weights(trained)) is None
    assert 8192 == length(f"{LLAMA} -c 8192", weights(trained))

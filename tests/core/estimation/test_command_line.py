"""What command lines say about memory."""

import pytest
from hypothesis import given, strategies as st

from zoosup.core.estimation.command_line import Server, understand
from zoosup.spec.model.model import ModelSpec

GIB = 2**30


def said(command, **env):
    return understand(ModelSpec.model_validate({"command": command, "env": env}))


def test_a_llama_server_with_nothing_but_a_model_has_its_own_defaults():
    assert Server("llama-server", model="/m.gguf") == said("llama-server -m /m.gguf --port ${PORT}")


def test_every_option_about_memory_is_heard():
    heard = said(
        "/usr/bin/llama-server --model m.gguf -c 8192 -np 3 -b 1024 -ub 256 -ctk q8_0 -ctv q4_0 -ngl 99 "
        "--mmproj p.gguf --lora a.gguf,b.gguf --lora-scaled c.gguf:0.5 --cache-ram 512 --no-mmap --swa-full "
        "--kv-unified -fa off -md d.gguf -ctkd q8_0 -ctxcp 4"
    )
    assert heard == Server(
        "llama-server", model="m.gguf", mmproj="p.gguf", adapters=("a.gguf", "b.gguf", "c.gguf"),
        draft="d.gguf", draft_types=("q8_0", "f16"), context=8192, batch=1024, ubatch=256, parallel=3,
        unified=True, types=("q8_0", "q4_0"), swa_full=True, flash=False, mmap=False, gpu_layers="99",
        prompt_cache=512 * 2**20, checkpoints=4,
    )  # fmt: skip
    assert ("m.gguf", "p.gguf", "a.gguf", "b.gguf", "c.gguf", "d.gguf") == heard.files


@pytest.mark.parametrize(
    "command",
    [
        "llama-server -m m.gguf --ctx-size=4096",
        "llama-server -m m.gguf --ctx_size 4096",
        "llama-server -c 1 -m m.gguf -c 4096",
        "numactl --cpunodebind 0 nice -n 5 /opt/llama-server -m m.gguf -c 4096",
        "env A=b llama-server -m m.gguf -c +4096",
    ],
)
def test_the_ways_to_say_a_context(command):
    assert 4096 == said(command).context


def test_variables_count_where_the_command_line_says_nothing():
    heard = said(
        "llama-server -c 100", LLAMA_ARG_MODEL="m.gguf", LLAMA_ARG_CTX_SIZE="7", LLAMA_ARG_N_PARALLEL="2"
    )
    assert ("m.gguf", 100, 2) == (heard.model, heard.context, heard.parallel)
    assert said("llama-server -m m", LLAMA_ARG_SWA_FULL="1").swa_full
    assert not said("llama-server -m m", LLAMA_ARG_SWA_FULL="0").swa_full
    assert not said("llama-server -m m", LLAMA_ARG_NO_MMAP="1").mmap


@pytest.mark.parametrize(
    ("options", "cache"),
    [
        ("", 8 * GIB),
        ("--cache-ram 0", 0),
        ("-cram -1", None),
        ("--embedding", 0),
        ("--reranking -cram 100", 0),
    ],
)
def test_the_prompt_cache_is_eight_gibibytes_unless_told_otherwise(options, cache):
    assert cache == said(f"llama-server -m m.gguf {options}").prompt_cache


@pytest.mark.parametrize(
    ("options", "mapped"),
    [
        ("", True),
        ("--mlock", True),
        ("-lm none", False),
        ("--load-mode mmap+mlock", True),
        ("-lm dio", False),
    ],
)
def test_whether_weights_are_mapped(options, mapped):
    assert mapped is said(f"llama-server -m m.gguf {options}").mmap


def test_values_that_cannot_be_read_are_as_if_they_were_not_there():
    heard = said("llama-server -m m.gguf -c many -np 0 -ub -3 -cram")
    assert (0, 1, 1, 8 * GIB) == (heard.context, heard.parallel, heard.ubatch, heard.prompt_cache)


def test_llama_cpp_python_has_defaults_and_names_of_its_own():
    heard = said(
        "python3 -m llama_cpp.server --model m.gguf --n_ctx 4096 --type_k 8 --clip_model_path p.gguf"
    )
    assert ("llama_cpp.server", 4096, ("q8_0", "f16"), "p.gguf") == (
        heard.kind, heard.context, heard.types, heard.mmproj
    )  # fmt: skip
    assert (1, False, 0, 0) == (heard.parallel, heard.flash, heard.prompt_cache, heard.checkpoints)
    assert 2048 == said("python -m llama_cpp.server --model m.gguf").context
    assert 2 * GIB == said("python -m llama_cpp.server --model m.gguf --cache true").prompt_cache


@pytest.mark.parametrize(
    ("command", "kind", "model"),
    [
        ("vllm serve /w/qwen --port 1", "vllm", "/w/qwen"),
        ("python -m vllm.entrypoints.openai.api_server --model=/w/q", "vllm", "/w/q"),
        ("mlx_lm.server --model /w/q", "mlx", "/w/q"),
        ("mlx-openai-server launch --model-path /w/q --model-type lm", "mlx", "/w/q"),
        ("./mine --model x.gguf", "other", "x.gguf"),
    ],
)
def test_other_servers_name_their_model(command, kind, model):
    assert (kind, model) == ((heard := said(command)).kind, heard.model)


def test_vllm_keeps_four_gibibytes_of_context_on_a_cpu_unless_told_otherwise():
    assert 4 * GIB == said("vllm serve m").cpu_cache
    assert 9 * GIB == said("vllm serve m", VLLM_CPU_KVCACHE_SPACE="9").cpu_cache


@pytest.mark.parametrize("command", ["docker run x llama-server -m m.gguf", "sleep 5", "vllm serve --port 1"])
def test_a_command_that_names_no_weights_here_says_nothing(command):
    assert said(command) is None


WORDS = st.one_of(
    st.sampled_from(
        ["llama-server", "-m", "--model", "-c", "-np", "--lora-scaled", "-ctk", "--", "=", "--cache-ram="]
    ),
    st.text(min_size=1, max_size=8).filter(lambda word: "\0" not in word),
)


@given(st.lists(WORDS, min_size=1, max_size=12))
def test_no_command_line_is_too_strange(words):
    from zoosup.core.estimation.command_line import _understood  # noqa: PLC0415 - words that no file could hold, too

    heard = _understood(tuple(words), (("LLAMA_ARG_BATCH", words[0]),))
    assert heard is None or (heard.ubatch > 0 and heard.parallel != 0)

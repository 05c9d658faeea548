"""What command lines say about memory."""

import pytest
from hypothesis import given, strategies as st

from zoosup.core.estimation.need import need
from zoosup.core.estimation.servers.command_line import server_among, understand
from zoosup.core.estimation.servers.server import Server
from zoosup.core.state.weights import WeightFacts
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.process.short_forms.chosen import SHORT_FORMS

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


@pytest.mark.parametrize(
    "command", ["docker exec x llama-server -m m.gguf", "docker run x", "sleep 5", "vllm serve --port 1"]
)
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
    from zoosup.core.estimation.servers.command_line import _understood  # noqa: PLC0415 - words that no file could hold, too

    heard = _understood(tuple(words), (("LLAMA_ARG_BATCH", words[0]),))
    assert heard is None or (heard.ubatch > 0 and heard.parallel != 0)


def test_llama_serve_is_llama_server():
    heard = said("nice /opt/bin/llama serve -m /m.gguf -c 4096 --port ${PORT}")
    assert Server("llama-server", model="/m.gguf", context=4096) == heard
    assert ("/opt/bin/llama", ["-m", "/m.gguf", "-c", "4096", "--port", "0"]) == server_among(
        ("nice", "/opt/bin/llama", "serve", "-m", "/m.gguf", "-c", "4096", "--port", "${PORT}")
    )[1:]
    assert said("llama bench") is None


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ("-hf o/r", "hf://o/r"),
        ("--hf-repo o/r:Q8_0", "hf://o/r:Q8_0"),
        ("-hf o/r:Q8_0 -hff sub/f.gguf", "hf://o/r/sub/f.gguf"),
        ("-hf o/r -m /m.gguf", "/m.gguf"),
    ],
)
def test_weights_at_the_hub_have_a_name_of_their_own(options, named):
    assert named == said(f"llama-server {options}").model


def test_a_server_that_looks_for_its_weights_itself_is_a_guess_that_says_so():
    found = need(ModelSpec.model_validate({"command": "llama-server -hf o/r"}), WeightFacts())
    assert ("default", False) == (found.source, found.certain)
    assert "weights hf://o/r are in no cache of this host" in found.terms[0].how


def test_sglang_takes_a_share_of_a_gpu():
    heard = said(
        "python3 -m sglang.launch_server --model-path /m --mem-fraction-static 0.7 --lora-paths a=/l /k"
    )
    assert ("sglang", "/m", 0.7, ("/l", "/k")) == (heard.kind, heard.model, heard.utilization, heard.adapters)
    assert "sglang" == said("sglang serve --model-path /m").kind


def test_the_adapters_of_vllm_are_named():
    heard = said('vllm serve /m --lora-modules sql=/l/sql x=/l/x \'{"name": "y"}\' --port 1')
    assert ("/l/sql", "/l/x") == heard.adapters


def test_an_image_model_of_several_files_is_all_of_them():
    heard = said("sd-server --diffusion-model /d.gguf --vae /v --clip_l /c --listen-port 1")
    assert ("/d.gguf", "/v", "/c") == heard.files


FORMS = {
    "llama": (
        {"weights": "/m.gguf", "mmproj": "/p.gguf", "draft": "/d.gguf", "loras": [{"path": "/l.gguf"}]},
        4,
    ),
    "vllm": ({"weights": "/m", "loras": [{"path": "/l"}]}, 2),
    "sglang": ({"weights": "/m", "loras": [{"path": "/l"}]}, 2),
    "mlx": ({"weights": "/m", "adapter": "/l"}, 2),
    "mlx_image": ({"weights": "/m"}, 1),
    "whisper": ({"weights": "/m.bin"}, 1),
    "sd": ({"diffusion": "/d.gguf", "vae": "/v", "llm": "/l"}, 3),
}


@pytest.mark.parametrize("form", SHORT_FORMS)
def test_the_words_of_every_short_form_name_its_weights(form):
    fields, count = FORMS[form]
    heard = understand(ModelSpec.model_validate({form: fields}))
    assert count == len(heard.files)


def test_what_a_llama_form_says_of_memory_is_heard():
    form = {"weights": "/m", "context": 8192, "parallel": 2, "kv": "q8_0", "flash": "off", "batch": 1024,
            "cache_ram": "1GiB", "gpu_layers": 10, "cpu_moe": 3}  # fmt: skip
    heard = understand(ModelSpec.model_validate({"llama": form}))
    assert heard == Server(
        "llama-server", model="/m", context=8192, parallel=2, types=("q8_0", "q8_0"), flash=False, batch=1024,
        prompt_cache=GIB, gpu_layers="10", scattered=True,
    )  # fmt: skip

"""Every word and variable by which a known server is told what costs memory, as its own manual spells it."""

import pytest

from zoosup.core.estimation.servers.command_line import understand
from zoosup.core.estimation.servers.server import Server
from zoosup.spec.model.model import ModelSpec

GIB, MIB = 2**30, 2**20
LLAMA = "llama-server -m /m.gguf"
PYTHON = "python3 -m llama_cpp.server --model /m.gguf"


def said(command, **env) -> Server:
    found = understand(ModelSpec.model_validate({"command": command, "env": env}))
    assert found is not None
    return found


VALUES = [  # the field, the value as it is written and as it is understood, and all that may stand before it
    ("model", "/w.gguf", "/w.gguf", "-m --model LLAMA_ARG_MODEL"),
    ("model", "o/r", "hf://o/r", "-hf -hfr --hf-repo LLAMA_ARG_HF_REPO"),
    ("context", "4096", 4096, "-c --ctx-size --n-ctx LLAMA_ARG_CTX_SIZE"),
    ("batch", "700", 700, "-b --batch-size --n-batch LLAMA_ARG_BATCH"),
    ("ubatch", "300", 300, "-ub --ubatch-size --n-ubatch LLAMA_ARG_UBATCH"),
    ("parallel", "3", 3, "-np --parallel LLAMA_ARG_N_PARALLEL"),
    ("per_slot", "512", 512, "--kv-unified-per-slot LLAMA_ARG_KV_UNIFIED_PER_SLOT"),
    ("types", "q4_0", ("q4_0", "f16"), "-ctk --cache-type-k --type-k LLAMA_ARG_CACHE_TYPE_K"),
    ("types", "q4_0", ("f16", "q4_0"), "-ctv --cache-type-v --type-v LLAMA_ARG_CACHE_TYPE_V"),
    ("gpu_layers", "7", "7", "-ngl --gpu-layers --n-gpu-layers LLAMA_ARG_N_GPU_LAYERS"),
    ("mmproj", "/p.gguf", "/p.gguf", "-mm --mmproj --clip-model-path LLAMA_ARG_MMPROJ"),
    ("prompt_cache", "5", 5 * MIB, "-cram --cache-ram LLAMA_ARG_CACHE_RAM"),
    ("checkpoints", "6", 6, "-ctxcp --ctx-checkpoints --swa-checkpoints LLAMA_ARG_CTX_CHECKPOINTS"),
    ("draft", "/d.gguf", "/d.gguf", "-md --model-draft --spec-draft-model"),
    ("draft", "/d.gguf", "/d.gguf", "LLAMA_ARG_SPEC_DRAFT_MODEL LLAMA_ARG_MODEL_DRAFT"),
    ("draft_types", "q8_0", ("q8_0", "f16"), "-ctkd --cache-type-k-draft --spec-draft-type-k"),
    ("draft_types", "q8_0", ("q8_0", "f16"), "LLAMA_ARG_SPEC_DRAFT_CACHE_TYPE_K"),
    ("draft_types", "q8_0", ("f16", "q8_0"), "-ctvd --cache-type-v-draft --spec-draft-type-v"),
    ("draft_types", "q8_0", ("f16", "q8_0"), "LLAMA_ARG_SPEC_DRAFT_CACHE_TYPE_V"),
    ("mmap", "none", False, "-lm --load-mode LLAMA_ARG_LOAD_MODE"),
    ("flash", "off", False, "-fa --flash-attn LLAMA_ARG_FLASH_ATTN"),
    ("devices", "CUDA1", "CUDA1", "-dev --device LLAMA_ARG_DEVICE"),
    ("scattered", "exps=CPU", True, "-ot --override-tensor LLAMA_ARG_OVERRIDE_TENSOR"),
    ("scattered", "8", True, "-ncmoe --n-cpu-moe LLAMA_ARG_N_CPU_MOE"),
    ("mmap", "0", False, "LLAMA_ARG_MMAP"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("field", "written", "meant", "name"),
    [(field, written, meant, name) for field, written, meant, names in VALUES for name in names.split()],
)
def test_a_value_of_llama_server_is_heard_by_whatever_name(field, written, meant, name):
    plain = "llama-server" if field == "model" else LLAMA
    heard = said(f"{plain} {name} {written}") if name.startswith("-") else said(plain, **{name: written})
    assert getattr(Server(heard.kind), field) != meant
    assert meant == getattr(heard, field)


FLAGS = [  # the field, its value with the flag, and the flags that say so
    ("swa_full", True, "--swa-full LLAMA_ARG_SWA_FULL"),
    ("unified", True, "-kvu --kv-unified LLAMA_ARG_KV_UNIFIED"),
    ("unified", False, "-no-kvu --no-kv-unified LLAMA_ARG_NO_KV_UNIFIED"),
    ("mmap", False, "--no-mmap LLAMA_ARG_NO_MMAP"),
    ("kv_offload", False, "-nkvo --no-kv-offload LLAMA_ARG_NO_KV_OFFLOAD"),
    ("mmproj_offload", False, "--no-mmproj-offload LLAMA_ARG_NO_MMPROJ_OFFLOAD"),
    ("mmproj_auto", False, "--no-mmproj --no-mmproj-auto LLAMA_ARG_NO_MMPROJ"),
    ("scattered", True, "-cmoe --cpu-moe LLAMA_ARG_CPU_MOE"),
    ("prompt_cache", 0, "--embedding --embeddings LLAMA_ARG_EMBEDDINGS"),
    ("prompt_cache", 0, "--rerank --reranking LLAMA_ARG_RERANKING"),
]


@pytest.mark.parametrize(
    ("field", "meant", "flag"),
    [(field, meant, flag) for field, meant, flags in FLAGS for flag in flags.split()],
)
def test_a_flag_of_llama_server_is_heard_by_whatever_name(field, meant, flag):
    heard = said(f"{LLAMA} {flag}") if flag.startswith("-") else said(LLAMA, **{flag: "1"})
    assert getattr(Server(heard.kind), field) != meant
    assert meant == getattr(heard, field)


@pytest.mark.parametrize(
    ("field", "off", "on"),
    [
        ("mmap", "--no-mmap", "--mmap"),
        ("kv_offload", "-nkvo", "-kvo"),
        ("kv_offload", "--no-kv-offload", "--kv-offload"),
        ("mmproj_auto", "--no-mmproj", "--mmproj-auto"),
    ],
)
def test_the_last_of_two_flags_counts(field, off, on):
    assert getattr(said(f"{LLAMA} {off} {on}"), field)
    assert not getattr(said(f"{LLAMA} {on} {off}"), field)


@pytest.mark.parametrize("said_so", ["on", "ENABLED", "true", "1"])
def test_a_variable_of_a_flag_may_say_no(said_so):
    assert said(LLAMA, LLAMA_ARG_SWA_FULL=said_so).swa_full
    assert not said(LLAMA, LLAMA_ARG_NO_KV_OFFLOAD=said_so).kv_offload
    assert said(LLAMA, LLAMA_ARG_NO_KV_OFFLOAD="0").kv_offload
    assert not said(LLAMA, LLAMA_ARG_KV_OFFLOAD="0").kv_offload


@pytest.mark.parametrize(("written", "meant"), [("off", False), ("disabled", False), ("false", False), ("0", False),
                                                ("auto", True), ("on", True)])  # fmt: skip
def test_what_is_no_clear_no_leaves_flash_attention_on(written, meant):
    assert meant is said(f"{LLAMA} -fa {written}").flash


def test_the_file_of_a_repository_is_named_beside_it():
    for name in ("-hff", "--hf-file"):
        assert "hf://o/r/f.gguf" == said(f"llama-server -hf o/r {name} f.gguf").model
    assert "hf://o/r/f.gguf" == said("llama-server -hf o/r", LLAMA_ARG_HF_FILE="f.gguf").model


@pytest.mark.parametrize(
    ("number", "type_"),
    [("0", "f32"), ("1", "f16"), ("2", "q4_0"), ("3", "q4_1"), ("6", "q5_0"), ("7", "q5_1"), ("8", "q8_0"),
     ("30", "bf16")],
)  # fmt: skip
def test_llama_cpp_python_names_a_cache_type_by_its_number(number, type_):
    assert (type_, type_) == said(f"{PYTHON} --type_k {number} --type_v {number}").types


def test_llama_cpp_python_is_told_all_by_values_and_nothing_by_variables():
    heard = said(
        f"{PYTHON} --n_ctx 9 --n_batch 7 --n_gpu_layers 5 --offload_kqv false --use_mmap false --cache on "
        "--cache_size 11 --flash_attn true --lora_path /l.gguf"
    )
    assert (9, 7, "5", False, False) == (
        heard.context, heard.batch, heard.gpu_layers, heard.kv_offload, heard.mmap
    )  # fmt: skip
    assert (11, True, ("/l.gguf",)) == (heard.prompt_cache, heard.flash, heard.adapters)
    assert (512, 512, "0", 2048) == (
        (plain := said(PYTHON, LLAMA_ARG_CTX_SIZE="7")).batch, plain.ubatch, plain.gpu_layers, plain.context
    )  # fmt: skip


@pytest.mark.parametrize(
    ("command", "field", "meant"),
    [
        *((f"mine {name} /w", "model", "/w") for name in ("-m", "--model", "--model-id", "--model-path")),
        ("sd-server --diffusion-model /w", "model", "/w"),
        ("tabbyapi --model-name x --model-dir /w/", "model", "/w/x"),
        ("tabbyapi --model-name x", "model", "models/x"),
        ("mlx_lm.server --model /w --adapter-path /a", "adapters", ("/a",)),
        ("mine -m /w --mmproj /p", "mmproj", "/p"),
        ("vllm serve /w --gpu-memory-utilization 0.5", "utilization", 0.5),
        ("sglang serve --model-path /w --mem-fraction-static .5", "utilization", 0.5),
        ("vllm serve /w --gpu-memory-utilization 1.0", "utilization", 1.0),
        ("vllm serve /w --gpu-memory-utilization 1.5", "utilization", 0.9),
        *((f"mine -m /w {name} 77", "context", 77)
          for name in ("--max-model-len", "--max-seq-len", "--context-length", "--ctx-size")),
        ("vllm serve /w --max-model-len 32k", "context", 32_000),
        ("vllm serve /w --max-model-len 32K", "context", 32 * 1024),
        ("vllm serve /w --max-model-len 1.5m", "context", 1_500_000),
        ("vllm serve /w --max-model-len 1M", "context", MIB),
        ("vllm serve /w --max-model-len auto", "context", 0),
        ("vllm serve /w --lora-modules /a", "adapters", ("/a",)),
        ("sglang serve --model-path /w --lora-paths x=/a", "adapters", ("/a",)),
        *((f"sd-server --diffusion-model /w --{part} /e", "parts", ("/e",))
          for part in ("vae", "llm", "llm_vision", "clip_l", "clip_g", "clip_vision", "t5xxl", "control-net")),
    ],
)  # fmt: skip
def test_what_the_others_are_told(command, field, meant):
    assert meant == getattr(said(command), field)


@pytest.mark.parametrize(("space", "kept"), [("9", 9), ("1", 1), ("0", 4), ("-1", 4), ("much", 4), ("", 4)])
def test_vllm_keeps_so_many_gibibytes_on_a_cpu(space, kept):
    assert kept * GIB == said("vllm serve /w", VLLM_CPU_KVCACHE_SPACE=space).cpu_cache
    assert 0 == said("mine -m /w", VLLM_CPU_KVCACHE_SPACE=space).cpu_cache


def test_only_llama_cpp_keeps_prompts_and_checkpoints():
    heard = said("vllm serve /w")
    assert (0, 0) == (heard.prompt_cache, heard.checkpoints)

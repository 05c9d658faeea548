"""The options of model servers that say something about memory, and the words they are given by.

Tables only; from common/arg.cpp of llama.cpp (--help), and the manuals of llama_cpp.server, vLLM and the mlx servers.
"""

LLAMA_VALUES = {
    "model": ("-m", "--model", "LLAMA_ARG_MODEL"),
    "repo": ("-hf", "-hfr", "--hf-repo", "LLAMA_ARG_HF_REPO"),
    "repo-file": ("-hff", "--hf-file", "LLAMA_ARG_HF_FILE"),
    "context": ("-c", "--ctx-size", "--n-ctx", "LLAMA_ARG_CTX_SIZE"),
    "batch": ("-b", "--batch-size", "--n-batch", "LLAMA_ARG_BATCH"),
    "ubatch": ("-ub", "--ubatch-size", "--n-ubatch", "LLAMA_ARG_UBATCH"),
    "parallel": ("-np", "--parallel", "LLAMA_ARG_N_PARALLEL"),
    "per-slot": ("--kv-unified-per-slot", "LLAMA_ARG_KV_UNIFIED_PER_SLOT"),
    "type-k": ("-ctk", "--cache-type-k", "--type-k", "LLAMA_ARG_CACHE_TYPE_K"),
    "type-v": ("-ctv", "--cache-type-v", "--type-v", "LLAMA_ARG_CACHE_TYPE_V"),
    "layers": ("-ngl", "--gpu-layers", "--n-gpu-layers", "LLAMA_ARG_N_GPU_LAYERS"),
    "mmproj": ("-mm", "--mmproj", "--clip-model-path", "LLAMA_ARG_MMPROJ"),
    "cache-ram": ("-cram", "--cache-ram", "LLAMA_ARG_CACHE_RAM"),
    "cache-size": ("--cache-size",),
    "checkpoints": ("-ctxcp", "--ctx-checkpoints", "--swa-checkpoints", "LLAMA_ARG_CTX_CHECKPOINTS"),
    "draft": (
        "-md", "--model-draft", "--spec-draft-model",
        "LLAMA_ARG_SPEC_DRAFT_MODEL", "LLAMA_ARG_MODEL_DRAFT",
    ),
    "draft-type-k": ("-ctkd", "--cache-type-k-draft", "--spec-draft-type-k", "LLAMA_ARG_SPEC_DRAFT_CACHE_TYPE_K"),
    "draft-type-v": ("-ctvd", "--cache-type-v-draft", "--spec-draft-type-v", "LLAMA_ARG_SPEC_DRAFT_CACHE_TYPE_V"),
    "load-mode": ("-lm", "--load-mode", "LLAMA_ARG_LOAD_MODE"),
    "flash": ("-fa", "--flash-attn", "LLAMA_ARG_FLASH_ATTN"),
    "cache": ("--cache",),
    "devices": ("-dev", "--device", "LLAMA_ARG_DEVICE"),
    "kv-offload": ("--offload-kqv",),
    "scattered": (
        "-ot", "--override-tensor", "-ncmoe", "--n-cpu-moe",
        "LLAMA_ARG_OVERRIDE_TENSOR", "LLAMA_ARG_N_CPU_MOE",
    ),
    "mmap": ("--use-mmap", "LLAMA_ARG_MMAP"),
}  # fmt: skip
LLAMA_FLAGS = {
    "--swa-full": ("swa-full", True), "LLAMA_ARG_SWA_FULL": ("swa-full", True),
    "-kvu": ("unified", True), "--kv-unified": ("unified", True), "LLAMA_ARG_KV_UNIFIED": ("unified", True),
    "-no-kvu": ("unified", False), "--no-kv-unified": ("unified", False),
    "LLAMA_ARG_NO_KV_UNIFIED": ("unified", False),
    "--mmap": ("mmap", True), "--no-mmap": ("mmap", False), "LLAMA_ARG_NO_MMAP": ("mmap", False),
    "-kvo": ("kv-offload", True), "--kv-offload": ("kv-offload", True), "LLAMA_ARG_KV_OFFLOAD": ("kv-offload", True),
    "-nkvo": ("kv-offload", False), "--no-kv-offload": ("kv-offload", False),
    "LLAMA_ARG_NO_KV_OFFLOAD": ("kv-offload", False),
    "--no-mmproj-offload": ("mmproj-offload", False), "LLAMA_ARG_NO_MMPROJ_OFFLOAD": ("mmproj-offload", False),
    "--mmproj-auto": ("mmproj-auto", True), "--no-mmproj": ("mmproj-auto", False),
    "--no-mmproj-auto": ("mmproj-auto", False), "LLAMA_ARG_NO_MMPROJ": ("mmproj-auto", False),
    "-cmoe": ("scattered", True), "--cpu-moe": ("scattered", True), "LLAMA_ARG_CPU_MOE": ("scattered", True),
    "--embedding": ("embedding", True), "--embeddings": ("embedding", True),
    "LLAMA_ARG_EMBEDDINGS": ("embedding", True),
    "--rerank": ("embedding", True), "--reranking": ("embedding", True),
    "LLAMA_ARG_RERANKING": ("embedding", True),
}  # fmt: skip
ADAPTERS = {"--lora": False, "--lora-scaled": True, "--lora-path": False}
"""Options that name LoRA adapters, and whether each name is followed by :SCALE."""

OTHER_VALUES = {
    "model": ("-m", "--model", "--model-id", "--model-path", "--diffusion-model"),
    "name": ("--model-name",),
    "folder": ("--model-dir",),
    "lora": ("--adapter-path",),
    "mmproj": ("--mmproj",),
    "utilization": ("--gpu-memory-utilization", "--mem-fraction-static"),
    "cpu-cache": ("VLLM_CPU_KVCACHE_SPACE",),
    "context": ("--max-model-len", "--max-seq-len", "--context-length", "--ctx-size"),
}

NAMED_ADAPTERS = frozenset({"--lora-paths", "--lora-modules"})
"""Options that name LoRA adapters in as many words as follow, each as a path or name=path."""

PARTS = frozenset(
    {"--vae", "--llm", "--llm-vision", "--clip-l", "--clip-g", "--clip-vision", "--t5xxl", "--control-net"}
)
"""Options of sd-server that name further files of the model, with - for _ in their names."""

GGML_TYPES = {
    "0": "f32",
    "1": "f16",
    "2": "q4_0",
    "3": "q4_1",
    "6": "q5_0",
    "7": "q5_1",
    "8": "q8_0",
    "30": "bf16",
}
"""llama_cpp.server names a cache type by its number (enum ggml_type)."""

BY_OPTION = {option: name for name, options in LLAMA_VALUES.items() for option in options}
BY_OTHER_OPTION = {option: name for name, options in OTHER_VALUES.items() for option in options}

FIT_VALUES = frozenset({"--override-kv"})
FIT_FLAGS = frozenset({"--repack", "-nr", "--no-repack", "--no-host"})
FIT_GPU_VALUES = frozenset({"-ot", "--override-tensor", "-ncmoe", "--n-cpu-moe", "-ncffn", "--n-cpu-ffn"})
FIT_GPU_FLAGS = frozenset({"-cmoe", "--cpu-moe", "--op-offload", "--no-op-offload"})
"""Options of llama-server that llama-fit-params takes as they stand, the latter two where there are GPUs.

All else that it is told is put in words of our own, for it refuses what is the server's alone (an option that is not
of LLAMA_EXAMPLE_COMMON or _FIT_PARAMS in arg.cpp, such as --kv-unified), and much of the rest has nothing to do with
memory, or does something (--log-file, -hf).
"""

FIT_VARIABLES = frozenset({"LLAMA_ARG_NO_HOST", "LLAMA_ARG_NO_REPACK", "LLAMA_ARG_REPACK"})
FIT_GPU_VARIABLES = frozenset(
    {"LLAMA_ARG_CPU_MOE", "LLAMA_ARG_N_CPU_FFN", "LLAMA_ARG_N_CPU_MOE", "LLAMA_ARG_OVERRIDE_TENSOR"}
)
"""Variables that mean the same to it; every other LLAMA_ARG_ one is kept from it."""

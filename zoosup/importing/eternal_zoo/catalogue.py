"""What the names of Eternal Zoo's catalogue stand for: a repository at the hub, and the file or the quantization there.

Facts of its eternal_zoo/models.py. Refuses to know models that it can't fetch from the hub.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Featured:
    """One name: `file` is a file's name, or `pattern` what the names of its parts hold."""

    repo: str
    file: str = ""
    pattern: str = ""
    mmproj: str = ""
    task: str = "chat"
    architecture: str = ""
    lora: bool = False

    @property
    def backend(self) -> str:
        """Which server it is for."""
        return "mlx-flux" if self.architecture else "gguf"


_LMSTUDIO, _UNSLOTH, _FLUX = "lmstudio-community", "unsloth", "NikolaSigmoid"
_PROJECTOR = "mmproj-model-f16.gguf"

CATALOGUE = {
    "qwen3-embedding-0.6b": Featured(
        "Qwen/Qwen3-Embedding-0.6B-GGUF", "Qwen3-Embedding-0.6B-Q8_0.gguf", task="embed"
    ),
    "qwen3-embedding-4b": Featured(
        "Qwen/Qwen3-Embedding-4B-GGUF", "Qwen3-Embedding-4B-Q8_0.gguf", task="embed"
    ),
    "qwen3-1.7b": Featured("Qwen/Qwen3-1.7B-GGUF", "Qwen3-1.7B-Q8_0.gguf"),
    "qwen3-4b": Featured("Qwen/Qwen3-4B-GGUF", "Qwen3-4B-Q8_0.gguf"),
    "qwen3-8b": Featured("Qwen/Qwen3-8B-GGUF", "Qwen3-8B-Q8_0.gguf"),
    "qwen3-14b": Featured("Qwen/Qwen3-14B-GGUF", "Qwen3-14B-Q8_0.gguf"),
    "qwen3-32b": Featured("Qwen/Qwen3-32B-GGUF", "Qwen3-32B-Q8_0.gguf"),
    "qwen3-30b-a3b-instruct-2507": Featured(
        f"{_UNSLOTH}/Qwen3-30B-A3B-Instruct-2507-GGUF", "Qwen3-30B-A3B-Instruct-2507-Q8_0.gguf"
    ),
    "qwen3-30b-a3b-thinking-2507": Featured(
        f"{_UNSLOTH}/Qwen3-30B-A3B-Thinking-2507-GGUF", "Qwen3-30B-A3B-Thinking-2507-Q8_0.gguf"
    ),
    "qwen3-coder-30b-a3b-instruct": Featured(
        f"{_UNSLOTH}/Qwen3-Coder-30B-A3B-Instruct-GGUF", "Qwen3-Coder-30B-A3B-Instruct-Q8_0.gguf"
    ),
    "qwen3-235b-a22b": Featured(f"{_UNSLOTH}/Qwen3-235B-A22B-Instruct-2507-GGUF", pattern="Q4_K_M"),
    "qwen3-coder-480b-a35b": Featured(f"{_UNSLOTH}/Qwen3-Coder-480B-A35B-Instruct-GGUF", pattern="Q4_K_M"),
    "gemma-3-4b": Featured(
        f"{_LMSTUDIO}/gemma-3-4B-it-qat-GGUF", "gemma-3-4B-it-QAT-Q4_0.gguf", mmproj=_PROJECTOR
    ),
    "gemma-3-12b": Featured(
        f"{_LMSTUDIO}/gemma-3-12B-it-qat-GGUF", "gemma-3-12B-it-QAT-Q4_0.gguf", mmproj=_PROJECTOR
    ),
    "gemma-3-27b": Featured(
        f"{_LMSTUDIO}/gemma-3-27B-it-qat-GGUF", "gemma-3-27B-it-QAT-Q4_0.gguf", mmproj=_PROJECTOR
    ),
    "gemma-3n-e4b": Featured(f"{_UNSLOTH}/gemma-3n-E4B-it-GGUF", "gemma-3n-E4B-it-Q8_0.gguf"),
    "lfm2-1.2b": Featured("LiquidAI/LFM2-1.2B-GGUF", "LFM2-1.2B-Q8_0.gguf"),
    "openreasoning-nemotron-32b": Featured(
        f"{_LMSTUDIO}/OpenReasoning-Nemotron-32B-GGUF", "OpenReasoning-Nemotron-32B-Q8_0.gguf"
    ),
    "devstral-small": Featured("mistralai/Devstral-Small-2507_gguf", "Devstral-Small-2507-Q8_0.gguf"),
    "dolphin-3.0-llama3.1-8b": Featured(
        "dphn/Dolphin3.0-Llama3.1-8B-GGUF", "Dolphin3.0-Llama3.1-8B-Q8_0.gguf"
    ),
    "gpt-oss-20b": Featured(
        "bartowski/openai_gpt-oss-20b-GGUF-MXFP4-Experimental", "openai_gpt-oss-20b-MXFP4.gguf"
    ),
    "gpt-oss-120b": Featured("ggml-org/gpt-oss-120b-GGUF", pattern="mxfp4"),
    "hermes-4-14b": Featured(
        "bartowski/NousResearch_Hermes-4-14B-GGUF", "NousResearch_Hermes-4-14B-Q4_K_M.gguf"
    ),
    "hermes-4-405b": Featured(f"{_LMSTUDIO}/Hermes-4-405B-GGUF", pattern="Q4_K_M"),
    "flux-dev": Featured(f"{_FLUX}/FLUX.1-dev", task="image-generation", architecture="flux-dev"),
    "flux-schnell": Featured(f"{_FLUX}/FLUX.1-schnell", task="image-generation", architecture="flux-schnell"),
    "flux-krea-dev": Featured(f"{_FLUX}/FLUX.1-Krea-dev", task="image-generation", architecture="flux-dev"),
}

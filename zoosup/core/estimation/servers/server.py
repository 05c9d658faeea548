"""One model server as its command line describes it: data, and what follows from it at once.

Who reads it off the words stands in `command_line`.
"""

import re
from dataclasses import dataclass

LLAMA_SERVER, LLAMA_CPP_PYTHON, VLLM, MLX, OTHER = "llama-server", "llama_cpp.server", "vllm", "mlx", "other"
TEI = "text-embeddings-inference"
SGLANG = "sglang"
SHARING = frozenset({VLLM, SGLANG})
"""Servers that take a share of a GPU's whole memory, however small the model is."""

GIB = 2**30
WHOLE = re.compile(r"[+-]?\d{1,12}\Z")
"""A whole number, as an option has it."""


@dataclass(frozen=True, slots=True)
class Server:
    """One server as its command line describes it. Sizes are bytes.

    Paths are words of that line, or this host's where it is `contained`. `context` 0 means what the model was trained
    with, `parallel` -1 as many slots as llama-server thinks right (4). `scattered`: some tensors are kept where no
    count of layers tells.
    """

    kind: str
    model: str = ""
    mmproj: str = ""
    mmproj_auto: bool = True  # without one, that which lies beside weights named by their origin
    adapters: tuple[str, ...] = ()
    draft: str = ""
    draft_types: tuple[str, str] = ("f16", "f16")
    context: int = 0
    per_slot: int = 0
    batch: int = 2048
    ubatch: int = 512
    parallel: int = -1
    unified: bool | None = None
    types: tuple[str, str] = ("f16", "f16")
    swa_full: bool = False
    flash: bool = True
    mmap: bool = True
    gpu_layers: str = "auto"
    prompt_cache: int | None = 8 * GIB  # None: bounded by the context alone
    checkpoints: int = 32
    cpu_cache: int = 0  # vLLM's KV cache where it computes on the CPU
    devices: str = ""
    kv_offload: bool = True
    mmproj_offload: bool = True
    scattered: bool = False
    utilization: float = 0.9  # what vLLM and SGLang take of a GPU
    parts: tuple[str, ...] = ()  # further files of one model: encoders, a VAE
    contained: bool = False  # its program is none of this host's
    hidden: tuple[tuple[str, str], ...] = ()  # paths that lead to nothing on this host, and why

    @property
    def files(self) -> tuple[str, ...]:
        """Every path of this host that names weights, each once."""
        named = (self.model, *self.parts, self.mmproj, *self.adapters, self.draft)
        out_of_sight = dict(self.hidden)
        return tuple(dict.fromkeys(path for path in named if path and path not in out_of_sight))

    @property
    def understood(self) -> bool:
        """Whether `gpu_layers` means something to it."""
        return self.kind in {LLAMA_SERVER, LLAMA_CPP_PYTHON}

    @property
    def offloads(self) -> bool:
        """Whether it would use GPUs; of servers that aren't llama.cpp's nobody knows better."""
        return not self.understood or (self.devices != "none" and self.layers_on_gpu(1) > 0)

    def layers_on_gpu(self, layers: int) -> int:
        """How many of so many layers and the output are offloaded, the last ones; auto: all."""
        wanted = int(self.gpu_layers) if WHOLE.match(self.gpu_layers) else -1
        return layers + 1 if wanted < 0 else min(wanted, layers + 1)

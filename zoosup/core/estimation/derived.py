"""What a model needs, reckoned from its weights and its command line, term by term; bytes of RAM.

Knows how llama.cpp spends memory and the margins for what is not reckoned. Every layer counts for RAM, as on a host
without GPUs; what of it GPUs take over stands in `gpu_offload`. Weights that are mapped count as well as those that are
read: their pages can be evicted, but a model that computes on the CPU reads all of them for each token, and crawls from
the disk when they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from zoosup.core.estimation import kv_cache
from zoosup.core.estimation.kv_cache import Metadata, UnusableError
from zoosup.core.estimation.servers.server import LLAMA_SERVER, Server
from zoosup.core.state.weights import FileFacts, WeightFacts
from zoosup.spec.syntax.units import describe_size

MIB, GIB = 2**20, 2**30

PROGRAM = 20 * MIB
"""llama-server's code and what it allocates before any model (measured: 11 MiB of file pages, 6 MiB of heap)."""

PER_TOKEN, PER_CANDIDATE = 128, 12
"""Bytes for each entry of the vocabulary, and again for each slot's sampler (llama_token_data)."""

PROJECTOR = GIB
"""Beside an mmproj's weights: the images that it works on."""


@dataclass(frozen=True, slots=True)
class Term:
    """One summand: what it is, how many bytes, and how that was found."""

    name: str
    amount: int
    how: str
    pool: str = "ram"  # or vram: on GPUs, whichever


@dataclass(frozen=True, slots=True)
class Workings:
    """What the terms of a GGUF under llama.cpp are reckoned from, and those that don't depend on what is offloaded."""

    server: Server
    facts: WeightFacts
    model: FileFacts
    meta: Metadata
    room: kv_cache.Cells
    shape: list[kv_cache.Layer]

    @property
    def compute(self) -> Term:
        """The greatest graph's scratch memory."""
        return _compute(self.server, self.meta, self.room, self.shape)

    @property
    def program(self) -> Term:
        """What a server holds beside the model, and the logits of each slot."""
        vocabulary, slots = self.model.vocabulary, self.room.slots
        how = f"the program, and {vocabulary} tokens of vocabulary in {slots} slots"
        return Term("program", PROGRAM + vocabulary * (PER_TOKEN + (PER_CANDIDATE + 4) * slots), how)

    @property
    def extras(self) -> list[Term]:
        """Projector, adapters and draft model."""
        return [*_extras(self.server, self.facts), *_draft(self.server, self.facts)]

    @property
    def bounded(self) -> list[Term]:
        """Caches that take no margin."""
        return [*_checkpoints(self), *_prompts(self)]

    def context_bytes(self, room: kv_cache.Cells) -> int:
        """Keys, values and states in so much room."""
        state = kv_cache.state_bytes(self.meta, room, self.shape)
        return kv_cache.cache_bytes(room, self.shape, self.server.types) + state


def derive(server: Server, facts: WeightFacts) -> tuple[Term, ...] | None:
    """The terms, the margin last; None when nothing is known of the weights."""
    model = facts.of(server.model)
    if model is None:
        return None
    extras = _extras(server, facts)
    try:
        known = workings(server, facts)
        if known is not None:
            return _gguf(known)
    except UnusableError as error:
        return _plain(server, model, extras, f"its metadata are of no use: {error}")
    if model.format == "safetensors":
        return _safetensors(server, model, extras)
    return _plain(server, model, extras, model.problem or "only its size is known to matter here")


def workings(server: Server, facts: WeightFacts) -> Workings | None:
    """None for what is no GGUF under llama.cpp; UnusableError where its metadata say too little."""
    model = facts.of(server.model)
    if model is None or model.format != "gguf" or not server.understood:
        return None
    meta = Metadata(model.metadata)
    return Workings(server, facts, model, meta, kv_cache.cells(meta, server), kv_cache.layers(meta))


def _extras(server: Server, facts: WeightFacts) -> list[Term]:
    terms = []
    projector = facts.of(server.mmproj)
    if projector is not None:
        weights = projector.tensors or projector.size
        how = f"{describe_size(weights)} of weights, and {describe_size(PROJECTOR)} to work in"
        terms.append(Term("mmproj", weights + PROJECTOR, how))
    for path in server.parts:
        part = facts.of(path)
        if part is not None:
            terms.append(Term("part", part.tensors or part.size, path.rpartition("/")[2]))
    for path in server.adapters:
        adapter = facts.of(path)
        if adapter is not None:
            terms.append(Term("lora", adapter.tensors or adapter.size, path.rpartition("/")[2]))
    return terms


def _plain(server: Server, model: FileFacts, extras: list[Term], why: str) -> tuple[Term, ...]:
    weights = Term("weights", model.size, f"size of {_files(model)}; {why}")
    margin = Term("margin", model.size // 4 + GIB, "25 % of the size + 1 GiB, for the context and all else")
    return (weights, *extras, *_bounded_prompts(server), margin)


def _safetensors(server: Server, model: FileFacts, extras: list[Term]) -> tuple[Term, ...]:
    terms = [Term("weights", model.tensors, f"tensors of {_files(model)}"), *extras]
    if server.cpu_cache:
        terms.append(Term("kv cache", server.cpu_cache, "VLLM_CPU_KVCACHE_SPACE, 4 GiB unless set"))
    margin = model.tensors // 5 + 2 * GIB
    return (*terms, Term("margin", margin, "20 % of the weights + 2 GiB, for the context and all else"))


def _files(model: FileFacts) -> str:
    return "1 file" if model.parts == 1 else f"{model.parts} files"


# GGUF


def _gguf(of: Workings) -> tuple[Term, ...]:
    steady = [weights_term(of.server, of.model), *_context(of), of.compute, of.program, *of.extras]
    return (*steady, *of.bounded, margin(steady, "ram"))


def margin(steady: Sequence[Term], pool: str) -> Term:
    """What is not reckoned, beside those terms."""
    amount = sum(term.amount for term in steady) * 15 // 100 + 768 * MIB
    return Term("margin", amount, "15 % of the terms before the caches + 768 MiB", pool)


def weights_term(server: Server, model: FileFacts) -> Term:
    """All of them in RAM."""
    kept = "mapped; the pages have to stay for it to be fast" if server.mmap else "read into memory"
    return Term("weights", model.tensors, f"tensors of {_files(model)}, {kept}")


def _context(of: Workings) -> list[Term]:
    room, types = of.room, of.server.types
    sliding = sum(layer.sliding for layer in of.shape if layer.keys)
    full = sum(not layer.sliding for layer in of.shape if layer.keys)
    how = f"{full} layers of {room.full} cells"
    how += f", {sliding} sliding ones of {room.window}" if sliding else ""
    how += f", for each of {room.streams} slots" if room.streams > 1 else ""
    how += f", {'/'.join(dict.fromkeys(types))}"
    terms = [Term("kv cache", kv_cache.cache_bytes(room, of.shape, types), how)]
    if state := kv_cache.state_bytes(of.meta, room, of.shape):
        recurrent = sum(layer.recurrent for layer in of.shape)
        terms.append(Term("state", state, f"{recurrent} recurrent layers, {room.slots} slots"))
    return terms


def _compute(server: Server, meta: Metadata, room: kv_cache.Cells, shape: list[kv_cache.Layer]) -> Term:
    """A batch's activations and the attention mask.

    Without flash attention also every head's scores, as f32 and once more as the f16 that they are multiplied as.
    """
    batch = min(server.ubatch, room.context)
    heads = meta.whole("attention.head_count")
    width, feed = meta.whole("embedding_length"), meta.whole("feed_forward_length")
    attended = max(layer.keys + layer.values for layer in shape)
    elements = max(4 * feed + 2 * width, 4 * width + 3 * attended)
    masked = room.full + (room.window if any(layer.sliding for layer in shape) else 0)
    scores = 2 * masked if server.flash else 4 * masked + 6 * room.full * heads
    return Term("compute", batch * (4 * elements + scores), f"batches of {batch} tokens over {masked} cells")


def _draft(server: Server, facts: WeightFacts) -> list[Term]:
    model = facts.of(server.draft)
    if model is None:
        return []
    name = server.draft.rpartition("/")[2]
    if model.format != "gguf":
        return [Term("draft", model.size + model.size // 4 + GIB, f"{name}: size + 25 % + 1 GiB")]
    meta = Metadata(model.metadata)
    room, shape = kv_cache.cells(meta, server), kv_cache.layers(meta)
    cache = kv_cache.cache_bytes(room, shape, server.draft_types) + kv_cache.state_bytes(meta, room, shape)
    amount = model.tensors + cache + _compute(server, meta, room, shape).amount
    return [Term("draft", amount, f"{name}: weights, cache of {room.full} cells, compute")]


def _checkpoints(of: Workings) -> list[Term]:
    count = of.server.checkpoints if of.server.prompt_cache != 0 else 0
    one = kv_cache.checkpoint_bytes(of.meta, of.room, of.shape, of.server) if count else 0
    how = f"{count} context checkpoints of {describe_size(one)}, one slot's (--ctx-checkpoints)"
    return [Term("checkpoints", one * count, how)] if one else []


def _prompts(of: Workings) -> list[Term]:
    """llama-server keeps prompts that no slot needs; without a bound in bytes, as many tokens as the context has."""
    if of.server.prompt_cache is None:
        how = "--cache-ram -1: as many tokens as the context"
        return [Term("prompt cache", of.context_bytes(of.room), how)]
    return _bounded_prompts(of.server)


def _bounded_prompts(server: Server) -> list[Term]:
    if not server.prompt_cache:
        return []
    option = "--cache-ram" if server.kind == LLAMA_SERVER else "--cache_size"
    how = f"what {option} allows it to take in time; 0 turns it off"
    return [Term("prompt cache", server.prompt_cache, how)]

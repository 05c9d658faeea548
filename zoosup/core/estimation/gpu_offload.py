"""What of a derived need stands on GPUs, and what stays RAM, on a host that has GPUs.

Of GGUF weights under llama.cpp the last layers go to the GPUs, as many as -ngl says, with their keys and values; the
token embedding stays. Where the command line doesn't tell which part goes where, all of it counts twice: whole on the
GPUs and whole in RAM. Like `derive` it reckons with the headers and the command line only.
"""

from dataclasses import replace

from zoosup.core.estimation import kv_cache
from zoosup.core.estimation.derived import MIB, Term, Workings, derive, margin, workings
from zoosup.core.estimation.kv_cache import Layer, UnusableError
from zoosup.core.estimation.servers.server import Server
from zoosup.core.state.weights import WeightFacts

CONTEXT = 512 * MIB
"""What a driver keeps on a GPU for each process that computes there: CUDA's, and taken for every make's until runs
have shown what it is.
"""

_HOST = frozenset({"prompt cache", "checkpoints"})
"""Terms that llama.cpp keeps in RAM whatever is offloaded."""


def offloaded(server: Server, facts: WeightFacts) -> tuple[Term, ...] | None:
    """The terms of both pools; None when nothing is known of the weights or GPUs are left alone."""
    whole = derive(server, facts)
    if whole is None or not server.offloads:
        return None
    try:
        known = None if server.scattered else workings(server, facts)
        return _twice(whole) if known is None else (*_in_ram(known), *_on_gpus(known))
    except UnusableError:
        return _twice(whole)


def each_gpu(terms: tuple[Term, ...]) -> int:
    """Bytes that a second GPU takes once more, with their margin: compute buffers and the device's context."""
    again = sum(t.amount for t in terms if t.pool == "vram" and t.name in {"compute", "logits", "context"})
    return again * 115 // 100


def _twice(whole: tuple[Term, ...]) -> tuple[Term, ...]:
    how = "it can't be told what of it is offloaded: it counts as RAM and here"
    on_gpu = (replace(term, how=how, pool="vram") for term in whole if term.name not in _HOST)
    return (*whole, *on_gpu, _context())


def _context() -> Term:
    return Term("context", CONTEXT, "a device's context", "vram")


def _in_ram(of: Workings) -> list[Term]:
    on = of.server.layers_on_gpu(of.meta.layers)
    stays = of.shape if not of.server.kv_offload else of.shape[: of.meta.layers + 1 - on]
    tensors = of.model.tensors
    kept = min(tensors, tensors - _share(of, on) + _embedding(of))
    steady = [Term("weights", kept, f"{max(0, of.meta.layers + 1 - on)} layers, and the token embedding")]
    steady += _cache(of, stays, "ram")
    if on <= of.meta.layers or not of.server.kv_offload:
        steady.append(of.compute)
    steady += [of.program, *(t for t in of.extras if t.name != "mmproj" or not of.server.mmproj_offload)]
    return [*steady, *of.bounded, margin(steady, "ram")]


def _on_gpus(of: Workings) -> list[Term]:
    on, layers = of.server.layers_on_gpu(of.meta.layers), of.meta.layers
    weights = min(of.model.tensors, _share(of, on) + _embedding(of))
    batch = min(of.server.ubatch, of.room.context)
    steady = [Term("weights", weights, f"{min(on, layers + 1)} of {layers + 1} layers (-ngl)", "vram")]
    steady += _cache(of, of.shape[layers + 1 - on :] if of.server.kv_offload else [], "vram")
    steady.append(replace(of.compute, pool="vram"))
    if of.model.vocabulary:
        how = f"{of.model.vocabulary} of each of {batch} tokens"
        steady.append(Term("logits", 4 * batch * of.model.vocabulary, how, "vram"))
    extras = (t for t in of.extras if t.name != "mmproj" or of.server.mmproj_offload)
    steady += [*(replace(t, pool="vram") for t in extras), _context()]
    return [*steady, margin(steady, "vram")]


def _share(of: Workings, on: int) -> int:
    """Bytes of the repeating layers that are offloaded: one of `on` is the output."""
    tensors, layers = of.model.tensors, of.meta.layers
    return tensors if on > layers else tensors * (on - 1) // layers


def _embedding(of: Workings) -> int:
    """At most so much is the token embedding, and so much the output."""
    return min(of.model.tensors, 2 * of.model.vocabulary * of.meta.whole("embedding_length"))


def _cache(of: Workings, shape: list[Layer], pool: str) -> list[Term]:
    cache = kv_cache.cache_bytes(of.room, shape, of.server.types)
    state = kv_cache.state_bytes(of.meta, of.room, shape)
    found = [Term("kv cache", cache, f"{len(shape)} layers", pool)] if cache else []
    return [*found, Term("state", state, f"{len(shape)} layers", pool)] if state else found

"""The question to llama-fit-params about one llama-server, how its answer reads, and the terms that follow from it.

With --fit-print it loads a model without its weights (no_alloc, common/fit.cpp of llama.cpp), makes the context, and
prints for each device the MiB that weights, context and scratch memory would take. It is no llama-server:

    it refuses --kv-unified      where the slots share one cache it is asked of one slot; what windows and recurrent
                                 states take for the others comes from `kv_cache`
    its default is one slot      -np is always said
    it prints no weights that    such buffers of the CPU count as no device's: in RAM no fewer than the file has
    the CPU keeps in its order
    it leaves out what the CPU   activations, and without flash attention the scores, once more as f16 or q8
    multiplies from              (ggml_graph_plan's work size): the term `work`
    it reserves logits for a     more than the server, which reserves one row for each slot: its figure stands
    whole batch
    it knows nothing of mmproj, LoRA, draft models, prompt caches, checkpoints: those are `derived`'s
    it splits by what is free    it is shown one GPU, so that the answer is the same whatever runs meanwhile
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from zoosup.core.estimation import kv_cache
from zoosup.core.estimation.derived import MIB, Term, Workings, weights_term, workings
from zoosup.core.estimation.gpu_offload import CONTEXT
from zoosup.core.estimation.servers.command_line import server_among, understand
from zoosup.core.estimation.servers.server import LLAMA_SERVER, Server
from zoosup.core.estimation.servers.server_options import FIT_FLAGS, FIT_GPU_FLAGS, FIT_GPU_VALUES, FIT_VALUES
from zoosup.core.estimation.servers.server_words import split_option
from zoosup.core.state.weights import (
    FIT_PARAMS,
    DeviceNeed,
    FitAnswer,
    FitQuestion,
    FitSilence,
    Found,
    WeightFacts,
)
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.values.weight_names import read_name

_UNASKABLE = frozenset({"--mtp", "--spec-type"})
"""A second context on the model's own weights, which it can't be told of."""

_MOST_DEVICES = 64
_LINE = re.compile(r"(?P<device>\S.{0,99}?) (?P<model>\d{1,8}) (?P<context>\d{1,8}) (?P<compute>\d{1,8}) ?\Z")


class GarbledError(ValueError):
    """What it printed is no answer; the text says why."""


def question(spec: ModelSpec, found: Found = (), *, on_gpu: bool) -> FitQuestion | None:
    """What to ask; None where nothing can be: no llama-server with weights on this host, or one with MTP.

    One in a container is of another build than any program here, and is not asked about.
    """
    server = understand(spec, found)
    if server is None or server.kind != LLAMA_SERVER or not server.model or server.contained:
        return None
    among = server_among(spec.command)
    if among is None or read_name(server.model) is not None:
        return None
    _, beside, rest = among
    if any(split_option(word)[0] in _UNASKABLE for word in rest):
        return None
    return FitQuestion(beside, (*_common(server), *_carried(rest, on_gpu), *_placed(server, on_gpu)), on_gpu)


def _common(server: Server) -> Iterator[str]:
    count, unified = kv_cache.slots(server)
    yield from ("--fit-print", "on", "-m", server.model, "-np", "1" if unified else str(count))
    if context := server.context or server.per_slot * count:
        yield from ("-c", str(context))
    yield from ("-b", str(server.batch), "-ub", str(server.ubatch))
    yield from ("-ctk", server.types[0], "-ctv", server.types[1])
    if not server.flash:
        yield from ("-fa", "off")
    if server.swa_full:
        yield "--swa-full"


def _placed(server: Server, on_gpu: bool) -> Iterator[str]:
    if not on_gpu:
        yield from ("-dev", "none")
        return
    if server.gpu_layers != "auto":
        yield from ("-ngl", server.gpu_layers)
    if not server.kv_offload:
        yield "-nkvo"


def _carried(rest: Sequence[str], on_gpu: bool) -> Iterator[str]:
    flags = FIT_FLAGS | FIT_GPU_FLAGS if on_gpu else FIT_FLAGS
    values = FIT_VALUES | FIT_GPU_VALUES if on_gpu else FIT_VALUES
    for index, word in enumerate(rest):
        option, _, _ = split_option(word)
        if option in flags:
            yield option
        elif option in values and index + 1 < len(rest):
            yield from (option, rest[index + 1])


def parse(printed: str, asked: FitQuestion) -> FitAnswer:
    """The last lines that it printed, one for each device and `Host` at the end; GarbledError for anything else."""
    lines = [_LINE.match(line.rstrip("\r")) for line in printed.splitlines()]
    ends = [at for at, found in enumerate(lines) if found is not None and found["device"] == "Host"]
    if not ends:
        raise GarbledError("it printed no figures")
    first = last = ends[-1]
    while first > 0 and lines[first - 1] is not None:
        first -= 1
    parts = [_part(found) for found in lines[first : last + 1] if found is not None]
    if len(parts) > _MOST_DEVICES:
        raise GarbledError(f"it printed figures of {len(parts)} devices")
    if not any(part.compute for part in parts):
        raise GarbledError("it printed that nothing is needed to compute")
    if asked.on_gpu and len(parts) == 1:
        raise GarbledError("it sees no GPU")
    return FitAnswer(asked, parts[-1], tuple(parts[:-1]))


def _part(found: re.Match[str]) -> DeviceNeed:
    return DeviceNeed(found["device"], *(int(found[each]) * MIB for each in ("model", "context", "compute")))


# what follows from an answer


def fit_terms(
    spec: ModelSpec, server: Server, facts: WeightFacts, *, on_gpu: bool
) -> tuple[tuple[Term, ...] | None, str]:
    """The terms by what it has said of this very command, else None and why not (empty where that needs no saying)."""
    answer = facts.fitted.gpu if on_gpu else facts.fitted.ram
    if answer is None or answer.question != question(spec, facts.located, on_gpu=on_gpu):
        return None, ""
    if isinstance(answer, FitSilence):
        return None, answer.why
    try:
        known = workings(server, facts)
        if known is not None:
            return on_gpus(known, answer) if on_gpu else in_ram(known, answer), ""
    except kv_cache.UnusableError:
        pass  # its own terms can't be reckoned either, and `derived` says why
    return None, ""


def in_ram(of: Workings, answer: FitAnswer) -> tuple[Term, ...]:
    """The terms of a model all of which is RAM."""
    devices = answer.on_devices
    part = replace(
        answer.host,
        context=answer.host.context + devices.context,
        compute=answer.host.compute + devices.compute,
    )
    return tuple(_ram(of, part, of.model.tensors, _other_slots(of), [_work(of), *of.extras]))


def on_gpus(of: Workings, answer: FitAnswer) -> tuple[Term, ...]:
    """The terms of both pools; of `vram` as if one GPU took it all in."""
    there, here = answer.on_devices, answer.host
    more = _other_slots(of)
    offloaded = more * there.context // max(1, there.context + here.context)
    moved = of.server.mmproj_offload
    work = [_work(of)] if _on_cpu(of.server, of.meta.layers) else []
    beside = [*work, *(t for t in of.extras if t.name != "mmproj" or not moved)]
    driver = Term("driver", CONTEXT, "what a GPU's driver keeps in the process")
    left = max(0, of.model.tensors - there.model)
    steady = [
        Term("weights", there.model, f"by {FIT_PARAMS}", "vram"),
        *_kept(there, offloaded, "vram"),
        Term("compute", there.compute, f"by {FIT_PARAMS}", "vram"),
    ]
    own = [replace(t, pool="vram") for t in of.extras if t.name != "mmproj" or moved]
    terms = [*steady, *own, Term("context", CONTEXT, "a device's context", "vram")]
    ram = _ram(of, here, left, more - offloaded, beside)
    return (*ram, driver, *terms, _margin(steady, own, "vram"))


def each_gpu(terms: Sequence[Term]) -> int:
    """Bytes that a second GPU takes once more, with their margin."""
    again = {t.name: t.amount for t in terms if t.pool == "vram" and t.name in {"compute", "context"}}
    return again["compute"] * 105 // 100 + again["context"]


def _ram(of: Workings, part: DeviceNeed, tensors: int, more: int, extras: Sequence[Term]) -> Iterator[Term]:
    weights = weights_term(of.server, of.model)
    steady = [replace(weights, amount=max(tensors, part.model)), *_kept(part, more, "ram")]
    if part.compute:
        steady.append(Term("compute", part.compute, f"by {FIT_PARAMS}"))
    own = [of.program, *extras]
    yield from (*steady, *own, *of.bounded, _margin(steady, own, "ram"))


def _work(of: Workings) -> Term:
    batch = min(of.server.ubatch, of.room.context)
    scores = 0 if of.server.flash else of.room.full * of.meta.whole("attention.head_count")
    widest = max(of.meta.whole("feed_forward_length"), of.meta.whole("embedding_length"), scores)
    return Term("work", 2 * batch * widest, f"batches of {batch} tokens as the CPU multiplies them")


def _on_cpu(server: Server, layers: int) -> bool:
    """Whether the CPU computes beside the GPUs."""
    return server.scattered or not server.kv_offload or server.layers_on_gpu(layers) <= layers


def _kept(part: DeviceNeed, more: int, pool: str) -> list[Term]:
    if not part.context + more:
        return []
    how = f"by {FIT_PARAMS}" + f", and what {FIT_PARAMS} can't be asked: the other slots" * bool(more)
    return [Term("kv cache", part.context + more, how, pool)]


def _margin(steady: Sequence[Term], own: Sequence[Term], pool: str) -> Term:
    exact, reckoned = (sum(term.amount for term in terms) for terms in (steady, own))
    how = f"5 % of what {FIT_PARAMS} says" + ", 15 % of the other terms before the caches" * bool(own)
    return Term("margin", exact * 5 // 100 + reckoned * 15 // 100, how, pool)


def _other_slots(of: Workings) -> int:
    """Bytes by which slots that share one cache go beyond a single one: windows and recurrent states."""
    if not kv_cache.slots(of.server)[1]:
        return 0
    one = kv_cache.cells(of.meta, replace(of.server, parallel=1))
    return of.context_bytes(of.room) - of.context_bytes(one)

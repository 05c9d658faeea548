"""How much memory a model needs, pool by pool, and where the figure is from.

The first that has an answer: what zoo.yaml declares, what earlier runs have shown, what follows from the weights (by
llama.cpp's own word where it was asked), a guess. By which rules what is learned moves the others stands in `learned`;
which GPUs are booked, in `memory.gpu_layouts`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from zoosup.core.estimation import learned, llama_fit
from zoosup.core.estimation.derived import PROGRAM, Term, derive
from zoosup.core.estimation.gpu_offload import each_gpu, offloaded
from zoosup.core.estimation.llama_fit import fit_terms
from zoosup.core.estimation.servers.command_line import understand
from zoosup.core.estimation.servers.containers import Made, served, what_it_is
from zoosup.core.estimation.servers.server import OTHER, SHARING, Server
from zoosup.core.state.observed import Model
from zoosup.core.state.usage import NOTHING_LEARNED, Learned, RunPeaks
from zoosup.core.state.weights import FIT_PARAMS, WeightFacts
from zoosup.spec.model.memory import MemorySpec
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.values.weight_names import read_name

UNKNOWN_RAM = 8 * 2**30
"""Bytes assumed for a model of which nothing is known: the default of the design zoosup came from."""

UNKNOWN_VRAM = 8 * 2**30
"""The same on a GPU, where it has that much."""

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""The variable that shows a process some GPUs and hides the others; a UUID means the same whatever their order."""

ROCR, HIP, ZE_MASK = "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ZE_AFFINITY_MASK"
"""The same of AMD's (ROCR's, and HIP's of what that leaves) and of Intel's; all of it stands in `memory.gpu_env`."""

_HIDES = {VISIBLE: {"", "-1"}, ROCR: {""}, HIP: {"-1"}}

_NOTHING = WeightFacts()


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes by pool id, and `vram`: the whole model's bytes on GPUs, or bytes by GPU (index or UUID).

    `certain` is False for a guess: such a model starts alone. `terms` add up to all of it. A derived need is what the
    model takes where all of it is RAM; `on_gpus` is what it takes on a host with GPUs, where it would use them.
    """

    amounts: Mapping[str, int]
    source: str  # declared | learned | llama-fit-params | derived | default
    certain: bool
    vram: int | Mapping[str, int] = 0
    terms: tuple[Term, ...] = field(default=(), compare=False)
    on_gpus: "Need | None" = None
    each_gpu: int = 0  # of `vram`: bytes that every GPU takes once more when it is split
    fraction: float = 0.0  # of a GPU's whole memory that it takes however small it is
    yields: bool = False  # it runs without GPUs too, where none is large enough
    mapped: int | None = None  # of RAM: what is page cache, not the processes' own; None: unknown
    note: str = field(default="", compare=False)  # why it is not from where it could have been

    @property
    def whole_vram(self) -> int:
        """Bytes on all its GPUs together."""
        return self.vram if isinstance(self.vram, int) else sum(self.vram.values())


def need(spec: ModelSpec, facts: WeightFacts | None = None, learned: Learned = NOTHING_LEARNED) -> Need:
    """What the model must be able to hold before it is started.

    `facts` are what was found of its weights, `learned` what its earlier runs have shown.
    """
    if isinstance(spec.memory, MemorySpec):
        return _raised(_declared(spec.memory), learned.floor)
    env = tuple(spec.env.items())
    found = _estimated(_Subject(spec.command, what_it_is(spec), env, spec.gpus, facts, spec))
    return _with_learned(found, learned) if learned.runs else found


def need_of(model: Model, spec: ModelSpec) -> Need:
    """What a model that the file describes so must be able to hold, by all that is known of it."""
    return need(spec, model.weights, model.learned)


@dataclass(frozen=True, slots=True)
class _Subject:
    """All that an estimate depends on, and the model that it is taken from."""

    command: tuple[str, ...]
    container: Made | None
    env: tuple[tuple[str, str], ...]
    gpus: object
    facts: WeightFacts | None
    spec: ModelSpec = field(compare=False)


@lru_cache(maxsize=1024)
def _estimated(subject: _Subject) -> Need:
    """The need without what is learned; kept, because each pass asks it several times of each model."""
    return _derived(subject.spec, subject.facts or _NOTHING) or _unknown(subject.spec, subject.facts)


def _with_learned(found: Need, learned: Learned) -> Need:
    """The need by what is learned: runs on GPUs teach nothing of one without, where the two differ."""
    if found.on_gpus is None:
        return _learned(found, learned.runs)
    with_gpus = [each for each in learned.runs if each.cards]
    without = [each for each in learned.runs if not each.cards]
    return replace(_learned(found, without), on_gpus=_learned(found.on_gpus, with_gpus))


def _learned(found: Need, runs: Sequence[RunPeaks]) -> Need:
    enough = learned.ENOUGH if found.certain else 1
    ram = learned.ram(found.amounts["ram"], runs, found.mapped, enough)
    vram = learned.vram(found.whole_vram, runs, found.each_gpu, enough) if found.whole_vram else ()
    if ram or vram:
        terms = [*(ram or _of(found.terms, "ram")), *(vram or _of(found.terms, "vram"))]
        found = replace(
            found,
            amounts={**found.amounts, "ram": _sum(ram, "ram")} if ram else found.amounts,
            source="learned",
            note="",
            certain=found.certain or _settled(found, runs),
            vram=_sum(vram, "vram") if vram else found.vram,
            terms=tuple(terms),
        )
    return _raised(found, learned.floor(runs))


def _settled(guess: Need, runs: Sequence[RunPeaks]) -> bool:
    """Whether a healthy run has taken the place of all of a guess."""
    healthy = [each for each in runs if each.healthy]
    in_ram = any(each.mapped is not None for each in healthy)
    return in_ram and (not guess.whole_vram or any(each.card is not None for each in healthy))


def _of(terms: Sequence[Term], pool: str) -> list[Term]:
    return [term for term in terms if term.pool == pool]


def _raised(found: Need, floor: int) -> Need:
    """The need once an OOM has shown that so much RAM is the least."""
    more = learned.raised(found.amounts["ram"], floor)
    if not more:
        return found
    amounts = {**found.amounts, "ram": found.amounts["ram"] + _sum(more, "ram")}
    source = "declared" if found.source == "declared" else "learned"
    return replace(found, amounts=amounts, source=source, terms=(*found.terms, *more))


def _declared(memory: MemorySpec) -> Need:
    if isinstance(memory.vram, int):
        return _final(memory.ram, memory.vram)
    return replace(_final(memory.ram, sum(memory.vram.values())), vram=memory.vram)


@lru_cache(maxsize=1024)  # without it a pass over many declared models takes a fifth longer
def _final(ram: int, vram: int) -> Need:
    terms = [Term("declared", ram, "memory.ram of zoo.yaml, which is final")]
    if vram:
        terms.append(Term("declared", vram, "memory.vram of zoo.yaml, which is final", "vram"))
    return Need({"ram": ram}, "declared", certain=True, vram=vram, terms=tuple(terms))


def _derived(spec: ModelSpec, facts: WeightFacts) -> Need | None:
    if not facts.files:
        return None
    server = understand(spec, facts.located)
    terms = derive(server, facts) if server is not None else None
    if server is None or terms is None:
        return None
    split = offloaded(server, facts) if offloads(spec) else None
    on_gpus = _on_gpus(spec, server, facts, split) if split is not None else None
    fitted, note = fit_terms(spec, server, facts, on_gpu=False)
    return Need(
        {"ram": _sum(fitted or terms, "ram")},
        FIT_PARAMS if fitted else "derived",
        certain=True,
        terms=fitted or terms,
        on_gpus=on_gpus,
        mapped=_mapped(server, facts, fitted or terms),
        note=note or _out_of_sight(server),
    )


def _out_of_sight(server: Server) -> str:
    """What is not in the sum, because nothing on this host leads to it."""
    return "; ".join(f"not reckoned: {why}" for _, why in server.hidden)


def _mapped(server: Server, facts: WeightFacts, terms: Sequence[Term]) -> int | None:
    """Bytes that llama.cpp leaves in the page cache, its own code among them; of others nobody knows beforehand."""
    if not server.understood:
        return None
    if not server.mmap:
        return PROGRAM
    draft = facts.of(server.draft)
    own = sum(term.amount for term in terms if (term.name, term.pool) == ("weights", "ram"))
    return own + (draft.tensors if draft is not None else 0) + PROGRAM


def _on_gpus(spec: ModelSpec, server: Server, facts: WeightFacts, derived: tuple[Term, ...]) -> Need:
    fitted, note = fit_terms(spec, server, facts, on_gpu=True)
    terms = fitted or derived
    return Need(
        {"ram": _sum(terms, "ram")},
        FIT_PARAMS if fitted else "derived",
        certain=True,
        vram=_sum(terms, "vram"),
        terms=terms,
        each_gpu=llama_fit.each_gpu(fitted) if fitted else each_gpu(derived),
        fraction=server.utilization if server.kind in SHARING else 0.0,
        yields=server.gpu_layers == "auto" and server.understood,
        mapped=_mapped(server, facts, terms),
        note=note,
    )


def _sum(terms: Sequence[Term], pool: str) -> int:
    return sum(term.amount for term in terms if term.pool == pool)


def offloads(spec: ModelSpec) -> bool:
    """Whether it would use GPUs where it is shown some."""
    inside = served(spec)
    env = inside.env if inside is not None else spec.env
    if spec.gpus == "none" or any(env.get(name) in hiding for name, hiding in _HIDES.items()):
        return False
    if inside is not None and not inside.sees_gpus and spec.gpus == "auto":
        return False
    server = understand(spec)
    return server is None or server.offloads


def _unknown(spec: ModelSpec, facts: WeightFacts | None) -> Need:
    terms = (Term("default", UNKNOWN_RAM, f"a guess: {_why_unknown(spec, facts)}"),)
    vram = UNKNOWN_VRAM if offloads(spec) else 0
    return Need({"ram": UNKNOWN_RAM}, "default", certain=False, vram=vram, terms=terms)


def _why_unknown(spec: ModelSpec, facts: WeightFacts | None) -> str:
    if facts is None:
        return "its weights have not been looked at"
    server = understand(spec)
    if server is None or not server.model:
        return "its command names no weights"
    if why := dict(server.hidden).get(server.model):
        return why
    asked = "" if server.kind == OTHER else f"{server.kind} "
    if read_name(server.model) is not None:
        return f"{asked}weights {server.model} are in no cache of this host"
    return f"{asked}weights {server.model} are not on this host"

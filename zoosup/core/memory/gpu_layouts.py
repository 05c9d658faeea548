"""Which GPUs a model may have, and how much it would hold on each.

    auto       one GPU where one suffices, else two, three, ... with equal shares
    a number   so many, with equal shares
    a list     these and no others; `memory.vram` by GPU is such a list
    none       no GPU is shown to it

A model that declares no GPU memory and names no GPU is left alone: it may use none, and nothing is set for it. Where a
host has no GPUs, what a model needs of them is counted as RAM. One that is unified with RAM stands behind those that
have memory of their own: beside such it is for who names it.
Equal shares are what servers do that are told nothing else. Pools are never summed. A model has GPUs of one make: no
server computes on AMD's and NVIDIA's at once. Knows neither who holds what nor who may leave: which GPU is best is
asked of `order`.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from zoosup.core.estimation.need import HIP, ROCR, VISIBLE, ZE_MASK, Need
from zoosup.core.memory.budget import names_gpu
from zoosup.core.memory.ledger import Ledger
from zoosup.core.state.pools import VRAM, Make
from zoosup.core.state.runs import Run
from zoosup.spec.model.model import ModelSpec

Order = Callable[[Ledger, int], tuple[int, ...]]
"""How well so many bytes would stand on a GPU; the least is the best."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One way to book a model: bytes by pool id, and the UUIDs that it is shown (None: nothing is set for it)."""

    amounts: Mapping[str, int]
    gpus: tuple[str, ...] | None = None

    @property
    def count(self) -> int:
        """How many GPUs it would be spread over; 1 where nothing is set for it."""
        return 1 if self.gpus is None else len(self.gpus)


NOWHERE = Layout({})
"""Of a model that could not even be laid out."""

_NAMING: tuple[tuple[str, Make], ...] = (
    (VISIBLE, "nvidia"),
    (ROCR, "amd"),
    (HIP, "amd"),
    (VISIBLE, "amd"),
    (ZE_MASK, "intel"),
)
"""Variables that name a make's GPUs, the first that a model has counts. HIP reads CUDA's too."""


class NoSuchGpuError(Exception):
    """The file gives the model GPUs that the host doesn't have at present; the text says which."""


def layouts(spec: ModelSpec, need: Need, ledgers: Sequence[Ledger], order: Order) -> Iterator[Layout]:
    """The ways to book a model on one node, the fewest GPUs first; NoSuchGpuError when there is none."""
    cards = [ledger for ledger in ledgers if ledger.pool.id.startswith(VRAM)]
    if spec.gpus == "none":
        yield Layout(need.amounts, ())
    elif not cards:
        yield _without_cards(spec, need)
    else:
        yield from _with_cards(spec, need, cards, order)


def _with_cards(spec: ModelSpec, whole: Need, cards: Sequence[Ledger], order: Order) -> Iterator[Layout]:
    need = whole.on_gpus or whole
    if names := named_gpus(spec, need, _makes(cards)):
        yield _on(need, [_find(name, cards) for name in names])
        return
    cards = [ledger for ledger in cards if not ledger.pool.unified] or cards
    if spec.gpus == "auto":
        fits = False
        for layout in _auto(need, cards, order):
            fits = fits or _could_fit(layout, cards)
            yield layout
        if need.yields and not fits:
            # llama-server offloads what there is room for, which nobody can book: it is shown no GPU at all.
            yield Layout(whole.amounts, ())
    else:
        assert isinstance(spec.gpus, int)  # noqa: S101 - all else is handled above
        yield from _so_many(need, spec.gpus, cards, order)


def rebooked(need: Need, run: Run) -> Mapping[str, int]:
    """What a live run is promised once the file says `need` of the same process: on the GPUs that it has."""
    cards = [pool for pool in run.reserved if pool.startswith(VRAM)]
    if not cards:
        return need.amounts if run.gpus is not None else _as_ram(need)
    if not need.certain:
        return {**run.reserved, **need.amounts}
    if isinstance(need.vram, int):
        return {**need.amounts, **dict.fromkeys(cards, _share(need.vram, len(cards)))}
    # By index, too, a key may mean a GPU of the run, but only the host knows which: what was booked stays.
    by_uuid = {p: s for p in cards for key, s in need.vram.items() if names_gpu(key, p, "")}
    return {**need.amounts, **({p: run.reserved[p] for p in cards} | by_uuid)}


def still_booked(need: Need, run: Run) -> Mapping[str, int]:
    """What it stays booked with then: what it was seen to hold, where that is more; it may hold it again."""
    return {pool: max(amount, run.peak.get(pool, 0)) for pool, amount in rebooked(need, run).items()}


def _without_cards(spec: ModelSpec, need: Need) -> Layout:
    if not isinstance(need.vram, int) or spec.gpus != "auto":
        raise NoSuchGpuError("it is to have GPUs, and this host shows none")
    return Layout(_as_ram(need))


def _as_ram(need: Need) -> Mapping[str, int]:
    # A guess of RAM is a guess of the whole model already.
    more = need.whole_vram if need.certain else 0
    return {pool: amount + more * (pool == "ram") for pool, amount in need.amounts.items()}


def named_gpus(spec: ModelSpec, need: Need, makes: Collection[Make]) -> tuple[str, ...]:
    """The GPUs that the file names, wherever it does; none when it leaves the choice open.

    `makes` are those of the host's GPUs.
    """
    listed = spec.gpus if isinstance(spec.gpus, tuple) else ()
    if not isinstance(need.vram, int):
        return tuple(dict.fromkeys((*listed, *need.vram)))
    if not listed and spec.gpus == "auto" and need.vram:
        # What people wrote before there was `gpus:`. Its indexes count as ours do.
        shown = next(
            (_words(spec, name, make) for name, make in _NAMING if make in makes and spec.env.get(name)), ()
        )
        return tuple(shown)
    return listed


def _words(spec: ModelSpec, variable: str, make: Make) -> Iterator[str]:
    for word in filter(None, map(str.strip, spec.env[variable].split(","))):
        number = word.partition(".")[0]  # Intel's 0.1 is a part of 0
        yield make + number if make != "nvidia" and number.isdecimal() else word


def _makes(cards: Sequence[Ledger]) -> list[Make]:
    return list(dict.fromkeys(ledger.pool.make for ledger in cards))


def _find(name: str, cards: Sequence[Ledger]) -> Ledger:
    found = [ledger for ledger in cards if names_gpu(name, ledger.pool.id, ledger.pool.index)]
    if len(found) == 1:
        return found[0]
    there = ", ".join(f"{ledger.pool.index} ({ledger.pool.id.removeprefix(VRAM)})" for ledger in cards)
    what = "means several GPUs" if found else "is no GPU of this host"
    raise NoSuchGpuError(f"{name} {what}; there are {there}")


def _on(need: Need, chosen: Sequence[Ledger]) -> Layout:
    """Book on exactly these: by the file's map, or with equal shares; a guess takes no more than there is."""
    cards = list({ledger.pool.id: ledger for ledger in chosen}.values())
    if len(makes := _makes(cards)) > 1:
        raise NoSuchGpuError(
            f"it is to have GPUs of {' and '.join(makes)}, and a model has those of one make"
        )
    amounts = dict(need.amounts)
    for ledger in cards:
        pool = ledger.pool
        if isinstance(need.vram, int):
            share = _on_one(need, len(cards), ledger)
            amounts[pool.id] = share if need.certain else max(0, min(share, ledger.ceiling))
        else:
            sizes = [s for key, s in need.vram.items() if names_gpu(key, pool.id, pool.index)]
            amounts[pool.id] = sum(sizes)
    if not need.certain:
        # A guess of RAM is a guess of the whole model already, and what stands on these counts in RAM once more.
        shared = sum(amounts[ledger.pool.id] for ledger in cards if ledger.pool.unified)
        amounts["ram"] = max(0, amounts["ram"] - shared)
    return Layout(amounts, tuple(ledger.pool.id.removeprefix(VRAM) for ledger in cards))


def _auto(need: Need, cards: Sequence[Ledger], order: Order) -> Iterator[Layout]:
    if not need.whole_vram:
        yield Layout(need.amounts)
        return
    yield _best(need, 1, cards, order)
    # CUDA shows a process one MIG device at most; and a guess is not worth several GPUs.
    whole = [ledger for ledger in cards if not ledger.pool.id.startswith(f"{VRAM}MIG-")]
    for count in range(2, len(whole) + 1) if need.certain else ():
        for alike in _alike(whole, count):
            yield _best(need, count, alike, order)


def _alike(cards: Sequence[Ledger], count: int) -> Iterator[Sequence[Ledger]]:
    """The cards of each make of which there are so many."""
    for make in _makes(cards):
        alike = [ledger for ledger in cards if ledger.pool.make == make]
        if len(alike) >= count:
            yield alike


def _so_many(need: Need, count: int, cards: Sequence[Ledger], order: Order) -> Iterator[Layout]:
    found = [_best(need, count, alike, order) for alike in _alike(cards, count)]
    if not found:
        of = " of one make" * (len(_makes(cards)) > 1)
        most = max(sum(ledger.pool.make == make for ledger in cards) for make in _makes(cards))
        raise NoSuchGpuError(f"it is to have {count} GPUs, and this host has {most}{of}")
    yield from found


def _best(need: Need, count: int, cards: Sequence[Ledger], order: Order) -> Layout:
    # Pools are weighed one by one, so that the best so many are the best each; sorting keeps the order of indexes.
    ranked = sorted(range(len(cards)), key=lambda at: order(cards[at], _on_one(need, count, cards[at])))
    return _on(need, [cards[at] for at in sorted(ranked[:count])])


def _could_fit(layout: Layout, cards: Sequence[Ledger]) -> bool:
    return all(layout.amounts.get(ledger.pool.id, 0) <= ledger.ceiling for ledger in cards)


def _on_one(need: Need, count: int, ledger: Ledger) -> int:
    """What each of so many GPUs would hold; vLLM takes its part of a GPU and 1 GiB (§5.1), however small the model."""
    share = _share(need.whole_vram + (count - 1) * need.each_gpu, count)
    if not need.fraction:
        return share
    return max(share, min(ledger.ceiling, int(ledger.pool.total * need.fraction) + 2**30))


def _share(whole: int, count: int) -> int:
    return -(-whole // count)

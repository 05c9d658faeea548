"""Whether a host has room for a model beside those that it has: the arithmetic of one host, pool by pool.

    none needed         RAM alone
    named cards         equal shares on these and no others
    a number of cards   equal shares on so many; where none is said, on the fewest that suffice
    no card             `without` in RAM where no card is large enough; all of it in RAM on a host that has none

All cards of a model are of one make. What stands on one that has no memory of its own stands in RAM too, and beside
others such a one is for those that name it.

As `core.memory.gpu_layouts`, by what the host has reported. The host's own admission has the last word. Models that run
keep their place; those that do not are laid out anew with each one that comes, the largest first, so that the answer
depends on who is there alone, and not on who came when.
"""

from bisect import bisect, insort
from collections.abc import Iterable, Mapping, Sequence
from copy import copy

from zoosup.core.fleet.words import ModelNeed, PoolRoom
from zoosup.core.memory.budget import names_gpu
from zoosup.core.state.pools import VRAM
from zoosup.spec.syntax.units import describe_size

RAM = "ram"
_MIG = f"{VRAM}MIG-"

Amounts = Mapping[str, int]
"""Bytes by pool id."""

_Taken = tuple[int, tuple[int, ...], int]
"""Bytes of RAM, and on which cards (by their place, from 1) how many each."""

_Waiting = tuple[int, int, str, ModelNeed]
"""A model that is to run and does not: its sizes with the sign turned, so that the largest is the first."""


class HostRoom:
    """What is left on one host while models are placed, one after the other.

    Bytes stand in lists: RAM first, then the cards in their order. It is asked thousands of times in one `assign`.
    """

    def __init__(self, pools: Iterable[PoolRoom]) -> None:
        found = {pool.id: pool for pool in pools}
        self._cards = [pool for pool in found.values() if pool.id.startswith(VRAM)]
        self._unified = {at for at, card in enumerate(self._cards, 1) if card.unified}
        self._by_make = _by_make(self._cards)
        self._at = {RAM: 0} | {card.id: at for at, card in enumerate(self._cards, 1)}
        ram = found[RAM].capacity if RAM in found else 0
        self._capacity = [ram, *(card.capacity for card in self._cards)]
        self._left = list(self._capacity)
        self._lent = [0] * len(self._left)
        self._lenders: dict[str, Amounts] = {}
        self._running: dict[str, Amounts] = {}
        self._waiting: list[_Waiting] = []
        self._after: list[int] | None = self._left

    def copy(self) -> "HostRoom":
        """The same, to try something out."""
        other = copy(self)
        other.part()
        return other

    def part(self) -> None:
        """Share nothing that changes with the one that this is a copy of."""
        empty = self._after is self._left
        self._left, self._lent, self._lenders = list(self._left), list(self._lent), dict(self._lenders)
        self._running, self._waiting = dict(self._running), list(self._waiting)
        self._after = self._left if empty else self._after

    def keep(self, model: str, held: Amounts) -> None:
        """Book one that runs, where it is, whether or not there is room."""
        self._move(self._lent, self._lenders.pop(model, {}), -1)
        self._running[model] = held
        self._move(self._left, held, -1)

    def lend(self, model: str, held: Amounts) -> None:
        """Note what one holds who would leave."""
        self._lenders[model] = held
        self._move(self._lent, held, 1)

    def add(self, model: str, need: ModelNeed) -> None:
        """Book one that is to run; `fits` has said that it may."""
        insort(self._waiting, _waiting(model, need))
        self._after = self._laid_out()

    def remove(self, model: str) -> None:
        """Take one out again."""
        held = self._running.pop(model, None)
        if held is not None:
            self._move(self._left, held, 1)
            return
        self._waiting = [each for each in self._waiting if each[2] != model]
        self._after = self._laid_out()

    def all_fit(self) -> bool:
        """Whether all those who are to run can."""
        return self._after is not None

    def may_keep(self, model: str, held: Amounts) -> bool:
        """Whether one that runs is in the way of nobody who is to run."""
        if not self._waiting:
            return True
        other = self.copy()
        other.keep(model, held)
        return other.all_fit()

    def fits(self, model: str, need: ModelNeed) -> float | None:
        """How well one more would stand here, None where it can't.

        The part that is left of the fullest pool it would use, 0 to 1; less than 0 where others would have to leave.
        """
        if self._after is None or not self._could(need):
            return None
        one = _waiting(model, need)
        at = bisect(self._waiting, one)
        left = list(self._after if at == len(self._waiting) else self._left)
        for each in self._waiting[:at] if at < len(self._waiting) else ():
            self._take(each[3], left)
        mine = self._take(need, left)
        if mine is None:
            return None
        for each in self._waiting[at:]:
            if self._take(each[3], left) is None:
                return None
        return self._score(mine, left)

    def shortage(self, model: str, need: ModelNeed) -> str:
        """Say why one more does not fit: what it needs, and what may be had; "" where it does."""
        if self.fits(model, need) is not None:
            return ""
        left = self._left if self._after is None else self._after
        return self._short(need, left) or "needs more than is left beside those that are to run there"

    def _move(self, left: list[int], held: Amounts, sign: int) -> None:
        for pool, amount in held.items():
            if pool in self._at:
                left[self._at[pool]] += sign * amount
                left[0] += sign * amount * (self._at[pool] in self._unified)
        self._after = self._laid_out()

    def _laid_out(self) -> list[int] | None:
        """What is left once all who are to run do; None where they can't."""
        if not self._waiting:
            return self._left
        left = list(self._left)
        if any(self._take(each[3], left) is None for each in self._waiting):
            return None
        return left

    def _could(self, need: ModelNeed) -> bool:
        """Whether it could be had at all, were nobody else about to come: asked first, as it is cheap."""
        left = self._left
        if need.ram > left[0] and (need.without is None or need.without > left[0]):
            return False
        if not need.vram or need.gpus == 0 or need.without is not None or not self._cards:
            return True
        return need.vram <= max(left[1:]) * len(self._cards)

    def _score(self, mine: _Taken, left: list[int]) -> float:
        ram, cards, _ = mine
        lent, capacity = self._lent, self._capacity
        score = (left[0] - lent[0]) / max(1, capacity[0]) if ram else 1.0
        for at in cards:
            score = min(score, (left[at] - lent[at]) / max(1, capacity[at]))
        return score

    def _take(self, need: ModelNeed, left: list[int]) -> _Taken | None:
        """Book it where it would stand, None where it can't."""
        taken = self._standing(need, left)
        if taken is not None:
            ram, cards, share = taken
            left[0] -= ram
            for at in cards:
                left[at] -= share
        return taken

    def _standing(self, need: ModelNeed, left: list[int]) -> _Taken | None:
        ram = left[0]
        if _takes_ram_alone(need):
            return (need.ram, (), 0) if need.ram <= ram else None
        if not self._cards:
            amount = self._as_ram(need)
            return (amount, (), 0) if amount is not None and amount <= ram else None
        if need.ram <= ram:
            cards, share = self._chosen(need, left)
            ram_too = need.ram + share * len(self._unified.intersection(cards))
            if cards and ram_too <= ram:
                return ram_too, cards, share
        if need.without is not None and need.without <= ram and not self._chosen(need, self._capacity)[0]:
            return need.without, (), 0
        return None

    def _as_ram(self, need: ModelNeed) -> int | None:
        """What it takes of RAM on a host without cards; None where it is to have some."""
        if need.cards or need.gpus:
            return None
        return need.ram + need.vram if need.without is None else need.without

    def _chosen(self, need: ModelNeed, left: list[int]) -> tuple[tuple[int, ...], int]:
        """The cards that it would be on, none where it can't, and what it would take of each."""
        if need.cards:
            named = self._named(need)
            share = _share(need, len(named))
            return (() if any(left[at] < share for at in named) else named), share
        for count in (need.gpus,) if need.gpus else range(1, len(left)):
            share = _share(need, count)
            for cards in self._by_make:
                fitting = [at for at in cards if left[at] >= share]
                if count > 1 and not need.gpus:  # CUDA shows a process one MIG device at most
                    fitting = [at for at in fitting if not self._cards[at - 1].id.startswith(_MIG)]
                if len(fitting) >= count:
                    return self._best(fitting, count, share, left), share
        return (), 0

    def _best(self, fitting: list[int], count: int, share: int, left: list[int]) -> tuple[int, ...]:
        """Those where nobody would have to leave, and of them the fullest."""
        if len(fitting) > count:
            lent = self._lent
            fitting.sort(key=lambda at: (left[at] - lent[at] < share, left[at]))
        return tuple(fitting[:count])

    def _named(self, need: ModelNeed) -> tuple[int, ...]:
        """The cards that it names, none where one of them isn't there, or means several."""
        found: dict[int, None] = {}
        for key in need.cards:
            meant = [at for at, card in enumerate(self._cards, 1) if names_gpu(key, card.id, card.index)]
            if len(meant) != 1:
                return ()
            found[meant[0]] = None
        return tuple(found) if len({self._cards[at - 1].make for at in found}) == 1 else ()

    def _short(self, need: ModelNeed, left: list[int]) -> str:
        """What is short of what it needs; "" where each pool by itself has enough."""
        if _takes_ram_alone(need):
            return _sum(need.ram, "of RAM", left[0])
        if not self._cards:
            amount = self._as_ram(need)
            return "has no GPU" if amount is None else _sum(amount, "of RAM", left[0])
        return _sum(need.ram, "of RAM", left[0]) or self._short_of_cards(need, left)

    def _short_of_cards(self, need: ModelNeed, left: list[int]) -> str:
        if need.cards:
            named = self._named(need)
            if not named:
                return f"has no GPU {', '.join(need.cards)}"
            short = min(named, key=left.__getitem__)
            card = self._cards[short - 1]
            return _sum(_share(need, len(named)), f"on GPU {card.index or card.name}", left[short])
        if (need.gpus or 1) > len(self._cards):
            return f"needs {need.gpus} GPUs, and has {len(self._cards)}"
        free = sorted(left[1:], reverse=True)
        counts = (need.gpus,) if need.gpus else (1, len(free))
        return " or ".join(dict.fromkeys(_sum(_share(need, n), _on(n), free[n - 1]) for n in counts))


def _by_make(cards: Sequence[PoolRoom]) -> list[list[int]]:
    """The cards that are for everybody, by their place, those of one make together."""
    found: dict[str, list[int]] = {}
    only_unified = all(card.unified for card in cards)
    for at, card in enumerate(cards, 1):
        if only_unified or not card.unified:
            found.setdefault(card.make, []).append(at)
    return list(found.values())


def _takes_ram_alone(need: ModelNeed) -> bool:
    return need.gpus == 0 or not (need.vram or need.cards or need.gpus)


def _waiting(model: str, need: ModelNeed) -> _Waiting:
    return -need.vram, -need.ram, model, need


def _share(need: ModelNeed, count: int) -> int:
    return -(-(need.vram + (count - 1) * need.each_gpu) // max(1, count))


def _on(count: int) -> str:
    return "on a GPU" if count == 1 else f"on each of {count} GPUs"


def _sum(need: int, where: str, left: int) -> str:
    if need <= left:
        return ""
    return f"needs {describe_size(need)} {where}, {describe_size(max(0, left))} may be had"

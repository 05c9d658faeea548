"""Whether a model fits: the arithmetic of budgets, free memory and promises, one pool at a time.

A candidate c with a set V that would be stopped is admitted iff in every pool

  (B)  sum of E over the live ones outside V + E(c)  <=  budget
  (M)  available + sum over V of 0.95 x min(E, measured)
       - sum over the live ones outside V of max(0, E - measured) - reserve  >=  E(c)

where of one in V that goes to sleep only what it then no longer holds is counted as given back (`asleep`).
So memory promised to a model which is still loading is never given twice, and a model that is leaving earns
no credit before it is gone: while it lives, what it gives back is promised to itself. All amounts are signed bytes.
Knows neither phases nor who may be stopped; `plan` says who is live and offers V.
"""

from collections.abc import Iterable, Iterator, Mapping, Set as AbstractSet
from dataclasses import dataclass, field, replace

from zoosup.core.state.pools import Pool
from zoosup.spec.syntax.units import describe_size

CREDIT = 0.95
"""The share of a leaving model's memory that is counted on: less than all, since free memory is noisy."""

NOISE = 64 << 20
"""Bytes that may come free without being looked into: the reserve covers as much."""

NAMED = 5
"""Holders of memory that a message names one by one; of more, only the greatest."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What one model is promised (E) and what it was last measured to hold, in one pool."""

    need: int
    measured: int

    @property
    def promised(self) -> int:
        """Bytes it may still take, or that are its own though they count as free.

        Mapped weights are such: to the host they are page cache, which it calls available, and to the measurement no
        memory of the process. They are in E, so that they stay promised to a model as long as it lives; where
        llama.cpp has copied them into memory of its own they are measured, and no longer promised beside.
        """
        return max(0, self.need - self.measured)

    def credit(self, rest: int = 0) -> int:
        """Bytes that can be counted on once it holds no more than `rest`."""
        return int(CREDIT * max(0, min(self.need, self.measured) - rest))


_NOTHING = Holding(0, 0)


def asleep(model: str) -> str:
    """What a set V calls a model that doesn't leave but goes to sleep: it gives back what it then holds no longer."""
    return f"{model} asleep"


def renewed(model: str) -> str:
    """Who holds the room that is kept for a running model's next process, beyond what the model has itself."""
    return f"{model} renewed"


@dataclass(frozen=True, slots=True)
class Sum:
    """One candidate weighed against one pool: every term of (B) and (M), for people and programs."""

    pool: Pool
    need: int
    reserved: Mapping[str, int]  # E of each live model outside V
    promised: int
    credit: int
    foreign: int

    @property
    def budget_short(self) -> int:
        """Bytes missing in (B); 0 or less when it holds."""
        return sum(self.reserved.values()) + self.need - self.pool.budget

    @property
    def memory_short(self) -> int | None:
        """Bytes missing in (M); 0 or less when it holds, None when the pool can't be read."""
        if self.pool.available is None:
            return None
        return self.need - (self.pool.available + self.credit - self.promised - self.pool.reserve)

    @property
    def fits(self) -> bool:
        """Whether both (B) and (M) hold; what can't be read does not fit."""
        short = self.memory_short
        return self.budget_short <= 0 and short is not None and short <= 0


@dataclass(slots=True)
class Ledger:
    """Who holds what in one pool during one pass: live runs, and those that a pass has promised room.

    The sums over all holdings are kept as they are entered, because `fits` is asked for every set that might leave:
    it then walks through that set alone.
    """

    pool: Pool
    holdings: dict[str, Holding] = field(default_factory=dict)
    _rests: dict[str, tuple[str, Holding]] = field(default_factory=dict)  # by `asleep`: whose, and what stays
    _need: int = 0
    _promised: int = 0
    _measured: int = 0

    def add(self, model: str, holding: Holding) -> None:
        """Enter one holding; a model has at most one."""
        self.remove(model)
        self.holdings[model] = holding
        self._need += holding.need
        self._promised += holding.promised
        self._measured += holding.measured

    def rest(self, model: str, amount: int) -> None:
        """Enter that a model would hold so many bytes asleep, more than it holds awake or less."""
        measured = self.holdings.get(model, _NOTHING).measured
        self._rests[asleep(model)] = model, Holding(amount, min(amount, measured))

    def remove(self, model: str) -> None:
        """Take a holding out again, if there is one, and what would stay of it asleep."""
        self._rests.pop(asleep(model), None)
        old = self.holdings.pop(model, _NOTHING)
        self._need -= old.need
        self._promised -= old.promised
        self._measured -= old.measured

    def needs(self, models: AbstractSet[str]) -> dict[str, int]:
        """E of those of `models` that hold something here."""
        return {m: h.need for m, h in self.holdings.items() if m in models}

    def fits(
        self, need: int, without: AbstractSet[str] = frozenset(), *, available: int | None = None
    ) -> bool:
        """Whether `need` more bytes are admitted once `without` are gone: (B) and (M), without the paperwork.

        `available` replaces the pool's own reading where a more careful one is at hand.
        """
        known = self.pool.available if available is None else available
        if known is None:
            return False
        reserved, promised, credit = self._terms(without)
        return reserved + need <= self.pool.budget and need <= known + credit - promised - self.pool.reserve

    def weigh(self, need: int, without: AbstractSet[str] = frozenset()) -> Sum:
        """The same sum with every term kept, and who holds what."""
        _, promised, credit = self._terms(without)
        reserved = {m: h.need for m, h in self.holdings.items() if m not in without}
        reserved |= {m: rest.need for m, _, rest in self._freed(without) if rest is not _NOTHING}
        return Sum(self.pool, need, reserved, promised, credit, self.foreign)

    def _terms(self, without: AbstractSet[str]) -> tuple[int, int, int]:
        """E of the live ones outside `without`, what of it they may still take, and what the others give back."""
        reserved, promised, credit = self._need, self._promised, 0
        for _, holding, rest in self._freed(without):
            reserved -= holding.need - rest.need
            promised -= holding.promised - rest.promised
            credit += holding.credit(rest.need)
        return reserved, promised, credit

    def _freed(self, without: AbstractSet[str]) -> Iterator[tuple[str, Holding, Holding]]:
        """Who of `without` holds something here, what, and what stays of it; of one that leaves nothing does."""
        for name in without:
            if (holding := self.holdings.get(name)) is not None:
                yield name, holding, _NOTHING
            elif (slept := self._rests.get(name)) is not None and slept[0] not in without:
                yield slept[0], self.holdings.get(slept[0], _NOTHING), slept[1]

    @property
    def headroom(self) -> int:
        """Bytes that one more could have now by (B) and (M); negative where too much is promised."""
        free = self.pool.available
        within = self.pool.budget - self._need
        return within if free is None else min(within, free - self._promised - self.pool.reserve)

    def unseen(self, own: AbstractSet[str]) -> int:
        """Bytes that have come free since the last look, as far as those who live may take them again.

        What is free is read in each pass, what they hold only now and then: what one gives back in between would else
        be free and its own at once, and of `own` credited besides.
        """
        if self.pool.risen <= NOISE:
            return 0
        holdings = self.holdings.items()
        held = (h.credit() if name in own else min(h.need, h.measured) for name, h in holdings)
        return min(self.pool.risen, sum(held))

    def distrust(self) -> None:
        """Somebody's holding here is not known: count no more as available than promises leave of the total."""
        if self.pool.available is not None:
            left = min(self.pool.available, self.pool.total - self._need)
            self.pool = replace(self.pool, available=left)

    @property
    def foreign(self) -> int:
        """Bytes in use that no model of ours accounts for; 0 when the pool can't be read."""
        if self.pool.available is None:
            return 0
        return max(0, self.pool.total - self.pool.available - self._measured)

    @property
    def ceiling(self) -> int:
        """The most that could ever be held here, were no foreigner about."""
        return min(self.pool.budget, self.pool.total - self.pool.reserve)


def explain(sums: Iterable[Sum]) -> str:
    """Say what is short, by how much and who holds it; the first clause is the most important."""
    return "; ".join(_explain(s) for s in sums if not s.fits) or "fits"


def holders(held: Mapping[str, int]) -> str:
    """Say who holds how much: a few as they come, of many the greatest and the sum of the rest."""
    shown = list(held.items())
    if len(shown) > NAMED + 1:
        shown = sorted(shown, key=lambda item: -item[1])[:NAMED]
    named = [f"{m} {describe_size(e)}" for m, e in shown]
    if len(shown) < len(held):
        rest = sum(held.values()) - sum(e for _, e in shown)
        named.append(f"{len(held) - len(shown)} others {describe_size(rest)}")
    return ", ".join(named)


def _explain(weighed: Sum) -> str:
    pool, need = weighed.pool, describe_size(weighed.need)
    if pool.available is None:
        return f"{pool.id} can't be read at present, and unknown is not free: needs {need}"
    held = holders(weighed.reserved)
    if weighed.budget_short > 0:
        left = f" less {held}" if held else ""
        return (
            f"{pool.id} is short of {describe_size(weighed.budget_short)}: "
            f"needs {need}, budget {describe_size(pool.budget)}{left}"
        )
    parts = [
        f"needs {need}",
        f"free {describe_size(pool.available)}",
        f"reserve {describe_size(pool.reserve)}",
    ]
    if weighed.credit:
        parts.append(f"would come back {describe_size(weighed.credit)}")
    if weighed.promised:
        parts.append(f"promised to loading models {describe_size(weighed.promised)}")
    parts.append(f"held by {held or 'no model'}, others {describe_size(weighed.foreign)}")
    return f"{pool.id} is short of {describe_size(weighed.memory_short or 0)}: {', '.join(parts)}"

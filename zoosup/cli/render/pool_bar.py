"""A pool of memory drawn as a bar, with the figures it is made of: who holds what, and what room is left.

Pure. The bar's parts add up to the pool's total: what models hold and others use, then, of what is free, what is
promised to models that still load, the reserve, and the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zoosup.cli.render.format import pair, size
from zoosup.cli.render.layout import BarPart, Line, bar, flowed, line

_COLOURS = ("cyan", "magenta", "green", "blue", "yellow", "bright_red", "bright_cyan", "bright_magenta")
_OTHERS = ("▓", "bright_black")
_RESERVE = ("╱", "bright_black")  # noqa: RUF001 - hatching, not a slash
_ROOM = ("·", "bright_black")
_UNKNOWN = ("?", "red")

_NARROW = 0.6
"""Below this part of its pool the budget is what a single line draws: in the pool's it would show little."""

_NAMED = 8
"""Models in a bar's legend; those beyond, the smallest, are counted. The table below has them all."""


@dataclass(frozen=True, slots=True)
class Shares:
    """A pool's figures in bytes; `promised` by model is what it may still take of what is free."""

    held: Mapping[str, int]
    promised: Mapping[str, int]
    others: int
    reserve: int
    room: int | None  # what a new model could have; None: free memory is unknown


def shares(pool: Mapping[str, Any]) -> Shares:
    """Divide a pool of the snapshot; nothing is counted twice, and what is overbooked is cut at what is free."""
    holders = _holders(pool)
    held = {name: max(0, each["held"]) for name, each in holders.items()}
    promised = {name: max(0, each["reserved"] - each["held"]) for name, each in holders.items()}
    within_budget = pool["budget"] - pool["reserved"]
    if pool["free"] is None:
        return Shares(held, promised, 0, 0, None)
    left = max(0, pool["free"] - sum(promised.values()))
    reserve = min(left, pool["reserve"])
    return Shares(
        held, promised, max(0, pool["foreign"] or 0), reserve, max(0, min(left - reserve, within_budget))
    )


def _holders(pool: Mapping[str, Any]) -> Mapping[str, Mapping[str, int]]:
    """Models, and holds by the name that sums call them."""
    return {**pool["models"], **{f"hold {name}": each for name, each in pool.get("holds", {}).items()}}


def as_bar(pool: Mapping[str, Any], width: int, colours: Mapping[str, str]) -> list[Line]:
    """The pool for people on a terminal of `width` cells: title, bars, legend.

    A second bar where the budget is what binds: of 1 GiB in a pool of 64 the first one shows next to nothing.
    """
    return [*flowed(_title(pool, shares(pool)), width), *picture(pool, width, colours), ()]


def as_row(pool: Mapping[str, Any], width: int, colours: Mapping[str, str]) -> Line:
    """The pool in one line, where there is no room for more: name, bar, what a new model could have."""
    found = shares(pool)
    narrow = found.room is not None and pool["budget"] < _NARROW * pool["total"]
    whole = f"the budget, {size(pool['budget'])}" if narrow else size(pool["total"])
    room = "can't be read" if found.room is None else f"room for {size(found.room)} of {whole}"
    lead, tail = f"{pool['name']} "[:20], f" {room}"
    parts = (_budget_parts if narrow else _parts)(pool, found, colours)
    drawn = bar(parts, max(8, width - len(lead) - len(tail)))
    return line((lead, "bold"), *drawn, (tail, "" if found.room else "yellow"))


def picture(pool: Mapping[str, Any], width: int, colours: Mapping[str, str]) -> list[Line]:
    """The same without its title."""
    found = shares(pool)
    lines = [bar(_parts(pool, found, colours), width)]
    if found.room is not None and pool["budget"] < pool["total"] - pool["reserve"]:
        label = f"budget {size(pool['budget'])} "
        lines.append(line((label, "dim"), *bar(_budget_parts(pool, found, colours), width - len(label))))
    return [*lines, *_legend(pool, found, width, colours)]


def as_text(pool: Mapping[str, Any]) -> str:
    """The pool in one line, for a pipe."""
    found = shares(pool)
    figures = [(key, pool[key]) for key in ("total", "free", "budget", "reserve", "reserved", "held")]
    figures += [("others", pool["foreign"]), ("room", found.room)]
    listed = ", ".join(f"{name} {size(amount)}" for name, amount in figures)
    holders = "".join(f"; {name} holds {_share_text(name, found)}" for name in found.held)
    return f"pool {pool['id']}: {listed}{holders} ({pool['source']})"


def _share_text(name: str, found: Shares) -> str:
    more = found.promised[name]
    return size(found.held[name]) + (f" and is promised {size(more)} more" if more else "")


def colours(pools: Sequence[Mapping[str, Any]], models: Sequence[str]) -> dict[str, str]:
    """One colour for each model or hold that holds memory, the same in every pool."""
    holding = [name for name in models if any(name in pool["models"] for pool in pools)]
    holding += dict.fromkeys(name for pool in pools for name in _holders(pool) if name not in holding)
    return {name: _COLOURS[at % len(_COLOURS)] for at, name in enumerate(holding)}


def _title(pool: Mapping[str, Any], found: Shares) -> list[Line]:
    if found.room is None:
        room = (f"can't be read ({pool['source']}); nothing is started", "bold red")
    else:
        room = (f"room for {size(found.room)} more", "green" if found.room else "yellow")
    budget = f"budget {size(pool['budget'])}, {size(pool['reserved'])} promised"
    return [line((pool["name"], "bold"), f"  {size(pool['total'])}"), line((budget, "dim")), line(room)]


def _parts(pool: Mapping[str, Any], found: Shares, colours: Mapping[str, str]) -> list[BarPart]:
    parts = [BarPart(amount, "█", colours.get(name, "")) for name, amount in found.held.items()]
    promised = [BarPart(amount, "▒", colours.get(name, "")) for name, amount in found.promised.items()]
    rest = pool["total"] - sum(found.held.values())
    if found.room is None:
        return [*parts, BarPart(rest, *_UNKNOWN)]
    parts.append(BarPart(found.others, *_OTHERS))
    return [*parts, *promised, BarPart(found.reserve, *_RESERVE), BarPart(_left(pool, found), *_ROOM)]


def _budget_parts(pool: Mapping[str, Any], found: Shares, colours: Mapping[str, str]) -> list[BarPart]:
    parts: list[BarPart] = []
    for name, held in found.held.items():
        parts.append(BarPart(held, "█", colours.get(name, "")))
        parts.append(BarPart(found.promised[name], "▒", colours.get(name, "")))
    return [*parts, BarPart(pool["budget"] - sum(part.amount for part in parts), *_ROOM)]


def _legend(pool: Mapping[str, Any], found: Shares, width: int, colours: Mapping[str, str]) -> list[Line]:
    largest = sorted(found.held, key=lambda name: -(found.held[name] + found.promised[name]))
    named = set(largest[:_NAMED] if len(largest) > _NAMED + 1 else largest)
    items = [_model_item(name, found, colours) for name in found.held if name in named]
    if rest := [name for name in largest if name not in named]:
        amount = sum(found.held[name] + found.promised[name] for name in rest)
        items.append(line(("█", ""), f" {len(rest)} more models {size(amount)}"))
    if found.room is not None:
        items.append(line(_OTHERS, f" others {size(found.others)}"))
        items.append(line(_RESERVE, f" reserve {size(found.reserve)}"))
        items.append(line(_ROOM, f" free {size(_left(pool, found))}"))
    return flowed(items, width)


def _model_item(name: str, found: Shares, colours: Mapping[str, str]) -> Line:
    held, more = found.held[name], found.promised[name]
    amount = pair(held, held + more) if more else size(held)
    return line(("█" + "▒" * bool(more), colours.get(name, "")), f" {name} {amount}")


def _left(pool: Mapping[str, Any], found: Shares) -> int:
    free: int = pool["free"]
    return max(0, free - sum(found.promised.values()) - found.reserve)

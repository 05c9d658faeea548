"""Lines of styled text, laid out to a width: what the views are made of.

Pure: knows neither terminals nor what is shown. `width` None means a pipe: nothing is wrapped.
"""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Span = tuple[str, str]
"""A text and its style in rich's words; "" for none."""

Line = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class BarPart:
    """A part of a bar: `amount` in the bar's unit, drawn with the character `fill`."""

    amount: float
    fill: str
    style: str = ""


def line(*spans: Span | str) -> Line:
    """Make a line of spans and plain texts."""
    return tuple((span, "") if isinstance(span, str) else span for span in spans)


def plain(lines: Iterable[Line]) -> str:
    """The text alone, without blanks at the ends of lines."""
    return "".join("".join(text for text, _ in each).rstrip() + "\n" for each in lines)


def length(of: Line) -> int:
    """How many cells a line takes."""
    return sum(len(text) for text, _ in of)


def clean(text: str) -> str:
    """One line without control characters: what others wrote must not drive the terminal."""
    flat = " ".join(str(text).split())
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in flat)


def wrapped(text: str, width: int | None, indent: int = 0, style: str = "", lead: Line = ()) -> list[Line]:
    """Text in lines of at most `width`, each indented, the first behind `lead`; nothing is ever cut off."""
    margin = " " * indent
    room = None if width is None else max(20, width - indent - length(lead))
    pieces = textwrap.wrap(clean(text), room, break_on_hyphens=False) if room else [clean(text)]
    first, *rest = pieces or [""]
    behind = " " * length(lead)
    return [line(margin, *lead, (first, style)), *(line(margin + behind, (piece, style)) for piece in rest)]


def flowed(items: Sequence[Line], width: int | None, indent: int = 0, gap: str = "   ") -> list[Line]:
    """Items side by side, as many on a line as fit; none is broken."""
    lines: list[list[Span]] = []
    used = 0
    for item in items:
        if lines and (width is None or used + len(gap) + length(item) <= width):
            lines[-1] += [(gap, ""), *item]
            used += len(gap) + length(item)
        else:
            lines.append([(" " * indent, ""), *item])
            used = indent + length(item)
    return [tuple(each) for each in lines]


def exactly(of: Line, width: int) -> Line:
    """The line in just so many cells: filled up with blanks, or cut with an ellipsis."""
    if length(of) <= width:
        return (*of, (" " * (width - length(of)), ""))
    kept: list[Span] = []
    room = width - 1
    for text, style in of:
        kept.append((text[:room], style))
        room -= len(text)
        if room <= 0:
            break
    return (*kept, ("…", "dim"))


def bar(parts: Sequence[BarPart], width: int) -> Line:
    """A bar of exactly `width` cells: to each part its share, to the smallest that is not nothing one cell."""
    present = [part for part in parts if part.amount > 0]
    cells = _shares([part.amount for part in present], width)
    return tuple((part.fill * count, part.style) for part, count in zip(present, cells, strict=True) if count)


def _shares(amounts: Sequence[float], width: int) -> list[int]:
    """Whole numbers that add up to `width`, in proportion; largest remainders first, then at least 1 each."""
    total = sum(amounts)
    exact = [amount / total * width for amount in amounts]
    cells = [int(share) for share in exact]
    by_remainder = sorted(range(len(cells)), key=lambda at: cells[at] - exact[at])
    for at in by_remainder[: width - sum(cells)]:
        cells[at] += 1
    for at, count in enumerate(cells):
        richest = max(range(len(cells)), key=cells.__getitem__)
        if count == 0 and cells[richest] > 1:
            cells[richest] -= 1
            cells[at] = 1
    return cells

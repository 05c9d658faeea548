"""The zoo on a screen of a given size: what is so on the left, what comes next and what happened beside or below it.

Pure. Whatever there is to tell, models keep at least a third of the screen, the most urgent first; what has no room is
counted. Nothing is told here that `status`, `plan` and `events` don't tell.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zoosup.cli.render import pool_bar
from zoosup.cli.render.events import newest
from zoosup.cli.render.layout import Line, exactly, flowed, line, wrapped
from zoosup.cli.render.plan import steps
from zoosup.cli.render.status import model_table, overview

_BESIDE = 150
"""Cells from which on there are two columns."""

_ROOMY = 30
"""Lines from which on the legend may take two."""

_WORTH_IT = 4
"""Lines below the models that are worth a heading and events."""

LEGEND = (
    line("● active"),
    line("◌ on demand"),
    line("○ off"),
    line("█ held"),
    line("▒ promised"),
    line("▓ others"),
    line("╱ reserve"),  # noqa: RUF001 - hatching, not a slash
    line("· free"),
    line("◇ elsewhere"),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at a supervisor showed: its status with the health in it, the newest events, the plan if asked.

    `trouble` says why nothing newer could be seen.
    """

    snapshot: Mapping[str, Any]
    events: Sequence[Mapping[str, Any]] = ()
    plan: Mapping[str, Any] | None = None
    trouble: str = ""


def screen(seen: Seen, width: int, height: int) -> list[Line]:
    """At most `height` lines, none wider than `width`."""
    if width >= _BESIDE:
        right = 2 * width // 5
        left = _zoo(seen, width - right - 3, height)
        beside = list(_beside(seen, right, height))
        rows = range(max(len(left), len(beside)))
        lines = [_joined(_at(left, row), width - right - 3, _at(beside, row)) for row in rows]
    else:
        lines = _zoo(seen, width, height)
        if height - len(lines) > _WORTH_IT:
            lines += [(), *_beside(seen, width, height - len(lines) - 1)]
    return [exactly(each, width) for each in lines[:height]]


def _at(lines: Sequence[Line], row: int) -> Line:
    return lines[row] if row < len(lines) else ()


def _joined(left: Line, width: int, right: Line) -> Line:
    return (*exactly(left, width), (" │ ", "bright_black"), *right)


def _beside(seen: Seen, width: int, height: int) -> Iterator[Line]:
    """What comes next, where anything does, and what happened, the newest first."""
    coming = steps(seen.plan, width) if seen.plan is not None else []
    if coming:
        yield line(("what comes next", "bold"))
        shown = _capped(coming, max(2, height // 2), "zoosup plan")
        yield from [*shown, ()]
        height -= len(shown) + 2
    if seen.events and height > 1:
        yield line(("what happened", "bold"))
        yield from newest(seen.events, width, height - 1)


def _zoo(seen: Seen, width: int, height: int) -> list[Line]:
    share = max(2, height // 6)
    legend = flowed(LEGEND, width, gap="  ")[: 2 if height >= _ROOMY else 1]
    above = _capped(_above(seen, width), max(3, height // 4), "zoosup check")
    told = _capped(overview.told(seen.snapshot, width), share, "zoosup status")
    left = height - len(above) - len(told) - len(legend)
    body = _body(seen.snapshot, width, left, share)
    return [*above, *told, *body, *legend]


def _above(seen: Seen, width: int) -> list[Line]:
    lines = wrapped(f"{seen.trouble}. This is what it said last:", width, 0, "bold red")
    return [*(lines if seen.trouble else ()), *overview.head(seen.snapshot, width)]


def _body(snapshot: Mapping[str, Any], width: int, height: int, share: int) -> list[Line]:
    """Memory and models, in full where there is room for it."""
    colours = pool_bar.colours(snapshot["pools"], list(snapshot["models"]))
    full = [each for pool in snapshot["pools"] for each in pool_bar.as_bar(pool, width, colours)]
    short = [pool_bar.as_row(pool, width, colours) for pool in snapshot["pools"]]
    shown, off = overview.in_rows(snapshot["models"], urgent_first=True)
    heading, blocks = model_table.table(shown, snapshot["at"], width, colours)
    resting = overview.resting(off, width)
    wanted = 1 + sum(map(len, blocks)) + len(resting)
    pools = full if len(full) + wanted <= height else _capped(short, share, "zoosup status")
    return [*pools, heading, *_models(blocks, resting, height - len(pools) - 1)]


def _models(blocks: Sequence[list[Line]], resting: Sequence[Line], height: int) -> list[Line]:
    """Every model with all that is to be said; or each with a line of it; or as many as there is room for."""
    if sum(map(len, blocks)) + len(resting) <= height:
        return [*(each for block in blocks for each in block), *resting]
    brief = [block[:2] for block in blocks]
    lines: list[Line] = []
    for at, block in enumerate(brief):
        rest = len(brief) - at - 1
        if len(lines) + len(block) + bool(rest or resting) > height:
            return [*lines, line((f"… {rest + 1} more models; `zoosup status` shows them", "dim"))][:height]
        lines += block
    return [*lines, *[each for each in resting if each][: max(0, height - len(lines))]]


def _capped(lines: Sequence[Line], most: int, command: str) -> list[Line]:
    if len(lines) <= most:
        return list(lines)
    return [
        *lines[: most - 1],
        line((f"… {len(lines) - most + 1} more lines; `{command}` shows them", "dim")),
    ]

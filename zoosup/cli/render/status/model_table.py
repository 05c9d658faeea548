"""Models as a table: a row for each, and below it what must be said in full.

Pure. Takes what columns the width has room for. Refuses to know which models are shown, and in what order.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from zoosup.cli.render.format import (
    NONE,
    PHASE_STYLES,
    ago,
    condition,
    is_bad,
    is_refused,
    last_exit,
    load,
    pair,
    requests,
    size,
    span,
    why,
)
from zoosup.cli.render.layout import Line, line, wrapped

Model = Mapping[str, Any]
_Column = tuple[str, str]  # heading, "<" or ">"

_LONGEST_NAME = 28
_WIDE = 110
_LOAD_BAR = 24
RECENT = 600.0
"""Seconds for which a crash is told of a model that runs again, and a switch that went well."""


def table(
    models: Mapping[str, Model], now: float, width: int, colours: Mapping[str, str]
) -> tuple[Line, list[list[Line]]]:
    """The heading, and for each model its row with what must be said below it."""
    if not models:
        return line(("no models", "dim")), []
    wide = width >= _WIDE
    columns: list[_Column] = [
        ("PHASE", "<"),
        ("MEMORY", ">"),
        ("PID", ">"),
        ("PORT", ">"),
        ("UP", ">"),
        ("RESTARTS", ">"),
    ]
    if wide:
        columns.append(("LAST EXIT", "<"))
    rows = {name: cells_of(model, now)[: len(columns)] for name, model in models.items()}
    widths = [
        max(len(head), *(len(row[at]) for row in rows.values())) for at, (head, _) in enumerate(columns)
    ]
    room = width - sum(widths) - 2 * len(columns) - 2
    name_width = max(5, min(max(map(len, models)), _LONGEST_NAME if not wide else room, room))
    heads = [_aligned(head, side, cell) for (head, side), cell in zip(columns, widths, strict=True)]
    heading = line(("  " + "MODEL".ljust(name_width) + "  " + "  ".join(heads), "dim"))
    blocks: list[list[Line]] = []
    for name, model in models.items():
        cells = [
            _aligned(text, side, cell)
            for text, (_, side), cell in zip(rows[name], columns, widths, strict=True)
        ]
        row = _row(name, model, cells, name_width, colours)
        blocks.append(row + _below(model, now, width, exits=not wide))
    return heading, blocks


def _row(
    name: str, model: Model, cells: Sequence[str], name_width: int, colours: Mapping[str, str]
) -> list[Line]:
    style = PHASE_STYLES.get(model["phase"], "")
    mark = (_mark(model), colours.get(name, "dim"))
    quiet = "dim" if model["phase"] == "stopped" else ""
    data = [("  ", ""), (cells[0], style), ("  " + "  ".join(cells[1:]), quiet)]
    shown = (name, quiet or "bold")
    if len(name) > name_width:  # in full above its figures rather than cut
        return [line(mark, shown), line(" " * (name_width + 2), *data)]
    return [line(mark, shown, " " * (name_width - len(name)), *data)]


def _mark(model: Model) -> str:
    if model.get("external"):
        return "◇ "
    return "● " if model["active"] else "◌ " if model.get("on_demand") else "○ "


def cells_of(model: Model, now: float) -> list[str]:
    """What stands in its row: phase, memory, pid, port, time up, restarts, last exit."""
    since = model["ready_at"] or model["started_at"]
    memory = [_memory(each) for each in model["memory"].values()]
    return [
        model["phase"],
        " + ".join(memory) or NONE,
        str(model["pid"] or NONE),
        str(model["port"] or NONE),
        span(now - since) if since else NONE,
        str(model["restarts"] or NONE),
        f"{last_exit(model)}, {ago(model['last_exit']['at'], now)}" if model["last_exit"] else NONE,
    ]


def _memory(memory: Mapping[str, Any]) -> str:
    if memory["reserved"] or memory["held"]:
        return pair(memory["held"], memory["reserved"])
    return f"needs {size(memory['need'])}"


def _below(model: Model, now: float, width: int, *, exits: bool) -> list[Line]:
    """What must be said in full: why it waits, what is wrong with it, how it last ended."""
    lines: list[Line] = []
    reason = why(model)
    if reason:
        trouble = is_refused(model) or model["phase"] in {"backoff", "unready"}
        lines += wrapped(reason, width, 4, "red" if trouble else "yellow")
    lines += _load(model, now)
    if asked := requests(model):
        lines += wrapped(asked, width, 4, "cyan")
    if model["backoff_until"]:
        lines += wrapped(f"tried again in {span(model['backoff_until'] - now)}", width, 4, "dim")
    for each in model["conditions"]:
        if is_bad(each) and each["message"] != model["message"]:
            lines += wrapped(condition(each, now), width, 4, "yellow")
    end = model["last_exit"]
    if end and (exits or model["phase"] in {"failed", "backoff"}) and _worth_telling(model, now):
        told = f"last exit {ago(end['at'], now)}: {last_exit(model)}" + f" ({end['message']})" * bool(
            end["message"]
        )
        lines += wrapped(told, width, 4, "dim")
    return lines


def _load(model: Model, now: float) -> list[Line]:
    share, text = load(model, now)
    if not text:
        return []
    done = round((share or 0) * _LOAD_BAR)
    drawn = [("█" * done, "cyan"), ("·" * (_LOAD_BAR - done), "bright_black"), ("  ", "")]
    return [line("    ", *(drawn if share is not None else ()), (text, "cyan"))]


def _worth_telling(model: Model, now: float) -> bool:
    recent = bool(now - model["last_exit"]["at"] < RECENT)
    return model["phase"] != "stopped" and (model["phase"] != "ready" or recent)


def _aligned(text: str, side: str, width: int) -> str:
    return text.ljust(width) if side == "<" else text.rjust(width)

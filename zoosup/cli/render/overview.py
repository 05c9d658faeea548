"""The whole zoo on a page: the file, the memory, every model, and why whatever waits is waiting.

Pure: a snapshot in, lines out. On a terminal models take what columns its width has room for, and what must be
said in full stands below its model; in a pipe every model is one line.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from zoosup.cli.render import pool_bar
from zoosup.cli.render.format import (
    NONE,
    PHASE_STYLES,
    ago,
    is_bad,
    is_moving,
    kept,
    last_exit,
    pair,
    progress,
    requests,
    sign,
    size,
    span,
    why,
)
from zoosup.cli.render.layout import Line, clean, flowed, line, wrapped

Model = Mapping[str, Any]
Snapshot = Mapping[str, Any]

_CROWD = 10
"""Models above which those that are simply off become a list of names."""

_URGENCY = (
    *("failed", "backoff", "unready", "pending", "starting", "parking", "draining", "stopping"),
    *("ready", "parked", "stopped"),
)
"""The order of a crowd: what somebody should look at stands where even a small screen shows it."""

_LONGEST_NAME = 28
_WIDE = 110
_RECENT = 600.0
"""Seconds for which a crash is told of a model that runs again, and a switch that went well."""


def page(snapshot: Snapshot, width: int) -> list[Line]:
    """The overview for a terminal of `width` cells."""
    models = snapshot["models"]
    colours = pool_bar.colours(snapshot["pools"], list(models))
    lines = [*_head(snapshot, width), ()]
    for pool in snapshot["pools"]:
        lines += pool_bar.as_bar(pool, width, colours)
    lines += _zoo_conditions(snapshot, width)
    shown, resting = _sorted(models)
    lines += _table(shown, snapshot["at"], width, colours)
    lines += _resting(resting, width)
    return lines


def listing(snapshot: Snapshot) -> list[Line]:
    """The overview for a pipe: a fact on each line, a model on each line."""
    config = snapshot["config"]
    lines = [line(_head_text(snapshot))]
    lines += [line("error ", clean(problem)) for problem in (config["error"] or "").splitlines()]
    lines += [line(pool_bar.as_text(pool)) for pool in snapshot["pools"]]
    lines += [line("condition ", _condition_text(each, snapshot["at"])) for each in snapshot["conditions"]]
    rows: list[tuple[str, ...]] = [
        (
            "MODEL",
            "PHASE",
            "ACTIVE",
            "PID",
            "PORT",
            "HELD",
            "NEED",
            "UP",
            "RESTARTS",
            "LAST_EXIT",
            "REQUESTS",
            "WHY",
        )
    ]
    rows += [_model_cells(name, model, snapshot["at"]) for name, model in snapshot["models"].items()]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [*lines, *(line("  ".join(map(str.ljust, row, widths))) for row in rows)]


def _head(snapshot: Snapshot, width: int) -> list[Line]:
    config, now = snapshot["config"], snapshot["at"]
    state = progress(snapshot)
    if snapshot["phase"] != "running":
        state = (snapshot["phase"], "bold yellow")
    items = [
        line(("zoosup", "bold"), f" {snapshot['instance']} on {snapshot['node']}"),
        line(state),
        line((f"generation {config['generation']}", "dim")),
        *([line((f"gateway {snapshot['gateway']}", "dim"))] if snapshot.get("gateway") else []),
        line((f"{clean(config['path'])}, read {ago(config['loaded_at'], now)}", "dim")),
    ]
    lines = flowed(items, width)
    if config["error"]:
        lines += wrapped(f"zoo.yaml is refused; {kept(config)}:", width, 0, "bold red")
        for problem in config["error"].splitlines():
            lines += wrapped(problem, width, 2, "red")
    return lines


def _zoo_conditions(snapshot: Snapshot, width: int) -> list[Line]:
    """What is wrong, and for a while what went well."""
    lines: list[Line] = []
    for each in snapshot["conditions"]:
        bad, age = is_bad(each), snapshot["at"] - each["since"]
        if bad or is_moving(each) or age < _RECENT:
            lead = line(sign(each))
            text = f"{each['type']}: {each['reason']} {span(age)} ago: {each['message']}"
            lines += wrapped(text, width, 0, "" if bad or is_moving(each) else "dim", lead)
    return [*lines, ()] if lines else []


def _sorted(models: Mapping[str, Model]) -> tuple[dict[str, Model], list[str]]:
    """Those that get a row, and the names of those that are simply off."""
    if len(models) <= _CROWD:
        return dict(models), []
    resting = [name for name, model in models.items() if model["phase"] == "stopped" and not why(model)]
    shown = [(name, model) for name, model in models.items() if name not in set(resting)]
    return dict(sorted(shown, key=lambda each: _URGENCY.index(each[1]["phase"]))), resting


def _resting(names: Sequence[str], width: int) -> list[Line]:
    if not names:
        return []
    lead = line((f"{len(names)} stopped", "dim"), "  ")
    return [(), *wrapped(", ".join(names), width, 0, "dim", lead)]


_Column = tuple[str, str]  # heading, "<" or ">"


def _table(models: Mapping[str, Model], now: float, width: int, colours: Mapping[str, str]) -> list[Line]:
    if not models:
        return [line(("no models", "dim"))]
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
    rows = {name: _cells(model, now)[: len(columns)] for name, model in models.items()}
    widths = [
        max(len(head), *(len(row[at]) for row in rows.values())) for at, (head, _) in enumerate(columns)
    ]
    room = width - sum(widths) - 2 * len(columns) - 2
    name_width = max(5, min(max(map(len, models)), _LONGEST_NAME if not wide else room, room))
    heads = [_aligned(head, side, cell) for (head, side), cell in zip(columns, widths, strict=True)]
    lines = [line(("  " + "MODEL".ljust(name_width) + "  " + "  ".join(heads), "dim"))]
    for name, model in models.items():
        cells = [
            _aligned(text, side, cell)
            for text, (_, side), cell in zip(rows[name], columns, widths, strict=True)
        ]
        lines += _row(name, model, cells, name_width, colours)
        lines += _below(model, now, width, exits=not wide)
    return lines


def _row(
    name: str, model: Model, cells: Sequence[str], name_width: int, colours: Mapping[str, str]
) -> list[Line]:
    style = PHASE_STYLES.get(model["phase"], "")
    mark = ("● " if model["active"] else "◌ " if model.get("on_demand") else "○ ", colours.get(name, "dim"))
    quiet = "dim" if model["phase"] == "stopped" else ""
    data = [("  ", ""), (cells[0], style), ("  " + "  ".join(cells[1:]), quiet)]
    shown = (name, quiet or "bold")
    if len(name) > name_width:  # in full above its figures rather than cut
        return [line(mark, shown), line(" " * (name_width + 2), *data)]
    return [line(mark, shown, " " * (name_width - len(name)), *data)]


def _cells(model: Model, now: float) -> list[str]:
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
        trouble = model["phase"] in {"failed", "backoff", "unready"}
        lines += wrapped(reason, width, 4, "red" if trouble else "yellow")
    if asked := requests(model):
        lines += wrapped(asked, width, 4, "cyan")
    if model["backoff_until"]:
        lines += wrapped(f"tried again in {span(model['backoff_until'] - now)}", width, 4, "dim")
    for each in model["conditions"]:
        if is_bad(each) and each["message"] != model["message"]:
            lines += wrapped(f"{each['type']}: {each['message']}", width, 4, "yellow")
    end = model["last_exit"]
    if end and (exits or model["phase"] in {"failed", "backoff"}) and _worth_telling(model, now):
        told = f"last exit {ago(end['at'], now)}: {last_exit(model)}" + f" ({end['message']})" * bool(
            end["message"]
        )
        lines += wrapped(told, width, 4, "dim")
    return lines


def _worth_telling(model: Model, now: float) -> bool:
    recent = bool(now - model["last_exit"]["at"] < _RECENT)
    return model["phase"] != "stopped" and (model["phase"] != "ready" or recent)


def _aligned(text: str, side: str, width: int) -> str:
    return text.ljust(width) if side == "<" else text.rjust(width)


def _head_text(snapshot: Snapshot) -> str:
    config = snapshot["config"]
    state, _ = progress(snapshot)
    return (
        f"zoosup {snapshot['version']} {snapshot['instance']} on {snapshot['node']}, pid {snapshot['pid']}: "
        f"{snapshot['phase']}, {state}, generation {config['generation']} of {config['path']}"
    )


def _condition_text(condition: Mapping[str, Any], now: float) -> str:
    so = "yes" if condition["status"] else "no"
    return clean(
        f"{condition['type']} {so}: {condition['reason']}, {ago(condition['since'], now)}: {condition['message']}"
    )


def _model_cells(name: str, model: Model, now: float) -> tuple[str, ...]:
    memory = model["memory"].values()
    _, _, pid, port, up, restarts, _ = _cells(model, now)
    held, need = (size(sum(each[key] for each in memory)) if memory else NONE for key in ("held", "need"))
    end = last_exit(model).replace(" ", ":") or NONE
    active = "yes" if model["active"] else "on-demand" if model.get("on_demand") else "no"
    asked = f"{model.get('inflight', 0)}+{model.get('waiting', 0)}" if requests(model) else NONE
    return (name, model["phase"], active, pid, port, held, need, up, restarts, end, asked, why(model) or NONE)

"""The whole zoo on a page: the file, the memory, every model, and why whatever waits is waiting.

Pure: a snapshot in, lines out. On a terminal models take what columns its width has room for, and what must be
said in full stands below its model; in a pipe every model is one line.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from zoosup.cli.render import pool_bar
from zoosup.cli.render.format import (
    NONE,
    ago,
    condition,
    is_bad,
    is_moving,
    is_refused,
    kept,
    progress,
    requests,
    role,
    sign,
    size,
    why,
)
from zoosup.cli.render.holds import holds_of, in_words
from zoosup.cli.render.layout import Line, clean, flowed, line, wrapped
from zoosup.cli.render.status.model_table import RECENT, Model, cells_of, table

Snapshot = Mapping[str, Any]

_CROWD = 10
"""Models above which those that are simply off become a list of names."""

_URGENCY = (
    *(
        "failed",
        "backoff",
        "unready",
        "unreachable",
        "pending",
        "starting",
        "parking",
        "draining",
        "stopping",
    ),
    *("ready", "reachable", "parked", "stopped"),
)
"""The order of a crowd: what somebody should look at stands where even a small screen shows it."""

_ACTIVE = {"not active": "no", "on demand": "on-demand", "elsewhere": "elsewhere"}


def page(snapshot: Snapshot, width: int) -> list[Line]:
    """The overview for a terminal of `width` cells."""
    models = snapshot["models"]
    colours = pool_bar.colours(snapshot["pools"], list(models))
    lines = [*head(snapshot, width), ()]
    for pool in snapshot["pools"]:
        lines += pool_bar.as_bar(pool, width, colours)
    if said := told(snapshot, width):
        lines += [*said, ()]
    shown, off = in_rows(models)
    heading, blocks = table(shown, snapshot["at"], width, colours)
    return [*lines, heading, *(each for block in blocks for each in block), *resting(off, width)]


def listing(snapshot: Snapshot) -> list[Line]:
    """The overview for a pipe: a fact on each line, a model on each line."""
    config = snapshot["config"]
    lines = [line(_head_text(snapshot))]
    lines += [line("error ", clean(problem)) for problem in (config["error"] or "").splitlines()]
    lines += [line(pool_bar.as_text(pool)) for pool in snapshot["pools"]]
    for name, hold in holds_of(snapshot).items():
        lines.append(line(f"hold {name} ", in_words(hold, snapshot["at"])))
    lines += [line("condition ", _condition_text(each, snapshot["at"])) for each in _of_the_zoo(snapshot)]
    names = "MODEL PHASE ACTIVE PID PORT HELD NEED UP RESTARTS LAST_EXIT REQUESTS WHY"
    rows: list[tuple[str, ...]] = [tuple(names.split())]
    rows += [_model_cells(name, model, snapshot["at"]) for name, model in snapshot["models"].items()]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [*lines, *(line("  ".join(map(str.ljust, row, widths))) for row in rows)]


def head(snapshot: Snapshot, width: int) -> list[Line]:
    """Whose zoo it is, whether all is well, and what is wrong with the file."""
    config, now = snapshot["config"], snapshot["at"]
    items = [
        line(("zoosup", "bold"), f" {snapshot['instance']} on {snapshot['node']}"),
        line(progress(snapshot)),
        line((_generation(config), "dim")),
        *([line((f"gateway {snapshot['gateway']}", "dim"))] if snapshot.get("gateway") else []),
        line((f"{clean(config['path'])}, read {ago(config['loaded_at'], now)}", "dim")),
    ]
    lines = flowed(items, width)
    if config["error"]:
        lines += wrapped(f"zoo.yaml is refused; {kept(config)}:", width, 0, "bold red")
        for problem in config["error"].splitlines():
            lines += wrapped(problem, width, 2, "red")
    return lines


def told(snapshot: Snapshot, width: int) -> list[Line]:
    """Room for others, what is wrong, and for a while what went well."""
    return [*_holds(snapshot, width), *_zoo_conditions(snapshot, width)]


def _zoo_conditions(snapshot: Snapshot, width: int) -> list[Line]:
    lines: list[Line] = []
    for each in _of_the_zoo(snapshot):
        bad, age = is_bad(each), snapshot["at"] - each["since"]
        if bad or is_moving(each) or age < RECENT:
            lead = line(sign(each))
            style = "" if bad or is_moving(each) else "dim"
            lines += wrapped(condition(each, snapshot["at"]), width, 0, style, lead)
    return lines


def _holds(snapshot: Snapshot, width: int) -> list[Line]:
    lines: list[Line] = []
    for name, hold in holds_of(snapshot).items():
        style = "" if hold["state"] == "held" else "yellow"
        lines += wrapped(in_words(hold, snapshot["at"]), width, 0, style, line((f"hold {name} ", "bold")))
    return lines


def in_rows(models: Mapping[str, Model], *, urgent_first: bool = False) -> tuple[dict[str, Model], list[str]]:
    """Those that get a row, and in a crowd, which has the urgent ones first, the names of those that are simply off."""
    crowd = len(models) > _CROWD
    off = {n for n, m in models.items() if crowd and m["phase"] == "stopped" and not why(m)}
    shown = [(name, model) for name, model in models.items() if name not in off]
    if crowd or urgent_first:
        shown.sort(key=lambda each: urgency(each[1]))
    return dict(shown), [name for name in models if name in off]


def urgency(model: Model) -> int:
    """The less, the sooner somebody should look at it."""
    if is_refused(model) or model.get("crashes", 0) > 1:
        return -1
    return _URGENCY.index(model["phase"])


def resting(names: Sequence[str], width: int) -> list[Line]:
    """The names of those that are simply off."""
    if not names:
        return []
    lead = line((f"{len(names)} stopped", "dim"), "  ")
    return [(), *wrapped(", ".join(names), width, 0, "dim", lead)]


def _head_text(snapshot: Snapshot) -> str:
    config = snapshot["config"]
    state, _ = progress(snapshot)
    return (
        f"zoosup {snapshot['version']} {snapshot['instance']} on {snapshot['node']}, pid {snapshot['pid']}: "
        f"{state}, {_generation(config)} of {config['path']}"
    )


def _generation(config: Mapping[str, Any]) -> str:
    revision = config.get("revision")  # an older supervisor knows none
    return f"generation {config['generation']}" + (f" ({clean(revision)})" if revision else "")


def _of_the_zoo(snapshot: Snapshot) -> list[Mapping[str, Any]]:
    """The conditions of the zoo; not that the file is refused, which is said on top."""
    return [each for each in snapshot["conditions"] if each["type"] != "FileInForce"]


def _condition_text(each: Mapping[str, Any], now: float) -> str:
    so = "yes" if each["status"] else "no"
    return clean(f"{each['type']} {so}: {condition(each, now)}")


def _model_cells(name: str, model: Model, now: float) -> tuple[str, ...]:
    memory = model["memory"].values()
    _, _, pid, port, up, restarts, _ = cells_of(model, now)
    held, need = (size(sum(each[key] for each in memory)) if memory else NONE for key in ("held", "need"))
    end = model["last_exit"]["reason"] if model["last_exit"] else NONE
    active = _ACTIVE.get(role(model), "yes")
    asked = f"{model.get('inflight', 0)}+{model.get('waiting', 0)}" if requests(model) else NONE
    return (name, model["phase"], active, pid, port, held, need, up, restarts, end, asked, why(model) or NONE)

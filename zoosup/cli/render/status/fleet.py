"""All hosts on a page: who reports, what room each has, and where every model is, or why nowhere.

Pure: an answer of `GET /fleet` in, lines out.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from zoosup.cli.render.format import NONE, PHASE_STYLES, pair, span
from zoosup.cli.render.layout import Line, Span, clean, flowed, length, line, wrapped

Fleet = Mapping[str, Any]

_AT_REST = frozenset({"stopped"})
_GAP = 2
RAM = "ram"


def page(fleet: Fleet, width: int | None) -> list[Line]:
    """The fleet as one of its hosts knows it; `width` None is a pipe."""
    view = fleet["view"]
    lines = [*flowed(list(_head(fleet)), width), *_trouble(fleet, width)]
    if view is None:
        return lines
    lines += [(), *_table(["HOST", "REPORTS", "RUNS", "RAM", "GPUS"], list(_hosts(fleet)))]
    models = [(model, _copies(model["name"], view)) for model in view["spec"]["models"]]
    lines += [(), *_table(["MODEL", "WHERE"], [_model(model, copies, view) for model, copies in models])]
    for model, why in view["refusals"].items():
        lines += wrapped(why, width, 2, "yellow", lead=line((f"{clean(model)} ", "")))
    return lines


def _head(fleet: Fleet) -> Iterator[Line]:
    view = fleet["view"]
    hosts = {} if view is None else view["hosts"]
    yield line(("fleet", "bold"), f" of {len(hosts)} hosts" if hosts else " not heard of yet")
    if lost := sum(host["lost"] for host in hosts.values()):
        yield line((f"{lost} lost", "bold red"))
    yield line((f"head {fleet['head']}", "dim"))
    if view is not None:
        yield line((f"generation {view['spec']['generation']} of the file", "dim"))
        yield line(
            (f"as {fleet['node']} knew it {_ago(fleet['age'])}", "dim" if fleet["connected"] else "yellow")
        )


def _trouble(fleet: Fleet, width: int | None) -> Iterator[Line]:
    view = fleet["view"] or {}
    for each in fleet["conditions"]:
        yield from wrapped(each["message"], width, 0, "yellow")
    if view.get("settling"):
        yield from wrapped(
            "its controller has just begun: nothing is moved until all hosts had time to report", width
        )
    if old := [node for node in view.get("old_files", ()) if node != fleet["node"]]:
        yield from wrapped(f"an older file than the others: {', '.join(old)}", width, 0, "yellow")


def _hosts(fleet: Fleet) -> Iterator[list[Line]]:
    for node, host in fleet["view"]["hosts"].items():
        said = host["report"]
        here = f"{clean(node)} (here)" if node == fleet["node"] else clean(node)
        runs = [m for m in said["models"].values() if m["phase"] not in _AT_REST]
        pools = [(pool, _held(pool["id"], said)) for pool in said["pools"]]
        ram = [_room(pool, held) for pool, held in pools if pool["id"] == RAM]
        gpus = [f"{pool['index']}: {_room(pool, held)}" for pool, held in pools if pool["id"] != RAM]
        yield [
            line(here),
            line(_reports(host, fleet)),
            line(str(len(runs)) if said["pools"] else NONE),
            line(ram[0] if ram else NONE),
            line(", ".join(gpus) or NONE),
        ]


def _reports(host: Mapping[str, Any], fleet: Fleet) -> Span:
    if not (host["report"]["pools"] or host["report"]["address"]):  # what is kept over a restart has no pools
        return ("never heard of", "red")
    ago = _ago(host["age"] + (fleet["age"] or 0.0))
    if host["lost"]:
        return (f"lost, last {ago}", "bold red")
    if host["report"]["leaving"]:
        return (f"leaving, {ago}", "yellow")
    drained = host["report"]["assignment"]["drained"] or host["report"]["draining"]
    return (f"drained, {ago}", "yellow") if drained else (ago, "")


def _held(pool: str, said: Mapping[str, Any]) -> int:
    return sum(model["held"].get(pool, 0) for model in said["models"].values())


def _room(pool: Mapping[str, Any], held: int) -> str:
    return pair(held, pool["capacity"])


def _copies(name: str, view: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Hosts where it is to run or has a process, each with its phase there; of a lost one nobody knows."""
    found: list[tuple[str, str]] = []
    placed = view["placements"].get(name, ())
    for node, host in view["hosts"].items():
        said = host["report"]["models"].get(name)
        phase = said["phase"] if said else "stopped"
        if node in placed or phase not in _AT_REST:
            found.append((node, "lost" if host["lost"] else phase))
    return found


def _model(
    model: Mapping[str, Any], copies: Sequence[tuple[str, str]], view: Mapping[str, Any]
) -> list[Line]:
    name = model["name"]
    spans: list[Span] = []
    for node, phase in copies:
        spans += [
            (", " if spans else "", ""),
            (f"{clean(node)} ", ""),
            (phase, PHASE_STYLES.get(phase, "red")),
        ]
    if not copies:
        nowhere = "no host can have it" if name in view["refusals"] else "nowhere"
        spans = [("on demand" if model["on_demand"] and name not in view["refusals"] else nowhere, "dim")]
    return [line(clean(name)), tuple(spans)]


def _ago(seconds: float | None) -> str:
    return NONE if seconds is None else f"{span(seconds)} ago"


def _table(heading: Sequence[str], rows: Sequence[Sequence[Line]]) -> list[Line]:
    """Columns as wide as what is in them."""
    cells: list[Sequence[Line]] = [[line((each, "dim")) for each in heading], *rows]
    widths = [max(length(row[at]) for row in cells) + _GAP for at in range(len(heading))]
    return [
        tuple(
            piece
            for cell, wide in zip(row, widths, strict=True)
            for piece in (*cell, (" " * (wide - length(cell)), ""))
        )
        for row in cells
    ]

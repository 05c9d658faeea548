"""What stands on the screens, made of what was seen. Pure: knows neither keys nor widgets."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.text import Text

from zoosup.cli.render import pool_bar
from zoosup.cli.render.events import newest
from zoosup.cli.render.format import NONE, PHASE_STYLES, load, pair, requests, role, size, span, why
from zoosup.cli.render.layout import Line, line, wrapped
from zoosup.cli.render.plan import steps
from zoosup.cli.render.screen import Seen
from zoosup.cli.render.status import overview

Model = Mapping[str, Any]

COLUMNS = ("MODEL", "PHASE", "MEMORY", "REQUESTS", "SINCE", "WHY")

_SHORTEST_NAME = 16

_LEAVING = ("serves", "finishes", "stops", "memory is back")
_COMING = ("waits", "loads", "ready")
_LEFT = {"starting": 0, "ready": 0, "unready": 0, "draining": 1, "parking": 1, "stopping": 2}
_COME = {"starting": 1, "unready": 2, "ready": 3}


def text(lines: Iterable[Line]) -> Text:
    """Lines as rich has them."""
    return Text("\n").join(Text.assemble(*each, no_wrap=True, overflow="crop") for each in lines)


def above(seen: Seen, width: int) -> Text:
    """Trouble, the verdict, what is wrong with the file and the zoo, and the memory, a line for each pool."""
    lines = (
        wrapped(f"{seen.trouble}. This is how things stood last.", width, 0, "bold red")
        if seen.trouble
        else []
    )
    lines += overview.head(seen.snapshot, width)
    lines += overview.told(seen.snapshot, width)
    colours = pool_bar.colours(seen.snapshot["pools"], list(seen.snapshot["models"]))
    lines += [pool_bar.as_row(pool, width, colours) for pool in seen.snapshot["pools"]]
    return text([*lines, *switch(seen)])


def switch(seen: Seen) -> list[Line]:
    """A switch as it goes: who leaves and who comes, a lane each, and the load on the scale of the last one."""
    open_ = seen.snapshot["switch"]
    if not open_ or open_["outcome"] != "open":
        return []
    models, coming = seen.snapshot["models"], open_["incoming"]
    cooling = any(models[name]["reason"] == "CoolingDown" for name in coming if name in models)
    lanes = [_lane(name, _LEAVING, _left(models.get(name), cooling=cooling)) for name in open_["outgoing"]]
    for name in coming:
        model = models.get(name, {"phase": "stopped"})
        _, said = load(model, seen.snapshot["at"])
        lanes.append((*_lane(name, _COMING, _COME.get(model["phase"], 0)), (f"  {said}", "cyan")))
    return [(), *lanes]


def _left(model: Model | None, *, cooling: bool) -> int:
    return _LEFT.get(model["phase"] if model else "", 3 if cooling else 4)


def _lane(name: str, stages: tuple[str, ...], at: int) -> Line:
    marks = [
        ("✓ ", "green") if n < at else ("→ ", "bold cyan") if n == at else ("· ", "dim")
        for n in range(len(stages))
    ]
    shown = [(f"{mark}{stage}   ", style) for (mark, style), stage in zip(marks, stages, strict=True)]
    return line((f"{name:<20} ", "bold"), *shown)


def rows(seen: Seen, wanted: str, width: int) -> dict[str, tuple[Text, ...]]:
    """The models' cells by name, the urgent ones first; those alone in which the text `wanted` stands.

    A long name has a third of the width at most: what it is doing stands behind it.
    """
    models = sorted(seen.snapshot["models"].items(), key=lambda each: overview.urgency(each[1]))
    longest = max(_SHORTEST_NAME, width // 3)
    found = {name: _cells(name, model, seen.snapshot["at"], longest) for name, model in models}
    text = wanted.strip().lower()
    return {n: cells for n, cells in found.items() if text in " ".join((n, *map(str, cells))).lower()}


def _cells(name: str, model: Model, now: float, longest: int) -> tuple[Text, ...]:
    style = PHASE_STYLES.get(model["phase"], "")
    since = model["ready_at"] or model["started_at"]
    _, loading = load(model, now)
    return (
        Text(_short(name, longest), "dim" if model["phase"] == "stopped" else "bold"),
        Text(model["phase"], style),
        Text(" + ".join(map(_memory, model["memory"].values())) or NONE),
        Text(requests(model).removeprefix("requests: ") or NONE, "cyan"),
        Text(span(now - since) if since else NONE),
        Text(
            loading or why(model) or role(model), style if why(model) and model["phase"] != "ready" else "dim"
        ),
    )


def _short(name: str, longest: int) -> str:
    """A name with its middle left out: its end tells it from others of its kind."""
    if len(name) <= longest:
        return name
    end = longest // 2
    return f"{name[: longest - end - 1]}…{name[-end:]}"


def _memory(memory: Mapping[str, Any]) -> str:
    return pair(memory["held"], memory["reserved"]) if memory["reserved"] else f"needs {size(memory['need'])}"


def below(seen: Seen, width: int, height: int) -> Text:
    """What comes next, and what happened, the newest first."""
    coming = steps(seen.plan, width) if seen.plan is not None else []
    lines = [line(("what comes next", "bold")), *coming, ()] if coming else []
    lines += [line(("what happened", "bold")), *newest(seen.events, width, max(1, height - len(lines) - 1))]
    return text(lines[:height])

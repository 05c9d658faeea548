"""One model on a page: what it is doing, why, and how its last run ended, log lines included.

Pure: a model's part of the snapshot in, lines out; the same for terminals and pipes, where `width` is None.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from zoosup.cli.render.format import PHASE_STYLES, ago, is_bad, last_exit, requests, role, size, span, why
from zoosup.cli.render.layout import Line, clean, line, wrapped

Model = Mapping[str, Any]

_LABEL = 12


def detail(name: str, model: Model, now: float, width: int | None) -> list[Line]:
    """Everything that is known of one model."""
    phase = (model["phase"], PHASE_STYLES.get(model["phase"], ""))
    lines = [line((name, "bold"), "  ", phase, (f"  {role(model)}", "dim"))]
    for label, text, style in _facts(model, now):
        lead = line((label.ljust(_LABEL), "dim"))
        lines += wrapped(text, width, 2, style, lead)
    end = model["last_exit"]
    if end and end["log"]:
        lines.append(line("  ", (f"its last {len(end['log'])} lines", "dim")))
        lines += [line("    ", clean(text)) for text in end["log"]]
    return lines


def _facts(model: Model, now: float) -> Iterator[tuple[str, str, str]]:
    if model["description"]:
        yield "description", model["description"], ""
    if reason := why(model):
        yield "why", reason, "yellow"
    yield from _clients(model)
    if model["backoff_until"]:
        yield "next try", f"in {span(model['backoff_until'] - now)}", ""
    if model["override"]:
        yield "by hand", f"{model['override']}, until `active` says something new about it", ""
    yield from _run(model, now)
    for pool, memory in model["memory"].items():
        held, reserved = size(memory["held"]), size(memory["reserved"])
        why_so = f"; {memory['note']}" if memory.get("note") else ""
        needs = f"needs {size(memory['need'])} ({memory['source']}{why_so})"
        live = f", promised {reserved}, holds {held}, at most {size(memory['peak'])}"
        yield f"memory {pool}", needs + live * bool(memory["reserved"]), ""
    if model["restarts"]:
        yield "restarts", str(model["restarts"]), ""
    if end := model["last_exit"]:
        yield (
            "last exit",
            f"{last_exit(model)}, {ago(end['at'], now)}" + f": {end['message']}" * bool(end["message"]),
            "",
        )
    for each in model["conditions"]:
        so = "yes" if each["status"] else "no"
        text = f"{each['reason']}, {ago(each['since'], now)}: {each['message']}"
        yield f"{each['type']} {so}", f" {text}", "yellow" if is_bad(each) else ""


def _clients(model: Model) -> Iterator[tuple[str, str, str]]:
    if model.get("aliases"):
        yield "aliases", ", ".join(model["aliases"]), ""
    if asked := requests(model):
        yield "requests", asked.removeprefix("requests: "), "cyan"


def _run(model: Model, now: float) -> Iterator[tuple[str, str, str]]:
    if model["pid"]:
        yield "process", f"pid {model['pid']}, {model['url']}", ""
    if model["started_at"]:
        took = f", ready after {span(model['ready_at'] - model['started_at'])}" if model["ready_at"] else ""
        yield "started", f"{ago(model['started_at'], now)}{took} (run {model['run_id']})", ""

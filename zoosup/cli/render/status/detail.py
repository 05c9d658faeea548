"""One model on a page: what it is doing, why, and how its last run ended, log lines included.

Pure: a model's part of the snapshot in, lines out; the same for terminals and pipes, where `width` is None.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from zoosup.cli.render.format import (
    PHASE_STYLES,
    ago,
    condition,
    is_bad,
    last_exit,
    load,
    requests,
    role,
    size,
    span,
    warm,
    why,
)
from zoosup.cli.render.layout import Line, clean, line, wrapped

Model = Mapping[str, Any]

_LABEL = 12


def detail(name: str, model: Model, now: float, width: int | None) -> list[Line]:
    """Everything that is known of one model."""
    phase = (model["phase"], PHASE_STYLES.get(model["phase"], ""))
    lines = [line((name, "bold"), "  ", phase, (f"  {role(model)}", "dim"))]
    for label, text, style in _facts(model, now):
        lead = line((label.ljust(_LABEL - 1) + " ", "dim"))
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
        yield from [("code", model["reason"], "dim")] if model["reason"] else []
    yield from _clients(model)
    if model["backoff_until"]:
        yield "next try", f"in {span(model['backoff_until'] - now)}", ""
    if model["override"]:
        until = (
            "a request asks for it"
            if model["override"] == "unload"
            else "`active` says something new about it"
        )
        yield "by hand", f"{model['override']}, until {until}", ""
    yield from _run(model, now)
    yield from _weights(model, now)
    for pool, memory in model["memory"].items():
        held, reserved = size(memory["held"]), size(memory["reserved"])
        why_so = f"; {memory['note']}" if memory.get("note") else ""
        needs = f"needs {size(memory['need'])} ({memory['source']}{why_so})"
        holds = f"holds {held}, at most {size(memory['peak'])}"
        if memory["held"] and not memory["reserved"]:
            yield f"memory {pool}", f"{holds}, and was given none of it", "yellow"
        else:
            yield f"memory {pool}", needs + f", promised {reserved}, {holds}" * bool(memory["reserved"]), ""
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
        text = condition(each, now)
        yield f"{each['type']} {so}", text, "yellow" if is_bad(each) else ""


def _weights(model: Model, now: float) -> Iterator[tuple[str, str, str]]:
    for name, path in model.get("weights", {}).items():  # an older supervisor says none
        yield "weights", f"{name} is {path}", ""
    if loading := load(model, now)[1]:
        yield "load", loading, "cyan"
    if waiting := warm(model):
        yield "weights", waiting, ""


def _clients(model: Model) -> Iterator[tuple[str, str, str]]:
    if model.get("aliases"):
        yield "aliases", ", ".join(model["aliases"]), ""
    if model.get("variants"):
        yield "variants", ", ".join(model["variants"]), ""
    if model.get("external"):
        yield "server", model["url"], ""
        there = (
            f"{name} ({other} there)" * (name != other) or name for name, other in model["models"].items()
        )
        if names := ", ".join(there):
            yield "models", names, ""
    if asked := requests(model):
        yield "requests", asked.removeprefix("requests: "), "cyan"


def _run(model: Model, now: float) -> Iterator[tuple[str, str, str]]:
    if model["pid"]:
        yield "process", f"pid {model['pid']}, {model['url']}", ""
    if model["started_at"]:
        took = f", ready after {span(model['ready_at'] - model['started_at'])}" if model["ready_at"] else ""
        yield "started", f"{ago(model['started_at'], now)}{took} (run {model['run_id']})", ""

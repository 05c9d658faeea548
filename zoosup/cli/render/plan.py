"""The answer of `plan` for people: the steps in order, and for each model the sums that decide it.

Pure: a plan in, lines out; `width` None is a pipe.
"""

import time
from collections.abc import Mapping
from typing import Any

from zoosup.cli.render import pool_bar
from zoosup.cli.render.format import PHASE_STYLES, sign, size
from zoosup.cli.render.holds import in_words
from zoosup.cli.render.layout import BarPart, Line, bar, line, wrapped

Plan = Mapping[str, Any]

_SIGNS = {
    "start": ("+", "green"),
    "restart": ("±", "magenta"),
    "drain": ("-", "magenta"),
    "stop": ("-", "magenta"),
    "kill": ("!", "bold red"),
    "park": ("-", "blue"),
    "wake": ("+", "green"),
    "hold": ("=", "yellow"),
    "hold-room": ("+", "yellow"),
    "release-room": ("-", "yellow"),
    "inspect": ("?", "dim"),
    "end-cooldown": ("~", "cyan"),
}
_IN_WORDS = {
    "end-cooldown": "end the cool-down after",
    "hold-room": "book",
    "release-room": "give back",
}
_VERDICTS = {"admitted": "green", "waits": "yellow", "refused": "bold red"}


def render_plan(found: Plan, width: int | None) -> list[Line]:
    """The plan for people: the pools as they are, the whole way in order, and each model's sums at its end."""
    lines = [line((found["path"], "bold"), (f"  as generation {found['generation']}", "dim")), ()]
    if width is not None:
        colours = pool_bar.colours(found.get("pools", ()), list(found["models"]))
        for pool in found.get("pools", ()):
            lines += pool_bar.as_bar(pool, width, colours)
    else:
        lines[1:] = [line(pool_bar.as_text(pool)) for pool in found.get("pools", ())]
    lines += [*(steps(found, width) or [line(("Nothing to do.", "green"))]), ()]
    for name, verdict in found.get("outcome", found["models"]).items():
        lines += _verdict(name, verdict, width)
    for name, server in found.get("external", {}).items():
        phase = (server["phase"], PHASE_STYLES.get(server["phase"], ""))
        lines.append(line((name, "bold"), "  elsewhere  ", server["url"], "  now ", phase))
    for name, hold in found.get("holds", {}).items():
        lines += wrapped(in_words(hold, time.time()), width, 0, "", line((f"hold {name} ", "bold")))
    lines += _conditions(found, width)
    if not found.get("settled", True):
        lines.append(line(("what comes after that is not foreseen", "dim")))
    return lines


def steps(found: Plan, width: int | None) -> list[Line]:
    """What happens, in order: steps, what is applied live, who runs on as it was, what is refused."""
    lines: list[Line] = []
    for action in found.get("steps", found["actions"]):  # an older supervisor knows the next pass alone
        mark, style = _SIGNS.get(action["action"], ("·", ""))
        lines += wrapped(_in_words(action), width, 0, "", line((f"{mark} {_name(action)}", style), " "))
    for name, fields in found.get("live", {}).items():
        what = f"{', '.join(fields)}, without a restart"
        lines += wrapped(what, width, 0, "", line((f"~ {name or 'zoo.yaml'}: applied live", "cyan"), " "))
    refused = found.get("refused", ())
    for each in found["conditions"]:
        if each["type"] == "Current" and not each["status"] and each["model"] not in refused:
            what = f"{each['model']} {each.get('words', each['reason'])}: {each['message']}"
            lines += wrapped(what, width, 0, "", line(sign(each)))
    for name in refused:
        lines.append(line((f"✗ {name}: refused", "bold red")))
    return lines


def _name(action: Mapping[str, Any]) -> str:
    if action["action"] == "hold":
        return f"{action['model']}: {action.get('phase', '')}"
    return f"{_IN_WORDS.get(action['action'], action['action'])} {action['model']}"


def _in_words(action: Mapping[str, Any]) -> str:
    need = ", ".join(f"{size(amount)} of {pool}" for pool, amount in action.get("need", {}).items())
    if need and action["action"] != "restart":  # whose message is the sum, which stands below
        return f"with {need}"
    parts = (action.get("cause", ""), action.get("message", ""))
    return action.get("words") or ": ".join(part for part in parts if part)  # an older supervisor has codes


def _verdict(name: str, verdict: Mapping[str, Any], width: int | None) -> list[Line]:
    now = (verdict["phase_now"], PHASE_STYLES.get(verdict["phase_now"], ""))
    lines = [
        line((name, "bold"), "  ", (verdict["verdict"], _VERDICTS.get(verdict["verdict"], "")), "  now ", now)
    ]
    said = verdict.get("words") or verdict["reason"]
    reason = ": ".join(part for part in (said, verdict["message"]) if part)
    if reason and verdict["verdict"] != "admitted":  # else the sums say it all
        lines += wrapped(reason, width, 2)
    # A refusal's message has its sum: what would be short though everybody left who may. Not another one beside it.
    for each in verdict["sums"] if verdict["verdict"] != "refused" or not verdict["message"] else ():
        lines += _sum(each, width, verdict.get("need", {}).get("source", ""))
    return [*lines, ()] if width is not None else lines


def _sum(each: Mapping[str, Any], width: int | None, source: str) -> list[Line]:
    """One pool's two sums, of the budget and of the memory that is really there."""
    spoken_for = sum(each["reserved"].values())
    by = ", ".join(f"{name} {size(amount)}" for name, amount in each["reserved"].items())
    budget = f"budget {size(each['budget'])} - promised {size(spoken_for)}{f' ({by})' * bool(by)}"
    memory = f"free {size(each['available'])} - reserve {size(each['reserve'])}"
    memory += f" - still loading {size(each['promised'])}"
    if each["credit"]:
        memory += f" + comes back {size(each['credit'])}"
    style = "yellow" if each["short"] else "green"
    short = f"short of {size(each['short'])}" if each["short"] else "enough"
    lead = line((f"{each['pool']} ", "bold"))
    needs = f"needs {size(each['need'])}" + f" ({source})" * bool(source)
    lines = wrapped(f"{needs}: {short}", width, 2, style, lead)
    if width is not None and each["available"] is not None:
        lines.append(line("  ", *_picture(each, width - 2)))
    lines += wrapped(budget, width, 2, "dim")
    return [*lines, *wrapped(f"{memory}; others use {size(each['foreign'])}", width, 2, "dim")]


def _picture(each: Mapping[str, Any], width: int) -> Line:
    """What is needed beside what there is: a bar of the need, its missing part in red."""
    need, rest = each["need"], ("·", "bright_black")
    there = max(0, need - each["short"])
    return bar(
        [
            BarPart(there, "█", "green"),
            BarPart(need - there, "█", "red"),
            BarPart(each["total"] - need, *rest),
        ],
        width,
    )


def _conditions(found: Plan, width: int | None) -> list[Line]:
    lines: list[Line] = []
    for each in found["conditions"]:
        if each.get("model") is None:
            lead = line(sign(each))
            lines += wrapped(f"{each.get('words') or each['type']}: {each['message']}", width, 0, "", lead)
    return lines

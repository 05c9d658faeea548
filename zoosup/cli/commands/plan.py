"""`zoosup plan`: what would happen, drawn with the sums that decide it.

A running supervisor answers with the function it acts on. Without one the answer is for this host with nothing of
ours running, and says so.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoosup.cli.client import Client
from zoosup.cli.context import print_json, read_file, settings
from zoosup.cli.light_imports import lightly
from zoosup.cli.render import pool_bar, terminal
from zoosup.cli.render.format import PHASE_STYLES, sign, size
from zoosup.cli.render.layout import BarPart, Line, bar, line, wrapped
from zoosup.errors import ExitCode, UnreachableError

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
    "inspect": ("?", "dim"),
    "end-cooldown": ("~", "cyan"),
}
_VERDICTS = {"admitted": "green", "waits": "yellow", "refused": "bold red"}


def plan(given: argparse.Namespace) -> int:
    """Say what would happen; 1 where something is refused, 2 with --detailed-exitcode where anything changes."""
    found, offline = _fetch(given)
    if given.json:
        print_json({**found, "offline": offline})
    else:
        if offline:
            print(
                "zoosup: no supervisor runs; this is for the host with none of its models running",
                file=sys.stderr,
            )
        terminal.show(given, lambda width: render_plan(found, width))
    if found.get("refused"):
        return ExitCode.FAILED
    return ExitCode.CHANGES if given.detailed_exitcode and found["changes"] else ExitCode.DONE


def _fetch(given: argparse.Namespace) -> tuple[Plan, bool]:
    ours = settings(given)
    asked = Client(ours.control_socket)
    try:
        if given.file is None:
            return asked.post("plan"), False
        return asked.post("plan", body=read_file(Path(given.file)), path=given.file), False
    except UnreachableError:
        with lightly():
            from zoosup.spec.parse import decode  # noqa: PLC0415 - only where no supervisor has read the file
            from zoosup.supervisor.offline import plan_offline  # noqa: PLC0415

        path = ours.zoo_file()
        return plan_offline(decode(read_file(path), path=str(path)), str(path)), True


def render_plan(found: Plan, width: int | None) -> list[Line]:
    """The plan for people: the pools as they are, the whole way in order, and each model's sums at its end."""
    lines = [line((found["path"], "bold"), (f"  as generation {found['generation']}", "dim")), ()]
    if width is not None:
        colours = pool_bar.colours(found.get("pools", ()), list(found["models"]))
        for pool in found.get("pools", ()):
            lines += pool_bar.as_bar(pool, width, colours)
    else:
        lines[1:] = [line(pool_bar.as_text(pool)) for pool in found.get("pools", ())]
    lines += _actions(found, width)
    for name, verdict in found.get("outcome", found["models"]).items():
        lines += _verdict(name, verdict, width)
    lines += _conditions(found, width)
    if not found.get("settled", True):
        lines.append(line(("what comes after that is not foreseen", "dim")))
    return lines


def _actions(found: Plan, width: int | None) -> list[Line]:
    lines: list[Line] = []
    for action in found.get("steps", found["actions"]):  # an older supervisor knows the next pass alone
        sign, style = _SIGNS.get(action["action"], ("·", ""))
        lines += wrapped(_in_words(action), width, 0, "", line((f"{sign} {_name(action)}", style), " "))
    for name, fields in found.get("live", {}).items():
        what = f"{', '.join(fields)}, without a restart"
        lines += wrapped(what, width, 0, "", line((f"~ {name or 'zoo.yaml'}: applied live", "cyan"), " "))
    for name in found.get("refused", ()):
        lines.append(line((f"✗ {name}: refused", "bold red")))
    return [*(lines or [line(("Nothing to do.", "green"))]), ()]


def _name(action: Mapping[str, Any]) -> str:
    verb = {"hold": action.get("phase", ""), "end-cooldown": "end the cool-down after"}.get(action["action"])
    return (
        f"{action['model']}: {verb}"
        if action["action"] == "hold"
        else f"{verb or action['action']} {action['model']}"
    )


def _in_words(action: Mapping[str, Any]) -> str:
    need = ", ".join(f"{size(amount)} of {pool}" for pool, amount in action.get("need", {}).items())
    if need and action["action"] != "restart":  # whose message is the sum, which stands below
        return f"with {need}"
    parts = (action.get("cause", ""), action.get("message", ""))
    return ": ".join(part for part in parts if part)


def _verdict(name: str, verdict: Mapping[str, Any], width: int | None) -> list[Line]:
    now = (verdict["phase_now"], PHASE_STYLES.get(verdict["phase_now"], ""))
    lines = [
        line((name, "bold"), "  ", (verdict["verdict"], _VERDICTS.get(verdict["verdict"], "")), "  now ", now)
    ]
    reason = ": ".join(part for part in (verdict["reason"], verdict["message"]) if part)
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
            lines += wrapped(f"{each['type']}: {each['reason']}: {each['message']}", width, 0, "", lead)
    return lines

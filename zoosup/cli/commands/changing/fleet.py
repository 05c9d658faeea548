"""`zoosup drain`, `zoosup undrain`, and `zoosup status --fleet`: what concerns all hosts.

Decides nothing: which host runs what is the fleet's answer.
"""

import argparse
import time
from typing import Any

from zoosup.cli.client import Client
from zoosup.cli.context import client, print_json
from zoosup.cli.render import terminal
from zoosup.cli.render.status.fleet import Fleet, page
from zoosup.errors import ExitCode, WaitTimeoutError, ZoosupError

INTERVAL = 0.5
"""Seconds between two looks at a host that is getting empty."""


def show(given: argparse.Namespace) -> int:
    """All hosts, as this one knows them."""
    asked = client(given)
    if given.watch and terminal.is_terminal() and not given.json:
        with terminal.live(given) as redraw:
            while True:
                fleet = asked.get("fleet")
                redraw(lambda width, _height: page(fleet, width))  # noqa: B023
                time.sleep(INTERVAL)
    fleet = asked.get("fleet")
    if given.json:
        print_json(fleet)
    else:
        terminal.show(given, lambda width: page(fleet, width))
    return ExitCode.DONE


def drain(given: argparse.Namespace) -> int:
    """Have a host get empty and stay so, or no longer; with a time-out, wait until it is."""
    asked = client(given)
    told = asked.post("fleet", given.node or asked.get("fleet")["node"], given.verb)
    node = told["node"]
    if given.verb == "undrain":
        print(f"{node} may have models again; what runs elsewhere stays there")
        return ExitCode.DONE
    print(f"{node} gets empty, and stays so until `zoosup undrain {node}`")
    return ExitCode.DONE if given.timeout is None else _wait_until_empty(asked, node, given.timeout)


def _wait_until_empty(asked: Client, node: str, timeout: float) -> int:
    end, said = time.monotonic() + timeout, ""
    while left := _left(asked.get("fleet"), node):
        if (text := ", ".join(left)) != said:
            said = text
            print(f"still there: {text}", flush=True)
        if time.monotonic() > end:
            raise WaitTimeoutError(f"{node} still has {text}; `zoosup status --fleet` says why")
        time.sleep(INTERVAL)
    print(f"{node} is empty")
    return ExitCode.DONE


def _left(fleet: Fleet, node: str) -> list[str]:
    """What still runs there; ZoosupError where nobody knows."""
    host: Any = ((fleet["view"] or {}).get("hosts") or {}).get(node)
    if host is None or host["lost"]:
        raise ZoosupError(f"{node} does not report, so that nobody knows what runs there")
    return [name for name, model in host["report"]["models"].items() if model["phase"] != "stopped"]

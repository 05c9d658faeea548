"""`zoosup hold`: room for what is no model.

With a command it becomes that command once the room is had: one process, so that its exit code, its terminal and its
signals need nobody in between, and whose end frees the room however it comes. Decides nothing: who makes room for it,
and when, is the supervisor's answer.
"""

import argparse
import json
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from typing import NoReturn

from zoosup.cli.client import Client
from zoosup.cli.context import client, print_json
from zoosup.cli.render.holds import Hold, in_words
from zoosup.errors import ExitCode, NoSuchHoldError, UnreachableError, UsageError, ZoosupError

INTERVAL = 0.1
"""Seconds between two looks at a hold that is waited for."""

PATIENCE = 90.0
"""Seconds without an answer while a hold is waited for: an upgrade of zoosup lets answers end first, 60 s at most."""

_IGNORED_BY_PYTHON = ("SIGPIPE", "SIGXFSZ")


def hold(given: argparse.Namespace) -> int:
    """Hold room, list what is held, or give it back; 1 where it can't be had, with the sum."""
    asked = client(given)
    if given.list:
        return _list(asked, given)
    if given.release is not None:
        return _release(asked, given)
    if not (given.ram or given.vram):
        raise UsageError("expected --ram or --vram: how much is to be held")
    program = _program(given.command)
    found = _wait_for(asked, json.dumps(_request(given)).encode())
    if given.command:
        _become(program, given.command, found)
    if given.json:
        print_json(found)
    else:
        print(f"{found['id']}  {in_words(found, time.time())}")
        print(f"zoosup: it goes back with `zoosup hold --release {found['id']}`", file=sys.stderr)
    return ExitCode.DONE


def _request(given: argparse.Namespace) -> dict[str, object]:
    """The hold goes with this process; without a command it only waits, and the hold stays."""
    command = shlex.join(given.command)
    return {
        "ram": given.ram, "vram": given.vram, "gpu": given.gpu, "for": given.lasts, "force": given.force,
        "pid": os.getpid(), "keep": not command, "command": command,
    }  # fmt: skip


def _program(command: Sequence[str]) -> str:
    """Looked for before anybody makes room for it."""
    if not command:
        return ""
    found = shutil.which(command[0])
    if found is None:
        raise ZoosupError(f"{command[0]}: no such program, or not executable; nothing is held")
    return found


def _wait_for(asked: Client, request: bytes) -> Hold:
    """Until it is had; what is waited for is said, each reason once."""
    found: Hold = asked.post("holds", body=request)
    said, lost_at = "", None
    while found["state"] == "waiting":
        if found["reason"] and found["message"] != said:  # without one it is had, and only being written down
            said = found["message"]
            print(f"zoosup: hold {found['id']} {said}", file=sys.stderr)
        time.sleep(INTERVAL)
        try:
            found = _looked_at(asked, found, request if lost_at is not None else None)
            lost_at = None
        except UnreachableError as error:
            now = time.monotonic()
            if lost_at is None:
                lost_at = now
                print(f"zoosup: {error}; still waiting", file=sys.stderr)
            elif now - lost_at >= PATIENCE:
                raise
    if found["state"] == "refused":
        raise ZoosupError(f"no room: {found['message']}")
    return found


def _looked_at(asked: Client, found: Hold, again: bytes | None) -> Hold:
    """The hold as it is now. A zoosup that has followed another knows of none that waits: it is asked `again`."""
    try:
        now: Hold = asked.get("holds", found["id"])
    except NoSuchHoldError:
        if again is None:
            raise
        now = asked.post("holds", body=again)
    return now


def _become(program: str, command: Sequence[str], found: Hold) -> NoReturn:
    env = os.environ | found["gpu_env"]
    for name in _IGNORED_BY_PYTHON:
        if hasattr(signal, name):  # what is ignored stays so across exec
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execve(program, list(command), env)  # noqa: S606 - what was typed
    except OSError as error:
        raise ZoosupError(f"{command[0]}: {error.strerror}; the room goes back") from None


def _list(asked: Client, given: argparse.Namespace) -> int:
    snapshot = asked.get("status")
    if given.json:
        print_json(snapshot["holds"])
        return ExitCode.DONE
    for hold_id, each in snapshot["holds"].items():
        print(f"{hold_id}  {in_words(each, snapshot['at'])}")
    return ExitCode.DONE


def _release(asked: Client, given: argparse.Namespace) -> int:
    found = asked.delete("holds", given.release)
    if given.json:
        print_json(found)
    else:
        print(f"hold {given.release} has gone back")
    return ExitCode.DONE

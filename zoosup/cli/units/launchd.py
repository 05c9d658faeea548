"""A property list for launchd: of a LaunchAgent, or of a LaunchDaemon."""

import plistlib
from typing import Any

from zoosup import __version__
from zoosup.cli.units import texts
from zoosup.cli.units.service import OPEN_FILES, Service, filled, options

LAUNCHD_EXIT = 300
"""Seconds that launchd leaves zoosup to end its models: it can't be asked for more, as systemd can."""


def launchd_plist(service: Service) -> str:
    """A property list: of a LaunchAgent where `user` is None, else of a LaunchDaemon that runs as that user."""
    log = str(service.home / "Library" / "Logs" / f"{service.name}.log")
    job: dict[str, Any] = {
        "Label": service.name,
        "ProgramArguments": [
            *service.command,
            "run",
            *options(service),
            "--wait-for-file",
            str(service.file),
        ],
        "WorkingDirectory": str(service.file.parent),
        # A daemon is not told its user's HOME, and the state directory is below it.
        "EnvironmentVariables": {"PATH": service.search_path, "HOME": str(service.home)},
        "RunAtLoad": True,
        "KeepAlive": True,
        "AbandonProcessGroup": True,
        "ExitTimeOut": LAUNCHD_EXIT,
        "ProcessType": "Interactive",
        "SoftResourceLimits": {"NumberOfFiles": OPEN_FILES},
        "StandardOutPath": log,
        "StandardErrorPath": log,
    }
    if service.user is not None:
        job["UserName"] = service.user
    head, doctype, body = plistlib.dumps(job, sort_keys=False).decode().split("\n", 2)
    return "\n".join((head, doctype, _launchd_comment(service), body))


def _launchd_comment(service: Service) -> str:
    """No path goes in here: two hyphens in it would end the comment."""
    place = texts.LAUNCHD_OWN if service.user is None else texts.LAUNCHD_SYSTEM
    name = "LABEL" if "--" in service.name else service.name
    return filled(place + texts.LAUNCHD_TRAPS, {"version": __version__, "name": name})

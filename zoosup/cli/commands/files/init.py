"""`zoosup init`: a first zoo.yaml, from a look at this host.

Looks and asks nothing; what the file says of what was seen stands in `zoosup.importing.first_file`.
"""

import argparse
import asyncio
import os
import shlex
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from zoosup.cli.commands.files.importing import save
from zoosup.cli.light_imports import lightly
from zoosup.errors import ExitCode
from zoosup.importing.checked import written
from zoosup.importing.draft import Host
from zoosup.importing.first_file import LOOKED_FOR, Seen, first_file
from zoosup.importing.report import Report

_STDOUT = "-"
_ENGINES = ("docker", "podman")
_WITHIN = 3.0
"""Seconds in which a container engine has to answer; one that hangs is passed over."""

_GATEWAY, _STATUS = 8080, 8081
_PORTS = 100


def init(given: argparse.Namespace) -> int:
    """Write the file, and say what is in it."""
    report = Report()
    draft = first_file(_look(), report)
    text = written(draft, report)
    if given.output == _STDOUT:
        print(text, end="")
        return ExitCode.DONE
    path = Path(given.output)
    save(path, text, force=given.force)
    names = [each.name for each in draft.models if draft.named(each.name)]
    named = "" if path == Path("zoo.yaml") else f" {shlex.quote(str(path))}"
    print(f"{path}: {', '.join(names)}. Look at it, then: zoosup run{named}")
    return ExitCode.DONE


def _look() -> Seen:
    with lightly():
        from zoosup.host.weights.inventory import stored  # noqa: PLC0415
        from zoosup.supervisor.offline import budgets_offline  # noqa: PLC0415 - all of zoosup

    gateway, status = _free_ports()
    images = asyncio.run(_images())
    return Seen(
        python=sys.executable,
        programs={name: path for name in LOOKED_FOR if (path := shutil.which(name))},
        engines=tuple(images),
        images=tuple(sorted({image for listed in images.values() for image in listed})),
        weights=tuple(stored(os.environ)),
        memory=Host(*budgets_offline()),
        gateway=gateway,
        status=status,
    )


async def _images() -> dict[str, tuple[str, ...]]:
    """What each engine has that answers."""
    from zoosup.host.container.api_engine import ApiEngine  # noqa: PLC0415 - aiohttp takes its time
    from zoosup.host.container.engine import EngineRefusedError, EngineUnreachableError  # noqa: PLC0415

    found: dict[str, tuple[str, ...]] = {}
    for name in _ENGINES:
        engine = ApiEngine(name, os.environ, soon=_WITHIN)
        with suppress(EngineRefusedError, EngineUnreachableError):
            found[name] = await engine.images()
        await engine.aclose()
    return found


def _free_ports() -> tuple[str, str]:
    """Addresses for the gateway and the status server: the usual ones, else the next that are free."""
    free = _free(range(_GATEWAY, _GATEWAY + _PORTS))
    gateway = next(free, _GATEWAY)
    return f"127.0.0.1:{gateway}", f"127.0.0.1:{next(free, _STATUS)}"


def _free(ports: range) -> Iterator[int]:
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                yield port

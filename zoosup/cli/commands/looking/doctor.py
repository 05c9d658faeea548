"""`zoosup doctor`: what zoosup sees of this host, each line with what to do where something is amiss.

Looks and never changes anything. `fail` is what keeps zoosup from working, `warn` what will bite later.
"""

import argparse
import os
import platform
import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from zoosup import __version__
from zoosup.cli.client import Client
from zoosup.cli.commands.files.check import read
from zoosup.cli.commands.looking import report
from zoosup.cli.context import print_json, settings
from zoosup.cli.render import pool_bar, terminal
from zoosup.cli.render.findings.caches import caches
from zoosup.cli.render.findings.engines import engines
from zoosup.cli.render.findings.finding import FAIL, OK, WARN, Finding
from zoosup.cli.render.findings.memory import Snapshot, memory, stalls
from zoosup.cli.render.format import progress, size
from zoosup.cli.render.layout import Line, line, plain, wrapped
from zoosup.errors import ExitCode, InvalidFileError, UnreachableError, UsageError
from zoosup.spec.syntax.addresses import split_address

if TYPE_CHECKING:
    from zoosup.spec.model.zoo import ZooSpec
    from zoosup.supervisor.settings import Settings

_STYLES = {OK: "green", WARN: "yellow", FAIL: "bold red"}
_FILES_WANTED = 4096
"""Open files for a few hundred models and their clients; a model takes about four, a client one."""

_INSTANCES_WANTED = 16

_WIDE = 70
"""Cells of a terminal on which bars are set in as far as what they belong to."""

_TOOLS = ("llama-server", "llama-fit-params", "vllm", "docker", "podman")
_PACKAGES = ("aiohttp", "psutil", "pydantic", "watchfiles", "rich")
_LISTENERS = Path("/proc/sys/fs/inotify/max_user_instances")


def doctor(given: argparse.Namespace) -> int:
    """Look at everything; exit 1 where something fails."""
    ours = settings(given)
    spec, about_file = _file(ours)
    running, snapshot = _running(ours)
    findings = [_versions(), about_file, running, *_settings(), _state_dir(ours)]
    findings += [*memory(spec, snapshot), stalls(), _open_files(), *_inotify(), *_tools(), *engines(spec)]
    findings += caches(spec)
    if running.state != OK:
        findings += _ports(ours, spec)
    if given.report is not None:
        report.write(given.report, plain(_as_lines(findings, None, {})), report.Seen(ours, spec, snapshot))
    elif given.json:
        print_json([asdict(each) for each in findings])
    else:
        models = list(snapshot["models"]) if snapshot is not None else []
        colours = pool_bar.colours([each.pool for each in findings if each.pool is not None], models)
        terminal.show(given, lambda width: _as_lines(findings, width, colours))
    return ExitCode.FAILED if any(each.state == FAIL for each in findings) else ExitCode.DONE


def _as_lines(findings: list[Finding], width: int | None, colours: Mapping[str, str]) -> list[Line]:
    return [each for found in findings for each in _finding_lines(found, width, colours)]


def _finding_lines(found: Finding, width: int | None, colours: Mapping[str, str]) -> list[Line]:
    lead = line((f"{found.state:4}", _STYLES[found.state]), "  ", (f"{found.name:14}", "bold"))
    lines = wrapped(found.message, width, 0, "", lead)
    lines += wrapped(found.remedy, width, 20, "yellow") if found.remedy else []
    if found.pool is None:
        return lines
    if width is None:
        return [*lines, line(" " * 20, pool_bar.as_text(found.pool))]
    indent = 20 if width >= _WIDE else 0
    picture = pool_bar.picture(found.pool, width - indent, colours)
    return [*lines, *(line(" " * indent, *each) for each in picture)]


def _versions() -> Finding:
    packages = ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)
    return Finding(
        "zoosup",
        OK,
        f"{__version__} on Python {platform.python_version()}, {platform.platform()}; {packages}",
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def _file(ours: "Settings") -> tuple["ZooSpec | None", Finding]:
    try:
        path = ours.zoo_file()
        spec = read(path)
    except UsageError as error:
        return None, Finding(
            "zoo.yaml", WARN, str(error), "zoosup init writes one; or name it: zoosup doctor FILE"
        )
    except InvalidFileError as error:
        problems = str(error).splitlines()
        more = f"; and {len(problems) - 1} more" if len(problems) > 1 else ""
        return None, Finding("zoo.yaml", FAIL, problems[0] + more, "zoosup check says all that is wrong")
    active = ", ".join(spec.active) or "none"
    number = len(spec.models) + len(spec.externals)
    return spec, Finding("zoo.yaml", OK, f"{path}: {number} model{'s' * (number != 1)}, active: {active}")


def _running(ours: "Settings") -> tuple[Finding, Snapshot | None]:
    try:
        snapshot: Snapshot = Client(ours.control_socket).get("status", health=1)
    except UnreachableError as error:
        return Finding("supervisor", WARN, str(error).partition(";")[0], "zoosup run starts one"), None
    state, _ = progress(snapshot)
    text = f"pid {snapshot['pid']} follows {snapshot['config']['path']}, {state}"
    return Finding("supervisor", OK, text), snapshot


def _settings() -> Iterator[Finding]:
    from zoosup.supervisor.settings import unknown_variables  # noqa: PLC0415 - with the rest of the settings, not before

    for sentence in unknown_variables(os.environ):
        yield Finding("environment", WARN, sentence, "unset it, or spell it as zoosup --help does")


def _state_dir(ours: "Settings") -> Finding:
    path = ours.state_directory
    there = next(each for each in (path, *path.absolute().parents) if each.exists())
    if not there.is_dir():
        return Finding("state", FAIL, f"{there} is no directory", "name another with --state-dir")
    if not os.access(there, os.W_OK | os.X_OK):
        return Finding("state", FAIL, f"{path}: {there} can't be written", "name another with --state-dir")
    free = shutil.disk_usage(there).free
    state = OK if free > 1 << 30 else WARN
    remedy = "" if state == OK else "make room: the logs of models go there"
    return Finding(
        "state", state, f"{path}{'' if there == path else ' (will be made)'}, {size(free)} free", remedy
    )


def _open_files() -> Finding:
    import resource  # noqa: PLC0415 - POSIX alone has it

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    text = f"{_limit(soft)}, at most {_limit(hard)}"
    enough = resource.RLIM_INFINITY in {soft, hard} or hard >= _FILES_WANTED
    remedy = "" if enough else f"raise the limit to {_FILES_WANTED}: ulimit -n, LimitNOFILE= in a unit"
    return Finding("open files", OK if enough else WARN, text, remedy)


def _limit(value: int) -> str:
    import resource  # noqa: PLC0415 - as above

    return "no limit" if value == resource.RLIM_INFINITY else str(value)


def _inotify(limit: Path = _LISTENERS) -> Iterator[Finding]:
    """Linux alone has these limits; without a free instance zoosup polls the file each two seconds or so."""
    if sys.platform != "linux":
        return
    try:
        instances = int(limit.read_text())
    except (OSError, ValueError):
        yield Finding("inotify", WARN, f"{limit} can't be read", "edits may be noticed a second or two late")
        return
    enough = instances >= _INSTANCES_WANTED
    remedy = "" if enough else "sysctl fs.inotify.max_user_instances=128; edits are noticed late without"
    yield Finding("inotify", OK if enough else WARN, f"{instances} instances for each user", remedy)


def _ports(ours: "Settings", spec: "ZooSpec | None") -> Iterator[Finding]:
    """What zoosup would want to listen on; not looked at while it runs, for then they are its own."""
    if spec is None:
        return
    wanted = {
        f"127.0.0.1:{model.port}": name for name, model in spec.models.items() if isinstance(model.port, int)
    }
    if listen := ours.listen(spec.status.listen):
        wanted[listen] = "the status server"
    if listen := ours.gateway(spec.gateway.listen if spec.gateway else None):
        wanted[listen] = "the gateway"
    taken = [f"{address} (for {who})" for address, who in wanted.items() if _is_taken(address)]
    if taken:
        yield Finding("ports", FAIL, f"in use: {', '.join(taken)}", "end who listens there, or choose others")
    elif wanted:
        yield Finding("ports", OK, f"{len(wanted)} wanted, all free")


def _is_taken(address: str) -> bool:
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def _tools(which: Callable[[str], str | None] = shutil.which) -> Iterator[Finding]:
    found = {tool: which(tool) for tool in _TOOLS}
    there = ", ".join(f"{tool} {path}" for tool, path in found.items() if path)
    absent = ", ".join(tool for tool, path in found.items() if not path)
    yield Finding(
        "tools", OK, "; ".join(part for part in (there, f"not on PATH: {absent}" * bool(absent)) if part)
    )

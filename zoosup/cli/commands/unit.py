"""`zoosup unit`: the text of a service for systemd or launchd that keeps zoosup running and lets its models live.

Knows what each init system does to a service that dies, is stopped or runs out of memory. Refuses to install
anything: the text goes to stdout, and whoever runs it puts it in its place.
"""

import argparse
import os
import plistlib
import pwd
import re
import shlex
import shutil
import sys
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoosup import __version__
from zoosup.cli.commands import unit_texts as texts
from zoosup.cli.context import settings
from zoosup.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from zoosup.settings import Settings

LAUNCHD_EXIT = 300
"""Seconds that launchd leaves zoosup to end its models: it can't be asked for more, as systemd can."""

OPEN_FILES = 65536
"""launchd begins with 256 and systemd with 1024; a model takes about four, a client one."""

_PLAIN = re.compile(r"[A-Za-z0-9_./:@+=,-]+")
_UNFIT = frozenset({"Cc", "Cs", "Zl", "Zp"})  # Unicode's categories of controls, surrogates and line ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What a unit is made for. All paths are absolute.

    `user` None makes it a unit of that user's own manager, which needs no root. `state_dir` None leaves it to the
    unit's manager, or to zoosup's default. `search_path` is the PATH in which commands of zoo.yaml are found.
    """

    command: tuple[str, ...]  # that is `zoosup`: one program, or Python and its arguments
    file: Path
    home: Path
    user: str | None = None
    instance: str = "default"
    state_dir: Path | None = None
    search_path: str = ""

    @property
    def name(self) -> str:
        """One name for the unit, its state directory and its log; the default instance needs no suffix."""
        return "zoosup" if self.instance == "default" else f"zoosup-{self.instance}"


def unit(given: argparse.Namespace) -> int:
    """Print the unit; UsageError for what can't stand in one."""
    ours = settings(given)
    account = _account(given.user)
    if not ours.zoo_file().is_file():
        raise UsageError(f"{ours.zoo_file()} is missing; name the zoo.yaml that the service is for")
    service = Service(
        command=_ourselves(),
        file=ours.zoo_file().absolute(),
        home=Path(account.pw_dir),
        user=None if given.own else account.pw_name,
        instance=ours.instance,
        state_dir=_state_dir(ours, own=given.own),
        search_path=os.environ.get("PATH", os.defpath),
    )
    kind = given.kind or ("launchd" if sys.platform == "darwin" else "systemd")
    print(text(kind, service), end="")
    return ExitCode.DONE


def text(kind: str, service: Service) -> str:
    """The unit for systemd or launchd, as `kind` says; UsageError for paths that could not be read back."""
    for part in (*service.command, service.file, service.home, service.state_dir or "", service.search_path):
        if any(unicodedata.category(character) in _UNFIT for character in str(part)):
            raise UsageError(f"{str(part)!r} can't stand in a unit: it has characters that are no text")
    return launchd_plist(service) if kind == "launchd" else systemd_unit(service)


def systemd_unit(service: Service) -> str:
    """A .service file, each trap explained where it is avoided; an old systemd says which settings it ignores."""
    own = service.user is None
    parts = (texts.HEAD_OWN, texts.SERVICE) if own else (texts.HEAD, texts.SERVICE, texts.SYSTEM)
    values = {
        "version": __version__,
        "name": service.name,
        "user": service.user or "",
        "file": _specifiers(str(service.file)),
        "start": _systemd_command(service, "run", "--wait-for-file", str(service.file)),
        "reload": _systemd_command(service, "reload"),
        "directory": _unquoted(str(service.file.parent)),
        "path": _quoted(_specifiers(f"PATH={service.search_path}")),
        "files": str(OPEN_FILES),
        "target": "default.target" if own else "multi-user.target",
        "look": _look(service),
        "who": "root" if service.user in (None, "root") else f"root or {service.user}",
    }
    return _filled("".join((*parts, texts.FOOT)), values)


def launchd_plist(service: Service) -> str:
    """A property list: of a LaunchAgent where `user` is None, else of a LaunchDaemon that runs as that user."""
    log = str(service.home / "Library" / "Logs" / f"{service.name}.log")
    job: dict[str, Any] = {
        "Label": service.name,
        "ProgramArguments": [
            *service.command,
            "run",
            *_options(service),
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


def _options(service: Service) -> list[str]:
    """What tells this supervisor from others on the host."""
    named = [] if service.instance == "default" else ["--instance", service.instance]
    return named if service.state_dir is None else [*named, "--state-dir", str(service.state_dir)]


def _systemd_command(service: Service, verb: str, *arguments: str) -> str:
    program = service.command[0]
    if re.search(r"[\\\"']", program):
        raise UsageError(f"{program}: systemd runs no program with a quote or backslash in its path")
    words = [_quoted(_specifiers(program))]  # the one word in which $ means nothing
    words += [_argument(word) for word in (*service.command[1:], verb, *_options(service))]
    if service.user is not None and service.state_dir is None:
        words += ["--state-dir", f"%S/{service.name}"]
    return " ".join((*words, *map(_argument, arguments)))


def _argument(word: str) -> str:
    return _quoted(_specifiers(word).replace("$", "$$"))


def _specifiers(value: str) -> str:
    return value.replace("%", "%%")


def _quoted(word: str) -> str:
    """systemd.syntax(7): quotes of C, inside which blanks are part of the word."""
    if _PLAIN.fullmatch(word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _unquoted(value: str) -> str:
    """For settings that take the rest of the line as it is."""
    if value != value.strip() or value.endswith("\\"):
        raise UsageError(
            f"{value!r} can't stand in a unit: its last character would be read as something else"
        )
    return _specifiers(value)


def _look(service: Service) -> str:
    """How this supervisor is asked: a system service keeps its state where no command line looks by itself."""
    if service.user is None or service.state_dir is not None:
        options = _options(service)
    else:
        options = ["--state-dir", f"/var/lib/{service.name}"]
    return shlex.join(["zoosup", *options, "status"])


def _state_dir(ours: "Settings", *, own: bool) -> Path | None:
    """The one that was named. A service manager does not know the shell's XDG_STATE_HOME, so that names one too."""
    if ours.state_dir is not None or (own and os.environ.get("XDG_STATE_HOME")):
        return ours.state_directory.absolute()
    return None


def _account(name: str | None) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(os.getuid()) if name is None else pwd.getpwnam(name)
    except KeyError:
        raise UsageError(f"no user {name or os.getuid()} on this host") from None


def _ourselves() -> tuple[str, ...]:
    """The command that this process was called by, links kept: pipx and venvs move what is behind them."""
    called = Path(sys.argv[0])
    found = str(called) if called.is_file() else shutil.which(called.name)
    if called.name == "zoosup" and found is not None and os.access(found, os.X_OK):
        return (str(Path(found).absolute()),)
    # -P: else a zoosup/ beside zoo.yaml, the working directory, would be run in our stead.
    return (sys.executable, "-P", "-m", "zoosup")


def _launchd_comment(service: Service) -> str:
    """No path goes in here: two hyphens in it would end the comment."""
    place = texts.LAUNCHD_OWN if service.user is None else texts.LAUNCHD_SYSTEM
    name = "LABEL" if "--" in service.name else service.name
    return _filled(place + texts.LAUNCHD_TRAPS, {"version": __version__, "name": name})


def _filled(template: str, values: Mapping[str, str]) -> str:
    """Fill the slots; what is put in is not looked at again, so that it may hold anything."""
    return re.sub(r"<<(\w+)>>", lambda slot: values[slot[1]], template)

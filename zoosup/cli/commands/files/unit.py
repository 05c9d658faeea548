"""`zoosup unit`: the text of a service for systemd or launchd that keeps zoosup running and lets its models live.

Refuses to install anything: the text goes to stdout, and whoever runs it puts it in its place.
"""

import argparse
import os
import pwd
import shutil
import sys
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from zoosup.cli.commands.files.check import read
from zoosup.cli.context import settings
from zoosup.cli.units.launchd import launchd_plist
from zoosup.cli.units.service import Service, search_path
from zoosup.cli.units.systemd import systemd_socket, systemd_unit
from zoosup.errors import ExitCode, UsageError
from zoosup.spec.syntax.addresses import split_address

if TYPE_CHECKING:
    from zoosup.supervisor.settings import Settings

_UNFIT = frozenset({"Cc", "Cs", "Zl", "Zp"})  # Unicode's categories of controls, surrogates and line ends


def unit(given: argparse.Namespace) -> int:
    """Print the unit; UsageError for what can't stand in one."""
    ours = settings(given)
    account = _account(given.user)
    if not ours.zoo_file().is_file():
        raise UsageError(f"{ours.zoo_file()} is missing; name the zoo.yaml that the service is for")
    command = _ourselves()
    service = Service(
        command=command,
        file=ours.zoo_file().absolute(),
        home=Path(account.pw_dir),
        user=None if given.own else account.pw_name,
        instance=ours.instance,
        state_dir=_state_dir(ours, own=given.own),
        search_path=_search_path(account, command),
    )
    kind = given.kind or ("launchd" if sys.platform == "darwin" else "systemd")
    print(_socket(ours, service) if kind == "systemd-socket" else text(kind, service), end="")
    return ExitCode.DONE


def text(kind: str, service: Service) -> str:
    """The unit for systemd or launchd, as `kind` says; UsageError for paths that could not be read back."""
    for part in (*service.command, service.file, service.home, service.state_dir or "", service.search_path):
        if any(unicodedata.category(character) in _UNFIT for character in str(part)):
            raise UsageError(f"{str(part)!r} can't stand in a unit: it has characters that are no text")
    return launchd_plist(service) if kind == "launchd" else systemd_unit(service)


def _socket(ours: "Settings", service: Service) -> str:
    """The unit that listens for the gateway; InvalidFileError, and UsageError where it has no address of its own."""
    gateway = read(service.file).gateway
    listen = ours.gateway(gateway.listen if gateway else None)
    if listen is None:
        raise UsageError(
            f"{service.file} has no gateway; expected gateway.listen, for a socket that listens there"
        )
    host, port = split_address(listen)
    if not port:
        raise UsageError(f"gateway.listen {listen} is another port each time; expected one that stays")
    try:
        return systemd_socket(service, host, port)
    except OSError as error:
        raise UsageError(f"gateway.listen {listen}: {error.strerror or error}") from None


def _search_path(account: pwd.struct_passwd, command: tuple[str, ...]) -> str:
    """A shell's virtual environment goes out unless zoosup is in it; so does what lies in the home of who asks."""
    active = os.environ.get("VIRTUAL_ENV")
    left_out = [Path(active, "bin")] if active and Path(active, "bin") != Path(command[0]).parent else []
    asking = [pwd.getpwuid(os.getuid()).pw_dir] if os.getuid() != account.pw_uid else []
    return search_path(
        os.environ.get("PATH", os.defpath),
        home=Path(account.pw_dir),
        others=map(Path, asking),
        left_out=left_out,
    )


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

"""Units for systemd: a .service, each trap explained where it is avoided, and the .socket that goes with it."""

import re
import shlex
import socket

from zoosup import __version__
from zoosup.cli.units import texts
from zoosup.cli.units.service import OPEN_FILES, Service, filled, options
from zoosup.errors import UsageError
from zoosup.spec.syntax.addresses import join_address

_PLAIN = re.compile(r"[A-Za-z0-9_./:@+=,-]+")


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
    return filled("".join((*parts, texts.FOOT)), values)


def systemd_socket(service: Service, host: str, port: int) -> str:
    """A .socket file for the gateway: who connects while zoosup restarts waits in its queue.

    A name is resolved here, to all of its addresses; OSError where it has none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    hosts = dict.fromkeys(str(address[0]) for *_, address in found)
    shown = [join_address(each, port) for each in hosts]
    values = {
        "version": __version__,
        "name": service.name,
        "file": _specifiers(str(service.file)),
        "listen": "\n".join(f"ListenStream={_specifiers(each)}" for each in shown),
        "manager": "systemctl --user" if service.user is None else "systemctl",
        "option": " --user" if service.user is None else "",
        "place": "~/.config/systemd/user" if service.user is None else "/etc/systemd/system",
    }
    return filled(texts.SOCKET, values)


def _systemd_command(service: Service, verb: str, *arguments: str) -> str:
    program = service.command[0]
    if re.search(r"[\\\"']", program):
        raise UsageError(f"{program}: systemd runs no program with a quote or backslash in its path")
    words = [_quoted(_specifiers(program))]  # the one word in which $ means nothing
    words += [_argument(word) for word in (*service.command[1:], verb, *options(service))]
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
        which = options(service)
    else:
        which = ["--state-dir", f"/var/lib/{service.name}"]
    return shlex.join(["zoosup", *which, "status"])

"""Which sockets may be a container engine's, in the order in which they are tried.

Knows where Docker and Podman put them, rootless and on macOS too. Refuses to open any; it looks at them.
"""

import grp
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

AUTO, DOCKER, PODMAN = "auto", "docker", "podman"


def sockets(environ: Mapping[str, str], engine: str = AUTO) -> tuple[str, ...]:
    """Addresses for `auto`, `docker`, `podman` or an address itself, the likeliest first, none twice.

    Addresses are of the form unix:///path, tcp://host:port or https://host:port; ssh:// is left out, as no signal or
    process of another host can be seen from here. Paths need not exist.
    """
    if engine not in (AUTO, DOCKER, PODMAN):
        return (engine,)
    found = [
        *(_docker(environ) if engine in (AUTO, DOCKER) else ()),
        *(_podman(environ) if engine in (AUTO, PODMAN) else ()),
    ]
    return tuple(dict.fromkeys(each for each in found if not each.startswith("ssh:")))


def socket_problem(address: str) -> str:
    """Why an address can't be an engine's, with what to do; empty where that isn't seen from outside. May block."""
    if not address.startswith("unix://"):
        return ""
    path = Path(address.removeprefix("unix://"))
    try:
        found = path.stat()
    except FileNotFoundError:
        return f"{path} does not exist: is the engine started?"
    except OSError as error:
        return f"{path}: {error.strerror}"
    if not stat.S_ISSOCK(found.st_mode):
        return f"{path} is no socket"
    if not os.access(path, os.R_OK | os.W_OK):
        return f"no permission for {path}: add this user to the group {_group(found.st_gid)} and log in again"
    return ""


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _docker(environ: Mapping[str, str]) -> list[str]:
    home, runtime = _home(environ), _runtime(environ)
    return [
        *_named(environ, "DOCKER_HOST"),
        "unix:///var/run/docker.sock",
        *_unix(runtime, "docker.sock"),
        *_unix(home, ".docker/run/docker.sock"),
        *_unix(home, ".docker/desktop/docker.sock"),
        *(_unix(home, ".colima/default/docker.sock") if sys.platform == "darwin" else ()),
    ]


def _podman(environ: Mapping[str, str]) -> list[str]:
    found = [
        *_named(environ, "CONTAINER_HOST"),
        *_unix(_runtime(environ), "podman/podman.sock"),
        "unix:///run/podman/podman.sock",
    ]
    if sys.platform == "darwin":
        machine = ".local/share/containers/podman/machine"
        found += [
            *_unix(environ.get("TMPDIR", ""), "podman/podman-machine-default-api.sock"),
            *_unix(_home(environ), f"{machine}/podman.sock"),
            *_unix(_home(environ), f"{machine}/qemu/podman.sock"),
        ]
    return found


def _named(environ: Mapping[str, str], variable: str) -> tuple[str, ...]:
    address = environ.get(variable, "")
    return (address,) if address else ()


def _unix(folder: str, name: str) -> tuple[str, ...]:
    return (f"unix://{Path(folder, name)}",) if folder else ()


def _home(environ: Mapping[str, str]) -> str:
    return environ.get("HOME", "")


def _runtime(environ: Mapping[str, str]) -> str:
    return environ.get("XDG_RUNTIME_DIR", "")

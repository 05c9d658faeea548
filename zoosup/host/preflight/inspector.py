"""Looks at what a start needs before anything is stopped for it: the program, its directory, its weights, its port.

Knows how execvp finds a program and which arguments name weights. Refuses to know whether the model will run: what
it can't be sure of it lets pass, and the spawn finds out.
"""

import errno
import os
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Protocol

from zoosup.core.estimation.servers.command_line import ELSEWHERE, understand
from zoosup.core.estimation.servers.containers import served_by
from zoosup.core.estimation.servers.located import is_whole, placed
from zoosup.core.state.phases import Reason
from zoosup.core.state.runs import Preflight
from zoosup.core.state.weights import Found, WeightFacts
from zoosup.host.preflight.llama_fit_params import FitParams
from zoosup.host.preflight.weight_look import WeightLook
from zoosup.host.preflight.which import find_program, not_executable
from zoosup.host.system.directory import absolute
from zoosup.host.system.threads import DaemonThreads
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.values.weight_names import HUB, read_name
from zoosup.spec.syntax.templates import render
from zoosup.spec.syntax.words import values_of

LOOPBACK = "127.0.0.1"

LINGERS = (
    "nobody listens there; a server's last connection lingers (TIME_WAIT, a minute), or somebody has bound it"
)

WEIGHT_OPTIONS = frozenset({"-m", "--model", "--model-path", "--mmproj", "--diffusion-model"})
WEIGHT_SUFFIXES = (".gguf", ".safetensors")

_SHEBANG_BYTES = 256  # BINPRM_BUF_SIZE, include/uapi/linux/binfmts.h
_PORT_ATTEMPTS = 200


Amiss = tuple[Reason, str]

PortHolder = Callable[[str, int], str]
"""Who listens on a port of an address, for people; "" where that can't be told. Blocks."""


class ContainerLook(Protocol):
    """What a start in a container needs besides."""

    async def amiss(self, spec: ModelSpec, env: Mapping[str, str], *, bring: bool) -> Amiss | None:
        """The first thing amiss: its engine, its image; None also for a model without a container.

        `bring`: an image that may be pulled is.
        """


class Fetches(Protocol):
    """Brings weights to this host."""

    def ask(self, name: str, env: Mapping[str, str], *, whole: bool) -> str:
        """Have them fetched unless they are; how it stands, for people."""


@dataclass(frozen=True, slots=True)
class _Nowhere:
    """Weights that are named by their origin and not on this host."""

    name: str
    why: str


class HostInspector:
    """Looks in threads of its own, because a directory may be on a disk that takes its time, or never answers."""

    def __init__(
        self,
        weights: WeightLook,
        holder: PortHolder,
        fit_params: FitParams,
        containers: ContainerLook | None = None,
        fetches: Fetches | None = None,
    ) -> None:
        self._weights = weights
        self._holder = holder
        self._fit_params = fit_params
        self._containers = containers
        self._fetches = fetches
        self._threads = DaemonThreads("zoosup-looks", ready=12)
        self._at: dict[int, str] = {}  # by id: specs can't be hashed

    async def inspect(
        self, spec: ModelSpec, env: Mapping[str, str], port: int | None, now: float, *, bring: bool = False
    ) -> Preflight:
        """The first thing amiss, or none, and what is known of the weights; `env`, `port`, `bring` as in `amiss`."""
        reason, message = await self.amiss(spec, env, port, bring=bring) or (None, "")
        # Also where the file declares what it needs: an OOM is counted for these weights and no others.
        return Preflight(now, reason, message, await self.weights(spec, env))

    def looking_at(self, spec: ModelSpec) -> str:
        """What the look under way for this model is at, for people."""
        return self._at.get(id(spec), "its files")

    async def amiss(
        self, spec: ModelSpec, env: Mapping[str, str], port: int | None, *, bring: bool = False
    ) -> Amiss | None:
        """The first thing amiss, or none; `env` is the child's whole environment, `port` None is not looked at.

        `bring`: an image that may be pulled, and weights that may be fetched, are on their way from then on.
        """
        try:
            found = await self._threads.run(partial(self._first_amiss, spec, env, port))
            if isinstance(found, _Nowhere):
                return self._fetched(spec, env, found, bring=bring)
            if found is not None or self._containers is None:
                return found
            self._at[id(spec)] = "its container engine"
            return await self._containers.amiss(spec, env, bring=bring)
        finally:
            self._at.pop(id(spec), None)

    def _fetched(self, spec: ModelSpec, env: Mapping[str, str], of: _Nowhere, *, bring: bool) -> Amiss:
        if not spec.fetch or self._fetches is None or not of.name.startswith(HUB):
            return Reason.FILE_MISSING, of.why
        if not bring:
            return Reason.FETCHING_WEIGHTS, f"{of.name} is fetched before a start"
        return Reason.FETCHING_WEIGHTS, self._fetches.ask(of.name, env, whole=is_whole(understand(spec)))

    async def weights(self, spec: ModelSpec, env: Mapping[str, str]) -> WeightFacts:
        """What the headers of the model's weights say, and llama.cpp itself; each is asked where they have changed."""
        server = understand(spec)
        if server is None:
            return WeightFacts()
        self._at[id(spec)] = f"its weights ({', '.join(server.files)})"
        try:
            cwd = _directory(spec, None)
            found = await self._threads.run(partial(self._weights.facts, spec, env, cwd))
            return replace(found, fitted=await self._fit_params.ask(spec, env, cwd, found))
        finally:
            self._at.pop(id(spec), None)

    def free_port(self, taken: frozenset[int]) -> int:
        """A TCP port on 127.0.0.1 that nobody listens on, none of `taken`; OSError when there is none."""
        with ExitStack() as refused:
            for _ in range(_PORT_ATTEMPTS):
                candidate = refused.enter_context(socket.socket())
                candidate.bind((LOOPBACK, 0))
                port: int = candidate.getsockname()[1]
                if port not in taken:
                    return port
        raise OSError(errno.EADDRINUSE, f"no free port on {LOOPBACK}")

    def _first_amiss(
        self, spec: ModelSpec, env: Mapping[str, str], port: int | None
    ) -> Amiss | _Nowhere | None:
        if spec.container is not None:
            self._at[id(spec)] = "its volumes"
            located, missing = self._weights.placed(spec, env)
            if missing:
                return _Nowhere(*next(iter(missing.items())))
            volumes = _volumes_amiss(spec.container.volumes) or _mounted_amiss(spec, located, Path("/"), env)
            return volumes or self._port_amiss(port)
        fixed = spec.port if spec.port != "auto" else port
        argv = [_filled(word, fixed) for word in spec.command]
        directory = _directory(spec, fixed)
        self._at[id(spec)] = f"the working directory {directory}"
        if not os.path.isdir(directory):  # noqa: PTH112 - is_dir raises where we may not look
            return Reason.FILE_MISSING, f"the working directory {directory} is missing"
        self._at[id(spec)] = f"the program {argv[0]}"
        if found := _program_amiss(argv[0], directory, env):
            return found
        self._at[id(spec)] = f"the weights that {argv[0]} names, or port {port}"
        located, missing = self._weights.placed(spec, env)
        if missing:
            return _Nowhere(*next(iter(missing.items())))
        weights = _weights_amiss(placed(argv, located), directory) or _mounted_amiss(
            spec, located, directory, env
        )
        return weights or self._port_amiss(port)

    def _port_amiss(self, port: int | None) -> Amiss | None:
        # macOS lets a server have one address although another listens on all of them, hence the second question.
        hosts = [LOOPBACK] if sys.platform == "linux" else [LOOPBACK, "0.0.0.0"]  # noqa: S104
        if port is None or not any(_is_taken(host, port) for host in hosts):
            return None
        if holder := self._holder(LOOPBACK, port):
            return Reason.PORT, f"port {port} is held by {holder}"
        return Reason.PORT, f"port {port} is not free yet: {LINGERS}"


def _directory(spec: ModelSpec, port: int | None) -> Path:
    return absolute(Path(_filled(spec.cwd or ".", port)))


def _filled(text: str, port: int | None) -> str:
    # A port that isn't chosen yet hardly ever stands in a path that has to exist; 0 then shows in the message.
    return render(text, {"PORT": str(port or 0)})


def _program_amiss(name: str, cwd: Path, env: Mapping[str, str]) -> Amiss | None:
    program, why = find_program(name, cwd, env)
    if program is None:
        return Reason.NOT_EXECUTABLE, why
    interpreter = _interpreter(program)
    if interpreter and (why := _interpreter_amiss(interpreter, cwd, env)):
        return Reason.NOT_EXECUTABLE, f"{program} needs {' '.join(interpreter)}, and {why}"
    return None


def _interpreter(program: Path) -> list[str]:
    """The words of the #! line, none where there is no such line or it can't be read."""
    with suppress(OSError), program.open("rb") as file:
        first = file.read(_SHEBANG_BYTES).partition(b"\n")[0]
        if first.startswith(b"#!"):
            return os.fsdecode(first[2:]).split()
    return []


def _interpreter_amiss(words: list[str], cwd: Path, env: Mapping[str, str]) -> str:
    if why := not_executable(cwd / words[0]):
        return why
    if Path(words[0]).name != "env" or len(words) == 1 or words[1].startswith("-") or "=" in words[1]:
        return ""
    return find_program(words[1], cwd, env)[1]


def _volumes_amiss(volumes: Iterable[str]) -> Amiss | None:
    """An engine would make a folder that is missing, root's and empty, and the server would find no weights there."""
    for host in (_filled(each, None).partition(":")[0] for each in volumes):
        if host.startswith("/") and not os.path.exists(host):  # noqa: PTH110 - raises nothing
            return Reason.FILE_MISSING, f"{host} (volumes) is missing"
    return None


def _weights_amiss(argv: Sequence[str], cwd: Path) -> Amiss | None:
    for option, value in _weights(argv):
        path = cwd / value
        try:
            if not path.exists():
                return Reason.FILE_MISSING, f"{path} ({option}) is missing"
            if not os.access(path, os.R_OK):
                return Reason.FILE_MISSING, f"{path} ({option}) can't be read: permission denied"
        except OSError as error:
            return Reason.FILE_MISSING, f"{path} ({option}) can't be looked at: {error.strerror}"
    return None


def _mounted_amiss(spec: ModelSpec, located: Found, cwd: Path, env: Mapping[str, str]) -> Amiss | None:
    """Weights that a container would miss on this host. Whether they can be read is its own affair: it may be root."""
    server = understand(spec, located)
    if server is None or not server.contained:
        return None
    if spec.container is None and served_by(spec.command, env) is None:
        return None
    for path in (cwd / each for each in server.files if read_name(each) is None):
        if _is_missing(path):
            return Reason.FILE_MISSING, f"{path}, which the container is to see, is missing"
    return None


def _is_missing(path: Path) -> bool:
    """Whether a path surely leads nowhere; a link may lead to what only the container has."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return not any(parent.is_symlink() for parent in path.parents)
    except OSError:
        pass
    return False


def _weights(argv: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(option, path) of the arguments that name weights on this host; names at a hub ("org/model") are none."""
    here = list(takewhile(lambda word: Path(word).name not in ELSEWHERE, argv))
    return ((option, value) for _, option, value in values_of(here, WEIGHT_OPTIONS) if _is_a_path(value))


def _is_a_path(value: str) -> bool:
    return value.startswith(("/", "./", "../")) or value.endswith(WEIGHT_SUFFIXES)


def _is_taken(host: str, port: int) -> bool:
    """Whether a server could not bind: as servers do with SO_REUSEADDR, so that TIME_WAIT is no hindrance."""
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((host, port))
        except OSError as error:
            # Not allowed (ports below 1024) may still be allowed to the model.
            return error.errno == errno.EADDRINUSE
    return False

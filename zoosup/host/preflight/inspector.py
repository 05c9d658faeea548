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
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

from zoosup.core.estimation.command_line import ELSEWHERE, understand
from zoosup.core.state.phases import Reason
from zoosup.core.state.runs import Preflight
from zoosup.core.state.weights import WeightFacts
from zoosup.host.preflight.llama_fit_params import FitParams
from zoosup.host.preflight.which import find_program, not_executable
from zoosup.host.threads import DaemonThreads
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.syntax.templates import render

LOOPBACK = "127.0.0.1"

LINGERS = (
    "nobody listens there; a server's last connection lingers (TIME_WAIT, a minute), or somebody has bound it"
)

WEIGHT_OPTIONS = frozenset({"-m", "--model", "--model-path", "--mmproj"})
WEIGHT_SUFFIXES = (".gguf", ".safetensors")

_SHEBANG_BYTES = 256  # BINPRM_BUF_SIZE, include/uapi/linux/binfmts.h
_PORT_ATTEMPTS = 200


Amiss = tuple[Reason, str]

PortHolder = Callable[[str, int], str]
"""Who listens on a port of an address, for people; "" where that can't be told. Blocks."""


class WeightHeaders(Protocol):
    """What weight files say of themselves."""

    def look(self, paths: Iterable[str], cwd: Path) -> WeightFacts:
        """What is to be found at the paths, relative ones below `cwd`. Blocks."""


class HostInspector:
    """Looks in threads of its own, because a directory may be on a disk that takes its time, or never answers."""

    def __init__(self, weights: WeightHeaders, holder: PortHolder, fit_params: FitParams) -> None:
        self._weights = weights
        self._holder = holder
        self._fit_params = fit_params
        self._threads = DaemonThreads("zoosup-looks", ready=12)
        self._at: dict[int, str] = {}  # by id: specs can't be hashed

    async def inspect(
        self, spec: ModelSpec, env: Mapping[str, str], port: int | None, now: float
    ) -> Preflight:
        """The first thing amiss, or none, and what is known of the weights; `env` and `port` as in `amiss`."""
        try:
            reason, message = await self.amiss(spec, env, port) or (None, "")
            # Also where the file declares what it needs: an OOM is counted for these weights and no others.
            return Preflight(now, reason, message, await self.weights(spec, env))
        finally:
            self._at.pop(id(spec), None)

    def looking_at(self, spec: ModelSpec) -> str:
        """What the look under way for this model is at, for people."""
        return self._at.get(id(spec), "its files")

    async def amiss(self, spec: ModelSpec, env: Mapping[str, str], port: int | None) -> Amiss | None:
        """The first thing amiss, or none; `env` is the child's whole environment, `port` None is not looked at."""
        return await self._threads.run(partial(self._first_amiss, spec, env, port))

    async def weights(self, spec: ModelSpec, env: Mapping[str, str]) -> WeightFacts:
        """What the headers of the model's weights say, and llama.cpp itself; each is asked where they have changed."""
        server = understand(spec)
        if server is None:
            return WeightFacts()
        cwd = _directory(spec, None)
        self._at[id(spec)] = f"its weights ({', '.join(server.files)})"
        found = await self._threads.run(partial(self._weights.look, server.files, cwd))
        return replace(found, fitted=await self._fit_params.ask(spec, env, cwd, found))

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

    def _first_amiss(self, spec: ModelSpec, env: Mapping[str, str], port: int | None) -> Amiss | None:
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
        return _weights_amiss(argv, directory) or self._port_amiss(port)

    def _port_amiss(self, port: int | None) -> Amiss | None:
        # macOS lets a server have one address although another listens on all of them, hence the second question.
        hosts = [LOOPBACK] if sys.platform == "linux" else [LOOPBACK, "0.0.0.0"]  # noqa: S104
        if port is None or not any(_is_taken(host, port) for host in hosts):
            return None
        if holder := self._holder(LOOPBACK, port):
            return Reason.PORT, f"port {port} is held by {holder}"
        return Reason.PORT, f"port {port} is not free yet: {LINGERS}"


def _directory(spec: ModelSpec, port: int | None) -> Path:
    return Path(_filled(spec.cwd or ".", port)).absolute()


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


def _weights(argv: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(option, path) of the arguments that name weights on this host; names at a hub ("org/model") are none."""
    for index, word in enumerate(argv):
        if Path(word).name in ELSEWHERE:
            return
        option, equals, value = word.partition("=")
        if option in WEIGHT_OPTIONS and not equals and index + 1 < len(argv):
            value = argv[index + 1]
        if option in WEIGHT_OPTIONS and _is_a_path(value):
            yield option, value


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

"""Asks llama-fit-params what a model takes, where it is installed, and remembers what it said.

It stands beside the model's llama-server, else on the model's PATH, and runs in the model's directory and environment.
It loads no weights, but it does make a device's context: some hundred MiB of a GPU for about a second. The reserve of
a GPU covers that where another model is still loading; a GPU that has less than ROOM left is not touched all the same,
for a server that runs there could fail, and needs derived from the weights, which are higher, will do. Refuses to know
what follows from an answer. Whatever goes wrong is no error but the reason that is told instead.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from subprocess import SubprocessError

from zoosup.core.estimation.llama_fit import GarbledError, parse, question
from zoosup.core.estimation.need import offloads
from zoosup.core.estimation.servers.command_line import understand
from zoosup.core.estimation.servers.server_options import FIT_GPU_VARIABLES, FIT_VARIABLES
from zoosup.core.memory.budget import names_gpu
from zoosup.core.memory.gpu_env import gpu_env
from zoosup.core.state.pools import VRAM
from zoosup.core.state.weights import (
    FIT_PARAMS,
    UNASKED,
    FitAnswer,
    FitQuestion,
    FitSilence,
    Fitted,
    WeightFacts,
)
from zoosup.host.ports.host import PoolReading
from zoosup.host.preflight.which import find_program, not_executable
from zoosup.host.system.programs.bounded_run import Printed, run
from zoosup.host.system.threads import in_own_thread
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.syntax.units import describe_size

WITHIN = 30.0
"""Seconds until it is ended: some drivers take ten to begin with, where nothing keeps them awake."""

PATIENCE = 3.0
"""Seconds that one who starts a model waits for it; after that the answer counts from the next look on."""

AGAIN = 600.0
"""Seconds after which one that gave no answer is asked again: the disk may have been slow, or a library missing."""

ROOM = 2**30
"""Bytes that must be free on a GPU for it to be asked there: a context, and as much again for the servers."""

AT_ONCE = 2
"""Of a whole zoo's no more than these at a time, and on GPUs one: with CUDA it takes some hundred MiB of RAM too."""

_REMEMBERED = 512
_FAREWELL = 2.0  # seconds
_TELLING = 200  # characters
_TELLING_VARIABLES = ("CUDA_", "GGML_", "HIP_", "LD_", "LLAMA_", "ONEAPI_", "ROCR_", "ZE_")

_TROUBLE = (OSError, ValueError, SubprocessError, RuntimeError)
"""What starting it may raise; the last where no thread is to be had."""

_Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class _Call:
    """One run of the program; `key` is all that its answer depends on, but for which of a host's GPUs it saw."""

    asked: FitQuestion
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    card: str  # the pool of the GPU that it is shown; empty: none
    key: _Key


@dataclass(frozen=True, slots=True)
class _Asking:
    """A question under way, and until when it is waited for."""

    until: float
    task: asyncio.Task[FitAnswer | FitSilence]


class FitParams:
    """Asks each question once, as long as program, weights and words stay as they are."""

    def __init__(
        self,
        gauge: Callable[[], Iterable[PoolReading]] = tuple,
        within: float = WITHIN,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`gauge` reads the host's pools, for a GPU to ask on."""
        self._gauge = gauge
        self._within = within
        self._patience = patience
        self._clock = clock
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._turns_on_gpus = asyncio.Semaphore(1)
        self._heard: dict[_Key, tuple[float, FitAnswer | FitSilence]] = {}
        self._asking: dict[_Key, _Asking] = {}

    async def ask(self, spec: ModelSpec, env: Mapping[str, str], cwd: Path, facts: WeightFacts) -> Fitted:
        """What it says of this command; `env` is the child's whole environment. Never raises for what it does."""
        located = facts.located
        server, asked = understand(spec, located), question(spec, located, on_gpu=False)
        weights = facts.of(server.model) if server is not None else None
        if spec.memory != "auto" or asked is None or weights is None or weights.format != "gguf":
            return UNASKED
        near = partial(self._hear, env=env, cwd=cwd, facts=facts)
        on_gpu = question(spec, located, on_gpu=True) if offloads(spec) else None
        card = _roomiest(spec, self._gauge()) if on_gpu is not None else None
        if on_gpu is None or card is None:
            return Fitted(await near(asked, None))
        # Both at once, so that their patience is not added up.
        return Fitted(*await asyncio.gather(near(asked, None), near(on_gpu, card)))

    async def close(self) -> None:
        """End what is being asked."""
        tasks = [each.task for each in self._asking.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=2 * _FAREWELL)

    async def _hear(
        self,
        asked: FitQuestion,
        card: PoolReading | None,
        env: Mapping[str, str],
        cwd: Path,
        facts: WeightFacts,
    ) -> FitAnswer | FitSilence:
        found = await in_own_thread(partial(_program, asked.beside, cwd, env))
        if isinstance(found, str):
            return FitSilence(asked, found)
        program, stamp = found
        files = tuple((path, each.size, each.changed) for path, each in facts.files)
        said = {name: value for name, value in env.items() if name.startswith(_TELLING_VARIABLES)}
        device = card.device if card is not None else ""
        key = (asked, stamp, files, cwd, device, tuple(sorted(said.items())))
        if (known := self._remembered(key)) is not None:
            return known
        shown = card.id if card is not None else ""
        given = [shown.removeprefix(VRAM)] if shown else []
        environment = _environment(asked, env, gpu_env(given, tuple(self._gauge())))
        return await self._answered(_Call(asked, (str(program), *asked.words), environment, cwd, shown, key))

    def _remembered(self, key: _Key) -> FitAnswer | FitSilence | None:
        at, known = self._heard.get(key, (0.0, None))
        old = isinstance(known, FitSilence) and self._clock() > at + AGAIN
        return None if old else known

    async def _answered(self, call: _Call) -> FitAnswer | FitSilence:
        """The answer, or that it is still to come; it is waited for once, whoever asks."""
        asking = self._asking.get(call.key)
        if asking is None:
            asking = _Asking(self._clock() + self._patience, asyncio.create_task(self._run(call)))
            self._asking[call.key] = asking
            asking.task.add_done_callback(partial(self._done, call.key))
        await asyncio.wait({asking.task}, timeout=max(0.0, asking.until - self._clock()))
        if asking.task.done() and not asking.task.cancelled():
            return asking.task.result()
        return FitSilence(call.asked, f"{FIT_PARAMS} has not answered yet", passing=True)

    def _done(self, key: _Key, task: asyncio.Task[FitAnswer | FitSilence]) -> None:
        self._asking.pop(key, None)
        if task.cancelled() or task.exception() is not None:
            return
        heard = task.result()
        if isinstance(heard, FitSilence) and heard.passing:
            return
        while len(self._heard) >= _REMEMBERED:
            del self._heard[next(iter(self._heard))]
        self._heard[key] = self._clock(), heard

    def _has_room(self, card: str) -> bool:
        return any(each.id == card and (each.available or 0) >= ROOM for each in self._gauge())

    async def _run(self, call: _Call) -> FitAnswer | FitSilence:
        async with self._turns_on_gpus if call.card else self._turns:
            # Looked at now: whoever had the turn before may have waited for long.
            if call.card and not self._has_room(call.card):
                why = f"{FIT_PARAMS} was not asked: no GPU has {describe_size(ROOM)} free"
                return FitSilence(call.asked, why, passing=True)
            given_up = threading.Event()
            work = partial(run, call.argv, call.env, call.cwd, self._within, given_up)
            running = asyncio.ensure_future(in_own_thread(work))
            try:
                printed = await asyncio.shield(running)
            except asyncio.CancelledError:
                given_up.set()
                await asyncio.wait({running}, timeout=_FAREWELL)
                raise
            except _TROUBLE as error:
                return FitSilence(call.asked, f"{call.argv[0]} can't be run: {error}")
        return _understood(call.asked, printed)


def _understood(asked: FitQuestion, printed: Printed) -> FitAnswer | FitSilence:
    if printed.problem:
        return FitSilence(asked, f"{FIT_PARAMS}: {printed.problem}")
    if printed.code:
        how = f"exited with {printed.code}" if printed.code > 0 else f"was ended by signal {-printed.code}"
        last = _telling(printed.err)
        return FitSilence(asked, f"{FIT_PARAMS} {how}{last and ': '}{last}")
    try:
        return parse(printed.out, asked)
    except GarbledError as error:
        return FitSilence(asked, f"{FIT_PARAMS}: {error}")


def _telling(text: str) -> str:
    """The first line that speaks of an error, else the last one."""
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    bad = [line for line in lines if "error" in line.lower() or "fail" in line.lower()]
    return (bad or lines[-1:] or [""])[0][:_TELLING]


def _roomiest(spec: ModelSpec, pools: Iterable[PoolReading]) -> PoolReading | None:
    """Of the GPUs that the model may have the one with most memory left."""
    cards = [each for each in pools if each.id.startswith(VRAM)]
    if isinstance(spec.gpus, tuple):
        cards = [each for each in cards if any(names_gpu(name, each.id, each.index) for name in spec.gpus)]
    return max(cards, key=lambda each: each.available or 0, default=None)


def _program(beside: str, cwd: Path, env: Mapping[str, str]) -> tuple[Path, _Key] | str:
    """Where it is and which one it is, or why there is none."""
    server, _ = find_program(beside, cwd, env)
    places = [] if server is None else [server.with_name(FIT_PARAMS), server.resolve().with_name(FIT_PARAMS)]
    found = next((each for each in places if not not_executable(each)), None)
    found = found or find_program(FIT_PARAMS, cwd, env)[0]
    if found is None:
        return f"{FIT_PARAMS} is neither beside {Path(beside).name} nor on PATH"
    try:
        seen = found.stat()
    except OSError as error:
        return f"{found} can't be looked at: {error.strerror}"
    return found, (str(found), seen.st_ino, seen.st_size, seen.st_mtime_ns)


def _environment(asked: FitQuestion, env: Mapping[str, str], shown: dict[str, str]) -> dict[str, str]:
    kept = FIT_VARIABLES | (FIT_GPU_VARIABLES if asked.on_gpu else frozenset())
    own = {name: value for name, value in env.items() if not name.startswith("LLAMA_ARG_") or name in kept}
    return own | shown | {"LLAMA_ARG_OFFLINE": "1"}

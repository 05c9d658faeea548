"""A host on which everything can go wrong: its adapters in virtual time, and the truth about its processes.

A process outlives the zoosup that started it; a ladder does not. Knows no law: it does what it is asked, keeps what
happened in `history`, and says in `broken` only what no host would let happen.
"""

import asyncio
import errno
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from tests.runtime.conftest import Warming
from zoosup.core.state.phases import ExitReason, Reason
from zoosup.core.state.runs import Exit, Preflight
from zoosup.host.ports.host import Content, Ended, Ladder, PoolReading, SpawnError
from zoosup.host.ports.launch import Launch
from zoosup.host.ports.probes import ProbeResult

GIB = 2**30
LOOK = 0.002
WRITE = 0.001
SLEEP, WAKE = "POST /sleep", "POST /wake"
GIVE_UP = 10.0
"""Seconds after SIGKILL until a ladder says who survives."""


@dataclass(frozen=True)
class FaultProfile:
    """How a model's next process behaves; `holds` is the share of its need that it really takes."""

    spawn: float = 0.002  # seconds until there is a process at all
    load: float = 1.0
    holds: float = 0.9
    start: str = "ok"  # ok | refused (no executable) | eagain | dies | hangs
    stop: float = 0.2  # seconds from the signal until it is gone; 1000: it ignores the signal
    stuck: bool = False  # SIGKILL does not end it
    remains: bool = False  # a child outlives the leader's own end
    release: float = 0.3  # seconds until the memory is back after the last member has gone, or fallen asleep
    asleep: float = 0.1  # the share of what it holds that it goes on holding asleep
    sleep: str = "ok"  # ok | wont_sleep (won't sleep) | wont_wake (won't wake) | hangs (answers neither)


@dataclass
class Process:
    """One tree: the leader, and what may be left of it."""

    model: str
    run_id: str
    pid: int
    port: int
    size: int
    profile: FaultProfile
    born: float
    ready: bool = False
    sick: bool = False
    ended: float | None = None  # the leader
    gone: float | None = None  # the last member
    exit: Exit | None = None
    stuck: bool = False
    asleep: float | None = None  # since when
    ladder: int | None = None  # the life of zoosup whose ladder is at work on it
    news: asyncio.Event = field(default_factory=asyncio.Event)
    killed: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self) -> None:
        self.news.set()
        self.news = asyncio.Event()


class UnreliableHost:
    """Processes, memory, disk and file of one host. Whoever supervises it sets `on_exit` and `life`."""

    def __init__(self, needs: Callable[[str], int]) -> None:
        self.total, self.foreign, self.readable, self.countable = 32 * GIB, 2 * GIB, True, True
        self.wall_offset = 0.0
        self.profiles: dict[str, FaultProfile] = {}
        self.missing: set[str] = set()
        self.strangers_ports: set[int] = set()
        self.disk_full = False
        self.text = ""
        self.saved: dict[str, object] = {}
        self.records: dict[str, dict[str, object]] = {}
        self.processes: list[Process] = []
        self.known: dict[str, Process] = {}  # by the zoosup that lives now
        self.history: list[tuple[float, str, str]] = []
        self.broken: list[str] = []
        self._unrecorded: set[str] = set()  # runs whose record the disk has refused
        self._records_thread = asyncio.Lock()  # like the host's one thread: who asks first comes first
        self.life = 0
        self.on_exit: Callable[[str, Exit], None] | None = None
        self.on_change: Callable[[], None] = lambda: None
        self.on_term: Callable[[str], None] = lambda _: None
        self._needs = needs
        self._pids, self._ports = count(1000), count(20000)
        self._file_changed = asyncio.Event()

    # the truth

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        return 1_700_000_000.0 + self.now() + self.wall_offset

    def alive(self, model: str | None = None) -> list[Process]:
        return [p for p in self.processes if p.gone is None and model in {None, p.model}]

    def held(self, process: Process) -> int:
        """Growing while it loads, all of it until the last member is gone, and then not back at once."""
        now, profile = self.now(), process.profile
        grown = min(1.0, (now - process.born) / profile.load)
        if process.gone is not None:
            return int(process.size * grown * max(0.0, 1 - (now - process.gone) / profile.release))
        if process.asleep is not None:
            grown *= max(profile.asleep, 1 - (now - process.asleep) / profile.release)
        return int(process.size * grown)

    def available(self) -> int:
        return self.total - self.foreign - sum(self.held(p) for p in self.processes)

    def profile(self, model: str) -> FaultProfile:
        return self.profiles.get(model, FaultProfile())

    # what happens to it

    def save(self, text: str) -> None:
        self.text = text
        self._file_changed.set()

    def crash(self, model: str, code: int = 1) -> None:
        for process in self.alive(model):
            self._end_leader(process, Exit(ExitReason.ERROR, self.wall(), code=code))

    def supervisor_died(self) -> None:
        """zoosup is dead: nobody listens, no ladder goes on, the dead are reaped by init."""
        self.life += 1
        self.on_exit = None
        self.known = {}

    def note(self, model: str, what: str) -> None:
        self.history.append((self.now(), model, what))
        self.on_change()

    def _end_leader(self, process: Process, end: Exit) -> None:
        if process.ended is not None:
            return
        process.ended, process.exit = self.now(), end
        if not process.profile.remains:
            process.gone = self.now()
        self.note(process.model, "exit")
        process.tell()
        if self.on_exit is not None and process.run_id in self.known:
            self.on_exit(process.run_id, end)

    def _end_all(self, process: Process, signal: str) -> None:
        if process.gone is None and not process.stuck:
            process.gone = self.now()
            self._end_leader(process, Exit(ExitReason.SIGNALED, self.wall(), signal=signal))
            process.tell()

    def unstick(self) -> None:
        for process in self.processes:
            process.stuck = False
            if process.killed.is_set():
                self._end_all(process, "SIGKILL")

    # Gauge

    def read(self) -> tuple[PoolReading, ...]:
        free = self.available() if self.readable else None
        return (PoolReading("ram", "ram", "RAM", self.total, free, "virtual"),)

    def oom_kills(self) -> int | None:
        return None

    def stalled(self) -> float | None:
        return None

    # Processes

    async def spawn(self, launch: Launch) -> int:
        profile = self.profile(launch.model)
        await asyncio.sleep(profile.spawn)
        if profile.start == "refused":
            raise SpawnError(ExitReason.NOT_EXECUTABLE, "no such file")
        if profile.start == "eagain":
            raise OSError(errno.EAGAIN, "no more processes")
        if launch.run_id not in self.records and launch.run_id not in self._unrecorded:
            self.broken.append(f"{launch.run_id} is spawned without a record")
        size = int(self._needs(launch.model) * profile.holds)
        port = int(launch.argv[-1])
        taken = [p for p in self.alive() if p.port == port and p.ended is None]
        process = Process(launch.model, launch.run_id, next(self._pids), port, size, profile, self.now())
        process.stuck = profile.stuck
        self.processes.append(process)
        self.known[launch.run_id] = process
        self.note(launch.model, "spawn")
        loop = asyncio.get_running_loop()
        if taken or profile.start == "dies":
            end = Exit(ExitReason.ERROR, self.wall(), code=1)
            loop.call_later(profile.load / 2, self._end_leader, process, end)
        elif profile.start == "ok":
            loop.call_later(profile.load, self._loaded, process)
        return process.pid

    def _loaded(self, process: Process) -> None:
        process.ready = True
        process.tell()

    async def terminate(self, run_id: str, ladder: Ladder) -> Ended:
        process = self.known.get(run_id)
        if process is None:
            return Ended("", None)
        process.killed, process.ladder = asyncio.Event(), self.life
        if process.gone is None:
            self.note(process.model, "term")
            self.on_term(run_id)
            loop = asyncio.get_running_loop()
            loop.call_later(process.profile.stop, self._end_all, process, "SIGTERM")
            loop.call_later(ladder.grace, self._sigkill, process, self.life)
            while process.gone is None and not process.killed.is_set():
                await process.news.wait()
            if not await self._goes(process, GIVE_UP):
                return Ended(f"pid {process.pid}, state D", None)
        self.known.pop(run_id, None)
        return Ended("", process.exit)

    async def _goes(self, process: Process, within: float) -> bool:
        try:
            async with asyncio.timeout(within):
                while process.gone is None:
                    await process.news.wait()
        except TimeoutError:
            return False
        return True

    def _sigkill(self, process: Process, life: int) -> None:
        if life == self.life:
            process.killed.set()
            self._end_all(process, "SIGKILL")
            process.tell()

    def hasten(self, run_id: str, grace: float) -> None:
        """Like the host's: it shortens a ladder that is at work, and begins none."""
        if run_id in self.known and self.known[run_id].ladder == self.life:
            asyncio.get_running_loop().call_later(grace, self._sigkill, self.known[run_id], self.life)

    async def usage(self) -> dict[str, int]:
        await asyncio.sleep(LOOK)
        if not self.countable:
            raise OSError(errno.EMFILE, "too many open files")
        return {run_id: self.held(p) for run_id, p in self.known.items()}

    def mapped(self, run_id: str) -> int | None:
        return 0 if run_id in self.known else None

    async def bytes_read(self, run_id: str) -> int | None:
        process = self.known.get(run_id)
        await asyncio.sleep(LOOK)
        return None if process is None else self.held(process)

    def members(self, run_id: str) -> frozenset[int]:
        process = self.known.get(run_id)
        return frozenset({process.pid} if process is not None and process.gone is None else ())

    def identity(self, run_id: str) -> str | None:
        return f"identity of {run_id}" if run_id in self.known else None

    async def adopt(self, traces: Mapping[str, object], mark: str) -> dict[str, int]:
        await asyncio.sleep(LOOK)
        found = {p.run_id: p for p in self.alive() if p.run_id in traces or p.run_id.startswith(mark)}
        self.known = dict(found)
        for process in found.values():
            if process.ended is not None:
                unseen = Exit(ExitReason.ERROR, self.wall(), message="ended, nobody saw how")
                asyncio.get_running_loop().call_soon(self._tell_exit, process.run_id, unseen)
        return {run_id: p.pid for run_id, p in found.items()}

    def _tell_exit(self, run_id: str, end: Exit) -> None:
        if self.on_exit is not None:
            self.on_exit(run_id, end)

    # Prober

    def _asked(self, endpoint) -> Process | None:
        pids = endpoint.members()
        return next((p for p in self.processes if p.pid in pids), None)

    async def readiness(self, endpoint, ready, env):
        last = None
        process = self._asked(endpoint)
        while process is not None and process.gone is None:
            news, seen = process.news, process.ready and not process.sick and process.ended is None
            if seen != last:
                last = seen
                yield ProbeResult(seen, "" if seen else "connection refused")
            if news is process.news:
                await news.wait()
        await asyncio.Event().wait()

    async def elsewhere(self, endpoint, ready):
        await asyncio.Event().wait()
        yield ProbeResult(None, "")

    async def liveness(self, endpoint, live, env):
        process = self._asked(endpoint)
        while process is not None:
            if process.sick:
                await asyncio.sleep(live.period * live.failures)
                if process.sick:
                    yield ProbeResult(False, "hangs")
            await process.news.wait()

    async def drain(self, endpoint, call, within, body=None) -> ProbeResult:
        process = self._asked(endpoint)
        if process is None or process.ended is not None:
            return ProbeResult(ok=False, message="connection refused")
        if call in {SLEEP, WAKE}:
            return await self._sleep_or_wake(process, call, within)
        await asyncio.sleep(min(within, 0.3))
        return ProbeResult(ok=True, message="")

    async def _sleep_or_wake(self, process: Process, call: str, within: float) -> ProbeResult:
        self.note(process.model, call.removeprefix("POST /"))
        sleep = process.profile.sleep
        if call == WAKE and sleep != "wont_wake":
            process.asleep = None  # what it holds awake is there at once; it takes its time to be of use
        await asyncio.sleep(within if sleep == "hangs" else min(within, process.profile.load / 4))
        if sleep in {"hangs", "wont_sleep" if call == SLEEP else "wont_wake"}:
            return ProbeResult(ok=False, message=f"{call} answered 500")
        if call == SLEEP and process.gone is None:
            process.asleep = self.now()
        return ProbeResult(ok=True, message="")

    # Inspector

    async def inspect(self, spec, env, port, now, *, bring=False) -> Preflight:
        return Preflight(now, *(await self.amiss(spec, env, port) or ()))

    async def amiss(self, spec, env, port) -> tuple[Reason, str] | None:
        await asyncio.sleep(LOOK)
        if spec.command[1] in self.missing:
            return Reason.FILE_MISSING, f"{spec.command[1]} is not there"
        ours = {p.port for p in self.alive() if p.ended is None}
        if port is not None and port in self.strangers_ports | ours:
            return Reason.PORT, f"port {port} is taken"
        return None

    def looking_at(self, spec) -> str:
        return "its files"

    def free_port(self, taken: frozenset[int]) -> int:
        return next(self._ports)

    # Warmer

    def warm(self, spec, limit: int, located=()) -> Warming:
        return Warming(spec.command[1], limit, self.now())

    # Logs, Records, Store, ConfigFile

    def path(self, model: str) -> Path:
        return Path(f"/logs/{model}.log")

    async def begin(self, model: str) -> Path:
        self._disk()
        return self.path(model)

    async def tail(self, model: str, lines: int, *, previous: bool = False) -> tuple[str, ...]:
        await asyncio.sleep(LOOK)
        return (f"the last line of {model}",)

    def load_records(self) -> tuple[dict[str, dict[str, object]], list[str]]:
        return json.loads(json.dumps(self.records)), []

    def set_aside(self, run_id: str) -> str:
        self.records.pop(run_id, None)
        return "set aside"

    async def write(self, run_id: str, record) -> None:
        text = json.dumps(record)
        async with self._records_thread:
            await asyncio.sleep(WRITE)
            if self.disk_full:
                self._unrecorded.add(run_id)
            self._disk()
            self.records[run_id] = json.loads(text)

    async def remove(self, run_id: str) -> None:
        async with self._records_thread:
            await asyncio.sleep(WRITE)
            self._disk()
            self.records.pop(run_id, None)

    async def save_state(self, state) -> None:
        text = json.dumps(state)
        await asyncio.sleep(WRITE)
        self._disk()
        self.saved = json.loads(text)

    async def changes(self):
        while True:
            await self._file_changed.wait()
            self._file_changed.clear()
            yield Content(self.text)

    def _disk(self) -> None:
        if self.disk_full:
            raise OSError(errno.ENOSPC, "no space left on device")


def mended(profile: FaultProfile) -> FaultProfile:
    """The same model once its faults are over."""
    return replace(
        profile,
        spawn=0.002,
        load=1.0,
        holds=min(profile.holds, 1.0),
        start="ok",
        stop=0.2,
        stuck=False,
        sleep="ok",
    )

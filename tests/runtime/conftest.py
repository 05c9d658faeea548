"""A virtual host: real reconciler, virtual time, and a host that asserts it is never asked for more than it has."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

import pytest

from tests.runtime.slot_files import SlotFiles
from zoosup.core.state.phases import ExitReason, Reason
from zoosup.core.state.runs import Exit, Preflight
from zoosup.core.state.weights import FileFacts, WeightFacts
from zoosup.host.ports.host import Content, Ended, Host, PoolReading, SpawnError, Warmed
from zoosup.host.ports.launch import Launch
from zoosup.host.ports.probes import ProbeResult
from zoosup.runtime.clock import Clock
from zoosup.runtime.commands import CommandHandler
from zoosup.runtime.events.journal import Journal
from zoosup.runtime.events.publisher import Publisher
from zoosup.runtime.loop.reconciler import Reconciler
from zoosup.runtime.persistence.saved_state import StateSaver
from zoosup.runtime.startup import config_source
from zoosup.runtime.startup.adoption import adopt
from zoosup.runtime.startup.resume import apply_pending_edit, restore
from zoosup.runtime.state.applied import Applied
from zoosup.runtime.state.inbox import Inbox, ShutdownAsked
from zoosup.runtime.state.zoo import Zoo

GIB = 2**30
WALL = 1_700_000_000.0


@dataclass
class Behaviour:
    """How one model's processes behave; what they really hold may differ from what the file declares."""

    holds: int = GIB
    load: float = 1.0
    stop: float = 0.5
    release: float = 0.0  # seconds after the exit until the memory is back
    dies_after: float | None = None  # after the spawn
    drains: float = 0.2
    asleep: int = 0  # what it holds so
    falls_asleep_in: float = 0.1  # seconds until it has fallen asleep
    wakes_in: float = 0.5
    wont_sleep: bool = False  # it refuses to sleep
    wont_wake: bool = False  # it refuses to wake
    mapped: int = 0
    reads: int | None = None  # bytes by the end of its load; None: nobody can tell
    says: str = ""  # the last line of its output
    weights: int = 0  # bytes of its files; 0: they are not on this host
    ignores_term: bool = False
    immortal: bool = False
    unspawnable: str = ""


@dataclass
class Process:
    """One living tree."""

    pid: int
    model: str
    run_id: str
    behaviour: Behaviour
    born: float
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    holding: int = 0
    exit: Exit | None = None
    sleeps: bool = False
    ladder: bool = False  # one is at work on it


@dataclass
class Warming:
    """Weights that are read ahead, a GiB a second."""

    model: str
    limit: int
    began: float
    cancelled: float | None = None

    @property
    def there(self) -> int:
        until = asyncio.get_running_loop().time() if self.cancelled is None else self.cancelled
        return min(self.limit, int((until - self.began) * GIB))

    @property
    def done(self) -> Warmed | None:
        if self.there >= self.limit:
            return Warmed(self.limit, 0, self.limit / GIB)
        return None if self.cancelled is None else Warmed(self.there, 0, self.there / GIB, "cancelled")

    def cancel(self) -> None:
        self.cancelled = asyncio.get_running_loop().time()


class VirtualHost:
    """Adapters of one host in virtual time. The oracle is here: `living` and `holding`, not zoosup's word."""

    def __init__(self, total: int = 32 * GIB, idle: int = 2 * GIB) -> None:
        self.total = total
        self.foreign = idle
        self.behaviours: dict[str, Behaviour] = {}
        self.living: dict[str, Process] = {}
        self.unreleased = 0
        self.files_missing: set[str] = set()
        self.history: list[tuple[float, str, str]] = []
        self.text = ""
        self.file_error = ""
        self.saved: dict[str, object] = {}
        self.records: dict[str, dict[str, object]] = {}
        self.launches: list[Launch] = []
        self.unreadable: set[str] = set()  # runs whose record is not even JSON
        self.aside: dict[str, dict[str, object]] = {}
        self.killed_by_kernel = 0
        self.strangers: dict[int, int] = {}  # what processes that are no models hold, by pid
        self.watched: dict[str, int] = {}  # their pids by the hold that ends with them
        self.stalls: float | None = None
        self.readable = True
        self.broken: list[str] = []
        self.remote: dict[str, tuple[bool, str]] = {}  # what servers elsewhere answer
        self.remote_asked: list[tuple[object, object]] = []
        self.remote_changed = asyncio.Event()
        self.warmings: list[Warming] = []
        self.look_takes = 0.001  # seconds
        self.looks: list[tuple[float, str]] = []  # when, and at whose files
        self.sessions = SlotFiles()
        self._changed = asyncio.Event()
        self.wall_offset = 0.0  # how far the wall clock was set since
        self._pids = itertools.count(1000)
        self._ports = itertools.count(20000)
        self.on_exit = lambda run_id, end: None

    # what a test does to it

    def behave(self, model: str, **changes: object) -> None:
        self.behaviours[model] = replace(self.behaviours.get(model, Behaviour()), **changes)

    def save(self, text: str) -> None:
        self.text, self.file_error = text, ""
        self._changed.set()

    def hear(self, authority: str, ok: bool | None, message: str = "") -> None:
        """A server elsewhere answers something else now."""
        self.remote[authority] = (ok, message)
        self.remote_changed, changed = asyncio.Event(), self.remote_changed
        changed.set()

    def kill(self, model: str, signal: str = "SIGKILL") -> None:
        process = next(p for p in self.living.values() if p.model == model)
        self._end(process, Exit(ExitReason.SIGNALED, WALL, signal=signal))

    def pids(self, model: str) -> list[int]:
        return [p.pid for p in self.living.values() if p.model == model and p.exit is None]

    def events(self, model: str) -> list[str]:
        return [what for _, who, what in self.history if who == model]

    def at(self, model: str, what: str) -> float:
        return next(at for at, who, w in self.history if (who, w) == (model, what))

    # Gauge

    @property
    def available(self) -> int:
        held = sum(p.holding for p in self.living.values())
        return self.total - self.foreign - held - self.unreleased - sum(self.strangers.values())

    def read(self) -> tuple[PoolReading, ...]:
        free = self.available if self.readable else None
        return (PoolReading("ram", "ram", "RAM", self.total, free, "virtual"),)

    def oom_kills(self) -> int:
        return self.killed_by_kernel

    def stalled(self) -> float | None:
        return self.stalls

    # Processes

    async def spawn(self, launch) -> int:
        behaviour = self.behaviours.get(launch.model, Behaviour())
        await asyncio.sleep(0.001)
        self._note(launch.model, "spawn")
        self.launches.append(launch)
        if behaviour.unspawnable:
            raise SpawnError(ExitReason.NOT_EXECUTABLE, behaviour.unspawnable)
        self._must(not self.pids(launch.model), f"a second copy of {launch.model}")
        self._must(launch.run_id in self.records, f"a spawn of {launch.model} without a record")
        self._must(behaviour.holds <= self.available, f"{launch.model} would crash the host")
        process = Process(next(self._pids), launch.model, launch.run_id, behaviour, self._now())
        self.living[launch.run_id] = process
        asyncio.get_running_loop().create_task(self._live(process))
        return process.pid

    async def _live(self, process: Process) -> None:
        behaviour = process.behaviour
        if behaviour.dies_after is not None:
            asyncio.get_running_loop().call_later(
                behaviour.dies_after, self._end, process, Exit(ExitReason.ERROR, WALL, code=1)
            )
        for step in range(1, 5):
            await asyncio.sleep(behaviour.load / 4)
            if process.exit is None:
                process.holding = behaviour.holds * step // 4
                self._must(self.available >= 0, "the host is out of memory")

    def _end(self, process: Process, end: Exit) -> None:
        if process.exit is not None:
            return
        process.exit = end
        self._note(process.model, "exit")
        late, process.holding = process.holding, 0
        if process.behaviour.release:
            self.unreleased += late
            asyncio.get_running_loop().call_later(process.behaviour.release, self._release, late)
        process.ended.set()
        self.on_exit(process.run_id, end)

    def _release(self, amount: int) -> None:
        self.unreleased -= amount

    async def terminate(self, run_id: str, ladder) -> Ended:
        process = self.living.get(run_id)
        if process is None:
            return Ended("", None)
        process.ladder = True
        if process.exit is None:
            self._note(process.model, "term")
            patience = ladder.grace
            if process.behaviour.immortal:
                await asyncio.sleep(ladder.grace + 10)
                return Ended(f"pid {process.pid}, state D", None)
            asked = process.behaviour.stop if not process.behaviour.ignores_term else float("inf")
            end = Exit(ExitReason.SIGNALED, WALL, signal="SIGTERM" if asked < patience else "SIGKILL")
            asyncio.get_running_loop().call_later(min(asked, patience), self._end, process, end)
            await process.ended.wait()
        del self.living[run_id]
        self._note(process.model, "gone")
        return Ended("", process.exit)

    def hasten(self, run_id: str, grace: float) -> None:
        """Like the host's: it shortens a ladder that is at work, and begins none."""
        process = self.living.get(run_id)
        if process is not None and process.ladder:
            end = Exit(ExitReason.SIGNALED, WALL, signal="SIGKILL")
            asyncio.get_running_loop().call_later(grace, self._end, process, end)

    async def adopt(self, traces, mark: str) -> dict[str, int]:
        """What lives of these runs and of any with the mark, as another zoosup finds it."""
        await asyncio.sleep(0.001)
        self.living = {run_id: p for run_id, p in self.living.items() if p.exit is None}
        return {r: p.pid for r, p in self.living.items() if r in traces or r.startswith(mark)}

    async def usage(self) -> dict[str, int]:
        held = {run_id: p.holding for run_id, p in self.living.items()}
        return held | {hold: self.strangers[pid] for hold, pid in self.watched.items()}

    def watch(self, run_id: str, pid: int) -> str:
        if pid not in self.strangers:
            return ""
        self.watched[run_id] = pid
        return f"{pid}:1:virtual"

    def unwatch(self, run_id: str) -> None:
        self.watched.pop(run_id, None)

    def end_stranger(self, pid: int) -> None:
        del self.strangers[pid]
        for hold in [hold for hold, its in self.watched.items() if its == pid]:
            self.on_exit(hold, Exit(ExitReason.ERROR, WALL))

    def mapped(self, run_id: str) -> int | None:
        return self.living[run_id].behaviour.mapped if run_id in self.living else None

    async def bytes_read(self, run_id: str) -> int | None:
        process = self.living.get(run_id)
        if process is None or process.behaviour.reads is None:
            return None
        loaded = (self._now() - process.born) / process.behaviour.load
        return int(process.behaviour.reads * min(1.0, loaded))

    def members(self, run_id: str) -> frozenset[int]:
        return frozenset({self.living[run_id].pid}) if run_id in self.living else frozenset()

    # Prober

    async def readiness(self, endpoint, ready, env):
        pids = endpoint.members()
        process = next(p for p in self.living.values() if p.pid in pids)
        self._must(process.sleeps is False, f"{process.model} was asked whether it is ready in its sleep")
        left = process.born + process.behaviour.load - self._now()
        if left > 0:
            yield ProbeResult(False, "connection refused")
            await asyncio.sleep(left)
        if process.exit is None:
            self._note(process.model, "ready")
            yield ProbeResult(True, "")
        await asyncio.Event().wait()

    async def elsewhere(self, endpoint, ready):
        self.remote_asked.append((endpoint, ready))
        while True:
            verdict, changed = self.remote.get(endpoint.url.authority, (None, None)), self.remote_changed
            if verdict != (None, None):
                yield ProbeResult(*verdict)
            await changed.wait()

    async def liveness(self, endpoint, live, env):
        await asyncio.Event().wait()
        yield ProbeResult(None, "")

    async def drain(self, endpoint, call, within, body=None) -> ProbeResult:
        pids = endpoint.members()
        process = next(p for p in self.living.values() if p.pid in pids)
        if call in {"POST /sleep", "POST /wake_up"}:
            return await self._turn(process, call)
        self._note(process.model, f"drain {call}" + (f" {body}" if body is not None else ""))
        await asyncio.sleep(process.behaviour.drains)
        return ProbeResult(True, "")

    async def _turn(self, process: Process, call: str) -> ProbeResult:
        """To sleep, where all but a part of its memory is given back, or awake, where it is taken again."""
        behaviour, sleeping = process.behaviour, call == "POST /sleep"
        self._note(process.model, "sleep" if sleeping else "wake")
        await asyncio.sleep(behaviour.falls_asleep_in if sleeping else behaviour.wakes_in / 4)
        if behaviour.wont_sleep if sleeping else behaviour.wont_wake:
            return ProbeResult(False, f"{call} answered 500")
        process.sleeps = sleeping
        for step in [4] if sleeping else [2, 3, 4]:
            await asyncio.sleep(0 if sleeping else behaviour.wakes_in / 4)
            if process.exit is not None:
                return ProbeResult(False, "connection reset")
            process.holding = behaviour.asleep if sleeping else behaviour.holds * step // 4
            self._must(self.available >= 0, "the host is out of memory")
        return ProbeResult(True, "")

    # Inspector

    def looking_at(self, spec) -> str:
        return "its files"

    async def inspect(self, spec, env, port, now, *, bring=False) -> Preflight:
        reason, message = await self.amiss(spec, env, port) or (None, "")
        size = self.behaviours.get(spec.command[-1], Behaviour()).weights
        weights = WeightFacts((("m.gguf", FileFacts("plain", size)),)) if size else None
        return Preflight(now, reason, message, weights)

    async def amiss(self, spec, env, port):
        self.looks.append((self._now(), spec.command[-1]))
        await asyncio.sleep(self.look_takes)
        missing = [word for word in spec.command if word in self.files_missing]
        return (Reason.FILE_MISSING, f"{missing[0]} is not there") if missing else None

    def free_port(self, taken: frozenset[int]) -> int:
        return next(self._ports)

    # Warmer

    def warm(self, spec, limit: int, located=()) -> "Warming":
        warming = Warming(spec.command[-1], limit, self._now())
        self.warmings.append(warming)
        return warming

    # Records

    async def write(self, run_id: str, record) -> None:
        self.records[run_id] = dict(record)

    async def remove(self, run_id: str) -> None:
        self.records.pop(run_id, None)

    def load(self):
        notes = [f"{run_id} can't be read" for run_id in self.unreadable]
        return {r: dict(d) for r, d in self.records.items() if r not in self.unreadable}, notes

    def set_aside(self, run_id: str) -> str:
        self.aside[run_id] = self.records.pop(run_id)
        return f"kept as {run_id}.unreadable"

    def identity(self, run_id: str) -> str | None:
        return f"identity of {run_id}" if run_id in self.living else None

    # Logs

    async def begin(self, model: str):
        return self.path(model)

    def path(self, model: str):
        return f"/logs/{model}.log"

    async def tail(self, model: str, lines: int, *, previous: bool = False) -> tuple[str, ...]:
        return (self.behaviours.get(model, Behaviour()).says or f"the last line of {model}",)

    # ConfigFile

    async def changes(self):
        while True:
            await self._changed.wait()
            self._changed.clear()
            yield Content(None if self.file_error else self.text, self.file_error)

    async def read_file(self) -> Content:
        return Content(None if self.file_error else self.text, self.file_error)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _must(self, true: bool, what: str) -> None:
        """Collected, not raised: zoosup would take an exception for a fault of the host's, and go on."""
        if not true:
            self.broken.append(what)

    def _note(self, model: str, what: str) -> None:
        self.history.append((self._now(), model, what))


class _Config:
    """The config port of a virtual host, apart because its `read` is not the gauge's."""

    def __init__(self, host: VirtualHost) -> None:
        self._host = host
        self.changes = host.changes
        self.read = host.read_file


class _Store:
    """The store port of a virtual host, apart because its `save` is not the editor's."""

    def __init__(self, host: VirtualHost) -> None:
        self._host = host

    def load(self) -> dict[str, object]:
        return self._host.saved

    async def save(self, state) -> None:
        self._host.saved = dict(state)


class Supervised:
    """A running reconciler over a virtual host; `after_adoption` makes the successor of one that died."""

    def __init__(self, host: VirtualHost, *, at_once: bool = True, node: str = "box") -> None:
        self.host = host
        loop = asyncio.get_running_loop()
        clock = Clock(loop.time, lambda: WALL + loop.time() + host.wall_offset, "one boot")
        self.journal = Journal(clock.wall)
        self.zoo = Zoo(node, "test", "mark-", clock, self.journal, Applied("zoo.yaml"))
        self.ports = ports = Host(
            host, host, host, host, host, host, _Store(host), host, _Config(host), host.sessions
        )
        self.publisher = Publisher()
        inbox = Inbox(clock.now)
        self.reconciler = Reconciler(ports, self.zoo, inbox, self.publisher, StateSaver(_Store(host)), {})
        self.commands = CommandHandler(self.reconciler, ports, self.publisher, "zoo.yaml", {})
        host.on_exit = inbox.exited
        if at_once:
            self.begin()

    @classmethod
    async def after_adoption(cls, host: VirtualHost, node: str = "box") -> "Supervised":
        """Begin as the supervisor does: the file, what was kept, adoption, and only then the loop."""
        successor = cls(host, at_once=False, node=node)
        edit = await restore(successor.zoo, await host.read_file(), host.saved, {})
        await adopt(successor.zoo, successor.ports, {})
        apply_pending_edit(successor.zoo, edit)
        successor.begin()
        return successor

    def begin(self) -> None:
        host = self.host
        self.turning = asyncio.create_task(self.reconciler.run())
        self._following = asyncio.create_task(
            config_source.follow(_Config(host), "zoo.yaml", {}, self.reconciler.post)
        )

    def phase(self, model: str) -> str:
        return self.zoo.models[model].phase.value

    def reason(self, model: str) -> str:
        return str(self.zoo.models[model].reason)

    def reserved(self) -> int:
        return sum(run.reserved["ram"] for _, run in self.zoo.live())

    async def until(self, model: str, phase: str, within: float = 600) -> None:
        async with asyncio.timeout(within):
            while model not in self.zoo.models or self.phase(model) != phase:
                await asyncio.sleep(0.01)

    async def leave(self) -> None:
        self.reconciler.post(ShutdownAsked(None))
        await self.turning

    async def die(self) -> None:
        """As by SIGKILL: nothing is written down any more, and whatever lives goes on."""
        saved, records = self.host.saved, {r: dict(d) for r, d in self.host.records.items()}
        await self.close()
        self.host.saved, self.host.records = saved, records

    async def close(self) -> None:
        for task in (self.turning, self._following):
            task.cancel()
        await asyncio.gather(self.turning, self._following, return_exceptions=True)


def zoo_yaml(models: dict[str, str], active: str, extra: str = "") -> str:
    """A file with these models by declared RAM; `active` as it stands in the file."""
    lines = [f"active: {active}", extra, "models:"]
    for name, ram in models.items():
        lines += [f"  {name}:", f"    command: [serve, {name}]", f"    memory: {{ram: {ram}}}"]
    return "\n".join(lines) + ("\n" if models else " {}\n")


@pytest.fixture(autouse=True)
def _threads_take_no_time(monkeypatch):
    """Virtual time runs on while a real thread works, so that what goes to a thread is done at once instead."""

    async def at_once(work, *args):
        return work(*args)

    monkeypatch.setattr(asyncio, "to_thread", at_once)


@pytest.fixture
async def host() -> AsyncIterator[VirtualHost]:
    host = VirtualHost()
    yield host
    assert [] == host.broken


@pytest.fixture
async def zoo(host):
    supervised = Supervised(host)
    yield supervised
    await supervised.close()


@pytest.fixture
async def successor(host, zoo):
    """Kills the zoosup that is there and has another one take over, as often as it is called."""
    lives = [zoo]

    async def take_over(meanwhile: Callable[[], None] = lambda: None) -> Supervised:
        await lives[-1].die()
        meanwhile()
        lives.append(await Supervised.after_adoption(host))
        return lives[-1]

    yield take_over
    for each in lives[1:]:
        await each.close()


@pytest.fixture
def file():
    return zoo_yaml

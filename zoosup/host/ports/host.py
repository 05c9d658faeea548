"""What the runtime asks of the host, as Protocols a handful of methods wide.

Knows no adapter. The runtime is handed objects of these shapes by the composition root; the tests hand it a fake
host of the same shapes. Sizes are bytes; durations seconds; times of `Exit` wall time.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from zoosup.core.state.phases import ExitReason, Reason
from zoosup.core.state.pools import Make
from zoosup.core.state.runs import Exit, Preflight
from zoosup.core.state.weights import Found
from zoosup.host.ports.launch import Launch
from zoosup.host.ports.probes import Prober
from zoosup.host.ports.sessions import Sessions
from zoosup.spec.model.model import ModelSpec


@dataclass(frozen=True, slots=True)
class Ladder:
    """How to end a run: an optional stop command, then `signal`, then SIGKILL after `grace` seconds."""

    signal: str  # "TERM", without SIG
    grace: float
    command: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """What the ladder came to. `survivors` is empty when no member is left; otherwise it says who lives, for people."""

    survivors: str
    exit: Exit | None


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """What a record says of a run that an earlier zoosup has started; `identity` None: it got no further than that."""

    launch: Launch
    identity: str | None


class SpawnError(Exception):
    """The process could not be started, for a `reason`; `ours`: for want of something that zoosup itself lacks."""

    def __init__(self, reason: ExitReason, message: str, *, ours: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.ours = ours


class Processes(Protocol):
    """Model processes as runs: whole trees, identified so that no signal reaches a stranger."""

    async def spawn(self, launch: Launch) -> int:
        """Start the process in a session of its own and return its pid; SpawnError when it can't be."""

    async def terminate(self, run_id: str, ladder: Ladder) -> Ended:
        """Take the run down the ladder, members outside its group too; also clears the remains of a crash."""

    def identity(self, run_id: str) -> str | None:
        """Who the run's leader is, for a record; None when the run is not known."""

    async def adopt(self, recorded_runs: Mapping[str, RecordedRun], mark: str) -> Mapping[str, int]:
        """Find the runs of an earlier zoosup again; from then on they are as if they had been spawned here.

        Those that live, by run id, with their leader's pid: of `recorded_runs`, and also any other run whose id begins
        with `mark`, which its processes bear in their environment, if their output goes to a log of ours as well.
        """

    def hasten(self, run_id: str, grace: float) -> None:
        """Shorten a ladder under way so that SIGKILL comes at most `grace` seconds from now."""

    async def usage(self) -> Mapping[str, int]:
        """RAM in bytes that each known run's whole tree holds (RssAnon + RssShmem + VmSwap on Linux)."""

    def mapped(self, run_id: str) -> int | None:
        """Bytes of files that the run's tree had mapped and in RAM when `usage` was last asked; None: not known."""

    async def bytes_read(self, run_id: str) -> int | None:
        """Bytes that the run's tree has read since it began, or mapped; None where nobody can tell."""

    def members(self, run_id: str) -> frozenset[int]:
        """The pids last seen to belong to the run."""

    def watch(self, run_id: str, pid: int) -> str:
        """Follow a process that is none of ours, as if it led a run: its exit is heard of, what its tree holds counts.

        Who it is, as `identity` says; "" where there is no such process. No signal ever goes to it.
        """

    def unwatch(self, run_id: str) -> None:
        """Follow it no longer; does nothing where it isn't followed."""


@dataclass(frozen=True, slots=True)
class PoolReading:
    """One pool as measured. `available` None means it could not be read; `source` says where the figure is from.

    `at` is when (monotonic), for a figure that may be older than the question; None: just now. `processes` is what
    each process holds of a GPU, by pid; a value None: it is there, and nobody can say how much it holds; None
    altogether: nobody can say who is there.
    """

    id: str
    kind: str
    name: str
    total: int
    available: int | None
    source: str
    index: str = ""  # of a GPU, as nvidia-smi counts; "amd0" of another make
    at: float | None = None
    processes: Mapping[int, int | None] | None = None
    device: str = ""  # of a GPU: its make and its driver, for which alone what was learned on it holds
    unified: bool = False  # of a GPU: it has no memory of its own, and takes at most `total` of RAM
    make: Make = "nvidia"  # of a GPU; these three as in `core.state.pools.Pool`
    pci: str = ""
    render_node: str = ""


class Gauge(Protocol):
    """Memory of this host."""

    def read(self) -> tuple[PoolReading, ...]:
        """All pools, now; cheap enough for every pass, and never raises."""

    def oom_kills(self) -> int | None:
        """How often the kernel has killed for want of memory since boot; None where it doesn't say."""

    def stalled(self) -> float | None:
        """The share (0 to 1) of the last second in which everything that had work to do waited for memory.

        None where the kernel doesn't say (PSI: not on macOS, and not on every Linux). Never raises.
        """


class Inspector(Protocol):
    """Looks at what a start needs before anything is stopped for it."""

    async def inspect(
        self, spec: ModelSpec, env: Mapping[str, str], port: int | None, now: float, *, bring: bool = False
    ) -> Preflight:
        """The first thing amiss, and what is known of the weights, which may take a while.

        `bring`: the start is wanted, so that an image or weights that it lacks are fetched, where the file says so.
        """

    async def amiss(
        self, spec: ModelSpec, env: Mapping[str, str], port: int | None
    ) -> tuple[Reason, str] | None:
        """Executable found and executable, weights and cwd there, `port` free (None: not looked at)."""

    def looking_at(self, spec: ModelSpec) -> str:
        """What the look under way for this model is at, for people: said where it hangs."""

    def free_port(self, taken: frozenset[int]) -> int:
        """A TCP port on 127.0.0.1 that nobody listens on, none of `taken`; OSError when there is none."""


@dataclass(frozen=True, slots=True)
class Warmed:
    """What reading ahead came to: bytes read from the disk, bytes that were in memory already, seconds.

    `problem` says why it ended early, for people; empty when all was read or the bound was reached.
    """

    read: int
    there: int
    seconds: float
    problem: str = ""


class Warming(Protocol):
    """Weights that are being read into the page cache."""

    @property
    def there(self) -> int:
        """Bytes that have been read or found in memory so far."""

    @property
    def done(self) -> Warmed | None:
        """What it came to; None while it goes on."""

    def cancel(self) -> None:
        """End it at the next piece, some MiB from here; does nothing once it is done."""


class Warmer(Protocol):
    """Reads weights into the page cache, so that the start which needs them finds them there."""

    def warm(self, spec: ModelSpec, limit: int, located: Found = ()) -> Warming:
        """Begin to read the model's weights until `limit` bytes of them are in memory; never blocks, never raises."""


class Logs(Protocol):
    """Model output, one file a run."""

    def path(self, model: str) -> Path:
        """Where the model's output is."""

    async def begin(self, model: str) -> Path:
        """Set the last run's file aside as the previous one and return the path of a new one."""

    async def tail(self, model: str, lines: int, *, previous: bool = False) -> tuple[str, ...]:
        """The last lines, decoded with replacement; none when there is no file."""

    def follow(self, model: str) -> AsyncGenerator[bytes, None]:
        """What is appended from now on, across rotation and new runs."""

    async def rotate(self) -> None:
        """Cut back every file that has outgrown its bound."""


class Store(Protocol):
    """The state directory: what has to outlive zoosup."""

    def load(self) -> dict[str, Any]:
        """The saved state; {} when there is none or it can't be used (then the file is set aside, not lost)."""

    async def save(self, state: Mapping[str, Any]) -> None:
        """Write it atomically and durably; OSError when the disk says no."""


class Records(Protocol):
    """What a restarted zoosup needs in order to know its runs again, one record a run.

    What is asked first is done first: whoever has a record removed need not wait for a write of it that is under way.
    """

    def load(self) -> tuple[Mapping[str, Mapping[str, Any]], list[str]]:
        """All records by run id, and a sentence for each that could not be read and was set aside."""

    def set_aside(self, run_id: str) -> str:
        """Keep a record that can't be used under another name; says where it is."""

    async def write(self, run_id: str, record: Mapping[str, Any]) -> None:
        """Return when the record would outlive us; OSError when the disk says no."""

    async def remove(self, run_id: str) -> None:
        """Forget a run."""


@dataclass(frozen=True, slots=True)
class Content:
    """One look at zoo.yaml: its text, or why there is none. Each `look` began after those below it had ended.

    `revision` is what the text is called where it comes from, such as a commit; "" where nobody says.
    """

    text: str | None
    error: str = ""
    revision: str = ""
    look: int = field(default=0, compare=False)


class ConfigFile(Protocol):
    """zoo.yaml on disk."""

    async def read(self) -> Content:
        """The file as it is now, off the loop."""

    def changes(self) -> AsyncIterator[Content]:
        """Yield at each change of content (not of mtime), the content once settled; never ends, never raises."""

    def look(self) -> None:
        """Look again at once (SIGHUP, `zoosup reload`)."""


@dataclass(frozen=True, slots=True)
class Host:
    """One host's adapters, as the composition root puts them together."""

    processes: Processes
    gauge: Gauge
    prober: Prober
    inspector: Inspector
    warmer: Warmer
    logs: Logs
    store: Store
    records: Records
    config: ConfigFile
    sessions: Sessions

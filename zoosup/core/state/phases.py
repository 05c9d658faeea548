"""Where a model is in its life, and why: the words that all other modules speak in.

Knows no rule: what may follow what stands in `lifecycle.transitions`, what should happen next in `scheduler`.
"""

from enum import StrEnum
from typing import Literal


class Phase(StrEnum):
    """Where a model is in its life. The comment beside each says what still holds in it."""

    STOPPED = (
        "stopped"  # no member of any run lives and nothing is reserved; not wanted, or not looked at yet
    )
    PENDING = "pending"  # wanted, nothing lives, nothing is reserved; `reason` says what it waits for
    STARTING = "starting"  # reserved and recorded; its process may not exist yet, and may already have died
    READY = "ready"  # reserved; its process answered its readiness probe on a port that it owns
    FALLING_ASLEEP = (
        "parking"  # reserved and alive; it has been asked to sleep (`park.sleep`), and gets no new work
    )
    ASLEEP = "parked"  # alive and asleep; reserved is what it holds so, and it answers nothing
    UNREADY = "unready"  # as ready, but the last probe failed; it may still be answering requests
    DRAINING = "draining"  # reserved and alive; it has been told to finish (`stop.before`), not yet to end
    STOPPING = "stopping"  # reserved; the ladder works on it, or on the remains of a crash; members may live
    BACKOFF = "backoff"  # crashed; nothing lives and nothing is reserved until `backoff.until`
    FAILED = "failed"  # given up: nothing lives, nothing is reserved; `reason` says what has to change


LIVE_PHASES = frozenset(
    {
        Phase.STARTING,
        Phase.READY,
        Phase.UNREADY,
        Phase.FALLING_ASLEEP,
        Phase.ASLEEP,
        Phase.DRAINING,
        Phase.STOPPING,
    }
)
"""The phases in which a run exists, and with it a reservation."""


SERVING_PHASES = frozenset({Phase.STARTING, Phase.READY, Phase.UNREADY})
"""The phases of a run that nobody has told to leave, or to sleep."""


STAYING_PHASES = SERVING_PHASES | {Phase.FALLING_ASLEEP, Phase.ASLEEP}
"""The phases of a run that nobody has told to leave."""


class Reason(StrEnum):
    """Why a model without a process is not running: shown in status, the first word of every refusal."""

    CHECKING = "Checking"  # its executable, weights and port are being looked at
    MEMORY = "WaitingForMemory"  # fits the budget, but others hold the memory at present
    MEMORY_UNKNOWN = "MemoryUnknown"  # a pool can't be read; unknown is never taken for free
    COOL_DOWN = "CoolingDown"  # a model has just stopped; its memory is being waited for
    EVICTION = "WaitingForEviction"  # another model is leaving to make room
    EXCEEDS_BUDGET = "ExceedsBudget"  # can't fit, whatever may be stopped for it
    GPU_MISSING = "GpuMissing"  # the file gives it GPUs that this host doesn't have at present
    PORT = "PortInUse"  # its fixed port is held by somebody else
    TURN = "WaitingForTurn"  # an earlier one is looked at, or starts alone: a need is a guess, or they share a GPU
    HOSTS = "WaitingForHosts"  # it takes several, and not all of them have their part of it yet
    BACK_OFF = "BackOff"
    NOT_EXECUTABLE = "NotExecutable"
    FILE_MISSING = "FileMissing"  # weights or the working directory are not there
    ENGINE_UNREACHABLE = "EngineUnreachable"  # its container engine is away, or lets us not in
    PULLING_IMAGE = "PullingImage"  # its container's image is being fetched
    FETCHING_WEIGHTS = "FetchingWeights"  # its weights are being downloaded
    IMAGE_MISSING = "ImageMissing"  # its container's image is not there, and may not be fetched
    CRASH_LOOP = "CrashLoop"  # restart.limit is reached
    EXITED = "Exited"  # it ended and restart.policy does not bring it back
    OOM = "OOM"  # killed twice for want of memory, with the same command and weights on the same host
    ROLLED_BACK = "RolledBack"  # could not become ready; the models before it were brought back
    NOT_WANTED = "NotWanted"
    STOPPED_BY_HAND = "StoppedByHand"
    UNLOADED = "Unloaded"  # by hand, by a client or by itself; a request loads it again
    SHUTDOWN = "Shutdown"
    INTERNAL_ERROR = "InternalError"  # a bug of zoosup's met it in this pass; the other models go on


class ExitReason(StrEnum):
    """How a run ended, told apart because each asks something else of the person who reads it."""

    COMPLETED = "Completed"  # exit code 0
    ERROR = "Error"  # another exit code
    SIGNALED = "Signaled"
    OOM_KILLED = "OOMKilled"
    STARTUP_DEADLINE = "StartupDeadline"
    LIVENESS_FAILED = "LivenessFailed"
    NOT_EXECUTABLE = "NotExecutable"
    PORT_IN_USE = "PortInUse"


class Cause(StrEnum):
    """Why a run leaves. The crash-like ones count for back-off; see `exits.CRASHES`."""

    NOT_WANTED = "NotWanted"
    STOPPED_BY_HAND = "StoppedByHand"
    RESTARTED_BY_HAND = "RestartedByHand"
    UNLOADED = "Unloaded"  # by hand; the next request for it begins anew
    SPEC_CHANGED = "SpecChanged"
    MADE_ROOM = "MadeRoom"
    IDLE = "Idle"  # on-demand, and nobody has asked for it for idle_timeout
    PRESSURE = "MemoryPressure"  # the host itself runs short of memory; see `scheduler.pressure`
    SHUTDOWN = "Shutdown"
    CRASHED = "Crashed"
    STARTUP_DEADLINE = "StartupDeadline"
    LIVENESS_FAILED = "LivenessFailed"
    HOST_LOST = "HostLost"  # of a model over several hosts, one has its part no longer


ModelReason = Reason | Cause | Literal[""]
"""Why a model is in its phase: what keeps it from running, why its run leaves, or nothing that needs a word."""


class ConditionType(StrEnum):
    """What is told beside a phase, of one model or of the zoo as a whole."""

    ADMITTED = "Admitted"
    CURRENT = "Current"  # its run is of the file as it is now
    MEMORY_COUNTED = "MemoryCounted"
    WITHIN_ESTIMATE = "WithinEstimate"
    ON_GIVEN_GPUS = "OnGivenGpus"
    TERMINATION_STUCK = "TerminationStuck"
    OUTPUT_KEPT = "OutputKept"
    SESSIONS_KEPT = "SessionsKept"
    INTERNAL_ERROR = "InternalError"
    SWITCHED = "Switched"
    WITHIN_BUDGET = "WithinBudget"
    GPUS_READABLE = "GpusReadable"
    MEMORY_PRESSURE = "MemoryPressure"
    STATE_WRITABLE = "StateWritable"
    FILE_IN_FORCE = "FileInForce"
    GATEWAY_LISTENING = "GatewayListening"
    STATUS_LISTENING = "StatusListening"
    FLEET_CONNECTED = "FleetConnected"
    FLEET_PARTITIONED = "FleetPartitioned"
    FLEET_FILE_OLD = "FleetFileOld"
    FLEET_LEFT = "FleetLeft"


HURRIED = frozenset({Cause.SHUTDOWN, Cause.PRESSURE})
"""Causes for which a drain takes the shorter of its own time and the grace period."""


class Override(StrEnum):
    """What a person has asked of a model by hand; holds until `active` says something new about it."""

    START = "start"
    STOP = "stop"
    UNLOAD = "unload"  # holds only until a client asks for it

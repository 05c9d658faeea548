"""What every reason, condition and ending says to people: the one place that the page and the command line read from.

The codes beside them stay as they are, for programs. Knows no figures; those are in the messages behind the words.
"""

from collections.abc import Mapping

from zoosup.core.state.phases import Cause, ConditionType, ExitReason, ModelReason, Reason
from zoosup.core.state.runs import Exit

REASONS: Mapping[str, str] = {
    Reason.CHECKING: "its files and port are being looked at",
    Reason.MEMORY: "waits for memory",
    Reason.MEMORY_UNKNOWN: "waits, since free memory can't be read",
    Reason.COOL_DOWN: "memory is not back yet",
    Reason.EVICTION: "waits for others to make room",
    Reason.EXCEEDS_BUDGET: "can never fit",
    Reason.GPU_MISSING: "its GPU is not there",
    Reason.PORT: "its port is taken",
    Reason.TURN: "waits for its turn to start",
    Reason.HOSTS: "waits for its other hosts",
    Reason.BACK_OFF: "crashed, and waits before the next try",
    Reason.NOT_EXECUTABLE: "can't be executed",
    Reason.FILE_MISSING: "a file that it needs is missing",
    Reason.ENGINE_UNREACHABLE: "its container engine can't be reached",
    Reason.PULLING_IMAGE: "its image is being pulled",
    Reason.FETCHING_WEIGHTS: "its weights are being downloaded",
    Reason.IMAGE_MISSING: "its image is missing",
    Reason.CRASH_LOOP: "given up after too many crashes",
    Reason.EXITED: "ended, and is not started again",
    Reason.OOM: "given up for want of memory",
    Reason.ROLLED_BACK: "could not become ready, so those before it came back",
    Reason.NOT_WANTED: "not wanted",
    Reason.STOPPED_BY_HAND: "stopped by hand",
    Reason.UNLOADED: "unloaded, until a request asks for it",
    Reason.SHUTDOWN: "zoosup ends",
    Reason.INTERNAL_ERROR: "a bug of zoosup's",
    Cause.RESTARTED_BY_HAND: "restarted by hand",
    Cause.SPEC_CHANGED: "restarted for an edit",
    Cause.MADE_ROOM: "makes room",
    Cause.IDLE: "nobody has asked for it for a while",
    Cause.PRESSURE: "stopped, since the host is short of memory",
    Cause.CRASHED: "crashed",
    Cause.STARTUP_DEADLINE: "was not ready in time",
    Cause.LIVENESS_FAILED: "no longer answered",
    Cause.HOST_LOST: "one of its hosts has its part no longer",
}
"""Why a model is in its phase, by `Reason` and `Cause`."""

CONDITIONS: Mapping[str, str] = {
    ConditionType.ADMITTED: "does not start",
    ConditionType.CURRENT: "runs as it was before the last edit",
    ConditionType.MEMORY_COUNTED: "not all of its memory is counted",
    ConditionType.WITHIN_ESTIMATE: "holds more than was booked for it",
    ConditionType.ON_GIVEN_GPUS: "holds memory of a GPU that it was not given",
    ConditionType.TERMINATION_STUCK: "does not end, even by SIGKILL",
    ConditionType.OUTPUT_KEPT: "its output is not kept",
    ConditionType.SESSIONS_KEPT: "its conversations are not kept",
    ConditionType.INTERNAL_ERROR: "a bug of zoosup's",
    ConditionType.SWITCHED: "switch",
    ConditionType.WITHIN_BUDGET: "more is promised than the budget has",
    ConditionType.GPUS_READABLE: "a GPU can't be read",
    ConditionType.MEMORY_PRESSURE: "the host is short of memory",
    ConditionType.STATE_WRITABLE: "the disk does not take what zoosup writes",
    ConditionType.FILE_IN_FORCE: "the file on disk is not in force",
    ConditionType.GATEWAY_LISTENING: "the gateway does not listen where zoo.yaml says",
    ConditionType.STATUS_LISTENING: "the status server does not listen where zoo.yaml says",
    ConditionType.FLEET_CONNECTED: "the fleet does not answer",
    ConditionType.FLEET_PARTITIONED: "fewer than half of the fleet's hosts report",
    ConditionType.FLEET_FILE_OLD: "the fleet has a newer zoo.yaml",
    ConditionType.FLEET_LEFT: "this host has left its fleet",
}
"""What a condition that stands in the status is about. Each is told only while it is as these words say."""

ENDINGS: Mapping[str, str] = {
    ExitReason.COMPLETED: "ended with code 0",
    ExitReason.ERROR: "ended with code",
    ExitReason.SIGNALED: "killed by",
    ExitReason.OOM_KILLED: "killed for want of memory",
    ExitReason.STARTUP_DEADLINE: "not ready in time",
    ExitReason.LIVENESS_FAILED: "no longer answered",
    ExitReason.NOT_EXECUTABLE: "can't be executed",
    ExitReason.PORT_IN_USE: "its port was taken",
}
"""How a run ended; behind two of them stands the code, or the signal."""

_WITH_DETAIL = frozenset({ExitReason.ERROR, ExitReason.SIGNALED})


def why(reason: ModelReason, message: str, *, active: bool) -> str:
    """Why a model is not simply off or ready, in words, its message behind them; "" where there is nothing to say."""
    if reason in {"", Reason.NOT_WANTED}:
        return message if active else ""
    return said(REASONS[reason], message)


def of_condition(type_: ConditionType, reason: str) -> str:
    """What a condition is about; of one for which a model does not start, or stays as it was, also why."""
    return said(CONDITIONS[type_], REASONS.get(reason, ""))


def ending(end: Exit) -> str:
    """How a run ended, in two to four words: `ended with code 3`, `killed by SEGV`."""
    detail = (end.signal or "").removeprefix("SIG") or end.code
    words = ENDINGS[end.reason]
    return f"{words} {detail}" if end.reason in _WITH_DETAIL and detail is not None else words


def crashed(count: int, end: Exit | None) -> str:
    """What is told of one that runs again, and may crash again."""
    times = "once" if count == 1 else f"{count} times in a row"
    return f"crashed {times}" + (f", at last: {ending(end)}" if end is not None else "") + "; not yet stable"


def said(words: str, more: str) -> str:
    """The words, and behind them what they don't say already."""
    return more if not words or more.startswith(words) else f"{words}: {more}" if more else words

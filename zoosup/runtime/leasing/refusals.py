"""Why clients that wait for a model needn't, and what they are told: refusals in words, with what is known of when.

From what is known of the model and of the zoo, which is only read: the arithmetic of a refusal for want of memory is
the model's message.
"""

from zoosup.core.lifecycle.load_progress import in_words
from zoosup.core.scheduler import switch as switching
from zoosup.core.scheduler.verdicts import GIVEN_UP
from zoosup.core.state.observed import NO_DEMAND, Model
from zoosup.core.state.phases import Cause, Override, Phase, Reason
from zoosup.core.state.refusal import Code, Refusal
from zoosup.core.state.runs import Exit
from zoosup.runtime.state.zoo import Zoo
from zoosup.spec.syntax.units import format_duration

RESTART = 10.0
"""Seconds after which a zoosup that ends may be back."""

UNLEARNED = 5.0
"""Seconds that a model is taken to load that was never seen to."""

LOOK_AGAIN = 15.0
"""Seconds after which memory that strangers hold may be free."""

TOLD = 20
"""Lines of a failed start that are told."""

STRANGERS = 10.0
"""Seconds that a client waits for what only a stranger can end: its port is held, its engine is away."""

_CODES = {
    Cause.SHUTDOWN: Code.SHUTTING_DOWN,
    Cause.MADE_ROOM: Code.MODEL_EVICTED,
    Cause.PRESSURE: Code.MODEL_EVICTED,
    Cause.IDLE: Code.MODEL_EVICTED,
    Cause.NOT_WANTED: Code.MODEL_STOPPED,
    Cause.STOPPED_BY_HAND: Code.MODEL_STOPPED,
    Cause.RESTARTED_BY_HAND: Code.MODEL_STOPPED,
    Cause.UNLOADED: Code.MODEL_STOPPED,
    Cause.SPEC_CHANGED: Code.MODEL_STOPPED,
}
"""Crashes, and what counts as one, are the server's own fault."""

_NEVER = frozenset({Reason.EXCEEDS_BUDGET, Reason.GPU_MISSING})
_SERVES = frozenset({Phase.READY, Phase.UNREADY})
_STRANGERS_ACT = frozenset({Reason.PORT, Reason.ENGINE_UNREACHABLE})
_MEMORY = frozenset({Reason.MEMORY, Reason.MEMORY_UNKNOWN})


def why_not(zoo: Zoo, name: str, since: float, wanted: frozenset[str] | None) -> Refusal | None:
    """Why a client that came at `since` needn't wait for a model; None where it may yet be served.

    `wanted`: by the last plan; None before there was one.
    """
    spec, model = zoo.spec.models.get(name), zoo.models.get(name)
    if zoo.shutdown:
        return Refusal(Code.SHUTTING_DOWN, "zoosup is shutting down", retry_after=RESTART)
    if spec is None or model is None:
        return Refusal(Code.MODEL_NOT_FOUND, f"{name} is no longer in the file", final=True)
    if model.override is Override.STOP:
        return Refusal(Code.MODEL_DISABLED, f"{name} was stopped by hand", final=True)
    runs = spec.on_demand or wanted is None or name in wanted or model.phase in _SERVES
    if not (runs or _may_come_back(zoo, name)):
        took_over = switching.successors(zoo.switch, name)
        said = f"{name} is neither active nor on_demand in zoo.yaml" + (f": {took_over}" if took_over else "")
        return Refusal(Code.MODEL_DISABLED, said, final=True)
    refusal = of_phase(model, since, zoo.clock.now())
    if refusal is not None and refusal.code == Code.INSUFFICIENT_MEMORY and not _was_asked(zoo, name):
        return (
            None  # weighed as one that rests, which others of `active` may keep out for ever: no client's sum
        )
    return refusal


def _may_come_back(zoo: Zoo, name: str) -> bool:
    """Whether it makes room in a switch that may yet be rolled back."""
    return zoo.spec.switch.rollback and switching.may_come_back(zoo.switch, name, zoo.models)


def _was_asked(zoo: Zoo, name: str) -> bool:
    """Whether the last plan knew of a client."""
    return zoo.demand.get(name, NO_DEMAND).busy


def of_phase(model: Model, since: float, now: float) -> Refusal | None:
    """The refusal that a model's state is for a client that came at `since`; None where it may yet be served."""
    if model.phase is Phase.BACKOFF:
        left = max(1.0, model.backoff.until - now)
        return Refusal(
            Code.MODEL_BACKOFF, _crashed(model), retry_after=left, details=_last_words(model.last_exit)
        )
    if model.phase is Phase.FAILED and (model.reason in GIVEN_UP or _looked_at(model, since)):
        message = f"{model.name} has failed ({model.reason}): {model.message}"
        return Refusal(Code.MODEL_FAILED, message, final=True, details=_last_words(model.last_exit))
    if model.phase is Phase.PENDING and model.reason in _STRANGERS_ACT and now - since >= STRANGERS:
        message = f"{model.name} can't be started: {model.message}"
        return Refusal(Code.MODEL_LOADING_TIMEOUT, message, retry_after=LOOK_AGAIN)
    if model.phase in {Phase.PENDING, Phase.ASLEEP} and model.reason in _NEVER:
        return Refusal(Code.INSUFFICIENT_MEMORY, f"{model.name} can't be loaded: {model.message}", final=True)
    return None


def of_cause(cause: Cause, message: str, load_time: float | None) -> Refusal:
    """What is told to those whom a run that ends still answers."""
    code = _CODES.get(cause, Code.UPSTREAM_ERROR)
    if code is Code.SHUTTING_DOWN:
        return Refusal(code, message, retry_after=RESTART)
    return Refusal(code, message, retry_after=max(1.0, load_time or UNLEARNED))


def not_loaded(model: Model | None, name: str) -> Refusal:
    """It does not run, and a look starts nothing."""
    phase = "unknown" if model is None else model.phase
    return Refusal(Code.MODEL_NOT_LOADED, f"{name} does not run (it is {phase}); a look at it starts nothing")


def queue_full(waiting: int, model: Model | None) -> Refusal:
    """As many wait as may."""
    return Refusal(
        Code.QUEUE_FULL, f"{waiting} requests wait already, as many as may", retry_after=_load(model)
    )


def overdue(model: Model | None, name: str, limit: float) -> Refusal:
    """It has waited for as long as requests may."""
    waited = f"{name} could not be had within {format_duration(limit)} (gateway.queue_timeout)"
    why = wait_in_words(model, name)
    if model is not None and model.phase is Phase.READY:
        return Refusal(Code.QUEUE_FULL, f"{waited}: all its places are taken", retry_after=_load(model))
    if model is not None and model.reason in _MEMORY:
        return Refusal(Code.INSUFFICIENT_MEMORY, f"{waited}: {model.message}", retry_after=LOOK_AGAIN)
    return Refusal(Code.MODEL_LOADING_TIMEOUT, f"{waited}: {why}", retry_after=_load(model))


def awaited(zoo: Zoo, name: str) -> str:
    """What the clients of a model wait for."""
    model = zoo.models.get(name)
    if zoo.switch is not None and _may_come_back(zoo, name) and (model is None or model.phase not in _SERVES):
        return f"{name} makes room for {', '.join(zoo.switch.incoming)}, and comes back should that not start"
    return wait_in_words(model, name)


def wait_in_words(model: Model | None, name: str) -> str:
    """What is being waited for."""
    if model is None or (model.phase is Phase.STOPPED and not model.message):
        return f"{name} is about to be started"
    if model.phase is Phase.READY:
        return f"{name} is answering as many requests as it may"
    progress = model.run.progress if model.run is not None and model.phase is Phase.STARTING else None
    what = f"{name} is {model.phase}" + (f" ({in_words(progress)})" if progress is not None else "")
    return f"{what}: {model.message}" if model.message else what


def _looked_at(model: Model, since: float) -> bool:
    """Whether what is amiss with its files has been seen since the client came."""
    return model.preflight is not None and model.preflight.at >= since


def _crashed(model: Model) -> str:
    end = model.last_exit
    what = f": {end.message or end.reason}" if end is not None else ""
    return f"{model.name} has crashed {model.backoff.count} times in a row{what}; it is started again after a pause"


def _last_words(end: Exit | None) -> str:
    return "\n".join(end.log[-TOLD:]) if end is not None else ""


def _load(model: Model | None) -> float:
    return max(1.0, (model.load_time if model is not None else None) or UNLEARNED)

"""Changing the active model: who comes, who goes, and whether it is done or has to be undone.

While a switch is open those who go keep serving, unless their room is needed; nothing that serves is stopped for
something that can't run. Knows neither memory nor processes: it reads how far each model has come.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace

from zoosup.core.state.observed import Model, Switch, SwitchOutcome
from zoosup.core.state.phases import Override, Phase, Reason
from zoosup.core.state.runs import Exit

_HAS_SERVED = frozenset({Phase.READY, Phase.UNREADY})
_NOTHING = Model("")


@dataclass(frozen=True, slots=True)
class ActiveChange:
    """A newly applied file's `active` beside the one before it."""

    generation: int
    before: tuple[str, ...]
    after: tuple[str, ...]


def begin(change: ActiveChange, last: Switch | None, models: Mapping[str, Model]) -> Switch | None:
    """The switch that applying a file begins, goes on with or ends; None when nobody comes in anyone's place.

    A switch under way that the file leaves as it is goes on. One that was rolled back is tried again, since the
    file has changed. One that is overtaken, or was rolled back, hands its outgoing models on: they are what can be
    brought back.
    """
    if last is not None and last.outcome is SwitchOutcome.OPEN and set(change.before) == set(change.after):
        return last
    before = effective(change.before, last)
    unfinished = last is not None and last.outcome is not SwitchOutcome.DONE
    handed_on = tuple(m for m in last.outgoing if m in models) if last is not None and unfinished else ()
    was = dict.fromkeys((*before, *handed_on))
    outgoing = tuple(m for m in was if m not in change.after and (m in handed_on or _serving(m, models)))
    incoming = tuple(m for m in change.after if m not in was)
    if not incoming or not outgoing:
        return None
    failed = (models.get(m, _NOTHING).failed_start for m in incoming)
    return Switch(
        change.generation, incoming, outgoing, old_failures=tuple(f for f in failed if f is not None)
    )


def effective(active: Iterable[str], switch: Switch | None) -> tuple[str, ...]:
    """Who is wanted by the file, in order of priority, with a rolled-back switch undone."""
    if switch is None or switch.outcome is not SwitchOutcome.ROLLED_BACK:
        return tuple(active)
    undone = (switch.outgoing if m in switch.incoming else (m,) for m in active)
    return tuple(dict.fromkeys(m for names in undone for m in names))


def judge(
    switch: Switch | None, models: Mapping[str, Model], *, rollback: bool, settling: bool
) -> Switch | None:
    """Carry an open switch on to done or rolled-back, if that is what has become of it.

    `rollback`: the file allows it, and there is somebody to bring back. `settling`: one of its own is leaving, or
    its memory is coming back.
    """
    if switch is None or switch.outcome is not SwitchOutcome.OPEN:
        return switch
    coming = [models.get(m, _NOTHING) for m in switch.incoming]
    touched = any(not _serving(m, models) for m in switch.outgoing)
    failed = [m for m in coming if _failed_start(m, switch) is not None]
    robbed = [m for m in coming if touched and not settling and _robbed(m)]
    hopeless = [m for m in coming if m in failed or m in robbed or m.phase is Phase.FAILED or _refused(m)]
    ready = [m for m in coming if m.phase is Phase.READY]
    aside = [m for m in coming if m in hopeless or _put_away(m)]
    if ready and all(m in ready or m in aside for m in coming):
        return replace(switch, outcome=SwitchOutcome.DONE, message=_arrived(switch, ready))
    if len(aside) < len(coming) or not rollback:
        return switch
    if hopeless and (touched or failed):
        return replace(switch, outcome=SwitchOutcome.ROLLED_BACK, message=_why(switch, hopeless))
    return switch


def retained(switch: Switch | None, name: str, declared: Container[str], models: Mapping[str, Model]) -> bool:
    """Whether it keeps serving until its successor does.

    One that was taken out of the file is kept only while a successor is really coming.
    """
    if switch is None or switch.outcome is not SwitchOutcome.OPEN or name not in switch.outgoing:
        return False
    return name in declared or any(_coming(models[n]) for n in switch.incoming if n in models)


def may_come_back(switch: Switch | None, name: str, models: Mapping[str, Model]) -> bool:
    """Whether one that has to go may yet be brought back: nobody in its place has arrived, and somebody is coming."""
    if switch is None or switch.outcome is not SwitchOutcome.OPEN or name not in switch.outgoing:
        return False
    coming = [models.get(m, _NOTHING) for m in switch.incoming]
    return not (all(map(_put_away, coming)) or any(m.phase is Phase.READY for m in coming))


def successors(switch: Switch | None, name: str) -> str:
    """Who took over from a model that a switch has done with; nothing for any other."""
    if switch is None or switch.outcome is not SwitchOutcome.DONE or name not in switch.outgoing:
        return ""
    return f"{', '.join(switch.incoming)} took over"


def _coming(model: Model) -> bool:
    put_away = model.override is Override.STOP or model.backoff.count > 1
    return not put_away and model.phase is not Phase.FAILED and not _refused(model)


def _serving(name: str, models: Mapping[str, Model]) -> bool:
    return models.get(name, _NOTHING).phase in _HAS_SERVED


def _failed_start(model: Model, switch: Switch) -> Exit | None:
    """How its run ended before it was ready, if this switch has tried it."""
    tried = model.run is None and model.failed_start not in switch.old_failures
    return model.failed_start if tried else None


def _put_away(model: Model) -> bool:
    """By hand, so that it does not come until somebody says so."""
    return model.override in {Override.STOP, Override.UNLOAD}


def _refused(model: Model) -> bool:
    return model.phase is Phase.PENDING and model.reason in {Reason.EXCEEDS_BUDGET, Reason.GPU_MISSING}


def _robbed(model: Model) -> bool:
    """Room was made and proved, and somebody else has taken the memory, or its port, since."""
    return model.phase is Phase.PENDING and model.reason in {Reason.MEMORY, Reason.PORT}


def _arrived(switch: Switch, ready: Iterable[Model]) -> str:
    return f"{', '.join(m.name for m in ready)} took over from {', '.join(switch.outgoing)}"


def _why(switch: Switch, hopeless: Iterable[Model]) -> str:
    causes = "; ".join(f"{m.name}: {_cause(m)}" for m in hopeless)
    return f"{causes}. Back to {', '.join(switch.outgoing)} until the file changes"


def _cause(model: Model) -> str:
    end = model.failed_start
    return end.message or end.reason if end is not None else model.message

"""Zoos and hosts in a line or two, so that an example of a policy says nothing but the policy."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from zoosup.core.estimation.need import need
from zoosup.core.memory.budget import budget_of, reserve_of
from zoosup.core.scheduler.plan import Plan, plan
from zoosup.core.state.actions import (
    Action,
    Drain,
    EndCooldown,
    FallAsleep,
    Hold,
    HoldRoom,
    Inspect,
    Kill,
    ReleaseRoom,
    Start,
    Stop,
    Wake,
)
from zoosup.core.state.holds import RoomHold
from zoosup.core.state.observed import Condition, Demand, Model, Observed, Switch
from zoosup.core.state.phases import Cause, ExitReason, Override, Phase, Reason
from zoosup.core.state.pools import Cooldown, Node, Pool
from zoosup.core.state.runs import Exit, Leaving, Preflight, Run, Sleep, SleepStage
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.zoo import ZooSpec
from zoosup.spec.syntax.units import parse_size

GIB = 2**30
NOW = 1000.0
NODE = "local"

Size = int | str
State = Callable[[str, ModelSpec], Model]
"""How far a model has come, once it is known which model that is."""


def size(value: Size) -> int:
    """Bytes."""
    return value if isinstance(value, int) else parse_size(value)


def a_model(ram: Size = "4GiB", **fields: Any) -> ModelSpec:
    """A model that declares `ram`; "auto" declares nothing."""
    memory = "auto" if ram == "auto" else {"ram": ram}
    return ModelSpec.model_validate({"command": ["serve"], "memory": memory, **fields})


def a_zoo(
    models: Mapping[str, Size | ModelSpec], active: Sequence[str] = (), budget: Size = "20GiB", **switch: Any
) -> ZooSpec:
    """A file with these models (a size stands for a model that needs it) and a reserve of 2 GiB."""
    return ZooSpec(
        active=tuple(active),
        budget={"ram": budget, "ram_reserve": "2GiB"},
        switch=switch,
        models={n: m if isinstance(m, ModelSpec) else a_model(m) for n, m in models.items()},
    )


# how far a model has come


def resting(
    phase: Phase = Phase.STOPPED, reason: str = Reason.NOT_WANTED, message: str = "", **fields: Any
) -> State:
    """It has no run; its files were looked at just now."""
    preflight = fields.pop("preflight", Preflight(NOW))
    return lambda name, _: Model(name, phase, reason, message, preflight=preflight, **fields)


def amiss(reason: Reason, message: str, at: float = NOW) -> State:
    """Its files or its port are not as they should be."""
    return resting(preflight=Preflight(at, reason, message))


def unseen(at: float | None = None) -> State:
    """Its files were never looked at, or last at `at`."""
    return resting(preflight=None if at is None else Preflight(at))


def crashed(count: int, until: float, **fields: Any) -> State:
    """It is in back-off."""
    from zoosup.core.state.runs import Backoff  # noqa: PLC0415 - the builder's own name would hide it

    return resting(Phase.BACKOFF, Reason.BACK_OFF, backoff=Backoff(count, until), **fields)


def running(
    phase: Phase = Phase.READY,
    holds: Size | None = None,
    override: Override | None = None,
    reason: str = "",
    **run: Any,
) -> State:
    """It has a run that holds `holds` (all that it needs, unless told otherwise)."""

    def state(name: str, spec: ModelSpec) -> Model:
        spec = run.get("spec", spec)
        reserved = dict(run.get("reserved", need(spec).amounts))
        measured = {pool: size(holds) if holds is not None else amount for pool, amount in reserved.items()}
        facts: dict[str, Any] = {
            "id": f"{name}-1", "node": NODE, "spec": spec, "port": a_port(name, spec), "reserved": reserved,
            "booked_at": NOW - 100, "started_at": 0.0, "pid": 42, "measured": measured,
            "ready_at": NOW - 90, "ready_since": NOW - 90,
        }  # fmt: skip
        if phase is Phase.STARTING:
            facts |= {"ready_at": None, "ready_since": None, "booked_at": NOW - 1}
        return Model(
            name, phase, reason, run=Run(**(facts | run)), preflight=Preflight(NOW), override=override
        )

    return state


def ready(**kw: Any) -> State:
    """It serves."""
    return running(Phase.READY, **kw)


def starting(holds: Size = 0, **kw: Any) -> State:
    """It loads, and holds `holds` so far."""
    return running(Phase.STARTING, holds, **kw)


def parked(asleep: Size = "1GiB", since: float = NOW - 60, known: bool = True, **kw: Any) -> State:
    """It sleeps, and holds `asleep`."""
    return _sleeping(Phase.ASLEEP, SleepStage.ASLEEP, asleep, since, known=known, **kw)


def parking(asleep: Size = "1GiB", known: bool = True, **kw: Any) -> State:
    """It has been asked to sleep, and holds all that it did."""
    return _sleeping(Phase.FALLING_ASLEEP, SleepStage.FALLING, asleep, NOW - 1, known=known, **kw)


def _sleeping(
    phase: Phase, stage: SleepStage, asleep: Size, since: float, *, known: bool, **kw: Any
) -> State:
    def state(name: str, spec: ModelSpec) -> Model:
        whole = dict(need(spec).amounts)
        rest = dict.fromkeys(whole, size(asleep))
        sleep = Sleep(stage, whole, rest, known, since, whole)
        held = rest if stage is SleepStage.ASLEEP else whole
        facts = {"reserved": held, "measured": held, "sleep": sleep, "ready_since": None} | kw
        return running(phase, **{"reason": Cause.MADE_ROOM, **facts})(name, spec)

    return state


def leaving(phase: Phase = Phase.STOPPING, cause: Cause = Cause.NOT_WANTED, **kw: Any) -> State:
    """It is on its way out, and the ladder is at work unless it still drains."""
    spec = {"spec": kw.pop("spec")} if "spec" in kw else {}
    out = Leaving(cause, cause.value, NOW - 1, ladder=kw.pop("ladder", phase is Phase.STOPPING), **kw)
    return running(phase, leaving=out, reason=cause, **spec)


def stuck(retry_at: float) -> State:
    """SIGKILL did not end it."""
    out = Leaving(Cause.NOT_WANTED, "not in active", NOW - 60, retry_at=retry_at)
    return running(Phase.STOPPING, leaving=out, stuck="pid 7 (D)", reason=Cause.NOT_WANTED)


def by_hand(override: Override, state: State | None = None) -> State:
    """A person has asked for it to run, or not to."""
    return lambda name, spec: replace((state or resting())(name, spec), override=override)


def a_port(name: str, spec: ModelSpec) -> int:
    """The fixed port, or one of its own."""
    return 20000 + sum(name.encode()) if spec.port == "auto" else spec.port


# the host


def a_host(
    spec: ZooSpec,
    *,
    total: Size = "32GiB",
    foreign: Size = 0,
    free: Size | None = None,
    risen: Size = 0,
    unknown: bool = False,
    cooling: Sequence[Cooldown] = (),
    switch: Switch | None = None,
    shutdown: bool = False,
    now: float = NOW,
    demand: Mapping[str, Demand] = {},
    holds: Sequence[RoomHold] = (),
    **states: State,
) -> Observed:
    """A host on which the named models have come so far and all others rest; free is what nobody holds.

    `risen` of it has come free since anybody looked at what they hold.
    """
    declared = spec.models
    models = {n: states.get(n, resting())(n, m) for n, m in declared.items()}
    models |= {n: s(n, a_model()) for n, s in states.items() if n not in declared}
    held = sum(m.run.measured.get("ram", 0) for m in models.values() if m.run is not None)
    held += sum(hold.measured.get("ram", 0) for hold in holds)
    available = size(free) if free is not None else size(total) - held - size(foreign)
    pool = a_pool(spec, size(total), None if unknown else available, risen=size(risen))
    node = Node(NODE, (pool,), tuple(cooling))
    return Observed(now, (node,), models, switch, shutdown, demand, tuple(holds))


def a_hold(ram: Size = "4GiB", *, waited: float = 1.0, **fields: Any) -> RoomHold:
    """One that has been waited for so many seconds."""
    return RoomHold(**{"id": "h", "ram": size(ram), "vram": 0, "since": NOW - waited} | fields)


def a_booked_hold(ram: Size = "4GiB", used: Size | None = None, **fields: Any) -> RoomHold:
    """One that is had; `used`: what its process holds of it, None where nobody has looked."""
    measured = {} if used is None else {"ram": size(used)}
    return a_hold(
        ram, **{"booked": {"ram": size(ram)}, "held_since": NOW - 60, "measured": measured} | fields
    )


def a_pool(spec: ZooSpec, total: int, available: int | None, node: str = NODE, risen: int = 0) -> Pool:
    """RAM with the file's budget and reserve."""
    reserve = reserve_of(total, spec.budget.ram_reserve)
    budget = budget_of(total, reserve, spec.budget.ram)
    return Pool(node, "ram", "ram", "RAM", total, available, budget, reserve, risen=risen)


def cooling_down(
    model: str = "x",
    since: float = NOW - 0.1,
    expected: Size = "4GiB",
    baseline: Size | None = "4GiB",
    samples: Sequence[tuple[float, Size]] = (),
) -> Cooldown:
    """A wait for the memory of a model that is gone; samples are (seconds after `since`, available)."""
    return Cooldown(
        NODE, "ram", model, since, size(expected), None if baseline is None else size(baseline),
        tuple((since + at, size(amount)) for at, amount in samples),
    )  # fmt: skip


def switched(before: str | Sequence[str], after: str | Sequence[str], **fields: Any) -> Switch:
    """An open switch from some to others."""
    return Switch(2, _names(after), _names(before), **fields)


def on_demand(ram: Size = "12GiB", **fields: Any) -> ModelSpec:
    """A model that a request may start."""
    return a_model(ram, on_demand=True, **fields)


def waits(seconds: float = 1.0, *, inflight: int = 0, used: float | None = None) -> Demand:
    """Somebody has waited so long; `used`: seconds since the last lease was given back."""
    return Demand(inflight, 1, NOW - seconds, None if used is None else NOW - used)


def served(inflight: int = 1, used: float = 0.0) -> Demand:
    """So many requests are being answered."""
    return Demand(inflight, 0, None, NOW - used)


def idle(seconds: float, stay: float | None = None) -> Demand:
    """Nobody asks; the last lease was given back so long ago. `stay`: how long its run is to stay, by a client."""
    return Demand(0, 0, None, NOW - seconds, stay=stay)


def _names(value: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(value.split()) if isinstance(value, str) else tuple(value)


def an_exit(code: int = 1, message: str = "", reason: ExitReason = ExitReason.ERROR) -> Exit:
    """How a leader ended."""
    return Exit(reason, at=0.0, code=code, message=message)


# what came of it


def decide(spec: ZooSpec, host: Observed) -> Plan:
    """One pass; a plan made twice of the same is the same, whichever example asks."""
    first = plan(spec, host)
    assert first == plan(spec, host)
    assert {} == first.faults, "a bug that the plan went on without"
    assert first.wake_at is None or first.wake_at > host.now, "a wake-up in the past turns for ever"
    return first


def acts(spec: ZooSpec, host: Observed) -> list[str]:
    """What a pass does, in a few words: `start b`, `stop a MadeRoom`, `hold c pending ExceedsBudget`."""
    return [in_words(action) for action in decide(spec, host).actions]


def in_words(action: Action) -> str:
    """One action."""
    match action:
        case Start(model, node):
            return f"start {model}" + ("" if node == NODE else f" on {node}")
        case Drain(model, _, cause) | Stop(model, _, cause) | Kill(model, _, cause):
            return f"{_verb(action)} {model} {cause}"
        case FallAsleep() | Wake() | HoldRoom() | ReleaseRoom():
            return f"{_verb(action)} {action.model}"
        case Hold(model, phase, reason):
            return f"hold {model} {phase} {reason}"
        case Inspect(model, port):
            return f"inspect {model}" + ("" if port is None else f" port {port}")
        case EndCooldown(_, _, model, outcome):
            return f"end cool-down of {model}: {outcome}"


def why(spec: ZooSpec, host: Observed, model: str | None, kind: str = "Admitted") -> str:
    """What the condition of that type says about the model; the test fails when there is none."""
    said = [c for c in decide(spec, host).conditions if (c.model, c.type) == (model, kind)]
    assert said, f"no condition {kind} about {model}"
    return said[0].message


def condition(spec: ZooSpec, host: Observed, model: str | None, kind: str) -> Condition | None:
    """The condition of that type, if there is one."""
    return next((c for c in decide(spec, host).conditions if (c.model, c.type) == (model, kind)), None)


def _verb(action: Action) -> str:
    """As `zoosup plan` says it."""
    known = {FallAsleep: "park", HoldRoom: "book", ReleaseRoom: "release"}
    return known.get(type(action)) or type(action).__name__.lower()

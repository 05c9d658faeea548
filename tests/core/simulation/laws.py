"""What must be true of every plan and every fact, by arithmetic of its own: the invariants of DESIGN §9.

Written from the contract, not from the code; what it shares with the code are the words of `status` and `actions`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.core.simulation import demand_laws, pressure_laws
from tests.core.zoo import a_model
from zoosup.core.scheduler.placement.place import PREFLIGHT_FRESH
from zoosup.core.scheduler.plan import Plan, plan
from zoosup.core.state.actions import (
    Action,
    Drain,
    EndCooldown,
    FallAsleep,
    Hold,
    Inspect,
    Kill,
    Start,
    Stop,
    Wake,
)
from zoosup.core.state.observed import Model, Observed, SwitchOutcome
from zoosup.core.state.phases import Cause, Override, Phase, Reason
from zoosup.core.state.runs import Run, SleepStage
from zoosup.spec.model.memory import Strategy
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.zoo import ZooSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.core.simulation.simulated_host import SimulatedHost
    from zoosup.spec.model.model import ModelSpec
    from zoosup.spec.model.zoo import ZooSpec

GUESS = 8 * 2**30
MADE_ROOM = "makes room for "
ASLEEP = " asleep"
ROUNDING = 16  # bytes: a credit is rounded for each model


def books_match_the_truth(sim: SimulatedHost, name: str) -> None:
    """1, 3, 4: whatever lives has its reservation, and there is one of it."""
    alive = [p for p in sim.processes if p.model == name and p.alive]
    assert len(alive) <= 1, f"{name} runs twice"
    run, phase = sim.models[name].run, sim.models[name].phase
    if run is not None and run.sleep is not None and phase in {Phase.FALLING_ASLEEP, Phase.STARTING}:
        awake = run.sleep.awake["ram"]
        assert run.reserved["ram"] >= awake, (
            f"{name} is {phase}, holds up to {awake}, and is booked with less"
        )
    for process in alive:
        assert run is not None, f"{name} lives, and nothing is reserved for it"
        assert run.id == process.run_id


def plan_is_lawful(sim: SimulatedHost, observed: Observed, decided: Plan) -> None:
    """Every law about one plan."""
    copy = dict(observed.models)
    assert {} == decided.faults, "a bug that the plan went on without"
    assert decided == plan(sim.spec, observed), "14: the same question, another answer"
    assert copy == observed.models, "a plan has changed what it looked at"
    for action in decided.actions:
        _is_lawful(sim, observed, decided, action)
    _starts_fit_together(sim, observed, decided)
    _evictions_are_needed_and_enough(sim, observed, decided)
    _refusals_are_true(sim, observed, decided)
    _every_wait_has_a_reason(sim, decided)
    demand_laws.the_order_is_lawful(sim, observed, decided)
    demand_laws.who_is_forgotten(sim, observed, decided)
    demand_laws.inflight_is_true(sim, observed)
    pressure_laws.who_goes_for_the_host(sim, observed, decided)
    told = {a.model for a in decided.actions if isinstance(a, Drain | Stop | Kill)}
    demand_laws.idle_ones_go(sim, observed, decided, told, set(outgoing(decided)))


def _is_lawful(sim: SimulatedHost, observed: Observed, decided: Plan, action: Action) -> None:
    model = sim.models.get(action.model)
    match action:
        case Start():
            _start_is_lawful(sim, observed, decided, action)
        case FallAsleep():
            _park_is_lawful(sim, observed, decided, action)
        case Wake():
            _wake_is_lawful(sim, observed, decided, action)
        case Kill():
            pressure_laws.kill_is_lawful(sim, observed, action)
        case Drain() | Stop():
            assert model is not None, f"5: {action} for a model that nobody knows"
            assert model.run is not None, f"5: {action} for a model without a run"
            assert model.run.id == action.run_id, f"5: {action} for another run"
            _stop_is_lawful(sim, observed, decided, action)
        case Hold():
            assert model is not None
            parked = model.phase is Phase.ASLEEP and action.phase is Phase.ASLEEP
            assert model.run is None or parked, f"{action} of a model that lives"
        case Inspect():
            assert action.model in sim.spec.models
        case EndCooldown():
            assert any(c.model == action.model for c in sim.cooldowns.values())


def _start_is_lawful(sim: SimulatedHost, observed: Observed, decided: Plan, action: Start) -> None:
    model = sim.models[action.model]
    assert model.run is None, f"1: a second run of {model.name}"
    assert not any(p.alive for p in sim.processes if p.model == model.name), f"1: {model.name} still lives"
    assert not sim.shutdown, "12: a start while zoosup ends"
    assert model.override is not Override.STOP, "12: a start of what a person has stopped"
    listed = model.name in demand_laws.active(sim, decided)
    asked = demand_laws.asks(sim, observed, model.name)
    assert listed or asked or model.override is Override.START, "12: nobody wants it"
    assert model.backoff.until <= sim.now, "10: a start before its back-off is over"
    assert_looked_at(sim, model)
    assert sim.readable, "a start on memory that can't be read"
    for gone, pause in sim.pauses:
        assert sim.now - gone >= pause - 1e-9, (
            f"a start {sim.now - gone} s after a stop; cooldown.min {pause} s"
        )
    for watch in sim.cooldowns.values():
        assert len(watch.samples) > 1, "a start before two samples have agreed"


def _park_is_lawful(sim: SimulatedHost, observed: Observed, decided: Plan, action: FallAsleep) -> None:
    """Only an idle one that could be displaced is put to sleep, and never beyond what there is room for."""
    model = sim.models[action.model]
    assert model.run is not None, f"{action} of a model without a run"
    assert (model.phase, model.run.id) == (Phase.READY, action.run_id), (
        f"{action} of one that is {model.phase}"
    )
    assert model.run.leaving is None, f"{action} of one that leaves"
    assert not sim.shutdown, "a sleep while zoosup ends"
    assert demand_laws.unpinned(sim, action.model), f"{action} of a pinned model"
    assert not observed.demand_for(action.model).busy, f"{action} of one that is used"
    assert sim.spec.models[action.model].park is not None, f"{action}, and the file doesn't say how"
    assert action.message.startswith(MADE_ROOM), f"{action} for nobody"


def _wake_is_lawful(sim: SimulatedHost, observed: Observed, decided: Plan, action: Wake) -> None:
    model = sim.models[action.model]
    assert model.run is not None, f"{action} of a model without a run"
    assert (model.phase, model.run.id) == (Phase.ASLEEP, action.run_id), (
        f"{action} of one that is {model.phase}"
    )
    assert model.run.leaving is None, f"{action} of one that leaves"
    assert not sim.shutdown, "12: a wake-up while zoosup ends"
    assert model.override is not Override.STOP, "12: a wake-up of what a person has stopped"
    listed = model.name in demand_laws.active(sim, decided)
    asked = demand_laws.asks(sim, observed, model.name)
    assert listed or asked or model.override is Override.START, "12: nobody wants it"
    assert sim.readable, "a wake-up on memory that can't be read"
    assert process_fields(model.run.spec) == process_fields(sim.spec.models[model.name]), "it is another's"
    now, run = sim.spec.models[model.name].memory, model.run
    booked = run.sleep.awake["ram"] if isinstance(now, str) else now.ram  # with auto it keeps its booking
    assert action.need["ram"] >= max(booked, run.peak.get("ram", 0)), f"{action} for less than it needs"


def assert_looked_at(sim: SimulatedHost, model: Model) -> None:
    """Nothing is started or stopped on the word of an old look, or of one that found something amiss."""
    look = model.preflight
    assert look is not None, f"{model.name} was not looked at"
    assert look.reason is None, f"{model.name} can't run: {look.reason}"
    assert sim.now < look.at + PREFLIGHT_FRESH, f"{model.name} was last looked at {sim.now - look.at} s ago"


def _starts_fit_together(sim: SimulatedHost, observed: Observed, decided: Plan) -> None:
    """2, and (M) by the truth: what is started fits beside all that lives and all that is promised."""
    starts = [a for a in decided.actions if isinstance(a, Start)]
    waking = {a.model: a.need["ram"] for a in decided.actions if isinstance(a, Wake)}
    if not starts and not waking:
        return
    pressure_laws.nothing_starts(sim)
    pool = observed.nodes[0].pools[0]
    loading = {m.name for m in observed.models.values() if m.phase is Phase.STARTING} | {
        a.model for a in decided.actions if isinstance(a, Start | Wake)
    }
    guesses = [n for n in loading if _is_guess(sim.spec.models.get(n, a_model()), observed.models[n].run)]
    assert not guesses or len(loading) == 1, f"{guesses} are guesses and don't load alone: {loading}"
    asleep = {n: sim.models[n].run.reserved["ram"] for n in waking}
    new = sum(a.need["ram"] for a in starts) + sum(max(waking[n], asleep[n]) for n in waking)
    for action in starts:
        assert action.need["ram"] == need_of(sim.spec.models[action.model])
    live = [m for m in observed.models.values() if m.run is not None and m.name not in waking]
    reserved = sum(held_for(sim.spec, m, m.run) for m in live)
    assert reserved + new <= pool.budget, (
        f"2: {reserved} are reserved, {new} are started, budget {pool.budget}"
    )
    promised = 0
    for model in live:
        if model.run.leaving is None:
            held = sim.process(model.run.id).held(sim.now)
            promised += max(0, _still_to_come(sim, model, model.run) - held)
    # Who wakes holds a part of it already.
    there = sum(sim.process(sim.models[n].run.id).held(sim.now) for n in waking)
    spare = sim.free() + there - promised - pool.reserve
    assert new <= spare, f"{new} are started where {spare} are free"


def _is_guess(spec: ModelSpec, run: Run | None) -> bool:
    """Whether the file leaves its need open, and what it was booked with, if it is, was a guess."""
    return isinstance(spec.memory, str) and (run is None or run.source == "default")


def _still_to_come(sim: SimulatedHost, model: Model, run: Run) -> int:
    """What a run may yet take. One that sleeps takes nothing before it is woken but what the file says."""
    if run.sleep is None or run.sleep.stage is not SleepStage.ASLEEP or model.phase is not Phase.ASLEEP:
        return held_for(sim.spec, model, run)
    return run.sleep.asleep["ram"] if run.sleep.known else 0


def _stop_is_lawful(sim: SimulatedHost, observed: Observed, decided: Plan, action: Drain | Stop) -> None:
    model = sim.models[action.model]
    run, spec = model.run, sim.spec.models.get(model.name)
    assert run is not None
    if run.leaving is not None:
        assert action.cause == run.leaving.cause, "a reason to leave does not change on the way"
        assert not run.leaving.ladder, "the ladder is at work already"
        _what_is_answered_may_be_finished(sim, observed, model, run)
        return
    cause, kept = action.cause, model.name not in decided.wanted
    if cause is Cause.SPEC_CHANGED:
        assert spec is not None
        sleeps = model.phase is Phase.ASLEEP
        cannot_wake = sleeps and spec.park is None
        changed = process_fields(run.spec) != process_fields(spec)
        assert changed or cannot_wake, "8: a live edit has cost a process"
        if not kept and not sleeps:
            assert_looked_at(sim, model)
    if cause is Cause.NOT_WANTED:
        assert kept
        assert spec is None or model.name not in outgoing(decided), "it was to serve until its successor does"
        assert spec is None or not spec.on_demand, "an on-demand model is kept for idle_timeout"
    idle = demand_laws.idle_end(sim, observed, model, run)
    allowed = {
        Cause.SHUTDOWN: sim.shutdown,
        Cause.STOPPED_BY_HAND: model.override is Override.STOP,
        Cause.RESTARTED_BY_HAND: run.recalled,
        Cause.STARTUP_DEADLINE: run.ready_at is None
        and (not spec or sim.now >= run.booked_at + spec.ready.deadline or bool(run.sleep and run.sick)),
        Cause.PRESSURE: action.model in {s.victim for s in decided.shortages},
        Cause.LIVENESS_FAILED: bool(run.sick),
        Cause.MADE_ROOM: action.message.startswith(MADE_ROOM),
        Cause.IDLE: kept and idle is not None and sim.now >= idle,
        Cause.CRASHED: False,
    }
    assert allowed.get(cause, True), f"{action} without cause"
    answering = observed.demand_for(model.name).inflight and model.phase is not Phase.STARTING
    if (
        answering
        and cause is not Cause.LIVENESS_FAILED
        and not (cause is Cause.PRESSURE and pressure_laws.is_hard(sim))
    ):
        assert isinstance(action, Drain), f"{action} cuts what is being answered"


def _what_is_answered_may_be_finished(sim: SimulatedHost, observed: Observed, model: Model, run: Run) -> None:
    """The ladder of one that drains begins when nobody uses it any longer, or when its time is over."""
    if model.phase is Phase.DRAINING and observed.demand_for(model.name).inflight:
        drain = sim.spec.models.get(model.name, run.spec).stop.drain
        assert sim.now >= run.leaving.since + drain, f"{model.name} is cut within its drain time"


def outgoing(decided: Plan) -> tuple[str, ...]:
    """Those that an open switch takes out."""
    switch = decided.switch
    return switch.outgoing if switch is not None and switch.outcome is SwitchOutcome.OPEN else ()


def _evictions_are_needed_and_enough(sim: SimulatedHost, observed: Observed, decided: Plan) -> None:
    """19: who leaves for another leaves for one that can run then, and could not have been spared."""
    gone = {m.name for m in observed.models.values() if m.run is not None and m.run.leaving is not None}
    gone |= {
        asleep(m.name) for m in observed.models.values() if m.phase is Phase.FALLING_ASLEEP and not m.run.sick
    }
    for winner, victims in _departures(observed, decided):
        if not winner:
            gone |= victims
            continue
        _may_be_evicted(sim, observed, decided, winner, victims)
        assert fits_without(sim, observed, decided, winner, gone | victims), f"19: {victims} leave in vain"
        for spared in victims - forced_out(sim, observed, decided, winner):
            enough = fits_without(sim, observed, decided, winner, (gone | victims) - {spared})
            assert not enough, f"19: {spared} leaves for {winner}, which fits without that"
        _used_ones_are_spared(sim, observed, decided, winner, gone, victims)
        gone |= victims


def _used_ones_are_spared(
    sim: SimulatedHost, observed: Observed, decided: Plan, winner: str, gone: set[str], victims: set[str]
) -> None:
    """For clients no used model leaves where those that nobody uses would do."""
    if not demand_laws.asks(sim, observed, winner):
        return
    used = {v for v in victims if observed.demand_for(v).busy} - forced_out(sim, observed, decided, winner)
    idle = {
        m.name
        for m in observed.models.values()
        if m.phase in {Phase.READY, Phase.UNREADY, Phase.ASLEEP}
        and m.run.leaving is None
        and m.name != winner
        if demand_laws.unpinned(sim, m.name) and not observed.demand_for(m.name).busy
        if demand_laws.may_displace(sim, observed, winner, m.name)
    }
    enough = used and fits_without(sim, observed, decided, winner, gone | idle)
    assert not enough, f"{used} are used and leave for {winner}, and {idle} would do"


def _departures(observed: Observed, decided: Plan) -> list[tuple[str, set[str]]]:
    """Who is told to leave, and for whom (nobody: for reasons of their own), in the order of the plan."""
    told: list[tuple[str, set[str]]] = []
    for action in decided.actions:
        if isinstance(action, FallAsleep) or (
            isinstance(action, Drain | Stop | Kill) and observed.models[action.model].run.leaving is None
        ):
            sleepless = observed.models[action.model].phase is Phase.FALLING_ASLEEP
            made_room = isinstance(action, FallAsleep) or (action.cause is Cause.MADE_ROOM and not sleepless)
            winner = action.message.removeprefix(MADE_ROOM) if made_room else ""
            if not told or told[-1][0] != winner:
                told.append((winner, set()))
            told[-1][1].add(asleep(action.model) if isinstance(action, FallAsleep) else action.model)
    return told


def _may_be_evicted(
    sim: SimulatedHost, observed: Observed, decided: Plan, winner: str, victims: set[str]
) -> None:
    model, wanted, switch = sim.models[winner], decided.wanted, decided.switch
    assert model.run is None or model.phase is Phase.ASLEEP
    if model.run is None:
        assert model.backoff.until <= sim.now
        assert_looked_at(sim, model)
    comes = switch is not None and winner in switch.incoming
    overlap = sim.spec.switch.strategy is Strategy.OVERLAP
    pinned = not demand_laws.unpinned(sim, winner)
    for victim in (v.removesuffix(ASLEEP) for v in victims):
        later = victim in wanted and wanted.index(victim) > wanted.index(winner)
        gives_way = (comes and not overlap) or _comes_before_all(decided, winner)
        replaced = gives_way and victim in outgoing(decided) and victim not in wanted
        if replaced:
            continue
        assert demand_laws.unpinned(sim, victim) or (later and pinned), f"{victim} is pinned, {winner} not"
        if demand_laws.unpinned(sim, victim):
            may = demand_laws.may_displace(sim, observed, winner, victim)
            assert may, f"{victim} was to stay, and leaves for {winner}"
            if not demand_laws.asks(sim, observed, victim) and not pinned:
                asked = demand_laws.asks(sim, observed, winner)
                assert later or asked or victim not in wanted, f"{victim} comes before {winner}"


def _comes_before_all(decided: Plan, winner: str) -> bool:
    """Whether the file wants it before everybody for whom a switch would keep the old ones."""
    incoming = decided.switch.incoming if decided.switch is not None else ()
    return winner not in {*incoming} and not {*incoming} & {*decided.wanted[: decided.wanted.index(winner)]}


def forced_out(sim: SimulatedHost, observed: Observed, decided: Plan, winner: str) -> set[str]:
    """Who has to go whatever the memory: holders of its port, and the old with `replace`."""
    port = sim.spec.models[winner].port
    forced = {m.name for m in observed.models.values() if m.run is not None and m.run.port == port}
    if sim.spec.switch.strategy is Strategy.REPLACE and decided.switch and winner in decided.switch.incoming:
        forced |= set(decided.switch.outgoing)
    return forced


def fits_without(
    sim: SimulatedHost, observed: Observed, decided: Plan, winner: str, without: set[str]
) -> bool:
    """(B) and (M) of DESIGN §5.3 for one candidate, as the contract writes them."""
    pool = observed.nodes[0].pools[0]
    if pool.available is None:
        return False
    need = awake_of(sim, observed, winner)
    earlier = decided.wanted[: decided.wanted.index(winner)]
    if observed.models[winner].run is not None:
        without = without | {winner}  # what it holds asleep is its own
    back = _who_comes_back(observed, earlier, without)
    without = (without - back) | {asleep(n) for n in back}
    promised_anew = sum(
        need_of(sim.spec.models[n]) for n in earlier if _is_promised(sim, observed, decided, n)
    )
    live = [
        (
            m,
            awake_of(sim, observed, m.name)
            if _is_roused(decided, earlier, m)
            else held_for(sim.spec, m, m.run),
        )
        for m in observed.models.values()
        if m.run is not None
    ]
    sleepers = {
        m.name: need_of(sim.spec.models[m.name]) if m.name in back else sleep_of(m, decided)
        for m, _ in live
        if asleep(m.name) in without
    }
    stay = [(m, e) for m, e in live if m.name not in without]
    credit = sum(0.95 * min(e, m.run.measured.get("ram", 0)) for m, e in live if m.name in without)
    credit += sum(
        0.95 * max(0, min(e, m.run.measured.get("ram", 0)) - sleepers[m.name])
        for m, e in stay
        if m.name in sleepers
    )
    stay = [(m, sleepers.get(m.name, e)) for m, e in stay]
    promised = sum(max(0, e - m.run.measured.get("ram", 0)) for m, e in stay)
    within = sum(e for _, e in stay) + promised_anew + need <= pool.budget
    free = pool.available + credit - promised - promised_anew - pool.reserve
    return within and need <= free + ROUNDING


def _who_comes_back(observed: Observed, earlier: Sequence[str], without: set[str]) -> set[str]:
    """Those that leave and are wanted before: of what they give back only what they won't need is for others."""
    return {n for n in earlier if n in without and observed.models[n].run is not None}


def asleep(name: str) -> str:
    """What a set of those who leave calls one that only goes to sleep."""
    return name + ASLEEP


def sleep_of(model: Model, decided: Plan) -> int:
    """What one that goes to sleep, or is about to, keeps: nothing where nobody knows, for then it may be stopped."""
    told = [a for a in decided.actions if isinstance(a, FallAsleep) and a.model == model.name]
    sleep = told[0] if told else model.run.sleep
    return sleep.asleep["ram"] if sleep.known else 0


def awake_of(sim: SimulatedHost, observed: Observed, name: str) -> int:
    """What it needs to serve; of one that sleeps no less than it holds."""
    run, spec = observed.models[name].run, sim.spec.models[name]
    if run is None or run.sleep is None:
        return need_of(spec)
    seen = run.peak.get("ram", 0)  # it may hold that again
    need = run.sleep.awake["ram"] if isinstance(spec.memory, str) else max(need_of(spec), seen)
    return max(need, run.reserved["ram"])


def _is_roused(decided: Plan, earlier: Sequence[str], model: Model) -> bool:
    """Whether room is kept for one that sleeps to be awake in."""
    return model.phase is Phase.ASLEEP and model.name in earlier and model.name in decided.verdicts


def _is_promised(sim: SimulatedHost, observed: Observed, decided: Plan, name: str) -> bool:
    """Whether room is kept for one that waits: not for clients who wait for what strangers hold."""
    verdict = decided.verdicts.get(name)
    if observed.models[name].run is not None or verdict is None or verdict.outcome == "refused":
        return False
    strangers = verdict.reason in {Reason.MEMORY, Reason.MEMORY_UNKNOWN}
    return not (strangers and demand_laws.asks(sim, observed, name))


def _refusals_are_true(sim: SimulatedHost, observed: Observed, decided: Plan) -> None:
    """19, the other way round: nobody is refused who could run if all left that may, and nobody else waits."""
    pool = observed.nodes[0].pools[0]
    for name, verdict in decided.verdicts.items():
        weighed = verdict.reason in {Reason.MEMORY, Reason.EVICTION, Reason.COOL_DOWN}
        if weighed and observed.models[name].run is None:
            most = min(pool.budget, pool.total - pool.reserve)
            assert need_of(sim.spec.models[name]) <= most, f"{name} waits and can never have more than {most}"
        if verdict.reason != Reason.EXCEEDS_BUDGET or observed.models[name].run is not None:
            continue
        before = decided.wanted[: decided.wanted.index(name)] if name in decided.wanted else ()
        stay = {n for n in before if not demand_laws.asks(sim, observed, n)}
        if (
            sim.spec.switch.strategy is Strategy.OVERLAP
            and decided.switch
            and name in decided.switch.incoming
        ):
            stay |= set(outgoing(decided))
        kept = sum(_kept_for(sim, observed, decided, other) for other in stay)
        most = min(pool.budget, pool.total - pool.reserve) - kept
        assert need_of(sim.spec.models[name]) > most, f"{name} is refused and could have {most}"


def _kept_for(sim: SimulatedHost, observed: Observed, decided: Plan, name: str) -> int:
    model = observed.models.get(name)
    if model is None or (model.run is None and name not in decided.wanted):
        return 0
    if _is_roused(decided, decided.wanted, model):
        return awake_of(sim, observed, name)
    if model.run is not None:
        return held_for(sim.spec, model, model.run)
    return 0 if decided.verdicts[name].outcome == "refused" else need_of(sim.spec.models[name])


def _every_wait_has_a_reason(sim: SimulatedHost, decided: Plan) -> None:
    for name in decided.wanted:
        told = {a.model for a in decided.actions if isinstance(a, Drain | Stop | Kill)}
        sleeps = sim.models[name].phase is Phase.ASLEEP and name not in told
        if sim.models[name].run is None or sleeps:
            verdict = decided.verdicts.get(name)
            assert verdict is not None, f"{name} waits and nobody says why"
            assert verdict.message, f"{name} waits for {verdict.reason} and nobody says what is short"


def need_of(spec: ModelSpec) -> int:
    """E, as far as this issue knows it: what is declared, or the guess."""
    return GUESS if isinstance(spec.memory, str) else spec.memory.ram


def held_for(spec: ZooSpec, model: Model, run: Run) -> int:
    """E of a live run: what is declared of the same process counts at once; with auto it keeps its booking.

    What it holds counts in any case, and what it was ever seen to hold: it may hold that again.
    """
    now = spec.models.get(model.name)
    if run.sleep is not None:
        return run.reserved["ram"]
    if now is None or run.leaving is not None or process_fields(now) != process_fields(run.spec):
        return run.reserved["ram"]
    if isinstance(now.memory, str):
        return run.reserved["ram"]
    return max(need_of(now), run.measured.get("ram", 0), run.peak.get("ram", 0))


def process_fields(spec: ModelSpec) -> tuple[object, ...]:
    return spec.command, dict(spec.env), spec.cwd, spec.port


def settled(sim: SimulatedHost) -> None:
    """9: every model is ready, stopped, failed or pending, and says why."""
    resting = {Phase.READY, Phase.STOPPED, Phase.FAILED, Phase.PENDING, Phase.ASLEEP}
    lasting = {Reason.EXCEEDS_BUDGET, Reason.MEMORY, Reason.PORT}
    for model in sim.models.values():
        assert model.phase in resting, f"{model.name} is {model.phase} ({model.reason}) for ever"
        if model.phase is Phase.PENDING:
            assert model.reason in lasting, f"{model.name} waits for {model.reason} for ever"
        if model.phase is Phase.ASLEEP:
            assert model.reason in lasting | {Cause.MADE_ROOM}, f"{model.name} sleeps for {model.reason}"
        if model.phase is not Phase.READY:
            assert model.reason, f"{model.name} is {model.phase} and nobody says why"

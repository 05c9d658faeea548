"""One host, and the zoosups that follow each other on it: brings about what `random_events` name, and asks the laws.

Knows no law of its own but those of rest: what must be so once the faults are over.
"""

import asyncio
from dataclasses import dataclass, field, replace

from hypothesis import currently_in_test_context, note

from tests.runtime.histories.clients import LATE, Clients, rules
from tests.runtime.histories.demand_events import Call, HangUp
from tests.runtime.histories.invariants import Invariants, need_of, pinned
from tests.runtime.histories.random_events import (
    FIRST,
    NAMES,
    Ask,
    BadFile,
    Become,
    ByHand,
    Crash,
    EditModel,
    File,
    Jump,
    Kill,
    Late,
    Leave,
    Messages,
    Rewrite,
    SetActive,
    Sick,
    Surroundings,
)
from tests.runtime.histories.supervisor_harness import SupervisorHarness
from tests.runtime.histories.unreliable_host import GIB, UnreliableHost, mended
from zoosup.core.state import actions
from zoosup.core.state.facts import (
    DrainEnded,
    Exited,
    FoundSick,
    Gone,
    ProbedReady,
    ProbedUnready,
    Recalled,
    Spawned,
    Stuck,
)
from zoosup.core.state.observed import SwitchOutcome
from zoosup.core.state.phases import ExitReason, Phase, Reason
from zoosup.core.state.runs import Exit
from zoosup.runtime.publish import plan_report
from zoosup.runtime.state.inbox import CommandGiven, FactLearned, PlanAsked
from zoosup.spec.model.process.lifetime import RestartSpec

PEACE = 200.0
"""Seconds in which everything has come to rest once the faults are over: deadlines, graces and back-off are short."""

TURN = 30.0
"""Seconds in which a client who comes alone has been served: residency, a ladder, memory, a load."""

IDLE = 50.0
"""Seconds in which the last of those that are kept for idle_timeout has gone, and who was displaced has come back."""


class Marked(asyncio.Future):
    """Knows how much had been carried out when it was answered, and whether it was the last in the mailbox."""

    def __init__(self, supervisor: SupervisorHarness) -> None:
        super().__init__()
        self._reign, self.acts, self.turn, self.last = supervisor, 0, 0, True

    def set_result(self, result: object) -> None:
        self.acts, self.turn = len(self._reign.acts), len(self._reign.turns)
        self.last = self._reign.inbox.empty
        super().set_result(result)


@dataclass
class History:
    """One host and the zoosups that follow each other on it."""

    file: File = FIRST
    old_runs: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.host = UnreliableHost(self._need)
        self.invariants = Invariants(self.host)
        self.clients = Clients(self.host, self.invariants)
        self.host.on_change = self._look
        self.host.on_term = self.clients.signalled
        self.away = 0.0
        self.damage = ""
        self.valid = self.file.text()
        self.host.save(self.valid)

    def _need(self, name: str) -> int:
        run = self.supervisor.zoo.models[name].run if name in self.supervisor.zoo.models else None
        return run.reserved["ram"] if run is not None else GIB

    async def start(self) -> None:
        self.invariants.forget_unsaved()
        self.supervisor = SupervisorHarness(self.host, self.hear)
        self.supervisor.on_turn = self._turned
        self.invariants.succeed(self.supervisor)
        self.supervisor.begin()
        await asyncio.sleep(0)

    def _look(self) -> None:
        self.invariants.look()
        self.clients.look()

    def _turned(self) -> None:
        self.invariants.look()
        self.clients.turned(self.supervisor)

    def hear(self, supervisor: SupervisorHarness, event: object) -> None:
        run_id = event.data.get("run_id") if event.type == "Phase" else None
        if run_id is not None and (event.model, run_id) not in self.old_runs:
            self.old_runs.append((event.model, run_id))
        self.invariants.hear(supervisor, event)

    async def pass_time(self, seconds: float) -> None:
        """Let time pass; whoever is killed or ends meanwhile is followed by another."""
        until = self.host.now() + seconds
        while True:
            try:
                async with asyncio.timeout_at(until):
                    await self._end_of_supervisor()
            except TimeoutError:
                break
            await self._follow()
        self.inspect()

    async def _end_of_supervisor(self) -> None:
        dead = asyncio.ensure_future(self.supervisor.dead.wait())
        try:
            await asyncio.wait({dead, self.supervisor._main}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            dead.cancel()

    async def _follow(self) -> None:
        self._complain_of_the_end()
        self.clients.lose(self.supervisor, killed=self.supervisor.dead.is_set() or self.supervisor.kept)
        await self.supervisor.bury()
        await asyncio.sleep(self.away)
        if self.damage == "lost":
            self.host.records.clear()
        elif self.damage == "version":
            for record in self.host.records.values():
                record["format"] = 99
        self.away, self.damage = 0.0, ""
        await self.start()

    def _complain_of_the_end(self) -> None:
        error = self.supervisor.error()
        self.invariants.check(error is None, f"zoosup has ended by {error!r}")

    def inspect(self) -> None:
        self.invariants.look()
        self.host.processes = [
            p
            for p in self.host.processes
            if p.gone is None or self.host.now() - p.gone < p.profile.release + 60
        ]
        broken = [*self.invariants.broken, *self.host.broken]
        assert not broken, "\n".join(broken[:5])

    # what can happen

    async def happen(self, what: object) -> None:
        await getattr(self, f"_{type(what).__name__.lower()}")(what)

    def _save(self, file: File) -> None:
        self.file, self.valid = file, file.text()
        self.host.save(self.valid)

    async def _rewrite(self, what: Rewrite) -> None:
        self._save(what.file)

    async def _setactive(self, what: SetActive) -> None:
        self._save(replace(self.file, active=what.active))

    async def _editmodel(self, what: EditModel) -> None:
        self._save(
            replace(self.file, models=tuple((dict(self.file.models) | {what.name: what.entry}).items()))
        )

    async def _badfile(self, what: BadFile) -> None:
        self.host.save(self.host.text if what.text is None else what.text)

    async def _byhand(self, what: ByHand) -> None:
        if self.supervisor.up:
            answer = asyncio.get_running_loop().create_future()
            self.supervisor.reconciler.post(CommandGiven(what.verb, what.name, answer))

    async def _crash(self, what: Crash) -> None:
        self.host.crash(what.name)

    async def _become(self, what: Become) -> None:
        self.host.profiles[what.name] = what.profile

    async def _sick(self, what: Sick) -> None:
        for process in self.host.alive(what.name):
            process.sick = what.sick
            process.tell()

    async def _surroundings(self, what: Surroundings) -> None:
        host = self.host
        host.foreign = what.foreign * GIB
        host.readable, host.countable, host.disk_full = what.readable, what.countable, what.disk_full
        host.strangers_ports = {8000} if what.port_taken else set()
        host.missing = {what.missing} - {""}

    async def _messages(self, what: Messages) -> None:
        if self.supervisor.up:
            self.supervisor.inbox.lost, self.supervisor.inbox.doubled = what.lost, what.doubled

    async def _late(self, what: Late) -> None:
        """13: it changes nothing."""
        live = {run.id for _, run in self.supervisor.zoo.live()}
        old = [(n, r) for n, r in self.old_runs if r not in live and n in self.supervisor.zoo.models]
        if not self.supervisor.up or not old:
            return
        name, run_id = old[-1 - what.which % len(old)]
        before = dict(self.supervisor.zoo.models)
        self.supervisor.reconciler._intake.take(FactLearned(name, self._fact(run_id, what.kind)))
        assert before == self.supervisor.zoo.models, "13: a fact about an old run has changed a model"

    def _fact(self, run_id: str, kind: int) -> object:
        now = self.host.now()
        end = Exit(ExitReason.ERROR, self.host.wall(), code=1)
        return (
            ProbedReady(run_id, now),
            ProbedUnready(run_id, "503", now),
            FoundSick(run_id, "hangs"),
            Exited(run_id, end, now),
            Gone(run_id, end, now, RestartSpec(), 0.0),
            Stuck(run_id, "pid 1", now),
            Spawned(run_id, 1),
            DrainEnded(run_id),
            Recalled(run_id),
        )[kind]

    async def _jump(self, what: Jump) -> None:
        self.host.wall_offset += what.seconds

    async def _ask(self, _: Ask) -> None:
        """14: what is foretold is what the same turn does."""
        supervisor = self.supervisor
        if not supervisor.up:
            return
        answer = Marked(supervisor)
        supervisor.reconciler.post(PlanAsked(None, "zoo.yaml", answer))
        await asyncio.wait({answer, supervisor._main}, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done() or len(supervisor.turns) == answer.turn or not answer.last:
            return  # what the same turn heard after the question was not part of it
        told = [(a["action"], a["model"]) for a in plan_report.next_pass(answer.result())["actions"]]
        done = [
            (VERBS[type(a)], a.model) for a in supervisor.acts[answer.acts : supervisor.turns[answer.turn]]
        ]
        assert told == done[: len(told)], f"14: {told} was foretold, done was {done}"
        assert told or not done, f"14: {done} was done though nothing was foretold"

    async def _leave(self, what: Leave) -> None:
        if self.supervisor.up:
            self.supervisor.leave(what.grace, keep=what.keep)

    async def _kill(self, what: Kill) -> None:
        self.away, self.damage = what.away, what.damage
        if what.acts == 0:
            self.supervisor.kill()
        else:
            self.supervisor.steps_left = what.acts

    async def _call(self, what: Call) -> None:
        if self.supervisor.up:
            self.clients.call(self.supervisor, what)

    async def _hangup(self, what: HangUp) -> None:
        self.clients.hang_up(what)

    # peace

    async def make_peace(self) -> None:
        await self._surroundings(Surroundings())
        if not self.supervisor.dead.is_set():
            self.supervisor.steps_left = None
            if self.supervisor.adopted:
                self.supervisor.inbox.doubled = False  # 15: hints go on being lost
        for name in NAMES:
            self.host.profiles[name] = mended(self.host.profile(name))
        for process in self.host.processes:
            process.sick = False
            process.tell()
            if not process.ready and process.profile.start == "ok":
                process.ready = True
        self.host.unstick()
        self.host.save(self.valid)
        await self.pass_time(PEACE)
        self.at_rest()

    def at_rest(self) -> None:
        """9: everyone is ready, stopped, failed or pending, and there is a reason."""
        zoo = self.supervisor.zoo
        assert self.supervisor.up
        self.states = [f"{m.name} {m.phase} {m.reason}" for m in zoo.models.values()]
        for model in zoo.models.values():
            state = f"{model.name} is {model.phase} ({model.reason}: {model.message})"
            if model.phase is Phase.FAILED:
                allowed = {Reason.CRASH_LOOP, Reason.EXITED, Reason.ROLLED_BACK}
                assert model.reason in allowed, state
            elif model.phase is Phase.PENDING:
                assert model.reason in {Reason.EXCEEDS_BUDGET, Reason.MEMORY, Reason.PORT}, state
            elif model.phase is Phase.STOPPED:
                by_hand = model.name in self.invariants.stopped_by_hand
                assert by_hand or model.name not in zoo.spec.active, f"{state} for ever"
            elif model.phase is Phase.ASLEEP:
                assert not self.clients.waiting(model.name), f"{state} for ever"
            else:
                assert model.phase is Phase.READY, f"{state} for ever"
        for name in self.invariants.stopped_by_hand:
            assert not self.host.alive(name), f"12: {name} runs, and was stopped by hand"

    async def everybody_may_call(self) -> None:
        """In peace whoever asks is served where that can be; who can't be is told so at once."""
        for name in [n for n, spec in self.supervisor.zoo.spec.models.items() if spec.on_demand]:
            fits = self._fits(name)
            client = self.clients.call(self.supervisor, Call(name))[0]
            # Where wake-ups get lost, both the demand and what was seen of its files are noticed late.
            await self.pass_time(2 * LATE if self.supervisor.inbox.lost else LATE)
            assert fits is not False or client.refusal is not None, f"{client} can never be served, and waits"
            await self.pass_time(TURN)
            if fits is not False:
                assert client.ended is not None, f"{client} waits for ever"
                assert not fits or client.how == "answered", f"{client} could be served: {client.refusal}"
        await self.pass_time(IDLE)
        self.clients.nothing_is_left(self.supervisor)
        self.inspect()
        self.at_rest()

    def _fits(self, name: str) -> bool | None:
        """Whether a request for it must be served in peace; None where that depends on more than memory."""
        zoo = self.supervisor.zoo
        model, spec, pool = zoo.models[name], zoo.spec.models[name], zoo.memory.pools()[0]
        stays = [n for n in zoo.spec.models if n != name and pinned(zoo, n)]
        declared = [zoo.spec.models[n] for n in (*stays, name)]
        ports = [each.port for each in zoo.spec.models.values() if each.port != "auto"]
        if (
            model.run is not None
            or model.phase is Phase.FAILED
            or name in self.invariants.stopped_by_hand
            or any(isinstance(each.memory, str) for each in declared)
        ):
            return None
        if need_of(spec) > min(pool.budget, pool.total - pool.reserve):
            return False
        most = min(pool.budget, pool.total - pool.reserve - self.host.foreign)
        open_to_all = len(ports) < 2 and not isinstance(spec.port, int)
        patient = rules(zoo.spec).queue_timeout >= TURN and rules(zoo.spec).max_queue > 0
        settled = zoo.switch is None or zoo.switch.outcome is SwitchOutcome.DONE
        grown = [
            r.reserved["ram"] - need_of(zoo.spec.models[m.name]) for m, r in zoo.live() if m.name in stays
        ]
        alone = sum(need_of(each) for each in declared) + sum(max(0, more) for more in grown) <= most
        return True if open_to_all and patient and settled and alone else None

    async def nothing_more_happens(self, why: str) -> None:
        before = self._deeds()
        await self.pass_time(40)
        assert before == self._deeds(), f"{why}: {self.states} -> {self.host.history[-5:]}"

    def _deeds(self) -> tuple[list[int], int]:
        return [p.pid for p in self.host.alive()], len(self.host.history)

    async def leave(self) -> None:
        """When zoosup ends in a hurry nothing is left: no process, no reservation, no task, no record."""
        for process in self.host.alive():
            process.stuck = False  # it may have been on its way when peace was made
            process.profile = replace(process.profile, stop=1000.0)
        self.supervisor.leave()
        await asyncio.sleep(0.1)
        self.supervisor.leave(0.5)
        await asyncio.wait({self.supervisor._main}, timeout=2)
        assert self.supervisor.over, "zoosup does not end in time"
        assert not self.host.alive()
        assert {} == self.host.records
        self.clients.nothing_is_left(self.supervisor)
        self._complain_of_the_end()
        await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"20: left running: {left}"
        self.inspect()


VERBS = {
    actions.Start: "start",
    actions.Drain: "drain",
    actions.Stop: "stop",
    actions.Kill: "kill",
    actions.Hold: "hold",
    actions.Inspect: "inspect",
    actions.EndCooldown: "end-cooldown",
    actions.FallAsleep: "park",
    actions.Wake: "wake",
}


def say(what: str) -> None:
    if currently_in_test_context():
        note(what)

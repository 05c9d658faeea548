"""Carrying actions out: the coroutines that ask the host and turn its answers into facts.

At most one start and one ending are under way for a run, and an ending waits for the start. Every answer carries the
run it belongs to. Knows no policy: what to do, and when, was decided before.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from zoosup.core.state.actions import Drain, Inspect
from zoosup.core.state.facts import (
    DrainEnded,
    Exited,
    Fact,
    FellAsleep,
    FoundSick,
    Gone,
    Spawned,
    Stuck,
    Woken,
)
from zoosup.core.state.observed import Model
from zoosup.core.state.phases import HURRIED, Cause, ExitReason
from zoosup.core.state.runs import Exit, Run
from zoosup.host.ports.host import Host, Ladder, SpawnError
from zoosup.host.ports.probes import Endpoint
from zoosup.runtime.clock import Clock
from zoosup.runtime.leasing.leases import Leases
from zoosup.runtime.operations.calls import send_all
from zoosup.runtime.operations.exit_diagnosis import ExitDiagnosis
from zoosup.runtime.operations.sessions import SessionKeeper
from zoosup.runtime.operations.start.child_env import RUN_ID, contained, environment_of
from zoosup.runtime.operations.start.looks import Looks
from zoosup.runtime.operations.start.output import Outputs
from zoosup.runtime.operations.start.spawning import Spawner
from zoosup.runtime.operations.tasks import OperationTasks
from zoosup.runtime.operations.usage import UsageLooks
from zoosup.runtime.persistence.record_writer import RecordWriter
from zoosup.runtime.state.inbox import FactLearned, Message
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.process.calls import CallSpec
from zoosup.spec.model.process.lifetime import ParkSpec, RestartSpec
from zoosup.spec.model.process.short_forms.base import HOST
from zoosup.spec.syntax.templates import render

COMMAND_AT_ONCE = 2.0
"""Seconds that a stop command gets where nothing else gets any."""

REMAINS = 2.0
"""Seconds of grace for what a leader that has ended by itself has left."""

START_BOUND = 10.0
"""Seconds beyond its grace for which the ending of a run waits for its start: as long as for the dead after SIGKILL."""

START_HANGS = "its start has not come back: the disk of its program, its log or the state directory hangs"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tools:
    """What operations work with."""

    host: Host
    record_writer: RecordWriter
    clock: Clock
    environ: Mapping[str, str]
    leases: Leases
    sessions: SessionKeeper


class Operations:
    """Starts, drains, ends and looks; `post` takes what came of it, `leave` what needs no turn of its own."""

    def __init__(
        self, tools: Tools, post: Callable[[Message], None], leave: Callable[[Message], None]
    ) -> None:
        self._host = tools.host
        self._clock = tools.clock
        self._environ = tools.environ
        self._leases = tools.leases
        self._sessions = tools.sessions
        self._post = post
        self._leave = leave
        self._tasks = OperationTasks()
        self._starts: dict[str, asyncio.Task[None]] = {}
        self._drains: dict[str, asyncio.Task[None]] = {}
        self._sleep_tasks: dict[str, asyncio.Task[None]] = {}  # to sleep, or awake again
        self._looks = Looks(tools.host.inspector, tools.clock, tools.environ, self._tasks, self._looked)
        self.outputs = Outputs(tools.host.logs)
        self._spawner = Spawner(
            tools.host.processes,
            tools.record_writer,
            self.outputs,
            tools.clock,
            tools.environ,
            self._learned,
            tools.sessions.prepared,
        )
        self._diagnosis = ExitDiagnosis(tools.host, tools.environ)
        self._usage_looks = UsageLooks(tools.host, tools.clock, self._tasks, post)
        self._hurry: float | None = None
        self._at_once: set[str] = set()
        self._leaving: dict[str, str] = {}  # the model of each run that is being ended

    def start(self, model: str, run: Run) -> None:
        """Spawn the run that was booked."""
        self._starts[run.id] = self._tasks.begin(self._start, model, run)

    def stop(self, model: Model, run: Run, cause: Cause, policy: ModelSpec) -> None:
        """Set the ladder to work."""
        self._leaving[run.id] = model.name
        for tasks in (self._drains, self._sleep_tasks):
            task = tasks.pop(run.id, None)
            if task is not None:
                task.cancel()
        self._leases.cut(run.id, cause, run.leaving.message if run.leaving is not None else str(cause))
        self._tasks.begin(self._stop_or_report, model.name, run, cause, policy)

    def kill(self, model: Model, run: Run, cause: Cause, policy: ModelSpec, *, under_way: bool) -> None:
        """End it at once; `under_way`: the ladder is at work on it already, and is shortened."""
        self._at_once.add(run.id)
        self._host.processes.hasten(run.id, self._grace(run, policy))
        if not under_way:
            self.stop(model, run, cause, policy)

    def drain(self, action: Drain, run: Run, policy: ModelSpec) -> None:
        """Let the run finish what it answers, save its sessions, carry `stop.before` out: all within `stop.drain`."""
        within = policy.stop.drain_time(hurried=action.cause in HURRIED)
        self._drains[run.id] = self._tasks.begin(self._drain, action.model, run, policy, within)

    def put_to_sleep(self, model: str, run: Run, rules: ParkSpec, within: float) -> None:
        """Ask the run to sleep, within so many seconds."""
        self._sleep_tasks[run.id] = self._tasks.begin(self._put_to_sleep, model, run, rules, within)

    def wake(self, model: str, run: Run, rules: ParkSpec, within: float) -> None:
        """Ask the run to wake, within so many seconds."""
        self._sleep_tasks[run.id] = self._tasks.begin(self._wake, model, run, rules, within)

    def inspect(self, action: Inspect, spec: ModelSpec) -> None:
        """Look at what a start needs, unless such a look is under way."""
        self._looks.begin(action, spec)

    def hurry(self, grace: float, runs: list[Run]) -> None:
        """No ending takes longer than `grace` seconds from now, nor one that begins later."""
        self._hurry = grace
        for task in self._drains.values():
            task.cancel()
        for run in runs:
            self._host.processes.hasten(run.id, grace)

    async def close(self) -> None:
        """Give up whatever is under way; models are left as they are."""
        await self._tasks.close()

    def where(self, run: Run) -> tuple[Endpoint, Mapping[str, str]]:
        """Where the run listens and who may answer for it, and the environment of programs that ask it."""
        env = environment_of(self._environ, run)
        del env[RUN_ID]  # what asks a run is no part of it
        return self._endpoint(run), env

    def _endpoint(self, run: Run) -> Endpoint:
        processes, run_id = self._host.processes, run.id
        return Endpoint(HOST, run.port, lambda: processes.members(run_id), contained(run.spec))

    def _learned(self, model: str, fact: Fact) -> None:
        self._post(FactLearned(model, fact))

    def _looked(self, model: str, fact: Fact) -> None:
        """While a run of the model is being ended, its end is awaited as well, and a turn would only hold that up."""
        (self._leave if model in self._leaving.values() else self._post)(FactLearned(model, fact))

    async def _start(self, model: str, run: Run) -> None:
        try:
            self._diagnosis.begin(run.id)
            pid = await self._spawner.spawn(model, run, lambda: run.id in self._leaving)
        except (SpawnError, OSError) as error:
            reason = error.reason if isinstance(error, SpawnError) else ExitReason.ERROR
            self._gone(model, run, Exit(reason, self._clock.wall(), message=str(error)), run.spec.restart)
        except Exception as error:
            # Whether anything lives is not known, so it is treated as a crash: what is left of it is looked for.
            end = Exit(ExitReason.ERROR, self._clock.wall(), message=f"internal error: {error}")
            self._learned(model, Exited(run.id, end, self._clock.now()))
            raise
        else:
            if pid is not None:
                self._learned(model, Spawned(run.id, pid))
        finally:
            self._starts.pop(run.id, None)

    async def _drain(self, model: str, run: Run, policy: ModelSpec, within: float) -> None:
        before, until = policy.stop.before, self._clock.now() + within
        try:
            if self._hurry is not None:
                return  # like a drain that is under way when the hurry begins
            await self._leases.wait_idle(run.id, within)
            await self._sessions.save(model, run, policy, until - self._clock.now())
            if before is not None:
                call = render(before.http, {"PORT": str(run.port)})
                left = min(policy.stop.grace, max(0.0, until - self._clock.now()))
                verdict = await self._host.prober.drain(self._endpoint(run), call, left)
                if not verdict.ok:
                    _log.warning("%s: stop.before did not work: %s", model, verdict.message)
        finally:
            # However it ended, also when it was cut short: the model is to leave.
            self._drains.pop(run.id, None)
            self._learned(model, DrainEnded(run.id))

    async def _put_to_sleep(self, model: str, run: Run, rules: ParkSpec, within: float) -> None:
        trouble = await self._request(run, rules.sleep, within)
        if trouble:
            self._learned(model, FoundSick(run.id, trouble))
            return
        # Before it counts as parked: what is known of what it holds would else still be from when it was awake.
        await self._usage_looks.look()
        self._learned(model, FellAsleep(run.id, self._clock.now()))

    async def _wake(self, model: str, run: Run, rules: ParkSpec, within: float) -> None:
        trouble = await self._request(run, rules.wake, within)
        fact = FoundSick(run.id, trouble) if trouble else Woken(run.id, self._clock.now())
        self._learned(model, fact)

    async def _request(self, run: Run, calls: Iterable[CallSpec], within: float) -> str:
        return await send_all(self._host.prober, self._endpoint(run), calls, within, self._clock.now)

    async def _stop_or_report(self, model: str, run: Run, cause: Cause, policy: ModelSpec) -> None:
        try:
            await self._stop(model, run, cause, policy)
        except Exception as error:
            # Nobody else would take it up again: a run that is being ended counts as stuck until it is tried anew.
            self._learned(model, Stuck(run.id, f"internal error: {error}", self._clock.now()))
            raise

    async def _stop(self, model: str, run: Run, cause: Cause, policy: ModelSpec) -> None:
        if not await self._has_started(run, policy):
            self._learned(model, Stuck(run.id, START_HANGS, self._clock.now()))
            return
        if run.exit is None and run.id not in self._at_once:
            # What it holds now is what has to come back; the last look may be from the beginning of its load.
            await self._usage_looks.look()
        values = {"PORT": str(run.port)}
        command = policy.stop.command
        ladder = Ladder(
            signal=policy.stop.signal,
            grace=self._grace(run, policy),
            command=None if command is None else tuple(render(word, values) for word in command),
        )
        ended = await self._host.processes.terminate(run.id, ladder)
        if ended.survivors:
            self._learned(model, Stuck(run.id, ended.survivors, self._clock.now()))
            return
        end = ended.exit or run.exit
        if end is not None:
            end = await self._diagnosis.explained(model, run, cause, end)
        self._gone(model, run, end, policy.restart)

    async def _has_started(self, run: Run, policy: ModelSpec) -> bool:
        """Wait for the end of its start; False when that hangs, on a disk for one, longer than an ending may take."""
        start, loop = self._starts.get(run.id), asyncio.get_running_loop()
        since = loop.time()
        while start is not None and not start.done():
            # Asked each time: there may be a hurry now.
            left = since + self._grace(run, policy) + START_BOUND - loop.time()
            if left <= 0:
                return False
            await asyncio.wait({start}, timeout=min(left, 1.0))
        return True

    def _grace(self, run: Run, policy: ModelSpec) -> float:
        """Asked when the ladder begins: whoever was in a hurry before then found none to shorten."""
        if run.id in self._at_once:
            # Only its own command reaches a server that lives in a container.
            return 0.0 if policy.stop.command is None else COMMAND_AT_ONCE
        grace = policy.stop.grace if self._hurry is None else min(policy.stop.grace, self._hurry)
        # What a crash has left has no request to finish, and the next run waits for its end.
        return grace if run.exit is None or policy.stop.command is not None else min(grace, REMAINS)

    def _gone(self, model: str, run: Run, end: Exit | None, policy: RestartSpec) -> None:
        self._diagnosis.forget(run.id)
        self._at_once.discard(run.id)
        self._leaving.pop(run.id, None)
        self.outputs.forget(run.id)
        fact = Gone(run.id, end, self._clock.now(), policy, random.uniform(-1, 1))
        self._learned(model, fact)

    def measure(self, *, news_only: bool = False) -> None:
        """Ask what every run holds; `news_only`: what is as it was need not be told."""
        self._usage_looks.begin(news_only=news_only)

"""The probes of live runs: one task a run and kind, begun, changed and ended as the runs are.

Level-triggered like the rest: `follow` is told after each turn which runs should be asked and how, and makes it so.
Their answers are facts; what follows from them is not decided here.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from zoosup.core.state.facts import Fact, FoundSick, ProbedReady, ProbedUnready
from zoosup.core.state.observed import Model
from zoosup.core.state.phases import SERVING_PHASES
from zoosup.core.state.runs import Run, SleepStage
from zoosup.host.ports.probes import Endpoint, Prober, ProbeResult
from zoosup.runtime.clock import Clock
from zoosup.runtime.operations.tasks import Lasting, LastingTasks
from zoosup.runtime.state.inbox import FactLearned, Message
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.process.lifetime import LiveSpec, ReadySpec
from zoosup.spec.syntax.templates import render

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """One run to be asked, and how by the file in force."""

    model: str
    run: Run
    spec: ModelSpec


class ProbeTasks:
    """Keeps the right probes running. `where` gives a run's endpoint and the environment of its programs.

    `restore` is waited for between a run's first good answer and its first client.
    """

    def __init__(
        self,
        prober: Prober,
        clock: Clock,
        post: Callable[[Message], None],
        where: Callable[[Run], tuple[Endpoint, Mapping[str, str]]],
        restore: Callable[[str, Run, ModelSpec], Awaitable[None]],
    ) -> None:
        self._prober = prober
        self._clock = clock
        self._post = post
        self._where = where
        self._restore = restore
        self._tasks = LastingTasks[tuple[str, str], ReadySpec | LiveSpec]()

    def follow(self, targets: Iterable[ProbeTarget]) -> None:
        """Ask exactly these runs, by these rules; a changed rule begins anew, everything else goes on."""
        due: dict[tuple[str, str], Lasting[ReadySpec | LiveSpec]] = {}
        for target in targets:
            due[target.run.id, "ready"] = self._probe(target, target.spec.ready)
            if target.spec.live is not None and target.run.ready_at is not None:
                due[target.run.id, "live"] = self._probe(target, target.spec.live)
        self._tasks.follow(due)

    async def close(self) -> None:
        """End every probe."""
        await self._tasks.close()

    def _probe(self, target: ProbeTarget, rule: ReadySpec | LiveSpec) -> Lasting[ReadySpec | LiveSpec]:
        """Lasting: a probe that ended would leave a model never ready, or never found sick."""
        return Lasting(rule, f"the probe of {target.model}", partial(self._ask, target, rule))

    async def _ask(self, target: ProbeTarget, rule: ReadySpec | LiveSpec) -> None:
        filled = _filled(rule, target.run.port)
        await self._listen(target, filled, self._answers(target.run, filled))

    def _answers(self, run: Run, rule: ReadySpec | LiveSpec) -> AsyncIterator[ProbeResult]:
        endpoint, env = self._where(run)
        if isinstance(rule, ReadySpec):
            return self._prober.readiness(endpoint, rule, env)
        return self._prober.liveness(endpoint, rule, env)

    async def _listen(
        self, target: ProbeTarget, rule: ReadySpec | LiveSpec, answers: AsyncIterator[ProbeResult]
    ) -> None:
        fresh = isinstance(rule, ReadySpec) and target.run.ready_at is None and target.run.sleep is None
        async for verdict in answers:
            if verdict.ok and fresh:
                fresh = False
                await self._restore(target.model, target.run, target.spec)
            fact = self._fact(target.run.id, rule, verdict)
            if fact is not None:
                self._post(FactLearned(target.model, fact))

    def _fact(self, run_id: str, rule: ReadySpec | LiveSpec, verdict: ProbeResult) -> Fact | None:
        if verdict.ok is None:
            _log.warning("a probe could not be made, which says nothing of the model: %s", verdict.message)
            return None
        if isinstance(rule, LiveSpec):
            return None if verdict.ok else FoundSick(run_id, verdict.message)
        if verdict.ok:
            return ProbedReady(run_id, self._clock.now())
        return ProbedUnready(run_id, verdict.message, self._clock.now())


def is_probed(model: Model) -> bool:
    """Whether there is anything to ask: a process, and nobody has told it to leave."""
    run = model.run
    if run is None or run.pid is None or run.leaving is not None:
        return False
    # One that wakes may say that it is well before it can answer anything: vLLM does.
    return model.phase in SERVING_PHASES and (run.sleep is None or run.sleep.stage is SleepStage.WOKEN)


def _filled(rule: ReadySpec | LiveSpec, port: int) -> ReadySpec | LiveSpec:
    values = {"PORT": str(port)}
    update: dict[str, object] = {}
    if rule.http is not None:
        update["http"] = render(rule.http, values)
    if rule.exec is not None:
        update["exec"] = tuple(render(word, values) for word in rule.exec)
    return rule.model_copy(update=update)

"""What each message means for the zoo: the one way by which facts, files, wishes and questions come in.

Takes a message in at once and waits for nothing. Knows neither when a turn is due nor what the plan will make of it.
"""

import asyncio
import logging
from collections import deque
from dataclasses import replace

from zoosup.core.state.facts import Exited, FellAsleep, Gone, Inspected, Recalled, Stuck
from zoosup.core.state.phases import Phase
from zoosup.errors import ZoosupError
from zoosup.host.ports.host import Host
from zoosup.runtime.leasing.leases import Leases
from zoosup.runtime.loop.executor import Executor
from zoosup.runtime.operations.holds import end_hold
from zoosup.runtime.operations.runs import Operations
from zoosup.runtime.publish import snapshot
from zoosup.runtime.state.dry_run import copy_with
from zoosup.runtime.state.inbox import (
    CommandGiven,
    FactLearned,
    FileRead,
    HoldAsked,
    HoldEnded,
    LeaderExited,
    Message,
    PlanAsked,
    ShutdownAsked,
    UsageMeasured,
)
from zoosup.runtime.state.overrides import obey
from zoosup.runtime.state.run_usage import note_usage
from zoosup.runtime.state.zoo import Zoo
from zoosup.spec.model.zoo import ZooSpec
from zoosup.spec.parse import spec_hash

_log = logging.getLogger(__name__)


class Intake:
    """Takes messages in; whoever asked is answered once a turn has been published after that."""

    def __init__(
        self, host: Host, zoo: Zoo, executor: Executor, operations: Operations, leases: Leases
    ) -> None:
        self._host = host
        self._zoo = zoo
        self._executor = executor
        self._operations = operations
        self._leases = leases
        self._answers = deque[asyncio.Future[None]]()
        self.models_kept = False
        """Whether zoosup ends and the models go on."""
        self.exec_anew = False
        """Whether zoosup is to be executed anew after that."""

    def answer(self) -> None:
        """What was asked for has been done, and told."""
        while self._answers:
            answer = self._answers.popleft()
            if not answer.done():
                answer.set_result(None)

    def take(self, message: Message) -> None:
        """Take one in; a fact that can't be is dropped, and said."""
        try:
            match message:
                case FactLearned():
                    self._learn(message)
                case LeaderExited():
                    self._note_exit(message)
                case UsageMeasured():
                    self._zoo.memory.rises.looked(message.since)
                    # What cards say as it is now, not as it was before the look: the same is not told twice.
                    self._zoo.sample(self._host.gauge.read(), self._host.gauge.stalled())
                    note_usage(self._zoo, self._host.processes, message.usage)
                case FileRead():
                    self._apply_file(message)
                case CommandGiven():
                    self._obey(message)
                case HoldAsked() | HoldEnded():
                    self._take_hold(message)
                case PlanAsked():
                    self._answer_with_copy(message)
                case ShutdownAsked():
                    self._shut_down(message)
        except Exception as error:  # noqa: BLE001 - logged below, with its traceback
            # A bug of ours: the message is dropped, and the next pass sees the world as it is. Ending here would
            # orphan every model. A file may hold secrets, so that only facts are told whole.
            told = repr(message) if isinstance(message, FactLearned) else type(message).__name__
            _log.exception("internal error: %s was dropped", told)
            self._answer_after(error, message)

    def _answer_after(self, error: Exception, message: Message) -> None:
        """Who asked by a message that was dropped would wait for ever."""
        answer = getattr(message, "answer", None)
        if answer is not None and not answer.done():
            answer.set_exception(ZoosupError(f"internal error: {type(error).__name__}: {error}"))

    def _learn(self, message: FactLearned) -> None:
        fact = message.fact
        if isinstance(fact, Inspected) and self._is_outdated(message.model, fact):
            return
        found = self._zoo.run_of(fact.run_id) if isinstance(fact, Gone | Stuck | FellAsleep) else None
        self._zoo.tell(message.model, fact)
        if found is None:
            return
        model, run = found
        if isinstance(fact, Gone):
            baseline, members = self._executor.baseline(run.id), self._executor.members(run.id)
            self._zoo.memory.cool_down(message.model, run, baseline, members)
            self._zoo.journal.add(*snapshot.end_event(self._zoo.models[model.name], run))
        elif isinstance(fact, FellAsleep) and model.phase is Phase.FALLING_ASLEEP:
            asleep = self._zoo.models[model.name].run
            if asleep is not None:
                self._zoo.memory.await_sleep(model.name, asleep, self._executor.baseline(run.id))
        elif isinstance(fact, Stuck):
            self._zoo.journal.add("Stuck", model.name, "TerminationStuck", fact.survivors)

    def _is_outdated(self, model: str, look: Inspected) -> bool:
        """Whether it was another command that was looked at: then the answer says nothing of this one."""
        return look.spec is not None and look.spec != self._zoo.spec.models.get(model)

    def _note_exit(self, message: LeaderExited) -> None:
        end_hold(self._zoo, self._host.processes, message.run_id, "its process has ended")
        if (found := self._zoo.run_of(message.run_id)) is not None:
            self._zoo.tell(found[0].name, Exited(message.run_id, message.exit, message.at))

    def _apply_file(self, message: FileRead) -> None:
        if message.answer is not None:
            self._answers.append(message.answer)
        if message.look < self._zoo.applied.look:
            return  # two are read and parsed at a time: this one is older than what has been taken in
        self._zoo.applied = replace(self._zoo.applied, look=message.look)
        if message.spec is None:
            self._zoo.refuse(message.error)
        elif spec_hash(message.text) == self._zoo.applied.hash:
            self._zoo.accept(message.revision)
        else:
            before = self._zoo.spec
            self._zoo.take_over(message.spec, message.text, message.revision)
            self._hasten_the_leaving(before)

    def _hasten_the_leaving(self, before: ZooSpec) -> None:
        """A shorter grace in the file holds for whom the ladder is at work on, too, from now on."""
        for model, run in self._zoo.live():
            spec = self._zoo.spec.models.get(model.name)
            if spec is None or run.leaving is None or not run.leaving.ladder:
                continue
            if spec.stop.grace < before.models.get(model.name, run.spec).stop.grace:
                self._host.processes.hasten(run.id, spec.stop.grace)

    def _obey(self, message: CommandGiven) -> None:
        name = message.model
        if name in self._zoo.models:
            self._zoo.journal.add("Asked", name, message.verb.title(), f"{message.verb} by hand")
            obey(self._zoo, name, message.verb)
            run = self._zoo.models[name].run
            if message.verb in {"restart", "unload"} and run is not None:
                self._zoo.tell(name, Recalled(run.id))
        self._answers.append(message.answer)

    def _take_hold(self, message: HoldAsked | HoldEnded) -> None:
        if isinstance(message, HoldAsked):
            self._zoo.holds.ask(message.hold)
        else:
            end_hold(self._zoo, self._host.processes, message.hold, message.why)
        self._answers.append(message.answer)

    def _answer_with_copy(self, message: PlanAsked) -> None:
        self._zoo.sample(self._host.gauge.read(), self._host.gauge.stalled())
        self._zoo.demand = self._leases.demand()
        if not message.answer.done():
            message.answer.set_result(copy_with(self._zoo, message.spec, message.path))

    def _shut_down(self, message: ShutdownAsked) -> None:
        if message.keep:
            self.models_kept = True
            self.exec_anew = message.exec_anew
            self._zoo.journal.add("Shutdown", None, "Kept", "zoosup ends; the models go on, to be adopted")
            return
        if not self._zoo.shutdown:
            self._zoo.journal.add("Shutdown", None, "Asked", "zoosup ends; every model is stopped")
        self._zoo.shutdown = True
        if message.grace is not None:
            self._operations.hurry(message.grace, [run for _, run in self._zoo.live()])

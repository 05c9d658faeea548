"""Carrying a plan out: each action is first booked as a fact, then begun.

Knows what each action means for the zoo and for the host. Decides nothing but what the plan left open: the run's id and
its port.
"""

import uuid
from collections.abc import Mapping
from dataclasses import replace

from zoosup.core.memory.gpu_env import gpu_devices, gpu_env
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
from zoosup.core.state.facts import Booked, DrainBegun, Held, SleepBegun, StopBegun, WakeBegun
from zoosup.core.state.phases import Phase, Reason
from zoosup.core.state.runs import Leaving, Run, Sleep, SleepStage
from zoosup.host.ports.host import Host
from zoosup.runtime.operations.holds import end_hold
from zoosup.runtime.operations.runs import Operations
from zoosup.runtime.state.zoo import Zoo


class Executor:
    """Books and begins actions of one zoo."""

    def __init__(self, zoo: Zoo, operations: Operations, host: Host) -> None:
        self._zoo = zoo
        self._operations = operations
        self._inspector = host.inspector
        self._processes = host.processes
        self._baselines: dict[str, dict[str, int]] = {}
        self._members: dict[str, frozenset[int]] = {}

    def baseline(self, run_id: str) -> Mapping[str, int]:
        """What was available before the run was told to leave, by pool; asked once, when it is gone.

        Nothing after a crash: by then the memory may have come back already.
        """
        return self._baselines.pop(run_id, {})

    def members(self, run_id: str) -> frozenset[int]:
        """The pids that the run had when it was told to leave; asked once, when it is gone."""
        return self._members.pop(run_id, frozenset())

    def carry_out(self, action: Action) -> bool:
        """Book and begin one action; whether the plan has to be made again at once."""
        match action:
            case Start():
                return self._start(action)
            case Drain() | Stop() | Kill():
                return self._end(action)
            case FallAsleep() | Wake():
                return self._sleep_or_wake(action)
            case Hold():
                before = self._zoo.models[action.model]
                self._zoo.tell(action.model, Held(action.phase, action.reason, action.message))
                return (before.phase, before.reason) != (action.phase, action.reason)
            case Inspect():
                self._operations.inspect(action, self._zoo.spec.models[action.model])
                return False
            case EndCooldown():
                self._zoo.memory.end_cool_down(action.pool, action.model, action.outcome, action.message)
            case HoldRoom() | ReleaseRoom():
                self._hold_or_release(action)
        return True

    def _hold_or_release(self, action: HoldRoom | ReleaseRoom) -> None:
        if isinstance(action, ReleaseRoom):
            end_hold(self._zoo, self._processes, action.hold, action.why)
            return
        self._zoo.memory.satisfy(action.amounts, action.model)
        self._zoo.holds.book(action.hold, action.amounts, action.gpus)
        if not self._zoo.holds.by_id[action.hold].owner:
            self._processes.unwatch(action.hold)

    def _start(self, action: Start) -> bool:
        spec = self._zoo.spec.models[action.model]
        fixed = {m.port for m in self._zoo.spec.models.values() if m.port != "auto"}
        taken = frozenset(run.port for _, run in self._zoo.live()) | fixed
        try:
            port = spec.port if spec.port != "auto" else self._inspector.free_port(taken)
        except OSError as error:
            self._zoo.tell(action.model, Held(Phase.PENDING, Reason.PORT, f"no port is free: {error}"))
            return False
        pools = self._zoo.memory.pools()
        run = Run(
            id=self._zoo.mark + uuid.uuid4().hex[:16],
            node=action.node,
            spec=spec,
            port=port,
            reserved=dict(action.need),
            source=action.source,
            booked_at=self._zoo.clock.now(),
            started_at=self._zoo.clock.wall(),
            gpus=action.gpus,
            gpu_env={} if action.gpus is None else gpu_env(action.gpus, pools),
            gpu_devices=gpu_devices(action.gpus or (), pools),
            fingerprint=self._zoo.models[action.model].learned.fingerprint,
            located=self._zoo.models[action.model].located,
        )
        self._zoo.memory.satisfy(run.reserved, action.model)
        self._zoo.journal.add("Admitted", action.model, "Fits", action.why, {"need": dict(action.need)})
        self._zoo.tell(action.model, Booked(run))
        self._operations.start(action.model, run)
        return True

    def _available(self) -> dict[str, int]:
        return {r.id: r.available for r in self._zoo.memory.readings if r.available is not None}

    def _sleep_or_wake(self, action: FallAsleep | Wake) -> bool:
        """Have a run fall asleep or wake."""
        found = self._zoo.run_of(action.run_id)
        policy = self._zoo.spec.models.get(action.model)
        if found is None or policy is None or policy.park is None:
            return False
        model, run = found
        if isinstance(action, FallAsleep):
            self._put_to_sleep(action, run)
            self._operations.put_to_sleep(model.name, run, policy.park, policy.stop.grace)
        else:
            self._wake(action)
            self._operations.wake(model.name, run, policy.park, policy.ready.deadline)
        return True

    def _put_to_sleep(self, action: FallAsleep, run: Run) -> None:
        self._baselines[run.id] = self._available()
        sleep = Sleep(
            SleepStage.FALLING,
            run.reserved,
            action.asleep,
            action.known,
            self._zoo.clock.now(),
            run.measured,
        )
        both = {pool: max(amount, action.asleep.get(pool, 0)) for pool, amount in run.reserved.items()}
        self._zoo.tell(action.model, SleepBegun(run.id, sleep, both, action.message))

    def _wake(self, action: Wake) -> None:
        self._zoo.memory.satisfy(action.need, action.model)
        self._zoo.journal.add("Admitted", action.model, "Fits", action.why, {"need": dict(action.need)})
        self._zoo.tell(action.model, WakeBegun(action.run_id, action.need, self._zoo.clock.now()))

    def _end(self, action: Drain | Stop | Kill) -> bool:
        found = self._zoo.run_of(action.run_id)
        if found is None:
            return False
        model, run = found
        leaving = run.leaving or Leaving(action.cause, action.message, self._zoo.clock.now())
        policy = self._zoo.spec.models.get(model.name, run.spec)
        if run.exit is None and run.id not in self._baselines:
            self._baselines[run.id] = self._available()
        self._members[run.id] = self._members.get(run.id, frozenset()) | self._processes.members(run.id)
        match action:
            case Drain():
                self._zoo.tell(model.name, DrainBegun(run.id, leaving))
                self._operations.drain(action, run, policy)
            case Stop():
                self._zoo.tell(model.name, StopBegun(run.id, leaving))
                self._operations.stop(model, run, leaving.cause, policy)
            case Kill():
                under_way = leaving.ladder
                self._zoo.tell(model.name, StopBegun(run.id, replace(leaving, at_once=True)))
                self._operations.kill(model, run, leaving.cause, policy, under_way=under_way)
        return True

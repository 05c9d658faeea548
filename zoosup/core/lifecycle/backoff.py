"""How long a crashed model waits, and when it is given up.

The rule is the kubelet's (CrashLoopBackOff): the first crash costs nothing, then initial x factor^n up to a bound,
forgotten after `reset_after` of unbroken readiness. systemd's RestartSteps never forgets, and supervisord's delay
covers only early exits. Knows nothing of why a run ended.
"""

from dataclasses import dataclass

from zoosup.core.state.runs import Backoff
from zoosup.spec.model.process.lifetime import RestartLimitSpec, RestartSpec

JITTER = 0.1
"""Delays are spread by this share either way, so that models which crash together don't start together."""


SETTLED_AFTER_ONE = 60.0
"""Seconds of unbroken readiness after which a single crash is no sign of a loop any more."""


@dataclass(frozen=True, slots=True)
class Crash:
    """One crash, now that its remains are gone. `jitter` is a random number in [-1, 1].

    `ready_for` is the longest time, in seconds, that the run was ready without a break; 0 when it never was.
    """

    now: float
    jitter: float
    ready_for: float


def after(crash: Crash, before: Backoff, policy: RestartSpec) -> Backoff:
    """Count one more crash; `until` of the result is when the next start is allowed, in seconds of `crash.now`'s clock.

    Never earlier than an earlier answer without a reset in between (invariant 10).
    """
    healthy = crash.ready_for >= policy.reset_after
    counted = 0 if healthy else before.count
    floor = crash.now if healthy else max(crash.now, before.until)
    until = max(floor, crash.now + delay(counted, crash.jitter, policy))
    return Backoff(count=counted + 1, until=until, crashes=_recent(crash, before, policy))


def delay(counted: int, jitter: float, policy: RestartSpec) -> float:
    """Seconds to wait when `counted` crashes are behind and one more has just happened."""
    if counted == 0:
        return 0.0
    # The exponent is bounded before it is used: 2.0 ** 2000 is an error, not a long time.
    steps = min(counted - 1, 64)
    return min(policy.max, min(policy.initial * policy.factor**steps, policy.max) * (1 + JITTER * jitter))


def exhausted(state: Backoff, limit: RestartLimitSpec) -> bool:
    """Whether `restart.limit` is reached: `count` crashes within `within` seconds."""
    return len(state.crashes) >= limit.count


def unsettled(count: int, ready_for: float, policy: RestartSpec) -> int:
    """How many of `count` crashes in a row still count against a run that has been ready for so long, in seconds.

    One crash is behind it after a minute; of a loop nobody knows that it is over before `reset_after`.
    """
    enough = policy.reset_after if count > 1 else min(policy.reset_after, SETTLED_AFTER_ONE)
    return 0 if ready_for >= enough else count


def _recent(crash: Crash, before: Backoff, policy: RestartSpec) -> tuple[float, ...]:
    if policy.limit is None:
        return ()
    horizon = crash.now - policy.limit.within
    kept = [at for at in (*before.crashes, crash.now) if at >= horizon]
    return tuple(kept[-policy.limit.count :])

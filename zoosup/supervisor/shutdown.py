"""How a supervisor ends: the last answers go out, and the exit code says what was left.

Stopping the models is the reconciler's own work; here it is about clients alone.
"""

import asyncio
import logging

from zoosup.errors import ExitCode
from zoosup.host.system import own_program
from zoosup.runtime.state.inbox import ShutdownAsked
from zoosup.runtime.state.zoo import Zoo
from zoosup.spec.model.zoo import ZooSpec
from zoosup.supervisor.assembly import Supervisor

LAST_ANSWERS = 3.0
"""Seconds that answers of the gateway may still take once the models have ended, or somebody is in a hurry."""

LONGEST = 60.0
"""Seconds that they may take at most where the models live on: meanwhile whoever connects waits, or is refused."""

_log = logging.getLogger("zoosup")


async def leave_models_when_asked(supervisor: Supervisor) -> None:
    """Have what is being answered end before zoosup ends alone, while the models are still looked after.

    It may take as long as where zoosup ends with its models. Asked once more, it does not wait. Where the program that
    it would be executed anew as does not start, nothing ends.
    """
    asked, zoo = supervisor.leave_asked, supervisor.zoo
    while (exec_anew := await asked.get()) and (why := await asyncio.to_thread(own_program.trouble)):
        _log.error("zoosup is not executed anew, for it would not start: %s", why)
    grace = longest_answer(zoo.declared)
    _log.info("zoosup ends alone; what is being answered has up to %g s to end", grace)
    supervisor.gateway_keeper.close("zoosup ends alone, once what is being answered has come to its end")
    if exec_anew:
        supervisor.handed.keep(supervisor.gateway.filenos())
    closed, again = asyncio.create_task(supervisor.gateway.stop(grace)), asyncio.create_task(asked.get())
    await asyncio.wait({closed, again}, return_when=asyncio.FIRST_COMPLETED)
    supervisor.inbox.post(ShutdownAsked(None, keep=True, exec_anew=exec_anew))


def longest_answer(spec: ZooSpec) -> float:
    """Seconds that any model's answer may take to end where zoosup ends."""
    each = (model.stop.drain_time(hurried=True) for model in spec.models.values())
    return min(LONGEST, max((LAST_ANSWERS, *each)))


async def close_listeners(supervisor: Supervisor) -> None:
    """Nobody is accepted any more; the gateway first, whose clients may read the status meanwhile.

    Where zoosup is executed anew, whoever connects meanwhile waits for the next one.
    """
    if supervisor.reconciler.exec_anew:
        supervisor.handed.keep((*supervisor.gateway.filenos(), *supervisor.web.filenos()))
    await supervisor.gateway.stop(LAST_ANSWERS)
    await supervisor.web.stop()


def exit_code(zoo: Zoo) -> int:
    """0, unless zoosup was told to stop its models and some outlived SIGKILL."""
    if not zoo.shutdown:
        return ExitCode.DONE
    left = [f"{model.name}: {run.stuck}" for model, run in zoo.live()]
    for line in left:
        _log.error("left behind, for SIGKILL did not end it: %s", line)
    return ExitCode.FAILED if left else ExitCode.DONE

"""How a supervisor ends, once its reconciler has: the last answers go out, and the exit code says what was left.

Stopping the models is the reconciler's own work; here everything is over but for clients.
"""

import logging

from zoosup.errors import ExitCode
from zoosup.runtime.state.zoo import Zoo
from zoosup.supervisor.assembly import Supervisor

LAST_ANSWERS = 3.0
"""Seconds that answers of the gateway may still take once the models have ended, or are left to the next zoosup."""

_log = logging.getLogger("zoosup")


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

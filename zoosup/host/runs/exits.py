"""How a container has ended, as an exit of its run. Pure.

By convention of every engine a code above 128 is a signal's number and 128; a server that exits with such a code by
itself can't be told from one that was killed.
"""

from dataclasses import replace

from zoosup.core.state.phases import ExitReason
from zoosup.core.state.runs import Exit
from zoosup.host.container.engine import ContainerState
from zoosup.host.process.wait_status import describe

_SIGNALED = 128
_HIGHEST_SIGNAL = 64


def exit_of_container(state: ContainerState | None, at: float) -> Exit:
    """By what the engine says; `state` None: it has no such container any more. `at` is wall time."""
    if state is None:
        return Exit(ExitReason.ERROR, at, message="its container was removed by somebody else")
    if state.oom_killed:
        return Exit(
            ExitReason.OOM_KILLED, at, signal="SIGKILL", message="killed for want of memory, says its engine"
        )
    if state.exit_code is None:
        words = state.error or "its engine does not say how"
        return Exit(ExitReason.ERROR, at, message=f"its container has ended: {words}")
    ended = exit_of_code(state.exit_code, at)
    return replace(ended, message=f"{ended.message}: {state.error}") if state.error else ended


def exit_of_code(code: int, at: float) -> Exit:
    """By the code of a container, or of a client, which passes it on."""
    if _SIGNALED < code <= _SIGNALED + _HIGHEST_SIGNAL:
        return describe(_SIGNALED - code, at)
    return describe(code, at)


def exit_of_client(ended: Exit, state: ContainerState | None) -> Exit:
    """By how its client has ended, and by what the engine says where the container is still known there."""
    if state is not None and not state.running:
        return exit_of_container(state, ended.at)
    if ended.signal is not None and state is not None:
        return replace(ended, message=f"the engine's client was {ended.message}; its container lived on")
    return ended if ended.code is None else exit_of_code(ended.code, ended.at)

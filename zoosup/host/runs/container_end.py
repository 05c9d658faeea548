"""The way down for a container: ask, wait until it has ended, insist, by its engine; and its removal.

Signals go by the engine: its processes are another user's as often as not, and are in namespaces of their own. Times
are seconds of `time.monotonic()`. Refuses to take an engine that doesn't answer for one that has no such container.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from zoosup.host.container.engine import (
    RUN_LABEL,
    ContainerState,
    EngineRefusedError,
    EngineUnreachableError,
)
from zoosup.host.ports.host import Ladder
from zoosup.host.process.stop.grace import Grace, StopCommand
from zoosup.host.runs.exits import exit_of_container
from zoosup.host.runs.tie import Tie

GIVE_UP = 10.0
"""Seconds after the first SIGKILL after which a container counts as stuck."""

_USUAL = "TERM"  # what zoo.yaml says where it says nothing
_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 0.2
_KILL_AGAIN = 1.0
_LATE_WORD = 1.0  # seconds in which an engine learns that a container has ended
_MAKING = 30.0  # seconds in which an engine makes a container: some copy the whole image first
_LATE_CREATION = 0.5  # an engine may still be making the container for one who no longer waits for it


class ContainerEnding:
    """One run's, from the first request to its end. `lives` says whether a pid of this host does."""

    def __init__(self, tie: Tie, ladder: Ladder, lives: Callable[[int], bool]) -> None:
        self._tie = tie
        self._signal = ladder.signal
        self._lives = lives
        self._grace = Grace(ladder.grace)
        self._stirred = asyncio.Event()

    @property
    def left(self) -> float:
        """Seconds until SIGKILL is due."""
        return self._grace.left

    def hasten(self, grace: float) -> None:
        """Let SIGKILL come at most `grace` seconds from now; also ends a stop command by then."""
        self._grace.hasten(grace)
        self._stirred.set()

    async def go(self, command: StopCommand | None) -> str:
        """End it; for people, who still runs after SIGKILL, or that the engine doesn't answer; "" when it is over."""
        if command is not None:
            await self._grace.spend(command)
        try:
            for state in await self._made():
                if state.running and (trouble := await self._end(state)):
                    return trouble
        except EngineUnreachableError as error:
            return str(error)
        except EngineRefusedError as error:
            return f"the engine refuses to end its container: {error.message}"
        return ""

    async def _made(self) -> tuple[ContainerState, ...]:
        """All that the engine has for the run; what a client is having made is waited for, within the grace.

        The engine goes on with it when the client is killed, and nobody would be there to remove it.
        """
        until, pause = time.monotonic() + _MAKING, _FIRST_PAUSE
        found = await containers_of(self._tie)
        while not found and self._tie.is_making and self.left > 0 and time.monotonic() < until:
            await self._pause(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)
            if not self._tie.is_making:
                found = await containers_of(self._tie)
        return found

    async def _end(self, state: ContainerState) -> str:
        asked, killed_at, last_kill, pause = False, float("inf"), float("-inf"), _FIRST_PAUSE
        while await self._runs(state):
            now = time.monotonic()
            if self.left > 0:
                if not asked:
                    await self._tie.engine.signal(state.id, self._signal_for(state))
                    asked = True
            else:
                killed_at = min(killed_at, now)
                if now - killed_at >= GIVE_UP:
                    return f"container {state.name} ({state.id[:12]}) runs on after SIGKILL"
                if now - last_kill >= _KILL_AGAIN:
                    await self._tie.engine.signal(state.id, "KILL")
                    last_kill = now
            await self._pause(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)
        return ""

    def _signal_for(self, state: ContainerState) -> str:
        """What its image says that ends it, as with the engine's own stop, unless zoo.yaml says what does."""
        return state.stop_signal or self._signal if self._signal == _USUAL else self._signal

    async def _runs(self, state: ContainerState) -> bool:
        """By its init's pid where that can be seen, which costs nothing; else by its engine's word."""
        if state.pid is not None and not self._tie.apart:
            return self._lives(state.pid)
        now = await self._tie.engine.inspect(state.id)
        return now is not None and now.running

    async def _pause(self, longest: float) -> None:
        self._stirred.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(min(longest, self.left) if self.left > 0 else longest):
                await self._stirred.wait()


async def containers_of(tie: Tie) -> tuple[ContainerState, ...]:
    """All that the engine has for the run, running or not."""
    found = await tie.engine.find({RUN_LABEL: tie.run_id})
    if tie.container_id and all(each.id != tie.container_id for each in found):
        known = await tie.engine.inspect(tie.container_id)
        return found if known is None else (*found, known)
    return found


async def remove_remains(tie: Tie, at: float) -> str:
    """Have the engine forget the run's containers; why that can't be, for people. `at`: wall time of its end."""
    try:
        found = await containers_of(tie)
        if not found and not tie.container_id and tie.cut_off:
            await asyncio.sleep(_LATE_CREATION)
            found = await containers_of(tie)
        for state in found:
            if tie.exit is None:
                tie.exit = exit_of_container(await as_it_ended(tie, state), at)
            await tie.engine.remove(state.id)
            tie.container_id = state.id
    except EngineUnreachableError as error:
        if not tie.container_id and not tie.cut_off:
            return ""  # its client ended by itself, and has told of no container
        return f"whether its container is gone can't be told: {error}"
    except EngineRefusedError as error:
        return f"the engine refuses to remove its container: {error.message}"
    return ""


async def as_it_ended(tie: Tie, state: ContainerState | None) -> ContainerState | None:
    """How it is once it has ended; None: its engine has it no more.

    An engine learns of an end a moment after the kernel; removed before, nobody would know how it came.
    """
    if state is None:
        return None
    until, now = time.monotonic() + _LATE_WORD, state
    while (now.running or now.exit_code is None) and time.monotonic() < until:
        await asyncio.sleep(_FIRST_PAUSE)
        seen = await tie.engine.inspect(state.id)
        if seen is None:
            return None
        now = seen
    return now

"""Looks at what a start needs: one a model and command at a time, and each answer with the question it belongs to.

Knows that a look may never come back from its disk: after a while it says so, and goes on waiting. Refuses to judge
what was found.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

from zoosup.core.state.actions import Inspect
from zoosup.core.state.facts import Fact, Inspected
from zoosup.core.state.phases import Reason
from zoosup.core.state.runs import Preflight
from zoosup.host.ports.host import Inspector
from zoosup.runtime.clock import Clock
from zoosup.runtime.operations.start.child_env import environment
from zoosup.runtime.operations.tasks import OperationTasks
from zoosup.spec.model.model import ModelSpec

LOOK_LIMIT = 30.0
"""Seconds after which a look counts as one that hangs: far more than a slow network file system takes."""


class Looks:
    """Those under way, by model; `learned` takes what came of them."""

    def __init__(
        self,
        inspector: Inspector,
        clock: Clock,
        environ: Mapping[str, str],
        tasks: OperationTasks,
        learned: Callable[[str, Fact], None],
    ) -> None:
        self._inspector = inspector
        self._clock = clock
        self._environ = environ
        self._tasks = tasks
        self._learned = learned
        self._under_way: dict[str, tuple[ModelSpec, asyncio.Task[None]]] = {}

    def begin(self, action: Inspect, spec: ModelSpec) -> None:
        """Look, unless a look for the same is under way; one for what the file said before is given up."""
        asked, task = self._under_way.get(action.model, (None, None))
        if task is not None and not task.done():
            if asked == spec:
                return
            task.cancel()
        self._under_way[action.model] = spec, self._tasks.begin(self._look, action, spec)

    async def _look(self, action: Inspect, spec: ModelSpec) -> None:
        env = environment(self._environ, spec.env, action.port or 0)
        asking = asyncio.ensure_future(
            self._inspector.inspect(spec, env, action.port, self._clock.now(), bring=True),
        )
        try:
            done, _ = await asyncio.wait({asking}, timeout=LOOK_LIMIT)
            if not done:
                self._learned(action.model, Inspected(self._hangs(spec), spec))
            look = await asking
        finally:
            asking.cancel()
        # Dated when it came, not when it began: a look over a slow network would be too old to count for ever.
        self._learned(action.model, Inspected(replace(look, at=self._clock.now()), spec))

    def _hangs(self, spec: ModelSpec) -> Preflight:
        what = self._inspector.looking_at(spec)
        message = f"{what}: no answer for {LOOK_LIMIT:g} s; the file system hangs, and is still waited for"
        return Preflight(self._clock.now(), Reason.FILE_MISSING, message)

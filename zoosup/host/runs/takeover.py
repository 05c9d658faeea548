"""Containers of an earlier zoosup: which run has which, which run on, and what is left of those that don't.

What a record or a file of ours names is found again; what bears our label and is named by neither is removed, as soon
as its engine answers, unless another state directory of that path has it by its label. Refuses to take an engine that
doesn't answer for one that has nothing.
"""

import asyncio
import logging
from collections.abc import Collection, Container, Iterable, Mapping
from functools import partial

from zoosup.host.container.engine import Engine, EngineRefusedError, EngineUnreachableError
from zoosup.host.ports.host import RecordedRun
from zoosup.host.ports.launch import Launch
from zoosup.host.process.adoption import unknown_launch
from zoosup.host.runs.container_end import containers_of
from zoosup.host.runs.container_start import INSTANCE_LABEL
from zoosup.host.runs.engines import Engines, client_run
from zoosup.host.runs.tie import Kept, Tie, TieFiles
from zoosup.host.system.threads import in_own_thread

_MAKING = 30.0  # seconds in which an engine makes a container for one who was killed meanwhile
_FIRST_PAUSE = 5.0
_LONGEST_PAUSE = 300.0

_log = logging.getLogger(__name__)


class Takeover:
    """At a start, once."""

    def __init__(self, engines: Engines, files: TieFiles) -> None:
        self._engines = engines
        self._files = files
        self.kept: Mapping[str, Kept] = files.load()
        self.place = files.place()

    def ties(self, recorded_runs: Mapping[str, RecordedRun]) -> dict[str, Tie]:
        """Of all runs that had a container, by run id; those of which there is no record too."""
        found = {}
        for run_id, kept in self.kept.items():
            trace = recorded_runs.get(run_id)
            launch = unknown_launch(run_id) if trace is None else trace.launch
            engine: Engine = self._engines.of_kept(kept)
            found[run_id] = Tie(launch, engine, bool(kept.client), kept.container_id, kept.apart)
        for run_id, trace in recorded_runs.items():
            if run_id not in found and (own := self._engine_of(trace.launch)) is not None:
                found[run_id] = Tie(trace.launch, own, trace.launch.container is None)
        return found

    def _engine_of(self, launch: Launch) -> Engine | None:
        if launch.container is not None:
            return self._engines.by_api(launch.container.engine)
        client = client_run(launch)
        return None if client is None else self._engines.by_client(client.prefix, launch.env)

    async def still_runs(self, tie: Tie) -> int | None:
        """The pid of its init, by its engine, 0 where that has none to tell; None where it does not run.

        Asked of one of which no process was found. One that could never be seen may be there.
        """
        try:
            for state in await containers_of(tie):
                if state.running:
                    tie.container_id = state.id
                    return state.pid or 0
        except EngineUnreachableError as error:
            _log.warning("whether run %s lives can't be told: %s", tie.run_id, error)
            return 0 if tie.apart else None
        except EngineRefusedError as error:
            _log.warning("run %s: the engine refuses: %s", tie.run_id, error.message)
        return None

    async def sweep(self, mark: str, living: Container[str], ties: Collection[Tie]) -> None:
        """Remove what is left of those that don't live; asked again until each engine has answered.

        `living` changes meanwhile: a run that begins in between is no remains.
        """
        named = {tie.run_id for tie in ties}
        await self._sweep_all(ties, mark, living, named)
        gone = [tie for tie in ties if tie.run_id not in living]
        if cut_off := [tie for tie in gone if not tie.container_id]:
            await asyncio.sleep(_MAKING)
            await self._sweep_all(cut_off, mark, living, named)
        for tie in gone:
            await in_own_thread(partial(self._files.forget, tie.run_id))

    async def _sweep_all(
        self, ties: Iterable[Tie], mark: str, living: Container[str], named: Container[str]
    ) -> None:
        engines = {id(tie.engine): tie.engine for tie in ties}
        await asyncio.gather(*(self._sweep(engine, mark, living, named) for engine in engines.values()))

    async def _sweep(self, engine: Engine, mark: str, living: Container[str], named: Container[str]) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                for state in await engine.find({INSTANCE_LABEL: mark}):
                    ours = state.run_id in named or state.place in {"", self.place}
                    if ours and state.run_id not in living:
                        _log.info("container %s is left of a run that is gone: removed", state.name)
                        await engine.remove(state.id)
            except EngineUnreachableError as error:
                _log.debug("what is left of containers can't be removed yet: %s", error)
            except EngineRefusedError as error:
                _log.warning("what is left of containers can't be removed: %s", error.message)
                return
            else:
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

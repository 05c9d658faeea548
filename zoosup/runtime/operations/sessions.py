"""Conversations of llama-servers over their ends: saved in the drain, restored between ready and the first client.

What was restored is watched until a client shows whether it was of use: the server's own count of reused tokens. Tells
the journal what came of each step, and in a condition where nothing is kept. Keeps no model from starting or ending.
Refuses to know files and HTTP: `host.sessions` does.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from zoosup.core.sessions.slots import was_of_use
from zoosup.core.sessions.words import keeps, key_of, unfit, with_folder
from zoosup.core.state.observed import Condition
from zoosup.core.state.phases import ConditionType
from zoosup.core.state.runs import Run
from zoosup.host.ports.sessions import Sessions, SessionsMoved, SlotServer
from zoosup.runtime.api.upstream import Upstream
from zoosup.runtime.clock import Clock
from zoosup.runtime.leasing.leases import Leases
from zoosup.runtime.state.zoo import Zoo
from zoosup.spec.changes import outdated
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.syntax.units import describe_size

TYPE = ConditionType.SESSIONS_KEPT

PREPARE_BOUND = 5.0
"""Seconds that making a folder may take; more than that takes only a disk that hangs."""

SAVE_BOUND = 60.0
"""Seconds that saving may take, of what is left of the drain."""

RESTORE_BOUND = 60.0
"""Seconds that restoring may keep the first client waiting, if there is so much left of `ready.deadline`."""

SPARE = 5.0
"""Seconds of `ready.deadline` that restoring leaves untouched."""

PACE = 0.5
"""Seconds between looks at a restored slot while clients use the run, until one has shown something."""

WITHOUT_EFFECT = (
    "its server reused nothing of what was restored, in two runs; zoosup sessions clear tries it anew"
)

Note = Callable[[str, str, str, Mapping[str, object]], None]
"""Tells the journal: model, reason, message, data."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Followed:
    """One run since it was restored: `given_up` where that is no longer tried for its like, `not_worth` it and why."""

    model: str
    given_up: bool
    not_worth: str
    proof: asyncio.Task[None] | None = None


class SessionKeeper:
    """Saves, restores and proves; `note` tells the journal."""

    def __init__(self, sessions: Sessions, clock: Clock, leases: Leases, note: Note) -> None:
        self._sessions = sessions
        self._clock = clock
        self._leases = leases
        self._note = note
        self._followed: dict[str, _Followed] = {}  # by run id
        self._kept: frozenset[str] | None = None  # models of which something may be kept
        self._sweeping: asyncio.Task[None] | None = None

    # the steps of a run

    async def prepared(self, model: str, run: Run) -> Run:
        """The run as it is started: with a folder for its files, where it has sessions to keep."""
        if not keeps(run.spec):
            return run
        try:
            async with asyncio.timeout(PREPARE_BOUND):
                await self._sessions.prepare(model)
        except OSError as error:  # a TimeoutError too
            why = str(error) or "the state directory hangs"
            self._note(model, "Refused", f"nothing will be kept of this run: {why}", {"run_id": run.id})
            return run
        return replace(run, spec=with_folder(run.spec, str(self._sessions.folder(model))))

    async def restore(self, model: str, run: Run, policy: ModelSpec) -> None:
        """Give a run that is ready for the first time back what was saved, and watch what comes of it."""
        left = run.booked_at + policy.ready.deadline - SPARE - self._clock.now()
        if left <= 0 or not keeps(run.spec, policy):
            return
        server = _server(model, run, policy)
        try:
            moved = await self._sessions.restore(server, min(RESTORE_BOUND, left))
        except Exception:  # noqa: BLE001 - a bug of ours must not keep a model from its clients
            _log.exception("internal error: %s starts without its sessions", model)
            return
        self._tell(model, run, "Restored", moved)
        if moved.broken_off:
            await self._until_it_answers(server, left)
        followed = self._followed[run.id] = _Followed(model, moved.given_up, moved.not_worth)
        if moved.slots:
            followed.proof = asyncio.create_task(self._prove(server, run, frozenset(moved.slots)))

    async def _until_it_answers(self, server: SlotServer, within: float) -> None:
        """A server that was ended by what it read is nothing for a client; its end comes as an end of the run."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while not await self._sessions.slots(server):  # noqa: ASYNC110 - nobody tells us
                    await asyncio.sleep(PACE)

    async def save(self, model: str, run: Run, policy: ModelSpec, within: float) -> None:
        """Save what a run that leaves holds, within so many seconds at most."""
        if within > 0 and keeps(run.spec, policy):
            server, limit = _server(model, run, policy), policy.sessions.limit
            moved = await self._sessions.save(server, limit, min(SAVE_BOUND, within))
            self._tell(model, run, "Saved", moved)
            if moved.not_worth:
                self._note(model, "NotWorthIt", f"not saved: {moved.not_worth}", {"run_id": run.id})

    async def _prove(self, server: SlotServer, run: Run, restored: frozenset[int]) -> None:
        """Watch until a client has asked a restored slot something that shows whether it was of use."""
        of_use: bool | None = None
        while of_use is None:
            await asyncio.sleep(PACE)
            if self._leases.uses(run.id):
                of_use = was_of_use(await self._sessions.slots(server), restored)
        given_up = await self._sessions.note_effect(server, of_use=of_use)
        if run.id in self._followed:
            self._followed[run.id].given_up = given_up
        if not of_use:
            said = "the first answer shows that nothing of what was restored was reused"
            self._note(server.model, "NoEffect", said, {"run_id": run.id})

    def _tell(self, model: str, run: Run, reason: str, moved: SessionsMoved) -> None:
        data = {"run_id": run.id, "tokens": moved.tokens, "size": moved.size, "seconds": moved.seconds}
        if moved.slots:
            self._note(model, reason, f"{reason.lower()} {_in_words(moved)}", data)
        for problem in moved.problems:
            self._note(model, f"Not{reason}", problem, {"run_id": run.id})

    # what goes on beside

    def follow(self, zoo: Zoo) -> None:
        """Forget runs that are gone, and what is kept of models that the file no longer has it of."""
        live = {run.id for _, run in zoo.live()}
        for run_id in self._followed.keys() - live:
            self._forget(run_id)
        kept = frozenset(name for name, spec in zoo.spec.models.items() if spec.sessions.keep)
        if kept != self._kept and zoo.applied.generation and self._sweeping is None:
            self._kept = kept
            self._sweeping = asyncio.create_task(self._sweep(kept))

    def conditions(self, models: Mapping[str, ModelSpec]) -> tuple[Condition, ...]:
        """Of models that are to keep sessions: those that don't, and why."""
        return tuple(_conditions(models, {each.model: each for each in self._followed.values()}))

    async def close(self) -> None:
        """End what goes on."""
        tasks = [each.proof for each in self._followed.values()] + [self._sweeping]
        begun = [task for task in tasks if task is not None]
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)

    def _forget(self, run_id: str) -> None:
        proof = self._followed.pop(run_id).proof
        if proof is not None:
            proof.cancel()

    async def _sweep(self, kept: frozenset[str]) -> None:
        try:
            await self._sessions.sweep(kept)
        finally:
            self._sweeping = None


def _server(model: str, run: Run, policy: ModelSpec) -> SlotServer:
    headers = dict(Upstream.of(policy).headers)
    key = key_of(run.spec)
    if key and "authorization" not in {name.lower() for name in headers}:
        headers["Authorization"] = f"Bearer {key}"
    # What the file says of the same process holds: it may have been given other scales of its adapters since.
    spec = run.spec if outdated(run.spec, policy) else policy
    return SlotServer(model, spec, run.started_at, run.port, headers, run.located)


def _conditions(models: Mapping[str, ModelSpec], followed: Mapping[str, _Followed]) -> Iterable[Condition]:
    for name, spec in models.items():
        if not spec.sessions.keep:
            continue
        why, run = unfit(spec), followed.get(name)
        if why:
            yield Condition(name, TYPE, False, "NotPossible", why)
        elif run is not None and run.given_up:
            yield Condition(name, TYPE, False, "NoEffect", WITHOUT_EFFECT)
        elif run is not None and run.not_worth:
            yield Condition(name, TYPE, False, "NotWorthIt", run.not_worth)


def _in_words(moved: SessionsMoved) -> str:
    count = len(moved.slots)
    what = f"{count} conversation{'s' * (count > 1)}, {moved.tokens} tokens, {describe_size(moved.size)}"
    return f"{what} in {moved.seconds:.1f} s"

"""Where people's wishes come in: what `Commands` promises, done by messages to the single writer.

Knows how to ask and how to wait for the turn that took the wish in; decides nothing.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from difflib import get_close_matches
from typing import Any

from zoosup.core.estimation.learned import fingerprint
from zoosup.core.estimation.need import need
from zoosup.core.state.facts import Inspected
from zoosup.core.state.holds import RoomHold
from zoosup.core.state.runs import Preflight
from zoosup.errors import InvalidFileError, NoSuchHoldError, NoSuchModelError, ZoosupError
from zoosup.host.ports.host import Content, Host, Inspector
from zoosup.runtime.api.commands import HoldRequest
from zoosup.runtime.events.publisher import Publisher
from zoosup.runtime.loop.reconciler import Reconciler
from zoosup.runtime.publish import need_report, plan_report
from zoosup.runtime.publish.simulation import PASSES, Simulation
from zoosup.runtime.startup import config_source
from zoosup.runtime.state.inbox import CommandGiven, HoldAsked, HoldEnded, Message, PlanAsked
from zoosup.runtime.state.zoo import Zoo
from zoosup.spec.model.zoo import ZooSpec
from zoosup.spec.parse import spec_hash

LOOKS = 3
"""Rounds of looking at files and ports before a plan is told with what is known by then."""


class CommandHandler:
    """Commands over a reconciler."""

    def __init__(
        self, reconciler: Reconciler, host: Host, publisher: Publisher, path: str, environ: Mapping[str, str]
    ) -> None:
        self._reconciler = reconciler
        self._host = host
        self._publisher = publisher
        self._path = path
        self._environ = environ

    async def start(self, model: str) -> Mapping[str, Any]:
        """See `Commands`."""
        return await self._ask("start", model)

    async def stop(self, model: str) -> Mapping[str, Any]:
        """See `Commands`."""
        return await self._ask("stop", model)

    async def restart(self, model: str) -> Mapping[str, Any]:
        """See `Commands`."""
        return await self._ask("restart", model)

    async def unload(self, model: str) -> Mapping[str, Any]:
        """See `Commands`."""
        self._require(model)
        zoo = self._reconciler.zoo
        if not zoo.spec.models[model].on_demand:
            what = "active and not on_demand" if model in zoo.spec.active else "not on_demand"
            raise ZoosupError(
                f"{model} is {what}: no request would load it again; zoosup stop {model} ends it until it is started"
            )
        return await self._ask("unload", model)

    async def auto(self, model: str) -> Mapping[str, Any]:
        """See `Commands`."""
        return await self._ask("auto", model)

    async def reload(self) -> Mapping[str, Any]:
        """See `Commands`."""
        message = await config_source.read(await self._host.config.read(), self._path, self._environ)
        await self._taken_in(lambda answer: replace(message, answer=answer))
        config: Mapping[str, Any] = self._publisher.snapshot["config"]
        return config

    async def plan(self, text: str | None, path: str) -> Mapping[str, Any]:
        """See `Commands`."""
        if text is not None and spec_hash(text) == self._reconciler.zoo.applied.hash:
            text = None  # applied again it would do nothing: a switch that was rolled back is not tried anew
        spec = await self._spec(text, path)
        answer: asyncio.Future[Zoo] = asyncio.get_running_loop().create_future()
        before = self._reconciler.zoo.declared
        self._reconciler.post(PlanAsked(spec, path, answer))
        return await dry_run(await answer, self._host.inspector, self._reconciler.environ, before)

    async def hold(self, asked: HoldRequest) -> Mapping[str, Any]:
        """See `Commands`."""
        hold_id = secrets.token_hex(4)
        owner = "" if asked.pid is None else self._host.processes.watch(hold_id, asked.pid)
        if asked.pid is not None and not owner:
            raise ZoosupError(f"pid {asked.pid} is no process of this host: the hold would end with it")
        hold = RoomHold(id=hold_id, since=self._reconciler.zoo.clock.now(), owner=owner, **asdict(asked))
        await self._taken_in(lambda answer: HoldAsked(hold, answer))
        found: Mapping[str, Any] = self._publisher.snapshot["holds"].get(hold_id, {})
        if found.get("state") == "refused":
            await self.release(hold_id)
            raise ZoosupError(f"no room: {found['message']}")
        return found

    async def release(self, hold_id: str) -> Mapping[str, Any]:
        """See `Commands`."""
        known: Mapping[str, Mapping[str, Any]] = self._publisher.snapshot.get("holds", {})
        if hold_id not in known:
            raise NoSuchHoldError(f"no hold {hold_id!r}; there are {', '.join(known) or 'none'}")
        await self._taken_in(lambda answer: HoldEnded(hold_id, "released by hand", answer))
        return known[hold_id]

    async def estimate(self, model: str) -> Mapping[str, Any]:
        """See `Commands`."""
        self._require(model)
        zoo = self._reconciler.zoo
        spec = zoo.spec.models[model]
        env = dict(self._reconciler.environ) | dict(spec.env)
        look = await self._host.inspector.inspect(spec, env, None, zoo.clock.now())
        known = zoo.models.get(model)
        weights = look.weights or (known.weights if known is not None else None)
        learned = zoo.usage_history.of(fingerprint(spec, weights, zoo.memory.devices))
        return need_report.estimate_data(model, need(spec, weights, learned), weights)

    def heartbeat(self) -> float:
        """See `Commands`. Before a first file is in force nobody turns: that an answer comes is all the proof."""
        return self._reconciler.heartbeat() if self._reconciler.zoo.applied.generation else 0.0

    def _require(self, model: str) -> None:
        spec = self._reconciler.zoo.spec
        known = spec.models
        if model in spec.externals:
            where = spec.externals[model].external.url
            raise ZoosupError(
                f"{model} is somebody else's server at {where}; zoosup neither starts nor stops it"
            )
        if model not in known:
            near = get_close_matches(model, known, n=1)
            hint = f", did you mean {near[0]}?" if near else f"; there are {', '.join(known) or 'none'}"
            raise NoSuchModelError(f"no model {model!r} in {self._path}{hint}")

    async def _ask(self, verb: str, model: str) -> Mapping[str, Any]:
        self._require(model)
        await self._taken_in(lambda answer: CommandGiven(verb, model, answer))
        shown: Mapping[str, Any] = self._publisher.snapshot["models"][model]
        return shown

    async def _taken_in(self, message: Callable[["asyncio.Future[None]"], Message]) -> None:
        """Post a message with a place for its answer, and wait for the pass that has taken it in."""
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reconciler.post(message(answer))
        await answer

    async def _spec(self, text: str | None, path: str) -> ZooSpec | None:
        if text is None:
            return None
        message = await config_source.read(Content(text), path, self._environ)
        if message.spec is None:
            raise InvalidFileError(message.error)
        return message.spec


async def dry_run(
    ahead: Zoo, inspector: Inspector, environ: Mapping[str, str], before: ZooSpec | None = None
) -> Mapping[str, Any]:
    """What the next pass over a zoo of one's own would do, and where all passes after it lead.

    With the looks at files and ports that they would take. `before` is the file in force until now.
    """
    looks = _Looks(ahead, inspector, environ)
    for _ in range(LOOKS):
        found = plan_report.next_pass(ahead)
        unseen = [a for a in found["actions"] if a["action"] == "inspect"]
        if not unseen:
            break
        for action in unseen:
            await looks.take(action["model"], action["port"])
    simulation = Simulation(ahead)
    for _ in range(PASSES):
        for look in simulation.step():
            await looks.take(look.model, look.port)
        if simulation.settled:
            break
        await asyncio.sleep(0)  # a pass takes milliseconds, and others wait
    way = plan_report.whole_way(simulation, before)
    return {**found, **way, "changes": found["changes"] or bool(way["steps"] or way["live"])}


class _Looks:
    """Looks at files and ports for a zoo that is only imagined: a few times each, for they are as they are."""

    def __init__(self, zoo: Zoo, inspector: Inspector, environ: Mapping[str, str]) -> None:
        self._zoo = zoo
        self._inspector = inspector
        self._environ = environ
        self._ours = {run.port for _, run in zoo.live()}  # taken by runs that may have left by then
        self._taken: dict[str, list[Preflight]] = {}

    async def take(self, name: str, port: int | None) -> None:
        """Look, and tell the zoo."""
        taken, now = self._taken.setdefault(name, []), self._zoo.clock.now()
        if len(taken) < LOOKS:
            spec = self._zoo.spec.models[name]
            env = dict(self._environ) | dict(spec.env)
            asked = None if port in self._ours else port
            taken.append(await self._inspector.inspect(spec, env, asked, now))
        self._zoo.tell(name, Inspected(replace(taken[-1], at=now)))

"""Scales of LoRA adapters that a running llama-server takes without a restart: GET and POST /lora-adapters.

Level-triggered: a run is asked once for the scales it has, and again where the file says others; what it then has is
what counts, whoever has set it. Where it takes none, a fresh run with the new scales is to take its place.
From tools/server/README.md of ggml-org/llama.cpp: the list holds ids in the order of the options, and an adapter that a
POST leaves out is off, so that those of `args` are sent as they were.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from math import isclose
from typing import Any

from zoosup.core.state.facts import Recalled
from zoosup.core.state.phases import Cause
from zoosup.core.state.runs import Run
from zoosup.host.ports.probes import Endpoint, Prober
from zoosup.runtime.operations.probes.probes import ProbeTarget
from zoosup.runtime.state.inbox import FactLearned, Message
from zoosup.spec.changes import outdated
from zoosup.spec.model.model import ModelSpec

PATH = "/lora-adapters"

WITHIN = 30.0
"""Seconds that the server may take: it answers between two batches."""

AGAIN = 5.0
"""Seconds after which one that has not answered is asked again."""

OK = 200

ROUNDED = 1e-5
"""By how much a scale may differ: llama-server keeps 32 bits of it."""

_log = logging.getLogger(__name__)

Scales = tuple[float, ...]


class _RefusedError(Exception):
    """The server takes no scales; the text says why."""


class LoraScales:
    """One task a run. `where` gives a run's endpoint; `applied` hears of a model that has new scales."""

    def __init__(
        self,
        prober: Prober,
        post: Callable[[Message], None],
        where: Callable[[Run], tuple[Endpoint, Mapping[str, str]]],
        applied: Callable[[str, str], None],
    ) -> None:
        self._prober = prober
        self._post = post
        self._where = where
        self._applied = applied
        self._tasks: dict[str, tuple[Scales, asyncio.Task[None]]] = {}

    def follow(self, targets: Iterable[ProbeTarget]) -> None:
        """See to it that exactly these runs have the scales of the file, as far as they are ready."""
        due = {each.run.id: (scales, each) for each in targets if (scales := _wanted(each)) is not None}
        for run_id, (scales, task) in list(self._tasks.items()):
            if run_id not in due or due[run_id][0] != scales:
                task.cancel()
                del self._tasks[run_id]
        for run_id, (scales, target) in due.items():
            if run_id not in self._tasks:
                self._tasks[run_id] = scales, asyncio.create_task(self._keep(target, scales))

    async def close(self) -> None:
        """End every task."""
        tasks = [task for _, task in self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, target: ProbeTarget, scales: Scales) -> None:
        model, run = target.model, target.run
        while True:
            try:
                if await self._set(run, scales):
                    self._applied(model, ", ".join(f"{scale:g}" for scale in scales))
            except OSError as error:
                _log.debug("%s does not say its LoRA scales: %s", model, error)
                await asyncio.sleep(AGAIN)
                continue
            except _RefusedError as error:
                if _scales(run.spec) != scales:
                    why = f"llama.loras changed in the file, and its server takes no other scales: {error}"
                    self._post(FactLearned(model, Recalled(run.id, Cause.SPEC_CHANGED, why)))
            return

    async def _set(self, run: Run, scales: Scales) -> bool:
        """Whether others had to be set. OSError where no answer comes, _RefusedError."""
        listed = _adapters(await self._call(run, "GET", None), len(scales))
        wanted = [
            {"id": each["id"], "scale": scales[at] if at < len(scales) else each["scale"]}
            for at, each in enumerate(listed)
        ]
        pairs = zip(wanted, listed, strict=True)
        if all(isclose(new["scale"], old["scale"], rel_tol=ROUNDED) for new, old in pairs):
            return False
        await self._call(run, "POST", json.dumps(wanted).encode())
        return True

    async def _call(self, run: Run, method: str, body: bytes | None) -> bytes:
        endpoint, _ = self._where(run)
        status, answer = await self._prober.exchange(endpoint, method, PATH, body, WITHIN)
        if status != OK:
            raise _RefusedError(f"{method} {PATH} answered {status}")
        return answer


def _wanted(target: ProbeTarget) -> Scales | None:
    """The scales that a run is to have; None where it has no adapters, is not ready, or will be replaced anyway."""
    scales = _scales(target.spec)
    ready = target.run.ready_since is not None and target.run.sleep is None
    return scales if scales and ready and not outdated(target.run.spec, target.spec) else None


def _scales(spec: ModelSpec) -> Scales:
    return () if spec.llama is None else tuple(scale for _, scale in spec.llama.scaled)


def _adapters(answer: bytes, at_least: int) -> list[dict[str, Any]]:
    """What is listed, in the order of the ids; _RefusedError for what is no such list."""
    try:
        listed = [{"id": int(each["id"]), "scale": float(each["scale"])} for each in json.loads(answer)]
    except (ValueError, OverflowError, KeyError, TypeError, RecursionError):
        raise _RefusedError(f"GET {PATH} answered no list of adapters") from None
    if len(listed) < at_least:
        raise _RefusedError(f"GET {PATH} lists {len(listed)} adapters")
    return sorted(listed, key=lambda each: each["id"])

"""What the command line asks of this host where no supervisor runs: a plan for a file, the weights of a model.

The same functions as a supervisor's own, over a zoo in which nothing runs; nothing is started, written or kept.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from zoosup.core.memory.budget import bounds
from zoosup.core.state.weights import WeightFacts
from zoosup.errors import InvalidFileError
from zoosup.host.ports.host import Content
from zoosup.host.preflight.llama_fit_params import WITHIN
from zoosup.runtime.commands import dry_run
from zoosup.runtime.events.journal import Journal
from zoosup.runtime.startup import config_source
from zoosup.runtime.state.applied import Applied
from zoosup.runtime.state.zoo import Zoo
from zoosup.spec.model.memory import BudgetSpec
from zoosup.spec.model.model import ModelSpec
from zoosup.supervisor import adapters


def plan_offline(text: str, path: str) -> Mapping[str, Any]:
    """What a supervisor would do first with this file on this host, where nothing of ours runs yet.

    InvalidFileError when the text is not valid.
    """
    return asyncio.run(_plan(text, path))


def weights_offline(spec: ModelSpec) -> WeightFacts:
    """What a supervisor would come to know of a model's weights on this host, however long llama.cpp's answer takes."""
    return asyncio.run(_weights(spec))


def budgets_offline() -> tuple[int | None, int | None]:
    """Bytes that all models may hold together by default: of RAM, and on the largest GPU; None: it can't be told."""
    return asyncio.run(_budgets())


async def _budgets() -> tuple[int | None, int | None]:
    async with adapters.gauge() as gauge:
        readings = gauge.read()
    found = {
        kind: [
            bounds(BudgetSpec(), each.id, each.total)[1]
            for each in readings
            if each.kind == kind and not each.unified
        ]
        for kind in ("ram", "vram")
    }
    return max(found["ram"], default=None), max(found["vram"], default=None)


async def _plan(text: str, path: str) -> Mapping[str, Any]:
    environ = adapters.inherited_environment()
    message = await config_source.read(Content(text), path, environ)
    if message.spec is None:
        raise InvalidFileError(message.error)
    clock, journal = adapters.system_clock(), Journal(limit=1)
    zoo = Zoo(adapters.node_name(), instance="", mark="", clock=clock, journal=journal, applied=Applied(path))
    zoo.take_over(message.spec, text)
    async with adapters.gauge() as gauge, adapters.inspector(gauge, patience=WITHIN) as inspector:
        zoo.sample(gauge.read())
        return await dry_run(zoo, inspector, environ)


async def _weights(spec: ModelSpec) -> WeightFacts:
    environ = adapters.inherited_environment() | dict(spec.env)
    async with adapters.gauge() as gauge, adapters.inspector(gauge, patience=WITHIN) as inspector:
        return await inspector.weights(spec, environ)

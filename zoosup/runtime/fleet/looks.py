"""What each model would need on this host, found out before anybody has it run here.

A look at the weights is what a start begins with; here it is taken of models that are not to start, one after the
other, so that the fleet can weigh this host against others. Brings nothing: what is not here is said to be missing.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

from zoosup.core.state.facts import Inspected
from zoosup.core.state.phases import Phase
from zoosup.host.ports.host import Inspector
from zoosup.runtime.operations.start.child_env import environment
from zoosup.runtime.state.inbox import FactLearned, Message
from zoosup.runtime.state.zoo import Zoo

AGAIN = 300.0
"""Seconds after which a model whose files were missing is looked at again."""

PAUSE = 0.2
"""Seconds between two looks: nobody waits for them."""

_AT_REST = frozenset({Phase.STOPPED, Phase.FAILED})


async def look_around(
    zoo: Zoo, inspector: Inspector, environ: Mapping[str, str], post: Callable[[Message], None]
) -> None:
    """Look at every model that does not run here, for ever; what is found is told to the single writer."""
    while True:
        for name in _unseen(zoo):
            spec = zoo.spec.models.get(name)
            if spec is not None:
                look = await inspector.inspect(spec, environment(environ, spec.env, 0), None, zoo.clock.now())
                post(FactLearned(name, Inspected(replace(look, at=zoo.clock.now()), spec)))
            await asyncio.sleep(PAUSE)
        await asyncio.sleep(PAUSE * 10)


def _unseen(zoo: Zoo) -> list[str]:
    now = zoo.clock.now()
    known = {name: model.preflight for name, model in zoo.models.items() if model.phase in _AT_REST}
    return [
        name
        for name, look in known.items()
        if name not in zoo.spec.active
        and (look is None or (look.reason is not None and now - look.at >= AGAIN))
    ]

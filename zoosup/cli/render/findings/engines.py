"""The container engines that zoosup can talk to, each as a finding. Asks them; starts and changes nothing."""

import asyncio
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from zoosup.cli.render.findings.finding import OK, WARN, Finding

if TYPE_CHECKING:
    from zoosup.spec.model.zoo import ZooSpec

_KNOWN = ("docker", "podman")
_NOBODY = {"zoosup.run": "none"}


def engines(spec: "ZooSpec | None") -> Iterator[Finding]:
    """Those that the file names, a warning each where they don't answer; else whichever of the known ones does."""
    named = dict.fromkeys(
        model.container.engine for model in (spec.models if spec else {}).values() if model.container
    )
    answers = asyncio.run(_ask(named or _KNOWN))
    if named:
        for name, (address, trouble) in answers.items():
            yield (
                Finding("engine", WARN, f"{name}: {trouble}")
                if trouble
                else Finding("engine", OK, f"{name}: {address}")
            )
        return
    there = [f"{name} {address}" for name, (address, trouble) in answers.items() if not trouble]
    yield Finding(
        "engine", OK, ", ".join(there) or f"none of {', '.join(_KNOWN)} answers, and no model needs one"
    )


async def _ask(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    return {name: await _look(name) for name in names}


async def _look(name: str) -> tuple[str, str]:
    """Where it answers, and why it doesn't."""
    from zoosup.host.container.api_engine import ApiEngine  # noqa: PLC0415 - aiohttp takes its time
    from zoosup.host.container.engine import EngineRefusedError, EngineUnreachableError  # noqa: PLC0415

    engine = ApiEngine(name, os.environ, soon=3.0)
    try:
        await engine.find(_NOBODY)
    except (EngineRefusedError, EngineUnreachableError) as error:
        return "", str(error)
    finally:
        await engine.aclose()
    return engine.address, ""

"""A container made and started for a run: labelled, so that it is known as ours by whoever lists it.

Knows what an engine's refusal means for the model. Refuses to wait for readiness, and to fetch an image.
"""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from zoosup.core.state.phases import ExitReason
from zoosup.host.container.api_engine import ApiEngine
from zoosup.host.container.engine import (
    PLACE_LABEL,
    RUN_LABEL,
    ContainerConfig,
    ContainerState,
    EngineRefusedError,
    EngineUnreachableError,
)
from zoosup.host.ports.host import SpawnError
from zoosup.host.ports.launch import ContainerLaunch, Launch
from zoosup.spec.engine.run import parse_run, with_additions

INSTANCE_LABEL = "zoosup.instance"
MODEL_LABEL = "zoosup.model"

_PORT_TAKEN = re.compile(r"port is already allocated|address already in use", re.IGNORECASE)
_FOR_GOOD = frozenset({400, 404, 422, 501})
"""Statuses that come again at every try: a bad option, no such image, what the engine can't do."""


def labels_of(launch: Launch, instance: str, place: str) -> dict[str, str]:
    """What says whose a container is."""
    return {
        RUN_LABEL: launch.run_id,
        INSTANCE_LABEL: instance,
        MODEL_LABEL: launch.model,
        PLACE_LABEL: place,
    }


def shown_words(model: str, words: Sequence[str]) -> Sequence[str]:
    """What would be executed, for people: a client's with what is added, where nobody knows the run yet."""
    if parse_run(words) is None:
        return words
    labels = {RUN_LABEL: "RUN", INSTANCE_LABEL: "INSTANCE", MODEL_LABEL: model, PLACE_LABEL: "PLACE"}
    return with_additions(words, cidfile="CIDFILE", labels=labels, env={}).words


def config_of(launch: Launch, container: ContainerLaunch, instance: str, place: str = "") -> ContainerConfig:
    """What the engine is asked to make. Its name has the run's id in it, so that it is never taken."""
    slug = re.sub(r"[^A-Za-z0-9_.-]", "-", launch.model)[:40]
    return ContainerConfig(
        name=f"zoosup-{slug}-{launch.run_id}",
        image=container.image,
        args=container.args,
        env=container.env,
        labels=labels_of(launch, instance, place),
        volumes=container.volumes,
        inner_port=container.inner_port,
        host=container.host,
        port=container.port,
        gpus=() if launch.gpu_devices else launch.gpus,
        devices=launch.gpu_devices,
        groups=groups_of(launch.gpu_devices),
        options=container.options,
    )


def groups_of(devices: Sequence[str]) -> tuple[str, ...]:
    """The numbers of the groups to which device files belong, but for root's: an image may run as somebody else.

    By number, since the container's own /etc/group has other names, or none.
    """
    found: dict[int, None] = {}
    for device in devices:
        with suppress(OSError):
            found[Path(device).stat().st_gid] = None
    return tuple(str(group) for group in found if group)


async def start_container(
    engine: ApiEngine, config: ContainerConfig, made: Callable[[str], None]
) -> ContainerState:
    """Make it, let `made` know its id, start it; how it is then.

    SpawnError: then it may be there all the same, running even, whatever the engine has answered.
    """
    try:
        container_id = await engine.create(config)
        made(container_id)
        await engine.start(container_id)
        state = await engine.inspect(container_id)
    except EngineRefusedError as error:
        raise SpawnError(_meaning(error), f"the engine refuses: {error.message}") from error
    except EngineUnreachableError as error:
        raise SpawnError(ExitReason.ERROR, str(error)) from error
    if state is None:
        raise SpawnError(ExitReason.ERROR, "its container was removed as soon as it was started")
    return state


def _meaning(error: EngineRefusedError) -> ExitReason:
    if _PORT_TAKEN.search(error.message):
        return ExitReason.PORT_IN_USE
    return ExitReason.NOT_EXECUTABLE if error.status in _FOR_GOOD else ExitReason.ERROR

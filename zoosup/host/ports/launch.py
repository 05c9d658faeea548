"""What is started for a run: a process, or a container by its engine, rendered to the last character.

Knows no engine and no way to start anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class ContainerLaunch:
    """A container in place of a process. `env` is what the model's part of zoo.yaml says, and the run's mark.

    `inner_port` None: it has the host's network; else it is published on `host`:`port`. `options` are the engine's own.
    """

    engine: str  # auto, docker, podman or unix:///path
    image: str
    args: tuple[str, ...]
    env: Mapping[str, str]
    volumes: tuple[str, ...]
    inner_port: int | None
    host: str
    port: int
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Launch:
    """One spawn. `env` is the child's whole environment, `ZOOSUP_RUN_ID` in it; `argv` is empty for a container.

    `gpus` are the UUIDs that its processes are shown; None: nobody has chosen any for it. `gpu_env` are the variables
    that say so, in `env` already; `gpu_devices` the device files of those that are no NVIDIA's, for a container.
    """

    run_id: str
    model: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str | None
    log: Path
    container: ContainerLaunch | None = None
    gpus: tuple[str, ...] | None = None
    gpu_env: Mapping[str, str] = field(default_factory=dict)
    gpu_devices: tuple[str, ...] = ()

"""What a run's processes are given: their whole environment, and in it the mark by which they are known.

Knows the words; who spawns with them stands in `runs`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from zoosup.core.estimation.servers.located import placed
from zoosup.core.memory.gpu_env import without_contradicting
from zoosup.core.state.runs import Run
from zoosup.core.state.weights import Found
from zoosup.host.ports.launch import ContainerLaunch, Launch
from zoosup.spec.engine.run import parse_run
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.process.container import ContainerSpec
from zoosup.spec.model.process.short_forms.base import HOST
from zoosup.spec.syntax.templates import render

RUN_ID = "ZOOSUP_RUN_ID"
"""The variable by which a process can be known as part of a run whatever became of its parents."""

CONTAINER_TOOLS = frozenset({"docker", "podman", "nerdctl", "apptainer", "machinectl", "lxc", "incus"})
"""Programs that start or stop a server outside our process tree."""

_HOST_NETWORK = "host"

_TELLING = 8
"""Characters from which on a variable and a secret, one of which contains the other, are taken to be of one making."""


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """What clients present as keys, and the variables of the environment that zoo.yaml has made it of."""

    texts: tuple[str, ...] = ()
    variables: frozenset[str] = frozenset()


class WithoutSecrets(Mapping[str, str]):
    """zoosup's environment as models may see it: without the variables that hold what clients present as keys.

    Known at each look by the names that zoo.yaml has taken them by (`${env.NAME}`), and by what they hold: a key can
    stand in it by hand as well, or in its key file.
    """

    def __init__(self, environ: Mapping[str, str], secrets: Callable[[], Secrets]) -> None:
        self._environ = environ
        self._secrets = secrets

    def __getitem__(self, name: str) -> str:
        value = self._environ[name]
        if _holds(name, value, self._secrets()):
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        secrets = self._secrets()
        return (name for name, value in self._environ.items() if not _holds(name, value, secrets))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _holds(name: str, value: str, secrets: Secrets) -> bool:
    return name in secrets.variables or any(
        value == secret or _contains(secret, value) or _contains(value, secret) for secret in secrets.texts
    )


def _contains(whole: str, part: str) -> bool:
    return len(part) >= _TELLING and part in whole


def environment(
    environ: Mapping[str, str], model_env: Mapping[str, str], port: int, run_id: str | None = None
) -> dict[str, str]:
    """A child's whole environment: zoosup's own, the model's, and the mark of its run."""
    env = dict(environ) | {k: render(v, {"PORT": str(port)}) for k, v in model_env.items()}
    return env if run_id is None else env | {RUN_ID: run_id}


def environment_of(environ: Mapping[str, str], run: Run) -> dict[str, str]:
    """The same of a run that was booked: it is shown the GPUs it was booked on, unless its model's own words differ."""
    shown = without_contradicting(run.gpu_env, run.spec.env)
    return environment(dict(environ) | shown, run.spec.env, run.port, run.id)


def launch_of(model: str, run: Run, environ: Mapping[str, str], log: Path) -> Launch:
    """The spawn of a booked run, to the last character."""
    values = {"PORT": str(run.port)}
    spec = run.spec.container
    return Launch(
        run_id=run.id,
        model=model,
        argv=placed([render(word, values) for word in run.spec.command], run.located),
        env=environment_of(environ, run),
        cwd=render(run.spec.cwd, values) if run.spec.cwd is not None else None,
        log=log,
        container=None if spec is None else _container(run, spec),
        gpus=run.gpus,
        gpu_env=run.gpu_env,
        gpu_devices=run.gpu_devices,
    )


def _container(run: Run, spec: ContainerSpec) -> ContainerLaunch:
    """Inside, ${PORT} is the port inside; its environment has nothing of ours but the mark of its run."""
    inside = {"PORT": str(run.port if spec.port is None else spec.port)}
    return ContainerLaunch(
        engine=spec.engine,
        image=spec.image,
        args=placed([render(word, inside) for word in spec.args], run.located),
        env={name: render(value, inside) for name, value in run.spec.env.items()} | {RUN_ID: run.id},
        volumes=(*(render(each, {"PORT": str(run.port)}) for each in spec.volumes), *_caches(run.located)),
        inner_port=spec.port,
        host=HOST,
        port=run.port,
        options=spec.options,
    )


def _caches(located: Found) -> Iterator[str]:
    """The volumes by which a container sees weights from this host's caches: under the same paths."""
    for folder in dict.fromkeys(folder for _, there in located for folder in there.folders):
        yield f"{folder}:{folder}:ro"


def contained(spec: ModelSpec) -> bool:
    """Whether the server lives in a container, where its port belongs to a process that is not of our tree.

    Not where it has the host's network: then its members are found, and the port is theirs. A wrapper script shows only
    by how it has to be stopped.
    """
    if spec.container is not None:
        return spec.container.port is not None
    client = parse_run(spec.command)
    if client is not None:
        return client.network != _HOST_NETWORK
    programs = {Path(words[0]).name for words in (spec.command, spec.stop.command) if words}
    return bool(programs & CONTAINER_TOOLS)

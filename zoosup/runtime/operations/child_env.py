"""What a run's processes are given: their whole environment, and in it the mark by which they are known.

Knows the words; who spawns with them stands in `runs`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from zoosup.core.estimation.need import VISIBLE
from zoosup.core.state.runs import Run
from zoosup.host.ports import Launch
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.syntax.templates import render

RUN_ID = "ZOOSUP_RUN_ID"
"""The variable by which a process can be known as part of a run whatever became of its parents."""

CONTAINER_TOOLS = frozenset({"docker", "podman", "nerdctl", "apptainer", "machinectl", "lxc", "incus"})
"""Programs that start or stop a server outside our process tree."""


_TELLING = 8
"""Characters of a variable from which on a secret that contains it is taken to be made of it."""


class WithoutSecrets(Mapping[str, str]):
    """zoosup's environment as models may see it: without the variables that hold what clients present as keys.

    Known by what they hold, at each look: zoo.yaml may name others, and take them by `${env.NAME}` or by hand.
    """

    def __init__(self, environ: Mapping[str, str], secrets: Callable[[], Iterable[str]]) -> None:
        self._environ = environ
        self._secrets = secrets

    def __getitem__(self, name: str) -> str:
        return self._shown()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._shown())

    def __len__(self) -> int:
        return len(self._shown())

    def _shown(self) -> dict[str, str]:
        secrets = tuple(self._secrets())
        return {name: value for name, value in self._environ.items() if not _is_secret(value, secrets)}


def _is_secret(value: str, secrets: tuple[str, ...]) -> bool:
    return any(value == secret or (len(value) >= _TELLING and value in secret) for secret in secrets)


def environment(
    environ: Mapping[str, str], model_env: Mapping[str, str], port: int, run_id: str | None = None
) -> dict[str, str]:
    """A child's whole environment: zoosup's own, the model's, and the mark of its run."""
    env = dict(environ) | {k: render(v, {"PORT": str(port)}) for k, v in model_env.items()}
    return env if run_id is None else env | {RUN_ID: run_id}


def environment_of(environ: Mapping[str, str], run: Run) -> dict[str, str]:
    """The same of a run that was booked: with the GPUs it was booked on, by UUID."""
    env = environment(environ, run.spec.env, run.port, run.id)
    return env if run.gpus is None else env | {VISIBLE: ",".join(run.gpus)}


def launch_of(model: str, run: Run, environ: Mapping[str, str], log: Path) -> Launch:
    """The spawn of a booked run, to the last character."""
    values = {"PORT": str(run.port)}
    return Launch(
        run_id=run.id,
        model=model,
        argv=tuple(render(word, values) for word in run.spec.command),
        env=environment_of(environ, run),
        cwd=render(run.spec.cwd, values) if run.spec.cwd is not None else None,
        log=log,
    )


def contained(spec: ModelSpec) -> bool:
    """Whether the server lives in a container, where its port belongs to a process that is not of our tree.

    A wrapper script shows only by how it has to be stopped.
    """
    programs = {Path(words[0]).name for words in (spec.command, spec.stop.command) if words}
    return bool(programs & CONTAINER_TOOLS)

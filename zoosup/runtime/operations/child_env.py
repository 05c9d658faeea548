"""What a run's processes are given: their whole environment, and in it the mark by which they are known.

Knows the words; who spawns with them stands in `runs`.
"""

from collections.abc import Mapping
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

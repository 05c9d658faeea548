"""`zoosup estimate`: what a model needs, term by term.

A running supervisor is asked, for it knows what earlier runs have shown. Without one zoo.yaml and the headers of the
weights are read here, and llama-fit-params is asked. A file of weights is reckoned for the llama-server that would be
started with it.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoosup.cli.commands.files import check
from zoosup.cli.context import client, print_json, require, settings
from zoosup.cli.render import terminal
from zoosup.cli.render.format import size
from zoosup.cli.render.layout import Line, line, wrapped
from zoosup.core.estimation import need as estimates
from zoosup.errors import ExitCode, NoSuchModelError, UsageError, ZoosupError
from zoosup.runtime.publish.need_report import estimate_data
from zoosup.spec.model.model import ModelSpec

_WEIGHTS = (".gguf", ".safetensors")


def estimate(given: argparse.Namespace) -> int:
    """Print the terms and their sum."""
    found = _from_supervisor(given) or _offline(given)
    if given.json:
        print_json(found)
    else:
        terminal.show(given, lambda width: render_estimate(found, width))
    return ExitCode.DONE


def _from_supervisor(given: argparse.Namespace) -> Mapping[str, Any] | None:
    """What a supervisor says; None where it is not for one to say, or there is none that knows the model."""
    if given.file or given.options or _is_weights(given):
        return None
    try:
        answer: Mapping[str, Any] = client(given).post("models", given.model, "estimate")
    except ZoosupError:
        return None
    return answer


def _offline(given: argparse.Namespace) -> Mapping[str, Any]:
    from zoosup.supervisor.offline import weights_offline  # noqa: PLC0415 - all of zoosup

    spec = _spec(given)
    weights = weights_offline(spec)
    return estimate_data(given.model, estimates.need(spec, weights), weights)


def _is_weights(given: argparse.Namespace) -> bool:
    """Whether a file of weights is meant: a model's name may hold slashes, and even end like one."""
    return not given.file and (
        given.model.endswith(_WEIGHTS) or ("/" in given.model and Path(given.model).exists())
    )


def render_estimate(found: Mapping[str, Any], width: int | None) -> list[Line]:
    """The sum for people."""
    guess = ("", "") if found["certain"] else (", a guess: it would start alone", "yellow")
    lines = [line((found["model"], "bold"), f"  {found['source']}", guess)]
    for name, path in found.get("weights", {}).items():  # an older supervisor says none
        lines += wrapped(f"{name} is {path}", width, 2, "dim", line("  "))
    for pool, amount in found["amounts"].items():
        for term in (each for each in found["terms"] if each["pool"] == pool):
            lead = line(f"  {size(term['amount']):>9}  ", (f"{term['name']:<13} ", "bold"))
            lines += wrapped(term["how"], width, 0, "dim", lead)
        lines.append(line((f"  {size(amount):>9}  ", "bold"), f"of {pool}"))
    if found.get("note"):  # an older supervisor says none
        lines += wrapped(found["note"], width, 2, "dim")
    if "on_gpus" in found:
        on_gpus = found["on_gpus"]
        lines += [
            line(),
            line(f"on a host with GPUs: {on_gpus['source']}"),
            *render_estimate(on_gpus, width)[1:],
        ]
    return lines


def _spec(given: argparse.Namespace) -> ModelSpec:
    """The model of the file that is named so, or a llama-server with these weights."""
    if _is_weights(given):
        if not Path(given.model).exists():
            raise NoSuchModelError(f"{given.model} is missing")
        return ModelSpec(command=("llama-server", "-m", given.model, *given.options))
    if given.options:
        raise UsageError("options go with a file of weights; a model has its own in zoo.yaml")
    path = Path(given.file) if given.file else settings(given).zoo_file()
    models = check.read(path).models
    require([given.model], models, str(path))
    return models[given.model]

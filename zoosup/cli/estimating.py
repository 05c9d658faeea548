"""`zoosup estimate`: what a model needs, term by term.

Asks no supervisor: it reads zoo.yaml and the headers of the weights, here and now. A file of weights is reckoned for
the llama-server that would be started with it.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoosup.cli import files, screen
from zoosup.cli.asking import print_json, require, settings
from zoosup.cli.spans import Line, line, wrapped
from zoosup.cli.words import size
from zoosup.core import estimate as estimates
from zoosup.errors import ExitCode, NoSuchModelError, UsageError
from zoosup.host.inspector import HostInspector
from zoosup.runtime.snapshot import told
from zoosup.spec.models import ModelSpec

_WEIGHTS = (".gguf", ".safetensors")


def estimate(given: argparse.Namespace) -> int:
    """Print the terms and their sum."""
    spec = _spec(given)
    need = estimates.need(spec, HostInspector().weights(spec))
    found = {"model": given.model, **told(need)}
    if need.on_gpus is not None:
        found["on_gpus"] = {"model": given.model, **told(need.on_gpus)}
    if given.json:
        print_json(found)
    else:
        screen.show(given, lambda width: drawn(found, width))
    return ExitCode.DONE


def drawn(found: Mapping[str, Any], width: int | None) -> list[Line]:
    """The sum for people."""
    guess = ("", "") if found["certain"] else (", a guess: it would start alone", "yellow")
    lines = [line((found["model"], "bold"), f"  {found['source']}", guess)]
    for pool, amount in found["amounts"].items():
        for term in (each for each in found["terms"] if each["pool"] == pool):
            lead = line(f"  {size(term['amount']):>9}  ", (f"{term['name']:<13} ", "bold"))
            lines += wrapped(term["how"], width, 0, "dim", lead)
        lines.append(line((f"  {size(amount):>9}  ", "bold"), f"of {pool}"))
    if "on_gpus" in found:
        lines += [line(), line("on a host with GPUs:"), *drawn(found["on_gpus"], width)[1:]]
    return lines


def _spec(given: argparse.Namespace) -> ModelSpec:
    """The model of the file that is named so, or a llama-server with these weights."""
    if given.model.endswith(_WEIGHTS) or "/" in given.model:
        if not Path(given.model).exists():
            raise NoSuchModelError(f"{given.model} is missing")
        return ModelSpec(command=("llama-server", "-m", given.model, *given.options))
    if given.options:
        raise UsageError("options go with a file of weights; a model has its own in zoo.yaml")
    path = Path(given.file) if given.file else settings(given).zoo_file()
    models = files.read(path).models
    require([given.model], models, str(path))
    return models[given.model]

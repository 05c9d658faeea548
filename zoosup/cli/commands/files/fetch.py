"""`zoosup fetch`: weights that the file names by their origin, from the Hugging Face hub into its cache.

A process of its own, also where a supervisor has it run for a model with `fetch: true`. What is on this host already
is not asked for again.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoosup.cli import weights
from zoosup.cli.commands.files.check import read
from zoosup.cli.context import require, settings
from zoosup.cli.render.fetch_progress import fetch_progress
from zoosup.errors import ExitCode, UsageError, ZoosupError

if TYPE_CHECKING:
    from zoosup.host.fetching.hub import Hub
    from zoosup.host.fetching.order import Order
    from zoosup.spec.model.model import ModelSpec


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One name, for whom, and where its caches are."""

    name: str
    whole: bool
    env: Mapping[str, str]
    model: str = ""


def fetch(given: argparse.Namespace) -> int:
    """Fetch all that is named, one after another; the first that can't be had is told, and the others still come."""
    if bool(given.models) == given.all:
        raise UsageError("expected models, names such as hf://owner/repo:Q4_K_M, or --all")
    failed = False
    wanted = list(_wanted(given))
    for each in wanted:
        try:
            _fetch(given, each)
        except ZoosupError as error:
            print(f"zoosup: {each.model + ': ' if each.model else ''}{error}", file=sys.stderr)
            failed = True
    return ExitCode.FAILED if failed else ExitCode.DONE


def _wanted(given: argparse.Namespace) -> Iterator[_Wanted]:
    from zoosup.spec.model.values.weight_names import read_name  # noqa: PLC0415 - pydantic is near

    names = [each for each in given.models if "://" in each]  # no model's name has that
    if slip := next((each for each in names if read_name(each) is None), None):
        raise UsageError(f"{slip!r} names no weights, expected hf://owner/repo:QUANT or hf://owner/repo/FILE")
    yield from (_Wanted(name, given.whole, os.environ) for name in names)
    chosen = [each for each in given.models if each not in names]
    if not chosen and not given.all:
        return
    path = Path(given.file) if given.file else settings(given).zoo_file()
    models = read(path).models
    require(chosen, models, str(path))
    for model in chosen or models:
        yield from _of_model(model, models[model], told=not given.all)


def _of_model(model: str, spec: "ModelSpec", *, told: bool) -> Iterator[_Wanted]:
    from zoosup.core.estimation.servers.command_line import understand  # noqa: PLC0415 - only where a file was read
    from zoosup.core.estimation.servers.located import is_whole, names_of  # noqa: PLC0415

    names = names_of(spec)
    if not names and told:
        print(f"{model}: names no weights by hf://, there is nothing to fetch", file=sys.stderr)
    for name in names:
        yield _Wanted(name, is_whole(understand(spec)), weights.environment(spec), model)


def _fetch(given: argparse.Namespace, wanted: _Wanted) -> None:
    from zoosup.host.fetching.hub import FetchError, Hub  # noqa: PLC0415 - only where something is fetched
    from zoosup.host.fetching.order import order  # noqa: PLC0415
    from zoosup.host.weights import hub_cache  # noqa: PLC0415
    from zoosup.spec.model.values.weight_names import HubName, read_name  # noqa: PLC0415

    try:
        there = _located(wanted)
    except FileNotFoundError as missing:
        name = read_name(wanted.name)
        if not isinstance(name, HubName):
            raise FetchError(str(missing)) from None
        hub = Hub(wanted.env)
        found = order(hub, name, hub_cache.root(wanted.env), whole=wanted.whole)
        found.check_room()
        _bring(given, hub, found)
        there = _located(wanted)
    if not given.json:
        print(f"{wanted.name} is {there}")


def _located(wanted: _Wanted) -> str:
    """Where it is on this host; FileNotFoundError. A name that was typed may mean a GGUF or all of a repository."""
    from zoosup.host.weights.caches import locate  # noqa: PLC0415 - as above

    try:
        return locate(wanted.name, wanted.env, wanted.whole).path
    except FileNotFoundError:
        if wanted.model or wanted.whole:
            raise
        return locate(wanted.name, wanted.env, whole=True).path


def _bring(given: argparse.Namespace, hub: "Hub", found: "Order") -> None:
    """All of an order; the revision means the new commit only once all of it is there."""
    from zoosup.host.fetching.transfer import Transfer  # noqa: PLC0415 - as above

    with fetch_progress(given, {file: found.repository.sizes[file] for file in found.files}) as progress:
        transfer = Transfer(hub, progress.waiting)
        for file in found.files:
            if file in found.missing:
                transfer.bring(found, file, progress.on(file))
            else:
                progress.on(file)(found.repository.sizes[file])
    transfer.note(found)

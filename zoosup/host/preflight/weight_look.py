"""Looks at a model's weights: where those are that are named by their origin, and what the files say of themselves.

Who knows caches and headers is handed in. Blocking: called in a thread. Refuses to judge what was found.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from zoosup.core.estimation.servers.command_line import understand
from zoosup.core.estimation.servers.located import is_whole, names_among, names_of
from zoosup.core.state.weights import Found, Located, WeightFacts
from zoosup.spec.model.model import ModelSpec

Locate = Callable[[str, Mapping[str, str], bool], Located]
"""Where weights are by their name and the environment that says where the caches are; FileNotFoundError, for people.

The last: hf://owner/repo means all of the repository.
"""


class WeightHeaders(Protocol):
    """What weight files say of themselves."""

    def look(self, paths: Iterable[str], cwd: Path) -> WeightFacts:
        """What is to be found at the paths, relative ones below `cwd`. Blocks."""


class WeightLook:
    """Looks in caches and at headers."""

    def __init__(self, headers: WeightHeaders, locate: Locate) -> None:
        self._headers = headers
        self._locate = locate

    def placed(self, spec: ModelSpec, env: Mapping[str, str]) -> tuple[Found, Mapping[str, str]]:
        """Where the weights are for which a short form has names; and of the others, why they are nowhere."""
        return self._find({name: name for name in names_of(spec)}, env, whole=is_whole(understand(spec)))

    def facts(self, spec: ModelSpec, env: Mapping[str, str], cwd: Path) -> WeightFacts:
        """What the headers say of all weights that the command names; nothing where it names none."""
        server = understand(spec)
        if server is None:
            return WeightFacts()
        names = {word: name for word, name in names_among(server).items() if not _is_there(cwd / word)}
        located, _ = self._find(names, env, whole=is_whole(server))
        there = understand(spec, located) or server
        return replace(self._headers.look(there.files, cwd), located=located)

    def _find(
        self, names: Mapping[str, str], env: Mapping[str, str], *, whole: bool
    ) -> tuple[Found, Mapping[str, str]]:
        found: dict[str, Located] = {}
        missing: dict[str, str] = {}
        for word, name in names.items():
            try:
                found[word] = self._locate(name, env, whole)
            except FileNotFoundError as error:
                missing[word] = str(error)
        return tuple(found.items()), missing


def _is_there(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - raises nothing

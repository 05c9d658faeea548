"""Which container a run has: in memory as long as the run lives, and in a file that a later zoosup finds.

The file is written before the container is made, so that none of ours can exist without one. Refuses to ask an engine.
"""

import json
import logging
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoosup.core.state.runs import Exit
from zoosup.host.container.engine import Engine
from zoosup.host.ports.launch import Launch

_ID = re.compile(r"[0-9a-f]{64}")

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Tie:
    """One run and its container. `led_by_client`: a client's process leads the run; else the container itself does.

    `container_id` is empty until it is known. `apart`: its processes can't be seen from here.
    """

    launch: Launch
    engine: Engine
    led_by_client: bool
    container_id: str = ""
    apart: bool = False
    exit: Exit | None = None
    tasks: list[Any] = field(default_factory=list)  # that go on for as long as it runs

    @property
    def run_id(self) -> str:
        """The run's."""
        return self.launch.run_id

    @property
    def is_making(self) -> bool:
        """Whether its client lives and has not yet told of a container: it may be having one made."""
        return self.led_by_client and not self.container_id and self.exit is None

    @property
    def cut_off(self) -> bool:
        """Whether the engine may know of a container it has not told of: its client was killed, or the call failed."""
        return not self.led_by_client or self.exit is None or self.exit.signal is not None

    @property
    def may_come_late(self) -> bool:
        """Whether the engine may still make a container for its client, which was killed."""
        return self.led_by_client and self.cut_off and not self.container_id

    @property
    def ids(self) -> frozenset[str]:
        """The container's id, if it is known."""
        return frozenset({self.container_id} if self.container_id else ())


@dataclass(frozen=True, slots=True)
class Kept:
    """What is on disk of a tie. `client` are the words before `run`; else the engine is at `address`."""

    address: str = ""
    client: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)  # what leads a client to its engine
    container_id: str = ""
    apart: bool = False


class TieFiles:
    """One file a run, in a directory of the state directory. A disk that refuses costs an adoption, not a start."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def place(self) -> str:
        """Which state directory this is, among all of this host; its path may be another's too. May block."""
        with suppress(OSError):
            found = self._directory.parent.stat()
            return f"{found.st_dev}.{found.st_ino}"
        return ""

    def cidfile(self, run_id: str) -> Path:
        """Where a client is told to write the id; it must not exist."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        path = self.cid_path(run_id)
        path.unlink(missing_ok=True)
        return path

    def clear(self, cidfile: Path) -> None:
        """Take away what an earlier start has left in a file that zoo.yaml names: a client refuses to write it anew."""
        if _ID.fullmatch(self.written_id(cidfile)):
            with suppress(OSError):
                cidfile.unlink()

    def cid_path(self, run_id: str) -> Path:
        """The same, as it is."""
        return self._directory / f"{run_id}.cid"

    def written_id(self, path: Path) -> str:
        """What a client has written there; empty as long as it hasn't."""
        with suppress(OSError, UnicodeDecodeError):
            return path.read_text("ascii").strip()
        return ""

    def keep(self, run_id: str, kept: Kept) -> None:
        """Write it atomically."""
        data = {
            "address": kept.address,
            "client": list(kept.client),
            "env": dict(kept.env),
            "container_id": kept.container_id,
            "apart": kept.apart,
        }
        path = self._directory / f"{run_id}.json"
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            beside = path.with_suffix(".new")
            with open(beside, "w", encoding="utf-8", opener=_private) as file:
                json.dump(data, file)
            beside.replace(path)
        except OSError as error:
            _log.warning("the container of run %s is not on record: %s", run_id, error)

    def forget(self, run_id: str) -> None:
        """Nothing is left of it."""
        for name in (f"{run_id}.json", f"{run_id}.new", f"{run_id}.cid"):
            with suppress(OSError):
                (self._directory / name).unlink(missing_ok=True)

    def load(self) -> dict[str, Kept]:
        """All, by run id; one that can't be read is left out, and said."""
        found = {}
        for path in sorted(self._directory.glob("*.json")) if self._directory.is_dir() else ():
            try:
                found[path.stem] = self._read(path)
            except (OSError, ValueError, KeyError, TypeError) as error:
                _log.warning("%s is of no use: %s", path, error)
        return found

    def _read(self, path: Path) -> Kept:
        data = json.loads(path.read_text("utf-8"))
        return Kept(
            address=str(data["address"]),
            client=tuple(map(str, data["client"])),
            env={str(name): str(value) for name, value in data["env"].items()},
            container_id=str(data["container_id"]) or self.written_id(path.with_suffix(".cid")),
            apart=data["apart"] is True,
        )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)

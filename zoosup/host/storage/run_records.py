"""The records of runs: one small file each under `runs/` of the state directory, written whole or not at all.

Knows files. Refuses to know what a record says: one that can't be used is set aside under another name by who reads
it, so that nothing is lost and nothing is guessed.
"""

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoosup.host.storage.state_dir import LAST_WRITES
from zoosup.host.system.threads import DaemonThreads

_SUFFIX = ".json"

_DRAFT = "draft"  # one name for all runs: a write cut short leaves no more than the next one overwrites


class RecordDirectory:
    """Records by run id. Writes and removals stay in order: one thread does them all."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._writer = DaemonThreads("zoosup-records", ready=1, most=1)

    def close(self, within: float = LAST_WRITES) -> None:
        """Finish the writes under way, as far as the disk answers within so many seconds."""
        self._writer.finish(within)

    def load(self) -> tuple[dict[str, Mapping[str, Any]], list[str]]:
        """All records by run id, and a sentence for each that could not be read: that one is empty."""
        records: dict[str, Mapping[str, Any]] = {}
        notes: list[str] = []
        for path in sorted(self._directory.glob(f"*{_SUFFIX}")):
            record: Any = {}
            try:
                record = json.loads(path.read_bytes())
                if not isinstance(record, dict):
                    record = {}
                    raise ValueError("not a record")  # noqa: TRY004, TRY301 - one way to be unreadable
            except (OSError, ValueError, RecursionError) as error:
                notes.append(f"{path} can't be read: {error}")
            records[path.name.removesuffix(_SUFFIX)] = record
        return records, notes

    def set_aside(self, run_id: str) -> str:
        """Keep a record that can't be used under another name; says where it is."""
        return self._aside(self._path(run_id))

    async def write(self, run_id: str, record: Mapping[str, Any]) -> None:
        """Return when the record is on disk; OSError when the disk says no."""
        data = json.dumps(record).encode()
        await asyncio.get_running_loop().run_in_executor(self._writer, self._write, run_id, data)

    async def remove(self, run_id: str) -> None:
        """Forget a run; one that has no record is forgotten already."""
        await asyncio.get_running_loop().run_in_executor(self._writer, self._remove, run_id)

    def _path(self, run_id: str) -> Path:
        return self._directory / f"{run_id}{_SUFFIX}"

    def _write(self, run_id: str, data: bytes) -> None:
        for each in (self._directory.parent, self._directory):
            each.mkdir(mode=0o700, exist_ok=True)  # somebody may have cleaned up
        beside = self._directory / _DRAFT
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            # Not synced: a power cut ends the processes too, so a record has to outlive zoosup, not the kernel.
        beside.replace(self._path(run_id))

    def _remove(self, run_id: str) -> None:
        self._path(run_id).unlink(missing_ok=True)

    def _aside(self, path: Path) -> str:
        target = path.with_suffix(".unreadable")
        try:
            path.replace(target)
        except OSError as error:
            return f"nor set aside: {error.strerror}"
        return f"kept as {target}"

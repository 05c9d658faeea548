"""The first thing a supervisor does: know the runs of the one before it again, and end what nobody knows.

    a record, and its run lives          adopted: same pid, nothing restarted
    a record, and nothing of it lives    it ended while nobody watched; forgotten
    a record that can't be read          nothing can be known of it: what bears its id is ended by the ladder
    no record, our mark, a log of ours   the same
    no record, our mark alone            inherited, from a model, by whatever it started: left alone, and said

Only when that is done may anything be started (invariant 11), for until then nobody knows what lives.
"""

import asyncio
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from zoosup.core.state.facts import Adopted
from zoosup.core.state.runs import Run
from zoosup.host.ports.host import Host, Ladder, RecordedRun
from zoosup.host.ports.launch import Launch
from zoosup.runtime.operations.holds import take_over_holds
from zoosup.runtime.operations.start.child_env import launch_of
from zoosup.runtime.persistence.run_records import Record, UnreadableRecordError, read
from zoosup.runtime.state import recovery
from zoosup.runtime.state.run_usage import note_usage
from zoosup.runtime.state.zoo import Zoo

STRAY_GRACE = 30.0
"""Seconds that an unknown run gets to end by itself, the default of `stop.grace`."""

_log = logging.getLogger(__name__)


async def adopt(zoo: Zoo, host: Host, environ: Mapping[str, str]) -> None:
    """Take over what lives. OSError when the process table can't be read: then nothing may be started either."""
    known, unreadable = _records(zoo, host)
    recorded = {
        run_id: RecordedRun(Launch(run_id, "", (), {}, None, Path(os.devnull)), None) for run_id in unreadable
    }
    recorded |= {run_id: _recorded(record, host, environ) for run_id, record in known.items()}
    living = await host.processes.adopt(recorded, zoo.mark)
    # At once, without a wait in between: an exit that is noticed from here on has to find its model.
    strays = [run_id for run_id in living if run_id not in known]
    strays += _take_over(zoo, {r: known[r] for r in known if r in living}, living)
    for run_id in [r for r in known if r not in living]:
        await _forget(zoo, host, run_id, known[run_id])
    await asyncio.gather(*(_end_stray(zoo, host, run_id) for run_id in strays))
    take_over_holds(zoo, host.processes)
    await _measure(zoo, host)


def _records(zoo: Zoo, host: Host) -> tuple[dict[str, Record], list[str]]:
    """The records, and the ids of runs whose record is of no use."""
    stored, notes = host.records.load()
    for note in notes:
        _log.warning("%s", note)
    known, unreadable = {}, []
    for run_id, data in stored.items():
        try:
            known[run_id] = read(data, zoo.clock)
        except UnreadableRecordError as error:
            unreadable.append(run_id)
            _log.warning(
                "the record of run %s is of no use (%s): %s", run_id, error, host.records.set_aside(run_id)
            )
    return known, unreadable


def _recorded(record: Record, host: Host, environ: Mapping[str, str]) -> RecordedRun:
    """With what a stop command of the run will need, as it was at the spawn."""
    launch = launch_of(record.model, record.run, environ, host.logs.path(record.model))
    return RecordedRun(launch, record.identity)


def _take_over(zoo: Zoo, known: Mapping[str, Record], living: Mapping[str, int]) -> list[str]:
    """Give each run to its model; the ids of those whose model has a better one already: they are one too many."""
    spare = []
    for run_id, record in sorted(known.items(), key=lambda item: _preference(item[1].run)):
        if recovery.adopt(zoo, record.model, Adopted(record.with_pid(living[run_id]))):
            recovery.note_last_use(zoo, record.model, record.last_used, record.stay)
            zoo.journal.add("Adopted", record.model, "FoundAlive", f"pid {living[run_id]} goes on")
        else:
            spare.append(run_id)
    return spare


def _preference(run: Run) -> tuple[bool, bool, float]:
    """The one that stays comes first: not on its way out, then ready, then the eldest."""
    return run.leaving is not None, run.ready_at is None, run.started_at


async def _forget(zoo: Zoo, host: Host, run_id: str, record: Record) -> None:
    zoo.journal.add(
        "Gone", record.model, "Unwatched", "ended while no supervisor watched", {"run_id": run_id}
    )
    await _remove_record(host, run_id)


async def _end_stray(zoo: Zoo, host: Host, run_id: str) -> None:
    zoo.journal.add("Stray", None, "Unknown", f"run {run_id} is ours and nothing is known of it: it is ended")
    ended = await host.processes.terminate(run_id, Ladder("TERM", STRAY_GRACE))
    if ended.survivors:
        # Waiting for ever would keep the whole zoo down; what it holds is counted as a stranger's.
        zoo.journal.add("Stuck", None, "TerminationStuck", f"run {run_id}: {ended.survivors}")
    await _remove_record(host, run_id)


async def _remove_record(host: Host, run_id: str) -> None:
    try:
        await host.records.remove(run_id)
    except OSError as error:
        # It stays until the next start finds once more that nothing of it lives.
        _log.warning("the record of run %s can't be removed: %s", run_id, error)


async def _measure(zoo: Zoo, host: Host) -> None:
    """Before the first plan: memory that an adopted run holds must not count as promised to it once more."""
    try:
        usage = await host.processes.usage()
    except OSError as error:
        # What they hold then counts as promised as well, until it can be measured: too careful, never too bold.
        _log.warning("what the models hold can't be measured: %s", error)
        return
    zoo.sample(host.gauge.read())
    note_usage(zoo, host.processes, usage)

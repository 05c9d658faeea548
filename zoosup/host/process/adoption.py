"""Finding the runs of an earlier zoosup in one look at the process table. Pure but for that look.

Knows the proofs that a process belongs to a run: it is the recorded leader by pid, start time and boot; it carries the
run's id in its environment; its output goes to the run's log; or it is in the leader's group or session, and so is the
leader itself or somebody known otherwise (the kernel gives no pid away that still names a group or a session; but once
ours was empty, a stranger may have had the number, and have died and left others). An id of ours of which there is no
record proves nothing alone, for whatever a model starts inherits it (tmux, `ray start`, a notebook's shell): output to
a log of ours has to be there too. Refuses to guess: what none of them proves is a stranger.
"""

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from zoosup.host.ports.host import RecordedRun
from zoosup.host.ports.launch import Launch
from zoosup.host.process.log_writers import write_below, writers
from zoosup.host.process.table.identity import Identity, boot_session
from zoosup.host.process.table.membership import inhabitants
from zoosup.host.process.table.proc_table import Row, Rows, Table

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """A run of which something is left. `leader` may be dead already: then `leader_lives` is False."""

    leader: Identity
    leader_lives: bool
    members: Mapping[int, Row]


def look_for(
    table: Table,
    recorded_runs: Mapping[str, RecordedRun],
    mark: str,
    logs: Path | None,
    containers: Mapping[str, frozenset[str]],
) -> Mapping[str, Found]:
    """One look for those recorded, for those that live in a run's `containers`, and for those that bear our mark."""
    leaders = {run_id: recorded(trace.identity) for run_id, trace in recorded_runs.items()}
    rows = table.scan()
    heirs = writers(rows, {trace.launch.log: run_id for run_id, trace in recorded_runs.items()})
    living = (row for row in rows.values() if row.living)
    inside = inhabitants(living, containers, lambda row: table.containers(row.pid))
    run_ids = heirs | environments(rows, table.run_id) | inside
    return find(leaders, rows, run_ids, proved(unrecorded(leaders, mark, run_ids), logs) | containers.keys())


def proved(strays: Mapping[str, set[int]], logs: Path | None) -> set[str]:
    """Those that are ours though there is no record of them; the others are left alone, and said."""
    found = set()
    for run_id, pids in strays.items():
        if logs is not None and write_below(pids, logs):
            found.add(run_id)
        else:
            who = ", ".join(map(str, sorted(pids)))
            _log.warning("pid %s: bears the id of run %s, which nobody knows; left alone", who, run_id)
    return found


def unknown_launch(run_id: str) -> Launch:
    """A run that nothing but its mark is known of: it can be ended, and that is all that will be done with it."""
    return Launch(run_id, "", (), {}, None, Path(os.devnull))


def recorded(text: str | None) -> Identity | None:
    """The leader a record names, if it is readable and of this boot: after another boot no pid means anything."""
    if text is None:
        return None
    try:
        identity = Identity.parsed(text)
    except ValueError:
        return None
    return identity if identity.of_this_boot() else None


def unrecorded(
    leaders: Mapping[str, Identity | None], mark: str, run_ids: Mapping[int, str]
) -> dict[str, set[int]]:
    """The pids of those that bear an id which begins with `mark` and is not recorded, by run id."""
    found = dict[str, set[int]]()
    for pid, run_id in run_ids.items():
        if run_id.startswith(mark) and run_id not in leaders:
            found.setdefault(run_id, set()).add(pid)
    return found


def find(
    leaders: Mapping[str, Identity | None], rows: Rows, run_ids: Mapping[int, str], proved: AbstractSet[str]
) -> dict[str, Found]:
    """The runs that live, by run id: those of `leaders`, and those that are `proved` to be ours without a record.

    `run_ids` are the run ids that processes bear, in their environment or by the log they inherited, by pid.
    """
    found = {}
    for run_id in dict.fromkeys((*leaders, *sorted(proved))):
        marked = [rows[pid] for pid, marked_as in run_ids.items() if marked_as == run_id and pid in rows]
        run = _found(leaders.get(run_id), marked, rows)
        if run is not None:
            found[run_id] = run
    return found


def _found(leader: Identity | None, marked: Iterable[Row], rows: Rows) -> Found | None:
    members = {row.pid: row for row in marked if row.living}
    row = rows.get(leader.pid) if leader is not None else None
    if leader is not None:
        same = row is not None and row.start == leader.start
        if same or (row is None and any(leader.pid in (each.pgid, each.sid) for each in members.values())):
            members |= _named(leader.pid, rows.values())
        # One that is dead and still in the table is our own child, left over from before we were executed anew: its
        # exit code can still be had.
        if members or same:
            return Found(leader, row is not None and same and row.living, members)
        return None
    if not members:
        return None
    eldest = min(members.values(), key=lambda r: (r.pid != r.sid, r.start, r.pid))
    return Found(_identity(eldest), leader_lives=True, members=members)


def _named(pid: int, rows: Iterable[Row]) -> dict[int, Row]:
    return {row.pid: row for row in rows if pid in (row.pid, row.pgid, row.sid) and row.living}


def _identity(row: Row) -> Identity:
    return Identity(row.pid, row.start, boot_session())


def environments(rows: Rows, run_id_of: Callable[[int], str | None]) -> dict[int, str]:
    """The run ids that processes carry, by pid; reading them all costs some milliseconds, once at start-up."""
    return {pid: run_id for pid, row in rows.items() if row.living and (run_id := run_id_of(pid))}

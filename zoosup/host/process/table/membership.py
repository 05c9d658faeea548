"""Which processes belong to which run, decided from one look at the process table. Pure.

Members of a run are its process group and session, their descendants, whoever was seen to be one of these
before (a daemon's new parent is init, but its pid and start time stay), processes with the run's id in their
environment, and those whose cgroup bears the id of a container of the run: their parent is the engine's.

What can't be seen here: a process that has left group and session, has cleared its environment, and lost its
parent before any look at the table fell into that parent's life.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from zoosup.host.process.table.identity import Identity
from zoosup.host.process.table.proc_table import Row, Rows


@dataclass(slots=True)
class RunMembers:
    """One run's processes: `members` are those living at the last look, and the next look builds on them."""

    run_id: str
    leader: Identity
    members: Mapping[int, Row] = field(default_factory=dict)
    containers: frozenset[str] = frozenset()
    roots: frozenset[tuple[int, int]] = frozenset()  # pid and start of others from whom members descend


@dataclass(frozen=True, slots=True)
class MembersSnapshot:
    """What a look needs to know of a tree; unlike `RunMembers` it doesn't change while another thread looks."""

    run_id: str
    leader: Identity
    members: Mapping[int, Row]
    containers: frozenset[str] = frozenset()
    roots: frozenset[tuple[int, int]] = frozenset()

    @classmethod
    def of(cls, tree: RunMembers) -> "MembersSnapshot":
        """Hold a tree as it is now."""
        return cls(tree.run_id, tree.leader, tree.members, tree.containers, tree.roots)


def assign(
    snapshots: Sequence[MembersSnapshot],
    rows: Rows,
    run_id_of: Callable[[Row], str | None],
    self_pid: int,
    containers_of: Callable[[Row], frozenset[str]] = lambda _: frozenset(),
) -> dict[str, dict[int, Row]]:
    """Return the living members of every tree, by run id and pid.

    `run_id_of` reads a process's environment; it is asked only about processes that nothing else places and
    that are no older than the oldest run; `containers_of` reads its cgroup, where a run has a container.
    `self_pid`, our own, is nobody's member and separates its children from each other.
    """
    found: dict[str, dict[int, Row]] = {each.run_id: {} for each in snapshots}
    owner: dict[int, str | None] = dict.fromkeys((0, 1, self_pid))
    owner |= _by_group(snapshots, rows, owner)
    strangers = (row for pid, row in rows.items() if pid not in owner)
    owner |= inhabitants(strangers, {each.run_id: each.containers for each in snapshots}, containers_of)
    oldest = min((each.leader.start for each in snapshots), default=None)
    for pid, row in rows.items():
        if pid not in owner and oldest is not None and row.start >= oldest:
            run_id = run_id_of(row)
            if run_id in found:
                owner[pid] = run_id
    for pid, row in rows.items():
        run_id = _by_descent(pid, rows, owner)
        if run_id is not None and row.living:
            found[run_id][pid] = row
    return found


def _by_group(
    snapshots: Sequence[MembersSnapshot], rows: Rows, barriers: Mapping[int, str | None]
) -> dict[int, str | None]:
    """Place those already known, and those in a leader's group or session."""
    known = {(pid, row.start): each.run_id for each in snapshots for pid, row in each.members.items()}
    known |= {root: each.run_id for each in snapshots for root in each.roots}
    groups = {each.leader.pid: each for each in snapshots if _still_there(each.leader, rows)}
    owner: dict[int, str | None] = {}
    for pid, row in rows.items():
        if pid in barriers:
            continue
        tree = groups.get(row.pgid) or groups.get(row.sid)
        if (pid, row.start) in known:
            owner[pid] = known[pid, row.start]
        elif tree is not None:
            owner[pid] = tree.run_id
    return owner


def inhabitants(
    rows: Iterable[Row],
    containers: Mapping[str, frozenset[str]],
    containers_of: Callable[[Row], frozenset[str]],
) -> dict[int, str]:
    """The run in one of whose `containers` (by run id) a process is, by pid; nobody is asked where there are none."""
    runs = {container: run_id for run_id, ids in containers.items() for container in ids}
    return {
        row.pid: runs[min(mine)]
        for row in (rows if runs else ())
        if (mine := containers_of(row) & runs.keys())
    }


def _still_there(leader: Identity, rows: Rows) -> bool:
    """Whether the number still is this leader's, dead or alive; only then it names this run's group too."""
    row = rows.get(leader.pid)
    return row is not None and row.start == leader.start


def _by_descent(pid: int, rows: Rows, owner: dict[int, str | None]) -> str | None:
    """Climb to the nearest ancestor that is placed, and place everyone on the way with it."""
    climbed = []
    while pid not in owner and pid in rows and pid not in climbed:
        climbed.append(pid)
        pid = rows[pid].ppid
    found = owner.get(pid)
    owner.update(dict.fromkeys(climbed, found))
    return found

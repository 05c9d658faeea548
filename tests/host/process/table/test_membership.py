"""Who belongs to which run, from made-up process tables."""

from zoosup.host.process.table.identity import Identity
from zoosup.host.process.table.membership import MembersSnapshot, RunMembers, assign
from zoosup.host.process.table.proc_table import Row

US = 50


def table(*rows):
    """Rows as (pid, ppid, pgid, sid, start, state); our own process comes along."""
    ours = (US, 1, US, US, 1, "S")
    return {
        pid: Row(pid, ppid, pgid, sid, start, state, 1, f"p{pid}")
        for pid, ppid, pgid, sid, start, state in (ours, *rows)
    }


def portrait(run_id, leader, start, members=()):
    known = {row.pid: row for row in members}
    return MembersSnapshot.of(RunMembers(run_id, Identity(leader, start, "boot"), known))


def found(portraits, rows, marks=None, asked=None):
    def run_id_of(row):
        if asked is not None:
            asked.append(row.pid)
        return (marks or {}).get(row.pid)

    return {run_id: set(members) for run_id, members in assign(portraits, rows, run_id_of, US).items()}


def test_group_session_and_descendants_belong_to_it():
    rows = table(
        (100, US, 100, 100, 10, "S"),
        (101, 1, 100, 100, 11, "S"),  # orphaned in the group
        (102, 1, 102, 100, 11, "S"),  # orphaned in the session
        (103, 100, 103, 103, 11, "S"),  # a child that has left both
        (104, 103, 104, 104, 12, "S"),  # its child
        (105, US, US, US, 12, "S"),  # another child of ours
    )
    assert {"a": {100, 101, 102, 103, 104}} == found([portrait("a", 100, 10)], rows)


def test_descent_is_found_whatever_the_order_of_the_pids():
    rows = table((100, US, 100, 100, 10, "S"), (60, 61, 60, 60, 12, "S"), (61, 100, 61, 61, 11, "S"))
    assert {"a": {100, 60, 61}} == found([portrait("a", 100, 10)], rows)


def test_who_was_seen_before_stays_wherever_it_goes():
    daemon = Row(103, 100, 103, 103, 11, "S", 1, "daemon")
    rows = table((100, US, 100, 100, 10, "Z"), (103, 1, 103, 103, 11, "S"), (104, 103, 104, 104, 12, "S"))
    assert {"a": {103, 104}} == found([portrait("a", 100, 10, [daemon])], rows)
    assert {"a": set()} == found([portrait("a", 100, 10)], rows)


def test_a_pid_used_anew_is_somebody_else():
    known = Row(103, 100, 103, 103, 11, "S", 1, "member")
    rows = table((100, US, 100, 100, 10, "S"), (103, 1, 103, 103, 99, "S"))
    assert {"a": {100}} == found([portrait("a", 100, 10, [known])], rows)


def test_a_group_whose_number_was_given_away_is_not_ours():
    rows = table((100, 1, 100, 100, 99, "S"), (101, 100, 100, 100, 99, "S"))
    assert {"a": set()} == found([portrait("a", 100, 10)], rows)
    assert {"a": set()} == found([portrait("a", 100, 10)], table((101, 1, 100, 100, 99, "S")))


def test_the_run_id_in_the_environment_tells():
    rows = table((100, US, 100, 100, 10, "S"), (103, 1, 103, 103, 11, "S"), (104, 103, 104, 104, 12, "S"))
    assert {"a": {100, 103, 104}} == found([portrait("a", 100, 10)], rows, marks={103: "a"})
    assert {"a": {100}} == found([portrait("a", 100, 10)], rows, marks={103: "unknown"})


def test_environments_are_read_only_where_nothing_else_tells_and_never_of_older_processes():
    asked = []
    rows = table(
        (60, 1, 60, 60, 5, "S"),
        (100, US, 100, 100, 10, "S"),
        (101, 100, 100, 100, 11, "S"),
        (70, 1, 70, 70, 11, "S"),
    )
    found([portrait("a", 100, 10)], rows, asked=asked)
    assert [70] == asked


def test_without_runs_no_environment_is_read():
    asked = []
    assert {} == found([], table((70, 1, 70, 70, 11, "S")), asked=asked)
    assert [] == asked


def test_each_run_has_its_own_though_all_are_our_children():
    rows = table((100, US, 100, 100, 10, "S"), (200, US, 200, 200, 20, "S"), (201, 200, 201, 201, 21, "S"))
    assert {"a": {100}, "b": {200, 201}} == found([portrait("a", 100, 10), portrait("b", 200, 20)], rows)


def test_neither_we_nor_our_parent_are_ever_members():
    rows = table((100, US, 100, 100, 10, "S"))
    assert {"a": {100}} == found([portrait("a", 100, 10)], rows, marks={US: "a"})
    ours = rows[US]
    assert {"a": {100}} == found([portrait("a", 100, 10, [ours])], rows)


def test_zombies_do_not_count_unless_other_threads_run_on():
    rows = table((100, US, 100, 100, 10, "Z"), (101, 100, 100, 100, 11, "Z"))
    assert {"a": set()} == found([portrait("a", 100, 10)], rows)
    rows[101] = rows[101]._replace(threads=3)
    assert {"a": {101}} == found([portrait("a", 100, 10)], rows)


def test_a_torn_table_with_a_circle_in_it_ends():
    rows = table((100, US, 100, 100, 10, "S"), (60, 61, 60, 60, 11, "S"), (61, 60, 61, 61, 11, "S"))
    assert {"a": {100}} == found([portrait("a", 100, 10)], rows)


def test_who_lives_in_a_container_of_the_run_is_a_member_whoever_its_parent_is():
    container = "c" * 64
    shim, inside, child, other = (
        Row(pid, ppid, pid, pid, 50, "S", 1, "x") for pid, ppid in ((30, 1), (31, 30), (32, 31), (33, 30))
    )
    rows = {row.pid: row for row in (shim, inside, child, other)}
    tree = MembersSnapshot("r", Identity(999, 1, "boot"), {}, frozenset({container}))
    of = {31: frozenset({container}), 33: frozenset({"d" * 64})}
    found = assign([tree], rows, lambda _: None, 4, lambda row: of.get(row.pid, frozenset()))
    assert {31, 32} == set(found["r"])


def test_no_cgroup_is_read_where_no_run_has_a_container():
    asked = []
    tree = MembersSnapshot("r", Identity(999, 1, "boot"), {})
    assign([tree], {30: Row(30, 1, 30, 30, 50, "S", 1, "x")}, lambda _: None, 4, asked.append)
    assert [] == asked


def test_who_descends_from_a_root_of_the_run_is_a_member():
    rows = {pid: Row(pid, ppid, pid, pid, 50, "S", 1, "x") for pid, ppid in ((30, 1), (31, 30), (32, 31))}
    tree = MembersSnapshot("r", Identity(999, 1, "boot"), {}, roots=frozenset({(31, 50)}))
    assert {31, 32} == set(assign([tree], rows, lambda _: None, 4)["r"])
    reused = MembersSnapshot("r", Identity(999, 1, "boot"), {}, roots=frozenset({(31, 49)}))
    assert set() == set(assign([reused], rows, lambda _: None, 4)["r"])

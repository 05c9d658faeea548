"""What holds over any history of losses, returns, restarts, edits and drains, with messages lost, late and doubled."""

from dataclasses import replace

from hypothesis import example, given, strategies as st

from tests.core.fleet.simulated_fleet import LOAD, LOST_AFTER, STEP, File, SimulatedFleet, SimulatedHost
from tests.core.fleet.worlds import model

NODES = "abcde"
NEEDS = dict(zip("mnop", (2, 3, 1, 2), strict=True))
FILES = [
    File("three", tuple(model(name, at) for at, name in enumerate("mno"))),
    File("four", tuple(model(name, at) for at, name in enumerate("mnop"))),
    File("twice", (model("m", 0, replicas=2), model("n", 1), model("o", 2))),
]

nodes = st.sampled_from(NODES)
connections = st.tuples(st.sampled_from(["cut off", "connected"]), nodes)
deaths = st.tuples(st.sampled_from(["killed", "started"]), nodes)
restarts = st.tuples(st.just("controller"), nodes)
edits = st.tuples(st.sampled_from(["edit three", "edit four", "edit twice"]), nodes)
drains = st.tuples(st.sampled_from(["drain", "undrain"]), nodes)
pauses = st.sampled_from([STEP, 2.0, LOAD, LOST_AFTER / 2, LOST_AFTER + 2, 3 * LOST_AFTER])


def happenings(*kinds):
    return st.lists(st.tuples(st.one_of(*kinds), pauses), max_size=8)


def begun(seed=0, *, ram=8, loss=0.0, doubled=0.0, file=FILES[0], count=5):
    found = SimulatedFleet(
        [SimulatedHost(node, ram, NEEDS, file) for node in NODES[:count]], seed, loss=loss, doubled=doubled
    )
    found.run(LOST_AFTER + LOAD + 4)
    return found


def happen(found, what, node):
    host = found.hosts[node]
    match what.split():
        case ["cut", "off"]:
            host.connected = False
        case ["connected"]:
            host.connected = True
        case ["killed"] if host.alive:
            host.kill(found.now)
        case ["started"] if not host.alive:
            host.start()
        case ["controller"]:
            found.restart_controller()
        case ["edit", name]:
            host.edit(next(file for file in FILES if file.digest == name))
        case ["drain" | "undrain"]:
            found.controller.drain(node, on=what == "drain")


def heal(found, file=None):
    """All that was broken is whole again."""
    found.loss = found.doubled = 0.0
    found.heal()
    for host in found.hosts.values() if file is not None else ():
        host.edit(file)
    found.run(4 * LOST_AFTER + 3 * LOAD)


@given(
    happenings(connections, deaths, restarts, edits, drains),
    st.integers(0, 99),
    st.sampled_from([(0, 0), (0.3, 0.3)]),
)
def test_in_the_end_every_model_runs_as_often_as_it_should_and_all_know_the_same(history, seed, noise):
    found = begun(seed, loss=noise[0], doubled=noise[1])
    for (what, node), pause in history:
        happen(found, what, node)
        found.run(pause)
    for node in NODES:
        found.controller.drain(node, on=False)
    heal(found, FILES[2])
    view = found.controller.view(found.now)
    assert ("twice", (), False, False) == (view.spec.digest, view.old_files, view.partitioned, view.settling)
    assert {} == view.refusals
    for each in FILES[2].models:
        assert (
            sorted(view.placements[each.name])
            == sorted(found.ready(each.name))
            == sorted(found.running(each.name))
        )
        assert each.replicas == len(found.ready(each.name))
    for host in found.hosts.values():
        assert (view.spec.generation, view.epoch) == (host.assignment.generation, host.assignment.epoch)
        assert view.placements == host.view.placements


@given(happenings(connections, deaths, restarts, drains), st.integers(0, 99), st.sampled_from([0, 0.3]))
def test_nobody_gives_up_the_last_ready_copy(history, seed, loss):
    """There is room for all on every host, so that nothing has to make way; one that has just died is not known yet."""
    found = begun(seed, ram=16, loss=loss)

    def check():
        for host in found.hosts.values():
            for at, name, was_ready in host.stops:
                if was_ready and at == found.now and host.alive:
                    lately = any(found.now - other.died < 3 for other in found.hosts.values())
                    assert found.ready(name) or lately
            host.stops.clear()

    for (what, node), pause in history:
        happen(found, what, node)
        found.run(pause, check)
    found.run(3 * LOST_AFTER, check)


@given(happenings(connections, deaths, restarts), st.integers(0, 99))
def test_a_copy_that_is_one_too_many_is_gone_a_lease_after_all_are_ready(history, seed):
    found = begun(seed)
    for (what, node), pause in history:
        happen(found, what, node)
        found.run(pause)
    found.heal()
    found.run(LOST_AFTER + LOAD + 2)  # a grace, where there has just been a restart
    found.run(LOST_AFTER)
    for name in "mno":
        assert 1 == len(found.running(name))


@given(st.lists(nodes, min_size=3, max_size=4, unique=True), st.booleans(), st.integers(0, 99))
def test_a_minority_moves_nothing(cut_off, restart, seed):
    found = begun(seed)
    before = {name: found.running(name) for name in "mno"}
    for node in cut_off:
        found.hosts[node].connected = False
    if restart:
        found.restart_controller()
    found.run(5 * LOST_AFTER)
    assert before == {name: found.running(name) for name in "mno"}


# Two hosts that are drained one after the other, which had each other begin anew what both were to stop.
@example([(("drain", "c"), STEP), (("connected", "a"), LOST_AFTER / 2), (("drain", "d"), STEP)], 0)
@given(happenings(connections, deaths, edits, drains), st.integers(0, 99))
def test_a_controller_that_begins_anew_knows_what_the_last_one_knew(history, seed):
    found = begun(seed)
    for (what, node), pause in history:
        happen(found, what, node)
        found.run(pause)
    found.heal()
    found.run(3 * LOST_AFTER + 2 * LOAD)
    before = found.controller.view(found.now)
    stops = [list(host.stops) for host in found.hosts.values()]
    found.restart_controller()
    found.run(LOST_AFTER + LOAD)
    after = found.controller.view(found.now)
    same = {"hosts": {}, "epoch": 0, "number": 0}
    assert replace(before, **same) == replace(after, **same)
    assert before.epoch < after.epoch
    assert stops == [host.stops for host in found.hosts.values()]


@given(st.permutations(NODES), st.integers(0, 99))
def test_the_order_of_reports_changes_nothing(order, seed):
    one, other = (
        begun(seed),
        SimulatedFleet([SimulatedHost(node, 8, NEEDS, FILES[0]) for node in order], seed),
    )
    other.run(LOST_AFTER + LOAD + 4)
    assert one.placements() == other.placements()


@given(st.lists(st.tuples(nodes, st.sampled_from(["", "other"])), max_size=6), pauses, st.integers(0, 99))
def test_of_two_controllers_one_is_obeyed_in_the_end_by_all_that_speak_with_it(moves, pause, seed):
    found = begun(seed)
    found.restart_controller("other")
    for node, name in moves:
        found.of[node] = name
        found.run(pause)
    last = moves[-1][1] if moves else ""
    found.of = dict.fromkeys(found.hosts, last)
    found.run(4 * LOST_AFTER + 3 * LOAD)
    view = found.controllers[last].view(found.now)
    assert {view.epoch} == {host.assignment.epoch for host in found.hosts.values()}
    for name in "mno":
        assert list(view.placements[name]) == found.ready(name) == found.running(name)


@given(st.lists(st.tuples(nodes, st.sampled_from(FILES)), min_size=1, max_size=6), st.integers(0, 99))
def test_whoever_edits_all_hosts_agree_on_one_file_which_one_of_them_has(edits_, seed):
    found = begun(seed)
    for node, file in edits_:
        found.hosts[node].edit(file)
        if found.random.random() < 0.5:
            found.run(STEP)
    found.run(3 * LOST_AFTER)
    generation = found.controller.view(found.now).spec.generation
    found.run(3 * LOST_AFTER)
    view = found.controller.view(found.now)
    assert generation == view.spec.generation
    assert view.spec.digest in {host.file.digest for host in found.hosts.values()}
    assert set(view.old_files) == {h.node for h in found.hosts.values() if h.file.digest != view.spec.digest}

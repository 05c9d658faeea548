"""What holds of models over several hosts over any history of losses, returns, restarts, edits and drains."""

import pytest
from hypothesis import given, strategies as st

from tests.core.fleet.simulated_fleet import (
    EVERY,
    LOAD,
    LOST_AFTER,
    STEP,
    File,
    SimulatedFleet,
    SimulatedHost,
)
from tests.core.fleet.worlds import model
from zoosup.core.fleet.stalled import PATIENCE

pytestmark = pytest.mark.timeout(1200)  # minutes of a fleet each

NODES = "abcd"
NEEDS = {"w": 5, "x": 4, "m": 3, "n": 2}
FILES = [
    File("wide", (model("w", 0, spans=2), model("m", 1), model("n", 2))),
    File("wider", (model("m", 0), model("x", 1, spans=3), model("n", 2))),
    File("both", (model("w", 0, spans=2), model("x", 1, spans=2), model("m", 2))),
    File("none", (model("m", 0), model("n", 1))),
]
WORDS = 3 * EVERY
"""Seconds until what one host does is known to another, and obeyed."""

nodes = st.sampled_from(NODES)
kinds = st.sampled_from(
    [
        "cut off",
        "connected",
        "killed",
        "started",
        "ended",
        "controller",
        "drain",
        "undrain",
        *(f.digest for f in FILES),
    ]
)
pauses = st.sampled_from([STEP, 2.0, LOAD, LOST_AFTER / 2, LOST_AFTER + 2, 3 * LOST_AFTER])
histories = st.lists(st.tuples(kinds, nodes, pauses), max_size=8)


def begun(file, seed=0, *, ram=8, loss=0.0):
    found = SimulatedFleet([SimulatedHost(node, ram, NEEDS, file) for node in NODES], seed, loss=loss)
    found.run(LOST_AFTER + 3 * LOAD + 4)
    return found


def happen(found, what, node):
    host = found.hosts[node]
    match what:
        case "cut off":
            host.connected = False
        case "connected":
            host.connected = True
        case "killed" if host.alive:
            host.kill(found.now)
        case "started" if not host.alive:
            host.start()
        case "ended":  # the processes of one host, by themselves
            host.runs, host.peers = {}, {}
        case "controller":
            found.restart_controller()
        case "drain" | "undrain":
            found.controller.drain(node, on=what == "drain")
        case _:
            for each in found.hosts.values():
                each.edit(next((file for file in FILES if file.digest == what), each.file))


def spans(found):
    return {each.name: each.spans for each in found.controller.view(found.now).spec.models if each.spans > 1}


def parts(found, name):
    """By host: over which hosts what runs there was started."""
    return {node: host.peers[name] for node, host in found.hosts.items() if host.alive and name in host.peers}


@given(histories, st.integers(0, 99), st.sampled_from(FILES))
def test_in_the_end_each_runs_whole_or_nowhere(history, seed, file):
    found = begun(FILES[0], seed)
    for what, node, pause in history:
        happen(found, what, node)
        found.run(pause)
    for node in NODES:
        found.controller.drain(node, on=False)
    found.heal()
    for host in found.hosts.values():
        host.edit(file)
    found.run(PATIENCE + 4 * LOST_AFTER + 4 * LOAD)
    view = found.controller.view(found.now)
    for name in ("w", "x"):
        wanted = next((each.spans for each in file.models if each.name == name), 0)
        there = parts(found, name)
        assert len(there) in {0, wanted}
        assert bool(there) == (name in view.placements)
        if there:
            (peers,) = {*there.values()}
            assert {*peers} == {*there} == {*view.placements[name]}
            assert peers == view.placements[name]
            assert [*there] == found.ready(name)
        elif wanted:
            assert view.refusals[name]


@given(histories, st.integers(0, 99), st.sampled_from([0, 0.3]))
def test_the_command_starts_only_where_all_others_have_their_part(history, seed, loss):
    """A host that has just died, or ended it, is not known yet; one that is cut off does as it was last told."""
    found = begun(FILES[0], seed, loss=loss)
    seen, changed = {}, {}

    def check():
        for node, host in found.hosts.items():
            for name in ("w", "x"):
                now = host.peers.get(name, ()) if host.alive else ()
                if now != seen.get((node, name), ()):
                    changed[node, name] = found.now
                fresh = now and now[0] == node and now != seen.get((node, name), ())
                for other in now[1:] if fresh else ():
                    has = parts(found, name).get(other) == now
                    # As old as the last word that came through.
                    lately = found.now - changed.get((other, name), float("-inf")) <= LOST_AFTER
                    assert has or lately or not (host.connected and found.hosts[other].connected)
                seen[node, name] = now

    check()
    for what, node, pause in history:
        happen(found, what, node)
        found.run(pause, check)


@given(histories, st.integers(0, 99))
def test_nothing_stays_reserved_that_has_no_cause(history, seed):
    """What is not whole is given back: within a lease of a loss, and the time that others are kept waiting at most."""
    found = begun(FILES[0], seed)
    since = {}
    quiet = [0.0]

    def check():
        view = found.controller.view(found.now)
        if view.partitioned or view.settling:
            quiet[0] = found.now
        for node, host in found.hosts.items():
            for name, peers in list(host.peers.items()):
                whole = all(parts(found, name).get(each) == peers for each in peers)
                if whole or not (host.alive and host.connected):
                    since.pop((node, name, peers), None)
                    continue
                began = max(since.setdefault((node, name, peers), found.now), quiet[0])
                assert found.now - began <= PATIENCE + LOST_AFTER + LOAD + 2 * WORDS
            for key in [key for key in since if key[0] == node and host.peers.get(key[1]) != key[2]]:
                del since[key]

    for what, node, pause in history:
        happen(found, what, node)
        found.run(pause, check)
    found.run(6 * LOST_AFTER, check)


@given(histories, st.integers(0, 99))
def test_no_host_is_told_to_run_more_than_it_has_room_for(history, seed):
    found = begun(FILES[0], seed)

    def check():
        for host in found.hosts.values():
            assert sum(NEEDS[name] for name in host.runs) <= host.ram
        for node, told in found.controller._told.items():
            models = {each.name for each in found.controller.view(found.now).spec.models}
            assert sum(NEEDS[name] for name in told.models if name in models) <= found.hosts[node].ram

    for what, node, pause in history:
        happen(found, what, node)
        found.run(pause, check)

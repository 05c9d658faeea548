"""What holds of every assignment, whatever hosts and models there are.

A fleet is placed, its hosts obey, something happens (`events`), and it is placed again.
"""

from dataclasses import replace

from hypothesis import given, strategies as st

from tests.core.fleet import worlds
from tests.core.fleet.placement.fleet_histories import copies_of, histories, obeyed
from tests.core.fleet.placement.layouts import could_hold
from tests.core.fleet.worlds import NODES, fleets, need, pools
from zoosup.core.fleet.placement.assign import assign
from zoosup.core.fleet.placement.hosts import may_run, passed_over
from zoosup.core.fleet.placement.room import HostRoom
from zoosup.core.memory.unified import in_ram


def runs(spec, found, placements, name, node):
    """Whether a host runs what it is to run: one over several hosts over these very ones, or it begins anew."""
    for copy in copies_of(spec, name, placements.get(name, ())):
        if node in copy and found[node].runs(name):
            return len(copy) == 1 or found[node].report.models[name].peers == copy
    return False


def waiting(spec, found, placements, node):
    """Who is to run on a host and does not."""
    here = [name for name, nodes in placements.items() if node in nodes]
    return [name for name in here if not runs(spec, found, placements, name, node)]


def rooms_with(spec, found, placements, without=()):
    """The rooms of all hosts once all is as placed, by the rules of `keep`."""
    rooms = {}
    off = {model.name for model in spec.models if model.priority is None and not model.on_demand}
    for node, host in found.items():
        room = rooms[node] = HostRoom(host.report.pools)
        for name, each in host.report.models.items():
            here = runs(spec, found, placements, name, node) and name not in without
            if each.held and (here or not (each.yields or name in off or is_active(spec, name))):
                room.keep(name, each.held)
        for name in waiting(spec, found, placements, node):
            if name not in without:
                room.add(name, host.report.models[name].need)
    return rooms


def is_active(spec, name):
    return any(model.name == name and model.priority is not None for model in spec.models)


def ranks(spec):
    active = sorted((model for model in spec.models if model.priority is not None), key=lambda m: m.priority)
    return {model.name: at for at, model in enumerate(active)}


def stays(model, host):
    """Whether a host where it has been is still one for it."""
    return (
        not host.lost
        and not host.drained
        and may_run(model, host.report)
        and (host.runs(model.name) or passed_over(model.name, host, new=False) is None)
    )


def able(model, found, rooms):
    """The hosts that may have one that they have not, and have room for it."""
    return [
        node
        for node, host in found.items()
        if may_run(model, host.report)
        and passed_over(model.name, host) is None
        and not host.runs(model.name)
        and rooms[node].fits(model.name, host.report.models[model.name].need) is not None
    ]


@given(histories())
def test_nobody_who_is_to_run_is_given_more_room_than_there_is(history):
    spec, found, before = history
    after = assign(spec, found, before).placements
    for node, host in found.items():
        names = waiting(spec, found, after, node)
        capacity = {pool.id: pool.capacity for pool in host.report.pools}
        free, unified = dict(capacity), {pool.id for pool in host.report.pools if pool.unified}
        for name, each in host.report.models.items():
            if runs(spec, found, after, name, node):
                for pool, amount in in_ram(each.held, unified).items():
                    free[pool] = free.get(pool, 0) - amount
        assert could_hold([host.report.models[name].need for name in names], free, capacity, unified)


@given(histories())
def test_to_place_once_more_moves_nobody(history):
    spec, found, before = history
    first = assign(spec, found, before)
    assert first == assign(spec, found, first.placements)


@given(histories(), st.permutations(NODES))
def test_the_order_of_reports_changes_nothing(history, order):
    spec, found, before = history
    shuffled = {node: found[node] for node in order if node in found}
    models = tuple(reversed(spec.models))
    assert assign(spec, found, before) == assign(replace(spec, models=models), shuffled, before)


@given(histories())
def test_only_hosts_that_may_have_a_model_have_it(history):
    spec, found, before = history
    models = {model.name: model for model in spec.models}
    for name, nodes in assign(spec, found, before).placements.items():
        assert models[name].priority is not None
        assert len(set(nodes)) == len(nodes)
        assert len(nodes) % models[name].spans == 0
        for node in nodes:
            host = found[node]
            assert not host.lost
            assert not host.drained
            assert may_run(models[name], host.report)
            assert host.runs(name) or passed_over(name, host, new=node not in before.get(name, ())) is None


@given(histories())
def test_a_model_that_can_be_had_is_had_and_its_refusal_says_why_it_is_not(history):
    spec, found, before = history
    result = assign(spec, found, before)
    rooms, rank = rooms_with(spec, found, result.placements), ranks(spec)
    for model in spec.models:
        if model.name not in rank or model.name in result.placements:
            continue
        assert result.refusals[model.name]
        assert len(able(model, found, rooms)) < model.spans


@given(histories())
def test_a_higher_model_goes_without_only_where_no_lower_one_could_make_way(history):
    spec, found, before = history
    placements, rank = assign(spec, found, before).placements, ranks(spec)
    for model in spec.models:
        if model.name not in rank or model.name in placements:
            continue
        lower = {name for name in rank if rank[name] > rank[model.name]}
        rooms = rooms_with(spec, found, placements, without=lower)
        assert len(able(model, found, rooms)) < model.spans


@given(histories(spans=(1,)))
def test_nobody_who_runs_moves_without_a_cause(history):
    spec, found, before = history
    result, rank = assign(spec, found, before), ranks(spec)
    for model in spec.models:
        gone = [
            node for node in before.get(model.name, ()) if node not in result.placements.get(model.name, ())
        ]
        for node in gone:
            if not (stays(model, found[node]) and found[node].runs(model.name)):
                continue
            fewer = len(result.placements.get(model.name, ())) == wanted(model, found)
            came = waiting(spec, found, result.placements, node)
            assert fewer or any(rank[name] < rank[model.name] for name in came)


def wanted(model, found):
    if model.replicas is not None:
        return model.replicas
    return sum(may_run(model, host.report) and not host.drained and not host.lost for host in found.values())


@given(st.data())
def test_of_a_host_that_is_lost_only_its_own_models_move_where_there_is_room(data):
    count, names = data.draw(st.integers(2, 5)), [f"m{at}" for at in range(data.draw(st.integers(1, 8)))]
    wanted = {name: need(data.draw(st.integers(1, 4))) for name in names}
    found = worlds.hosts(*(worlds.host(node, 64, needs=wanted) for node in NODES[:count]))
    the_spec = worlds.spec(
        *(worlds.model(name, at, replicas=data.draw(st.integers(1, 2))) for at, name in enumerate(names))
    )
    first = assign(the_spec, found, {}).placements
    running = obeyed(found, first, the_spec, data.draw)
    node = data.draw(st.sampled_from(sorted(found)))
    second = assign(the_spec, {**running, node: replace(running[node], lost=True)}, first).placements
    for name, nodes in first.items():
        kept = set(nodes) - {node}
        assert kept <= set(second[name])
        assert len(second[name]) == min(len(nodes), count - 1)


@given(fleets(cards=1, spans=(1,)))
def test_on_hosts_with_one_card_the_greedy_way_finds_all_that_one_more_could_have(fleet):
    """There it has no choice to get wrong: what it says does not fit, fits in no way."""
    spec, found = fleet
    result = assign(spec, found, {})
    for model in spec.models:
        if model.priority is None or model.name in result.placements:
            continue
        for node, host in found.items():
            if not may_run(model, host.report) or passed_over(model.name, host) is not None:
                continue
            names = [*waiting(spec, found, result.placements, node), model.name]
            capacity = {pool.id: pool.capacity for pool in host.report.pools}
            wants = [host.report.models[name].need for name in names]
            if any(each.without is not None or each.gpus or each.cards for each in wants):
                continue  # it is in RAM only where no card is large enough, and these only where there are cards
            unified = {pool.id for pool in host.report.pools if pool.unified}
            assert not could_hold(wants, dict(capacity), capacity, unified)


def test_the_oracle_itself():
    capacity = {pool.id: pool.capacity for pool in pools(8, 4, 4)}
    assert could_hold([need(1, 4), need(1, 4)], dict(capacity), capacity)
    assert not could_hold([need(1, 4), need(1, 5)], dict(capacity), capacity)
    assert could_hold([need(1, 8)], dict(capacity), capacity)

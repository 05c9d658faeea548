"""How room is made for one model where others run, or are to, if cards or hosts make that more than a sum."""

from tests.core.fleet.worlds import host, hosts, model, need, running, spec
from zoosup.core.fleet.placement.assign import assign


def placed(the_spec, the_hosts, before=None):
    return dict(assign(the_spec, the_hosts, before or {}).placements)


def test_one_over_several_hosts_pushes_where_it_must_and_nobody_where_there_is_room():
    wanted = {"m": need(4), "n": need(4)}
    found = hosts(running(host("a", 4, needs=wanted), "n"), host("b", 5, needs=wanted))
    two = spec(model("m", 0, spans=2), model("n", 1))
    assert {"m": ("b", "a")} == placed(two, found, {"n": ("a",)})


def test_one_that_runs_though_nobody_has_said_so_pushes_those_that_are_in_its_way_there():
    """Not those alone that would be were it laid out anew."""
    wanted = {"n": need(2, 1), "m": need(0, 10), "o": need(4)}
    found = hosts(running(host("a", 6, 4, 4, 8, needs=wanted), "n"))
    three = spec(model("n", 0), model("m", 1), model("o", 2))
    assert {"n": ("a",), "o": ("a",)} == placed(three, found, {"m": ("a",), "o": ("a",)})

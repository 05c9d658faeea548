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


CARDS = (4, 4, 8)
MIXED = {"m": need(0, 10), "n": need(2, 1)}
"""There is room for both where n is on the last card and m on all three, none where n is on the first."""


def test_one_over_several_hosts_that_runs_where_a_higher_one_is_to_begins_anew_beside_it():
    """Told the same hosts in the same order it would run on, on that card, and the higher one wait for ever."""
    found = hosts(
        running(host("a", 4, *CARDS, needs=MIXED), "n", peers=("b", "a")),
        running(host("b", 8, needs=MIXED), "n", peers=("b", "a")),
    )
    both = spec(model("m", 0), model("n", 1, spans=2))
    assert {"m": ("a",), "n": ("a", "b")} == placed(both, found, {"n": ("b", "a")})
    assert {"m": ("a",), "n": ("a", "b")} == placed(both, found, {"m": ("a",), "n": ("a", "b")})


def test_one_that_runs_though_nobody_has_said_so_pushes_those_that_are_in_its_way_there():
    """Not those alone that would be were it laid out anew."""
    wanted = {"n": need(2, 1), "m": need(0, 10), "o": need(4)}
    found = hosts(running(host("a", 6, *CARDS, needs=wanted), "n"))
    three = spec(model("n", 0), model("m", 1), model("o", 2))
    assert {"n": ("a",), "o": ("a",)} == placed(three, found, {"m": ("a",), "o": ("a",)})

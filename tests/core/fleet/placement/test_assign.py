"""Who runs where, sentence by sentence of what `assign` promises."""

import pytest

from tests.core.fleet.worlds import host, hosts, model, need, running, spec, with_model
from zoosup.core.fleet.placement.assign import assign

SMALL = {"m": need(2), "n": need(2), "o": need(2)}


def placed(the_spec, the_hosts, before=None):
    return dict(assign(the_spec, the_hosts, before or {}).placements)


def refused(the_spec, the_hosts, before=None):
    return dict(assign(the_spec, the_hosts, before or {}).refusals)


def test_each_model_that_is_active_is_placed_and_no_other():
    found = hosts(host("a", 4, needs=SMALL))
    assert {"m": ("a",)} == placed(spec(model("m"), model("n", None)), found)


def test_the_best_room_is_where_most_is_left_of_the_fullest_pool():
    wanted = {"m": need(2, 4)}
    found = hosts(host("a", 64, 4, needs=wanted), host("b", 8, 16, needs=wanted))
    assert {"m": ("b",)} == placed(spec(model("m")), found)


def test_models_are_spread_over_hosts_that_are_alike():
    found = hosts(*(host(node, 8, needs=SMALL) for node in "abc"))
    assert {"m": ("a",), "n": ("b",), "o": ("c",)} == placed(
        spec(*(model(n, at) for at, n in enumerate("mno"))), found
    )


def test_whoever_runs_stays_though_there_is_better_room():
    found = hosts(running(host("a", 4, needs=SMALL), "m"), host("b", 64, needs=SMALL))
    assert {"m": ("a",)} == placed(spec(model("m")), found, {"m": ("a",)})


def test_so_does_who_was_to_run_somewhere_and_does_not_yet():
    found = hosts(host("a", 4, needs=SMALL), host("b", 64, needs=SMALL))
    assert {"m": ("a",)} == placed(spec(model("m")), found, {"m": ("a",)})


def test_one_that_a_request_has_started_stays_where_it_runs_once_it_is_active():
    found = hosts(host("a", 64, needs=SMALL), running(host("b", 4, needs=SMALL), "m"))
    assert {"m": ("b",)} == placed(spec(model("m")), found)


def test_one_that_runs_is_not_asked_for_room():
    short = running(host("a", 1, needs=SMALL), "m")
    assert {"m": ("a",)} == placed(spec(model("m")), hosts(short, host("b", 64, needs=SMALL)), {"m": ("a",)})


def test_one_that_does_not_run_yet_moves_where_there_is_room_when_its_host_runs_short():
    found = hosts(host("a", 1, needs=SMALL), host("b", 4, needs=SMALL))
    assert {"m": ("b",)} == placed(spec(model("m")), found, {"m": ("a",)})


@pytest.mark.parametrize(
    ("rest", "node"),
    [
        ({"hosts": ("b",)}, "b"),
        ({"labels": {"gpu": "a100"}}, "c"),
        ({"hosts": ("b", "c"), "labels": {"gpu": "a100"}}, "c"),
    ],
)
def test_it_runs_where_hosts_lets_it(rest, node):
    found = hosts(
        host("a", 64, needs=SMALL),
        host("b", 8, needs=SMALL),
        host("c", 4, needs=SMALL, labels={"gpu": "a100"}),
    )
    assert {"m": (node,)} == placed(spec(model("m", **rest)), found)
    assert {"m": (node,)} == placed(spec(model("m", **rest)), found, {"m": ("a",)})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"lost": True}, "a: is lost"),
        ({"drained": True}, "a: is drained"),
        ({"leaving": True}, "a: is shutting down"),
        ({"needs": {}}, "a: has no such model in its zoo.yaml"),
        ({"refused": {"m": "too large"}}, "a: too large"),
        ({"ram": 1}, "a: needs 2 GiB of RAM, 1 GiB may be had"),
    ],
)
def test_a_host_that_is_passed_over_is_said_with_the_reason(changes, says):
    found = host("a", **{"ram": 8, "needs": SMALL, **changes})
    assert {"m": says} == refused(spec(model("m")), hosts(found))
    both = hosts(found, host("b", 8, needs=SMALL))
    assert ({"m": ("b",)}, {}) == (placed(spec(model("m")), both), refused(spec(model("m")), both))


def test_the_host_has_the_last_word():
    no = with_model(host("a", 64, needs=SMALL), "m", refused="ram is short of 1 GiB")
    assert {"m": ("b",)} == placed(spec(model("m")), hosts(no, host("b", 4, needs=SMALL)), {"m": ("a",)})
    assert {"m": "a: ram is short of 1 GiB"} == refused(spec(model("m")), hosts(no), {"m": ("a",)})


def test_weights_that_are_missing_are_a_reason_too():
    no = with_model(host("a", 64, needs=SMALL), "m", missing=True)
    assert {"m": "a: lacks its weights"} == refused(spec(model("m")), hosts(no))


def test_who_runs_on_a_host_that_shuts_down_stays_until_it_is_lost():
    leaving = running(host("a", 8, needs=SMALL, leaving=True), "m")
    assert {"m": ("a",)} == placed(spec(model("m")), hosts(leaving, host("b", 8, needs=SMALL)), {"m": ("a",)})


def test_a_drained_host_is_emptied():
    full = running(host("a", 8, needs=SMALL, drained=True), "m")
    assert {"m": ("b",)} == placed(spec(model("m")), hosts(full, host("b", 8, needs=SMALL)), {"m": ("a",)})


def test_what_no_host_may_have_is_said():
    found = hosts(host("a", needs=SMALL))
    assert {"m": "no host is gpu: a100"} == refused(spec(model("m", labels={"gpu": "a100"})), found)
    assert {"m": "z: is not known"} == refused(spec(model("m", hosts=("z",))), found)


def test_of_many_hosts_a_few_are_named():
    found = hosts(*(host(f"h{at}", 1, needs=SMALL) for at in range(9)))
    text = refused(spec(model("m")), found)["m"]
    assert text.startswith("h0: needs 2 GiB of RAM, 1 GiB may be had; h1: ")
    assert text.endswith("h4: needs 2 GiB of RAM, 1 GiB may be had; and 4 more hosts")


BOTH = spec(model("m", 0), model("n", 1))


def test_where_not_all_have_room_the_first_of_active_does():
    found = hosts(host("a", 3, needs=SMALL))
    assert {"m": ("a",)} == placed(BOTH, found)
    assert {"n": "a: needs 2 GiB of RAM, 1 GiB may be had"} == refused(BOTH, found)


def test_a_higher_one_pushes_a_lower_one_to_another_host_when_it_can_be_had_in_no_other_way():
    wanted = {"m": need(6), "n": need(2)}
    found = hosts(running(host("a", 7, needs=wanted), "n"), host("b", 4, needs=wanted))
    assert {"m": ("a",), "n": ("b",)} == placed(BOTH, found, {"n": ("a",)})


def test_and_out_where_there_is_no_other_host():
    wanted = {"m": need(6), "n": need(2)}
    found = hosts(running(host("a", 7, needs=wanted), "n"))
    assert {"m": ("a",)} == placed(BOTH, found, {"n": ("a",)})


def test_a_lower_one_never_pushes():
    wanted = {"m": need(2), "n": need(6)}
    found = hosts(running(host("a", 7, needs=wanted), "m"), host("b", 4, needs=wanted))
    assert {"m": ("a",)} == placed(BOTH, found, {"m": ("a",)})


def test_nobody_is_pushed_for_one_that_does_not_fit_all_the_same():
    wanted = {"m": need(9), "n": need(2)}
    found = hosts(running(host("a", 7, needs=wanted), "n"))
    assert {"n": ("a",)} == placed(BOTH, found, {"n": ("a",)})


def test_who_can_go_elsewhere_is_pushed_rather_than_who_can_not():
    wanted = {"m": need(4), "n": need(4), "o": need(4)}
    found = hosts(
        running(host("a", 4, needs=wanted), "n"),
        running(host("b", 4, needs=wanted, labels={"l": "x"}), "o"),
        host("c", 4, needs=wanted, labels={"l": "x"}),
    )
    three = spec(
        model("m", 0, hosts=("a", "b")), model("n", 1, hosts=("a",)), model("o", 2, hosts=("b", "c"))
    )
    assert {"m": ("b",), "n": ("a",), "o": ("c",)} == placed(three, found, {"n": ("a",), "o": ("b",)})


def test_no_more_are_pushed_than_must_be():
    wanted = {"m": need(4), "n": need(4), "o": need(1)}
    found = host("a", 5, needs=wanted)
    found = running(running(found, "n"), "o")
    three = spec(model("m", 0), model("n", 1), model("o", 2))
    assert {"m": ("a",), "o": ("a",)} == placed(three, hosts(found), {"n": ("a",), "o": ("a",)})


def test_a_model_bound_to_one_host_is_not_kept_out_by_one_that_has_just_been_placed_there():
    found = hosts(host("a", 4, needs=SMALL), host("b", 3, needs=SMALL))
    pinned = spec(model("m", 0), model("n", 1, hosts=("a",)), model("o", 2, hosts=("a",)))
    assert {"m": ("b",), "n": ("a",), "o": ("a",)} == placed(pinned, found)


def test_but_one_that_runs_there_stays():
    found = hosts(running(host("a", 3, needs=SMALL), "m"), host("b", 3, needs=SMALL))
    pinned = spec(model("m", 0), model("n", 1, hosts=("a",)))
    assert {"m": ("a",)} == placed(pinned, found, {"m": ("a",)})


def test_idle_models_on_demand_make_way_where_there_is_no_other_room():
    lazy = running(host("a", 4, needs=SMALL), "n", yields=True)
    two = spec(model("m"), model("n", None, on_demand=True))
    assert {"m": ("b",)} == placed(two, hosts(lazy, host("b", 3, needs=SMALL)))
    assert {"m": ("a",)} == placed(two, hosts(running(host("a", 3, needs=SMALL), "n", yields=True)))


def test_busy_ones_do_not():
    busy = running(host("a", 3, needs=SMALL, spec=spec(model("n", None, on_demand=True))), "n")
    two = spec(model("m"), model("n", None, on_demand=True))
    assert {"m": "a: needs 2 GiB of RAM, 1 GiB may be had"} == refused(two, hosts(busy))


def test_who_is_active_no_longer_is_in_nobodys_way():
    old = running(host("a", 3, needs=SMALL, spec=spec(model("n", None))), "n")
    assert {"m": ("a",)} == placed(spec(model("m"), model("n", None)), hosts(old))


def test_replicas_are_on_different_hosts_and_come_after_every_first_copy():
    found = hosts(*(host(node, 4, needs=SMALL) for node in "abc"))
    two = spec(model("m", 0, replicas=2), model("n", 1))
    assert {"m": ("a", "c"), "n": ("b",)} == placed(two, found)
    full = hosts(*(host(node, 2, needs=SMALL) for node in "ab"))
    assert {"m": ("a",), "n": ("b",)} == placed(two, full)
    assert {"m": "runs 1 times of 2; b: needs 2 GiB of RAM, 0 B may be had"} == refused(two, full)


def test_a_further_replica_pushes_nobody():
    found = hosts(host("a", 2, needs=SMALL), running(host("b", 2, needs=SMALL), "n"))
    two = spec(model("m", 0, replicas=2), model("n", 1))
    assert {"m": ("a",), "n": ("b",)} == placed(two, found, {"n": ("b",)})


def test_all_is_one_on_every_host_that_may_have_it():
    found = hosts(*(host(node, 4, needs=SMALL) for node in "abc"), host("d", 4, needs=SMALL, drained=True))
    every = spec(model("m", 0, replicas=None, hosts=("a", "c", "d")))
    assert {"m": ("a", "c")} == placed(every, found)
    assert {} == refused(every, found)


def test_of_fewer_replicas_those_that_run_stay():
    found = hosts(host("a", 4, needs=SMALL), running(host("b", 4, needs=SMALL), "m"))
    assert {"m": ("b",)} == placed(spec(model("m")), found, {"m": ("a", "b")})


SPANS = spec(model("m", 0, spans=2))


def test_a_model_over_several_hosts_is_placed_on_all_or_none():
    two = hosts(host("a", 4, needs=SMALL), host("b", 8, needs=SMALL))
    assert {"m": ("b", "a")} == placed(SPANS, two)
    one = hosts(host("a", 1, needs=SMALL), host("b", 8, needs=SMALL))
    text = "a: needs 2 GiB of RAM, 1 GiB may be had; b: has room, and 2 hosts are needed"
    assert ({}, {"m": text}) == (placed(SPANS, one), refused(SPANS, one))


def test_when_one_of_its_hosts_is_lost_it_stays_on_the_other():
    found = hosts(host("a", 4, needs=SMALL), host("b", 4, needs=SMALL, lost=True), host("c", 64, needs=SMALL))
    assert {"m": ("a", "c")} == placed(SPANS, found, {"m": ("b", "a")})


def test_and_leaves_it_when_there_is_no_second_one():
    found = hosts(host("a", 4, needs=SMALL), host("b", 4, needs=SMALL, lost=True))
    assert {} == placed(SPANS, found, {"m": ("b", "a")})


def test_it_pushes_on_each_of_its_hosts():
    lower = [running(host(node, 3, needs=SMALL), each) for node, each in (("a", "n"), ("b", "o"))]
    three = spec(model("m", 0, spans=2), model("n", 1), model("o", 2))
    found = placed(three, hosts(*lower), {"n": ("a",), "o": ("b",)})
    assert {"m": ("a", "b")} == found


def test_a_gpu_is_given_once():
    wanted = {"m": need(1, 6), "n": need(1, 6)}
    found = hosts(host("a", 64, 8, needs=wanted), host("b", 8, 8, needs=wanted))
    assert {"m": ("a",), "n": ("b",)} == placed(BOTH, found)
    alone = hosts(host("a", 64, 8, needs=wanted))
    assert {"n": "a: needs 6 GiB on a GPU, 2 GiB may be had"} == refused(BOTH, alone)


def test_needs_are_those_of_each_host():
    """One has a GPU that is fast and small; the other counts the model as RAM."""
    a, b = host("a", 8, 4, needs={"m": need(1, 6)}), host("b", 8, needs={"m": need(1, 6)})
    assert {"m": ("b",)} == placed(spec(model("m")), hosts(a, b))


def test_nothing_is_placed_on_what_nobody_has_reported():
    assert ({}, {"m": "no host is there"}) == (placed(spec(model("m")), {}), refused(spec(model("m")), {}))

"""Which copies stay though others are to run the model, decision by decision."""

from tests.core.fleet.worlds import need, report, running
from zoosup.core.fleet.leases import Lease
from zoosup.core.fleet.placement.assign import Assigned
from zoosup.core.fleet.surplus import Surplus
from zoosup.core.fleet.words import Assignment

NEEDS = {"m": need(2)}
IDLE = {node: report(node, needs=NEEDS) for node in "abc"}
RUNS = {node: running(report(node, needs=NEEDS, assignment=Assignment(models=("m",))), "m") for node in "abc"}


class Hosts:
    """What is decided for m where it is to run on one host, each report being newer than those before."""

    def __init__(self):
        self.surplus, self.turn, self.leases = Surplus(), 0, {}

    def kept(self, node, *reports):
        for each in reports:
            self.turn += 1
            self.leases[each.node] = Lease(each, each, 0.0, self.turn)
        return {*self.surplus.stays(Assigned({"m": (node,)}, {}), ["m"], self.leases, self.turn)}


def test_a_copy_stays_until_the_other_says_that_it_is_ready():
    hosts = Hosts()
    assert {"a"} == hosts.kept("b", RUNS["a"], IDLE["b"], IDLE["c"])
    assert set() == hosts.kept("b", RUNS["b"])


def test_one_that_has_been_let_go_is_not_kept_after_all():
    """Its host is stopping it: of two that are drained each would begin it anew while the other is told to stop it."""
    hosts = Hosts()
    hosts.kept("b", RUNS["a"], IDLE["b"], IDLE["c"])
    hosts.kept("b", RUNS["b"])
    assert {"b"} == hosts.kept("c")
    assert {"b"} == hosts.kept("c", IDLE["a"])


def test_but_once_it_has_stopped_it_is_a_copy_as_any_other():
    hosts = Hosts()
    hosts.kept("b", RUNS["a"], IDLE["b"], IDLE["c"])
    hosts.kept("b", RUNS["b"])
    hosts.kept("b", IDLE["a"])
    assert {"a"} == hosts.kept("c", IDLE["b"], RUNS["a"])

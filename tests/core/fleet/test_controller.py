"""The controller over time, sentence by sentence: leases, grace, partition, returns, edits, drains, twins."""

from dataclasses import replace

import pytest

from tests.core.fleet.simulated_fleet import (
    EVERY,
    LOAD,
    LOST_AFTER,
    STEP,
    File,
    SimulatedFleet,
    SimulatedHost,
)
from tests.core.fleet.worlds import GIB, model, need, report, spec, with_model
from zoosup.core.fleet.controller import Controller
from zoosup.core.fleet.words import Assignment, Choice

LEAST = 2 * EVERY + 2 * STEP
"""Time in which a word gets to a host, and its own back."""

MODELS = tuple(model(name, at) for at, name in enumerate("mno"))
ONE, TWO, THREE = File("one", MODELS[:1]), File("two", MODELS[:2]), File("three", MODELS)


def fleet(count=3, file=ONE, ram=8, **options):
    needs = {"m": 2, "n": 2, "o": 2}
    hosts = [SimulatedHost(node, ram, needs, file) for node in "abcdefg"[:count]]
    return SimulatedFleet(hosts, **options)


def settled(*args, **options):
    found = fleet(*args, **options)
    found.run(LOST_AFTER + LOAD + 2 * LEAST)
    return found


def test_a_fleet_that_begins_waits_for_everybody_and_then_runs_each_model_once():
    found = fleet(file=THREE)
    found.run(LOST_AFTER)
    assert [] == found.running("m")
    assert found.controller.view(found.now).settling
    found.run(LOAD + 2 * LEAST)
    assert [["a"], ["b"], ["c"]] == [found.ready(name) for name in "mno"]


def test_the_models_of_a_lost_host_start_elsewhere_after_the_lease():
    found = settled()
    found.hosts["a"].kill(found.now)
    found.run(LOST_AFTER - 2 * EVERY)
    assert [] == found.running("m")
    found.run(2 * EVERY + LEAST)
    assert ["b"] == found.running("m")


def test_a_host_that_is_cut_off_goes_on_and_gives_back_only_once_the_other_is_ready():
    found = settled()
    found.hosts["a"].connected = False
    found.run(LOST_AFTER + LEAST)
    assert ["a", "b"] == found.running("m")
    assert ["a"] == found.ready("m")
    found.hosts["a"].connected = True
    found.run(STEP)
    assert ["a", "b"] == found.running("m")
    found.run(LOAD + LEAST)
    assert ["b"] == found.running("m")


def test_what_was_said_of_readiness_before_the_return_does_not_count():
    """The prototype stopped both in one second."""
    found = settled()
    found.hosts["a"].connected = False
    found.run(LOST_AFTER + LOAD + LEAST)
    assert ["a", "b"] == found.ready("m")
    found.hosts["b"].connected = False
    found.hosts["b"].kill(found.now)  # nobody knows yet
    found.hosts["a"].connected = True
    found.run(LOST_AFTER - 2 * EVERY)
    assert ["a"] == found.ready("m")
    found.run(3 * LOST_AFTER)
    assert ["a"] == found.ready("m")


@pytest.mark.parametrize("shared", [2.0, 3 * LOST_AFTER])
def test_of_two_hosts_of_one_name_the_one_that_stays_is_heard_once_the_other_has_gone(shared):
    controller = Controller(0.0)
    one = report("a", needs={}, life="one", address="10.0.0.1")
    twin = replace(one, life="twin", address="10.0.0.2")
    at, number = 0.0, 0

    def pass_by(seconds, *who):
        nonlocal at, number
        for _ in range(int(seconds)):
            at, number = at + 1, number + 1
            for each in who:
                controller.hear(replace(each, sequence=number), at)
            controller.tick(at)

    pass_by(20, one)
    pass_by(shared, one, twin)
    for _ in range(int(LOST_AFTER) + 3):
        pass_by(1, one)
        assert not controller.view(at).hosts["a"].lost  # else its models would go elsewhere
    assert "10.0.0.1" == controller.view(at).hosts["a"].report.address


def test_one_late_report_of_an_earlier_life_keeps_nobody_there():
    controller = Controller(0.0)
    first = report("a", needs={}, life="x", sequence=1)
    controller.hear(first, 0.0)
    controller.hear(replace(first, life="y"), 1.0)
    for at in range(2, 13):
        controller.tick(float(at))
        if at == 8:
            controller.hear(replace(first, sequence=2), 8.0)
    assert ("y", True) == (
        controller.view(12.0).hosts["a"].report.life,
        controller.view(12.0).hosts["a"].lost,
    )


def test_late_and_doubled_reports_change_nothing_and_renew_no_lease():
    controller = Controller(0.0)
    first = report("a", needs={}, life="x", sequence=1)
    controller.hear(first, 0.0)
    controller.hear(replace(first, sequence=3, address="new"), 1.0)
    version = controller.version
    for late in (first, replace(first, sequence=2), replace(first, sequence=3)):
        controller.hear(late, 5.0)
    assert version == controller.version
    assert 4.0 == controller.view(5.0).hosts["a"].age
    assert "new" == controller.view(5.0).hosts["a"].report.address
    controller.hear(replace(first, life="y", sequence=1), 5.0)
    controller.hear(replace(first, sequence=9), 5.0)
    assert "y" == controller.view(5.0).hosts["a"].report.life


def test_a_clock_that_goes_back_stands_still():
    controller = Controller(100.0)
    controller.hear(report("a", life="x", sequence=1), 100.0)
    controller.tick(3.0)
    assert 0.0 == controller.view(50.0).hosts["a"].age


def test_time_in_which_the_controller_stood_still_counts_against_nobody():
    found = settled()
    found.now += 60  # as after SIGSTOP and SIGCONT
    found.controller.tick(found.now)
    assert not any(host.lost for host in found.controller.view(found.now).hosts.values())
    found.run(LEAST)
    assert ["a"] == found.running("m")


def test_a_minority_moves_nothing():
    found = settled(5)
    for node in "abc":
        found.hosts[node].connected = False
    found.run(3 * LOST_AFTER)
    view = found.controller.view(found.now)
    assert view.partitioned
    assert {"m": ("a",)} == view.placements
    assert ["a"] == found.running("m")


def test_when_the_others_are_back_it_waits_for_the_last_of_them():
    found = settled(5)
    for node in "abcd":
        found.hosts[node].connected = False
    found.run(2 * LOST_AFTER)
    for node in "bcd":
        found.hosts[node].connected = True
    found.run(LOST_AFTER / 2)
    view = found.controller.view(found.now)
    assert (False, True) == (view.partitioned, view.settling)
    found.hosts["a"].connected = True
    found.run(LEAST)
    assert not found.controller.view(found.now).settling
    assert ["a"] == found.running("m")


def test_of_two_hosts_one_may_be_lost():
    found = settled(2)
    found.hosts["a"].kill(found.now)
    found.run(LOST_AFTER + LEAST)
    assert ["b"] == found.running("m")


def test_a_controller_that_begins_anew_moves_nothing_and_knows_the_same():
    found = settled(3, THREE)
    before, stops = found.placements(), [host.stops for host in found.hosts.values()]
    epoch = found.controller.view(found.now).epoch
    found.restart_controller()
    found.run(LOST_AFTER + LEAST)
    assert before == found.placements()
    assert stops == [host.stops for host in found.hosts.values()]
    assert epoch + 1 == found.controller.view(found.now).epoch


def test_it_begins_at_once_when_all_are_there_whom_somebody_knew():
    found = settled()
    found.restart_controller()
    found.run(LEAST)
    assert not found.controller.view(found.now).settling


def test_and_waits_a_lease_for_one_that_is_not():
    found = settled()
    found.hosts["b"].connected = False
    found.restart_controller()
    found.run(LOST_AFTER - EVERY)
    assert found.controller.view(found.now).settling
    found.run(LEAST)
    assert not found.controller.view(found.now).settling
    assert found.controller.view(found.now).hosts["b"].lost


def test_one_that_knows_but_a_minority_is_the_one_that_is_cut_off():
    found = settled(5)
    for node in "abc":
        found.hosts[node].connected = False
    found.restart_controller()
    found.run(3 * LOST_AFTER)
    assert found.controller.view(found.now).partitioned
    assert ["a"] == found.running("m")


def test_an_edit_on_one_host_is_the_next_generation_and_the_others_are_told():
    found = settled()
    found.hosts["b"].edit(TWO)
    found.run(LEAST)
    view = found.controller.view(found.now)
    assert ("two", 2, ("a", "c")) == (view.spec.digest, view.spec.generation, view.old_files)
    for host in found.hosts.values():
        host.edit(TWO)
    found.run(LOAD + LEAST)
    view = found.controller.view(found.now)
    assert (2, ()) == (view.spec.generation, view.old_files)
    assert [["a"], ["b"]] == [found.ready(name) for name in "mn"]


def test_what_is_new_in_a_file_goes_to_no_host_whose_own_does_not_have_it_active():
    found = settled(file=File("shut", (MODELS[0], model("n", None))))
    found.hosts["a"].needs = {"m": 2, "n": 7}  # the others have room
    found.hosts["a"].edit(TWO)
    found.run(LOAD + LEAST)
    assert "b: its own zoo.yaml does not have it active" in found.controller.view(found.now).refusals["n"]
    found.hosts["b"].edit(TWO)
    found.run(LOAD + LEAST)
    assert ["b"] == found.ready("n")


def test_one_that_comes_back_with_an_old_file_is_told_so_and_does_not_win():
    found = settled()
    found.hosts["c"].kill(found.now)
    found.run(LEAST)
    for node in "ab":
        found.hosts[node].edit(TWO)
    found.run(LOST_AFTER + LEAST)
    found.hosts["c"].start()
    found.run(LEAST)
    view = found.controller.view(found.now)
    assert ("two", 2, ("c",)) == (view.spec.digest, view.spec.generation, view.old_files)


def test_nor_does_one_that_edits_an_old_file():
    found = settled()
    for node in "ab":
        found.hosts[node].edit(TWO)
    found.run(2 * LOST_AFTER)
    found.hosts["c"].edit(THREE)
    found.run(LEAST)
    assert ("two", ("c",)) == (
        found.controller.view(found.now).spec.digest,
        found.controller.view(found.now).old_files,
    )


def test_to_go_back_to_an_earlier_text_is_a_new_state():
    found = settled()
    for file in (TWO, ONE):
        for host in found.hosts.values():
            host.edit(file)
        found.run(LEAST)
    view = found.controller.view(found.now)
    assert ("one", 3, ()) == (view.spec.digest, view.spec.generation, view.old_files)


def test_of_two_that_edit_at_once_the_last_heard_wins_and_both_agree():
    found = settled()
    found.hosts["a"].edit(TWO)
    found.hosts["b"].edit(THREE)
    found.run(LEAST)
    view = found.controller.view(found.now)
    assert (3, "three", ("a", "c")) == (view.spec.generation, view.spec.digest, view.old_files)
    found.run(3 * LOST_AFTER)
    assert "three" == found.controller.view(found.now).spec.digest


def test_generations_outlive_the_controller():
    found = settled()
    for host in found.hosts.values():
        host.edit(TWO)
    found.run(LEAST)
    found.restart_controller()
    found.run(LEAST)
    assert 2 == found.controller.view(found.now).spec.generation


def test_an_edit_that_nobody_heard_is_taken_by_the_next_controller():
    found = settled()
    found.up[""] = False
    for host in found.hosts.values():
        host.edit(TWO)
    found.restart_controller()
    found.run(LEAST + LOAD)
    assert ("two", 2) == (
        found.controller.view(found.now).spec.digest,
        found.controller.view(found.now).spec.generation,
    )
    assert ["b"] == found.ready("n")


def test_a_host_is_drained_without_a_gap_and_stays_empty():
    found = settled()
    assert "" == found.controller.drain("a", on=True)
    found.run(LEAST)
    assert (["a"], ["a", "b"]) == (found.ready("m"), found.running("m"))
    found.run(LOAD + LEAST)
    assert ["b"] == found.running("m")
    found.controller.drain("a", on=False)
    found.run(LOAD + LEAST)
    assert ["b"] == found.running("m")


def test_a_drain_outlives_the_controller():
    found = settled()
    found.controller.drain("b", on=True)
    found.run(LEAST)
    found.restart_controller()
    found.run(LEAST)
    found.hosts["a"].kill(found.now)
    found.run(LOST_AFTER + LEAST)
    assert ["c"] == found.running("m")


def test_a_drained_host_keeps_what_no_other_can_have_and_says_why():
    found = settled(2)
    found.hosts["b"].ram = 1
    found.run(LEAST)
    found.controller.drain("a", on=True)
    found.run(3 * LOST_AFTER)
    text = "stays on a until another host has it; a: is drained; b: needs 2 B of RAM, 1 B may be had"
    assert (["a"], text) == (found.ready("m"), found.controller.view(found.now).refusals["m"])
    found.hosts["b"].ram = 8
    found.run(LOAD + LEAST + 3)
    assert ["b"] == found.running("m")


def test_a_lost_host_that_is_drained_is_forgotten_until_it_is_back():
    found = settled(4)
    for node in "bcd":
        found.hosts[node].kill(found.now)
    found.run(LOST_AFTER + LEAST)
    assert found.controller.view(found.now).partitioned
    for node in "bcd":
        assert "" == found.controller.drain(node, on=True)
    found.run(LEAST)
    assert ["a"] == list(found.controller.view(found.now).hosts)
    assert not found.controller.view(found.now).partitioned
    found.hosts["b"].start()
    found.run(LEAST)
    assert found.controller.view(found.now).hosts["b"].report.assignment.drained


def drained_while_away():
    """A fleet of three whose b has died, and is drained then; and its models run elsewhere."""
    found = settled(3, THREE)
    found.hosts["b"].kill(found.now)
    found.run(LOST_AFTER + LOAD + LEAST)
    assert "" == found.controller.drain("b", on=True)
    found.run(LEAST)
    return found


@pytest.mark.parametrize("restarts", [1, 3])
def test_a_drain_of_a_host_that_is_away_outlives_the_controller(restarts):
    found = drained_while_away()
    for _ in range(restarts):
        found.restart_controller()
        found.run(LOST_AFTER + LEAST)
    assert ["a", "c"] == list(found.controller.view(found.now).hosts)
    found.hosts["b"].start()
    found.hosts["a"].kill(found.now)
    found.run(2 * LOST_AFTER + LOAD)
    assert found.controller.view(found.now).hosts["b"].report.assignment.drained
    assert [["c"], ["c"], ["c"]] == [found.running(name) for name in "mno"]


def test_and_one_that_only_one_host_has_heard_of_too():
    found = settled(3, THREE)
    for node in "bc":
        found.hosts[node].connected = False
    found.hosts["b"].kill(found.now)
    found.run(LOST_AFTER + LEAST)
    found.controller.drain("b", on=True)
    found.run(LEAST)
    found.hosts["c"].connected = True
    found.restart_controller()
    found.run(2 * LOST_AFTER)
    view = found.controller.view(found.now)
    assert ["a", "c"] == list(view.hosts)  # c still counted b among them
    assert view.drains["b"].on


def test_a_drain_that_was_taken_back_while_the_host_was_away_stays_taken_back():
    found = settled(3, THREE)
    found.controller.drain("b", on=True)
    found.run(LOAD + LEAST)
    found.hosts["b"].kill(found.now)
    found.run(LOST_AFTER + LEAST)
    assert "" == found.controller.drain("b", on=False)
    found.run(LEAST)
    found.restart_controller()
    found.hosts["b"].start()
    found.run(LOST_AFTER + LEAST)
    assert not found.hosts["b"].assignment.drained


def test_a_host_that_was_forgotten_may_be_undrained_before_it_is_back():
    found = drained_while_away()
    assert "" == found.controller.drain("b", on=False)
    found.run(LEAST)
    found.restart_controller()
    found.hosts["b"].start()
    found.run(LOST_AFTER + LEAST)
    assert not found.hosts["b"].assignment.drained
    assert "x is no host of this fleet" == found.controller.drain("x", on=False)


def test_what_a_person_says_to_a_new_controller_is_later_than_what_hosts_have_kept():
    found = settled(3)
    for on in (True, False, True):
        found.controller.drain("b", on=on)
        found.run(LEAST)
    for node in "ac":
        found.hosts[node].connected = False
    found.restart_controller()
    found.hosts["b"].view = replace(found.hosts["b"].view, drains={})  # as of an older release
    found.run(LEAST)
    assert "" == found.controller.drain("b", on=False)
    for node in "ac":
        found.hosts[node].connected = True
    found.run(LOST_AFTER + LEAST)
    assert not found.controller.view(found.now).drains["b"].on


def test_who_is_told_nothing_new_is_told_nothing():
    found = settled()
    answer = found.controller.answer("a", 0, found.now)
    assert answer.assignment is None
    assert not found.controller.changed(answer.version)
    found.run(5)
    assert not found.controller.changed(answer.version)  # reports alone wake nobody


def test_figures_alone_come_now_and_then_and_all_else_at_once():
    found = settled()
    first = found.controller.answer("a", 0, found.now)
    assert first.view is not None
    assert found.controller.answer("a", first.version, found.now).view is None
    assert found.controller.answer("a", first.version, found.now + 1).view is not None
    assert found.controller.answer("a", first.version, found.now + 1).view is None
    again = replace(found.hosts["a"].report(found.now), life="another", sequence=1)
    found.controller.hear(again, found.now + 1)
    assert found.controller.answer("a", first.version, found.now + 1).view is not None
    found.controller.drain("b", on=True)
    assert found.controller.answer("a", first.version, found.now + 1).view is not None


def test_a_host_obeys_the_controller_with_the_highest_epoch_and_the_other_one_begins_anew():
    found = settled()
    found.restart_controller("other")
    found.of["c"] = "other"
    found.run(3 * LOST_AFTER)
    assert ["a"] == found.running("m")
    found.of = dict.fromkeys(found.hosts, "other")
    found.run(3 * LOST_AFTER)
    assert (["a"], 1) == (found.running("m"), len(found.hosts["a"].assignment.models))
    found.of = dict.fromkeys(found.hosts, "")
    found.run(3 * LOST_AFTER)
    assert ["a"] == found.running("m")
    assert {host.assignment.epoch for host in found.hosts.values()} == {
        found.controller.view(found.now).epoch
    }


def decided(*reports):
    """A controller that has decided, told by hand."""
    controller = Controller(0.0)
    for each in reports:
        controller.hear(each, 0.0)
    for at in range(1, 48):
        controller.tick(at / 4)
        for each in reports:
            controller.hear(replace(each, sequence=at), at / 4)
    return controller


def test_what_a_host_refuses_moves_on_and_does_not_come_back_at_once():
    a, b = (
        report(node, 64 if node == "a" else 8, needs={"m": need(2)}, spec=spec(MODELS[0]), life="x")
        for node in "ab"
    )
    controller = decided(a, b)
    assert {"m": ("a",)} == controller.view(12.0).placements
    controller.hear(replace(with_model(a, "m", refused="too large"), sequence=99), 12.0)
    controller.tick(12.0)
    assert {"m": ("b",)} == controller.view(12.0).placements
    controller.drain("b", on=True)
    controller.hear(replace(b, leaving=True, sequence=99), 12.5)
    controller.hear(replace(a, sequence=100), 12.5)
    controller.tick(12.5)
    assert {"m": "a: too large; b: is drained"} == controller.view(12.5).refusals
    for at in range(50, 300):
        controller.hear(replace(a, sequence=100 + at), at / 4)
        controller.hear(replace(b, sequence=100 + at), at / 4)
        controller.tick(at / 4)
    assert {"m": ("a",)} == controller.view(75.0).placements


def test_a_host_that_stops_a_model_already_is_not_told_to_keep_it():
    """It would end one process only to begin another: a host that is back had begun what it had before."""
    a, b = (
        report(node, 64 if node == "a" else 8, needs={"m": need(2)}, spec=spec(MODELS[0]), life="x")
        for node in "ab"
    )
    controller = decided(a, b)
    told = controller.answer("a", 0, 12.0).assignment
    a = replace(a, assignment=told)
    for sequence, at in enumerate(range(12, 24), 99):
        controller.hear(replace(b, sequence=sequence), float(at))
        controller.tick(float(at))
    assert {"m": ("b",)} == controller.view(23.0).placements
    controller.hear(replace(a, life="y", sequence=1), 23.1)
    controller.tick(23.4)
    assert () == controller.answer("a", 0, 23.4).assignment.models
    stopping = with_model(a, "m", phase="stopping", held={"ram": 2 * GIB})
    controller.hear(replace(stopping, life="y", sequence=2), 23.7)
    controller.tick(23.7)
    assert () == controller.answer("a", 0, 23.7).assignment.models


ASKED = model("m", None, on_demand=True)


def test_two_that_ask_at_once_are_sent_to_one_host():
    a, b = (report(node, 8, needs={"m": need(2)}, spec=spec(ASKED), life="x") for node in "ab")
    controller = decided(a, b)
    assert Choice("a") == controller.choose("m", "a", 12.0)
    assert Choice("a") == controller.choose("m", "b", 12.1)
    controller.tick(15.0)
    assert Choice("b") == controller.choose("m", "b", 18.0)


def test_a_host_that_is_drained_is_chosen_no_more_before_it_says_so():
    a, b = (report(node, 8, needs={"m": need(2)}, spec=spec(ASKED), life="x") for node in "ab")
    controller = decided(a, b)
    controller.drain("a", on=True)
    assert Choice("b") == controller.choose("m", "a", 12.0)


def test_models_over_several_hosts_are_told_to_all_of_them_with_their_addresses():
    wide = spec(model("m", 0, spans=2))
    reports = [
        report(node, ram, needs={"m": need(2)}, spec=wide, life="x", address=f"10.0.0.{ram}")
        for node, ram in (("a", 4), ("b", 8), ("c", 1))
    ]
    controller = decided(*reports)
    told = {node: controller.answer(node, 0, 12.0).assignment for node in "abc"}
    peers = {"m": ("10.0.0.8", "10.0.0.4")}
    assert [(("m",), peers), (("m",), peers), ((), {})] == [(told[n].models, told[n].peers) for n in "abc"]


@pytest.mark.parametrize("spans", [1, 2])
def test_claims_of_the_hosts_are_what_a_new_controller_begins_with(spans):
    wide = spec(model("m", 0, spans=spans))
    peers = {"m": ("10.0.0.1", "10.0.0.8")} if spans > 1 else {}
    told = Assignment(1, 1, 1, ("m",), peers=peers)
    a = report("a", 1, needs={"m": need(1)}, spec=wide, life="x", address="10.0.0.1", assignment=told)
    b = report("b", 8, needs={"m": need(1)}, spec=wide, life="x", address="10.0.0.8")
    b = replace(b, assignment=told) if spans > 1 else b
    assert {"m": ("a", "b")[:spans]} == decided(a, b).view(12.0).placements


def test_an_empty_fleet_says_so():
    controller = Controller(0.0)
    controller.tick(60.0)
    assert {} == controller.view(60.0).hosts
    assert "the zoo.yaml of the fleet has no such model" == controller.choose("m", "a", 60.0).refusal
    assert "a is no host of this fleet" == controller.drain("a", on=True)

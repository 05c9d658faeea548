"""Histories that the random ones have found and that broke a law once: each is lived through again, law by law."""

from dataclasses import replace

from tests.runtime.histories import virtual_time
from tests.runtime.histories.demand_events import ON_DEMAND, Call, asked
from tests.runtime.histories.random_events import (
    FIRST,
    Ask,
    Become,
    ByHand,
    Crash,
    EditModel,
    File,
    Kill,
    Messages,
    ModelEntry,
    Rewrite,
    SetActive,
    Sick,
    Surroundings,
)
from tests.runtime.histories.test_histories import live_through
from tests.runtime.histories.unreliable_host import FaultProfile


def test_who_comes_when_patience_is_over_waits_though_the_model_serves():
    """b serves its first client in the moment in which d has waited for all of patience: b's next one queues behind."""
    models = tuple((name, asked("9GiB")) for name in "bd")
    rivals = File(models, (), "16GiB", rules=(("patience", "4s"),))
    events = [
        (Rewrite(rivals), 3.0),
        (Become("b", FaultProfile(load=7.6)), 0.0),
        (Messages(lost=True, doubled=False), 0.0),
        (Call("b"), 4.0),
        (Call("d"), 4.0),
        (Call("b"), 1.0),
    ]
    virtual_time.run(live_through(events, ON_DEMAND))


def test_a_plan_is_asked_for_while_the_host_runs_out_of_memory():
    """Found by seed 7: the same turn kills a model, which is foretold too."""
    short = Surroundings(foreign=33, countable=False, port_taken=True, missing="a")
    virtual_time.run(live_through([(Kill(acts=3, away=0.5), 3.0), (short, 0.02), (Ask(), 0.02)]))


def test_one_that_is_off_and_is_stopped_by_hand_starts_for_clients_once_the_file_says_so():
    """Found by seed 31337: where the file says the same a person's stop is no override, and the edit comes after it."""
    models = tuple((name, asked("4GiB") if name == "b" else entry) for name, entry in FIRST.models)
    events = [
        (ByHand("stop", "b"), 0.001),
        (Rewrite(replace(FIRST, models=models)), 0.3),
        (Call("b"), 3.0),
    ]
    virtual_time.run(live_through(events))


def test_one_that_is_active_and_is_stopped_by_hand_stays_so_though_the_file_has_it_on_demand_too():
    """Found by the seed of the first whole look: the file says nothing new of whether it is to run."""
    events = [
        (Call("a", hold=40.0), 3.0),
        (ByHand("stop", "a"), 1.0),
        (EditModel("a", asked("4GiB")), 0.3),
        (Call("a"), 3.0),
    ]
    virtual_time.run(live_through(events, ON_DEMAND))


def test_one_that_was_rolled_back_and_is_stopped_by_hand_stays_so_whatever_the_next_edit_is_about():
    """Found by seed 31415926535: nobody wanted it at that moment, so that a person's word was not kept."""
    dies = FaultProfile(spawn=0.002, load=0.2, start="dies")
    events = [
        (SetActive(("b",)), 8.0),
        (Become("a", dies), 0.0),
        (SetActive(("a",)), 25.0),
        (Become("a", FaultProfile(spawn=0.002, load=1.0, stop=1000.0, stuck=True)), 0.0),
        (ByHand("restart", "a"), 3.0),
        (ByHand("stop", "a"), 25.0),
        (SetActive(("a", "b")), 0.0),
    ]
    virtual_time.run(live_through(events))


def test_what_is_seen_of_a_models_files_is_taken_in_while_it_is_believed_though_its_message_wakes_nobody():
    """Found by seed 2: nothing else moved, so that each look was twelve seconds old when it was heard of."""
    dies = FaultProfile(spawn=0.002, load=0.2, start="dies")
    events = [
        (Become("a", dies), 0.0),
        (ByHand("restart", "a"), 3.0),
        (Kill(acts=0, away=0.5), 1.0),
        (Messages(lost=True, doubled=False), 0.0),
    ]
    virtual_time.run(live_through(events))


def test_no_record_is_left_of_runs_that_end_while_their_last_records_are_being_written():
    """Found by seed 98765432123: the unreliable host wrote records after it had been asked to remove them."""
    dies = FaultProfile(load=0.2, holds=0.9, start="dies")
    drains = ModelEntry("1GiB", grace="1s", drains=True, deadline="10s")
    events = [
        (EditModel("a", drains), 0.0),
        (Become("d", dies), 0.0),
        (ByHand("restart", "d"), 3.0),
        (Kill(acts=0, away=0.5), 1.0),
        (Become("b", dies), 0.0),
        (ByHand("restart", "b"), 3.0),
        (Kill(acts=0, away=0.5), 1.0),
        (Sick("a", sick=False), 3.0),
        (Crash("d"), 25.0),
    ]
    virtual_time.run(live_through(events))


def test_who_can_never_be_had_is_told_so_as_late_as_two_lost_wake_ups_make_it():
    """Found by seed 271828182845904523536: one for the demand, one for what was seen of its files."""
    models = (("c", asked("15GiB")), ("b", replace(asked("40GiB"), command="better")))
    file = File(models, (), "20GiB", rules=(("queue_timeout", "5s"),))
    events = [(Call("b"), 8.0), (Rewrite(file), 0.02), (Messages(lost=True, doubled=False), 1.0)]
    virtual_time.run(live_through(events, ON_DEMAND))


def test_who_waits_for_a_port_that_one_started_by_hand_has_is_told_after_ten_seconds():
    """Found by the same seed: as where a stranger has it."""
    models = tuple((name, replace(asked("4GiB"), port=8000)) for name in "bc")
    file = File(models, (), "64GiB", rules=(("queue_timeout", "60s"),))
    virtual_time.run(live_through([(ByHand("start", "c"), 0.0), (Rewrite(file), 3.0)], ON_DEMAND))


def test_one_that_a_roll_back_brings_back_may_displace_who_comes_later_in_active():
    """Found by seed 5772156649: a is wanted in the place of c, which died, so that it comes before d."""
    first = File(
        (("a", ModelEntry("1GiB", grace="1s")), ("c", ModelEntry("1GiB"))), ("a",), "10GiB", rollback=False
    )
    grown = (("a", ModelEntry("6GiB", command="better")), ("d", ModelEntry("6GiB", grace="1s")))
    events = [
        (Rewrite(first), 0.0),
        (Rewrite(File(grown, ("c", "d"), "10GiB")), 0.0),
        (EditModel("c", ModelEntry("4GiB", restart="limited")), 0.0),
        (Become("c", FaultProfile(spawn=0.002, load=0.2, start="dies")), 0.0),
        (ByHand("start", "c"), 25.0),
    ]
    virtual_time.run(live_through(events))

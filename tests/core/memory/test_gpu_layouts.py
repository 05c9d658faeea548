"""DESIGN §5.3: on which GPU a model is placed, who waits for one and who leaves it; one sentence, one example."""

from dataclasses import replace

import pytest

from tests.core.gpus import gpu_host, gpu_zoo, on_gpu, placed, shown, start_of
from tests.core.zoo import GIB, NODE, NOW, a_host, a_model, acts, condition, decide, switched, why
from zoosup.core.state.actions import Start
from zoosup.core.state.phases import Cause, Phase
from zoosup.core.state.pools import Cooldown
from zoosup.core.state.runs import Leaving

# one card where one suffices


def test_of_those_that_fit_the_fullest_gpu_is_taken():
    spec = gpu_zoo({"a": on_gpu("6GiB")}, ["a"])
    assert {"GPU-1": 6} == start_of(spec, gpu_host(spec, [20, 8, 12]), "a")


def test_of_equal_gpus_the_first_is_taken():
    spec = gpu_zoo({"a": on_gpu("6GiB")}, ["a"])
    assert {"GPU-0": 6} == start_of(spec, gpu_host(spec, [24, 24]), "a")


def test_it_is_shown_the_gpu_that_it_was_booked_on():
    spec = gpu_zoo({"a": on_gpu("6GiB")}, ["a"])
    assert ("GPU-1",) == shown(spec, gpu_host(spec, [2, 24]), "a")


def test_what_fits_on_no_single_gpu_is_split_equally():
    spec = gpu_zoo({"a": on_gpu("40GiB")}, ["a"])
    assert {"GPU-0": 20, "GPU-1": 20} == start_of(spec, gpu_host(spec, [24, 24, 24]), "a")


def test_it_is_split_over_as_few_as_will_do():
    spec = gpu_zoo({"a": on_gpu("54GiB")}, ["a"])
    assert {"GPU-0": 18, "GPU-1": 18, "GPU-3": 18} == start_of(spec, gpu_host(spec, [24, 24, 2, 24]), "a")


def test_it_is_not_split_to_save_the_wait_for_a_model_that_leaves():
    spec = gpu_zoo({"a": on_gpu("20GiB")}, ["a"])
    gone = placed({"GPU-0": "12GiB"}, Phase.STOPPING)
    host = gpu_host(spec, [12, 12], x=leaving_now(gone))
    assert ["hold a pending WaitingForEviction"] == acts(spec, host)


def leaving_now(state):
    def left(name, spec):
        model = state(name, spec)
        out = Leaving(Cause.NOT_WANTED, "not in active", NOW - 1, ladder=True)
        return replace(model, run=replace(model.run, leaving=out), reason=Cause.NOT_WANTED)

    return left


def test_what_no_single_gpu_can_ever_have_waits_for_two_and_is_not_refused():
    spec = gpu_zoo({"a": on_gpu("40GiB")}, ["a"])
    assert ["hold a pending WaitingForMemory"] == acts(spec, gpu_host(spec, [12, 12]))


def test_a_gpu_that_strangers_hold_is_waited_for_not_one_that_an_earlier_model_keeps():
    spec = gpu_zoo({"b": on_gpu("20GiB"), "a": on_gpu("20GiB")}, ["b", "a"])
    host = gpu_host(spec, [4, 3], b=placed({"GPU-0": "20GiB"}))
    assert ["hold a pending WaitingForMemory"] == acts(spec, host)


def test_it_is_split_where_strangers_hold_the_single_gpu_it_would_fit_on():
    spec = gpu_zoo({"a": on_gpu("20GiB")}, ["a"])
    assert {"GPU-0": 10, "GPU-1": 10} == start_of(spec, gpu_host(spec, [12, 12]), "a")


def test_nobody_is_sent_away_where_it_could_be_split():
    spec = gpu_zoo({"a": on_gpu("20GiB"), "b": on_gpu("10GiB")}, ["a", "b"])
    host = gpu_host(spec, [14, 14], b=placed({"GPU-0": "10GiB"}))
    assert {"GPU-0": 10, "GPU-1": 10} == start_of(spec, host, "a")


def test_free_memory_of_two_gpus_is_never_added_up():
    spec = gpu_zoo({"a": on_gpu("20GiB", gpus=1)}, ["a"])
    host = gpu_host(spec, [12, 12])
    assert ["hold a pending WaitingForMemory"] == acts(spec, host)
    assert "vram:GPU-0 is short of 8 GiB: needs 20 GiB, free 12 GiB" in why(spec, host, "a")


def test_what_fits_nowhere_stops_nothing():
    spec = gpu_zoo({"a": on_gpu("60GiB"), "b": on_gpu("10GiB")}, ["a", "b"])
    host = gpu_host(spec, [14, 24], b=placed({"GPU-0": "10GiB"}))
    assert ["hold a pending ExceedsBudget"] == acts(spec, host)
    assert "vram:GPU-1 is short of 36 GiB: needs 60 GiB, budget 24 GiB" == why(spec, host, "a")


def test_mig_devices_are_not_joined():
    spec = gpu_zoo({"a": on_gpu("40GiB")}, ["a"])
    host = gpu_host(spec, [24, 24], uuids=["MIG-a", "MIG-b"])
    assert ["hold a pending ExceedsBudget"] == acts(spec, host)


# what the file says of GPUs


def test_as_many_gpus_as_the_file_says_the_fullest_that_do():
    spec = gpu_zoo({"a": on_gpu("12GiB", gpus=2)}, ["a"])
    assert {"GPU-1": 6, "GPU-2": 6} == start_of(spec, gpu_host(spec, [24, 8, 10, 3]), "a")


@pytest.mark.parametrize("gpus", [[1], ["GPU-1"], ["1"]])
def test_the_gpu_that_the_file_names(gpus):
    spec = gpu_zoo({"a": on_gpu("6GiB", gpus=gpus)}, ["a"])
    assert {"GPU-1": 6} == start_of(spec, gpu_host(spec, [8, 24]), "a")


def test_a_uuid_may_be_cut_short_as_long_as_it_means_one():
    spec = gpu_zoo({"a": on_gpu("6GiB", gpus=["GPU-8f"])}, ["a"])
    assert ("GPU-8f6f",) == shown(spec, gpu_host(spec, [24, 24], uuids=["GPU-77aa", "GPU-8f6f"]), "a")
    host = gpu_host(spec, [24, 24], uuids=["GPU-8f00", "GPU-8f6f"])
    assert "GPU-8f means several GPUs; there are 0 (GPU-8f00), 1 (GPU-8f6f)" == why(spec, host, "a")


@pytest.mark.parametrize(
    ("gpus", "said"),
    [
        ([5], "5 is no GPU of this host; there are 0 (GPU-0), 1 (GPU-1)"),
        (3, "it is to have 3 GPUs, and this host has 2"),
    ],
)
def test_gpus_that_are_not_there_are_waited_for_and_nothing_stops(gpus, said):
    spec = gpu_zoo({"a": on_gpu("6GiB", gpus=gpus), "b": on_gpu("20GiB")}, ["a", "b"])
    host = gpu_host(spec, [4, 24], b=placed({"GPU-0": "20GiB"}))
    assert ["hold a pending GpuMissing"] == acts(spec, host)
    assert said == why(spec, host, "a")


def test_memory_by_gpu_is_booked_as_it_is_written():
    spec = gpu_zoo({"a": on_gpu({"0": "6GiB", "GPU-2": "20GiB"})}, ["a"])
    host = gpu_host(spec, [24, 24, 24])
    assert {"GPU-0": 6, "GPU-2": 20} == start_of(spec, host, "a")
    assert ("GPU-0", "GPU-2") == shown(spec, host, "a")


def test_no_gpu_is_shown_to_a_model_that_is_to_have_none():
    spec = gpu_zoo({"a": a_model("4GiB", gpus="none")}, ["a"])
    assert () == shown(spec, gpu_host(spec, [24]), "a")


def test_a_model_that_says_nothing_of_gpus_is_left_alone():
    spec = gpu_zoo({"a": a_model("4GiB")}, ["a"])
    host = gpu_host(spec, [24])
    assert ({}, None) == (start_of(spec, host, "a"), shown(spec, host, "a"))


def test_what_people_wrote_before_there_was_gpus_is_understood():
    spec = gpu_zoo({"a": on_gpu("6GiB", env={"CUDA_VISIBLE_DEVICES": "1"})}, ["a"])
    host = gpu_host(spec, [8, 24])
    assert ({"GPU-1": 6}, ("GPU-1",)) == (start_of(spec, host, "a"), shown(spec, host, "a"))


@pytest.mark.parametrize(
    ("makes", "env", "expected"),
    [
        (["amd", "amd"], {"HIP_VISIBLE_DEVICES": "1"}, "GPU-1"),
        (["amd", "amd"], {"ROCR_VISIBLE_DEVICES": "GPU-1"}, "GPU-1"),
        (["amd", "amd"], {"CUDA_VISIBLE_DEVICES": "1"}, "GPU-1"),  # HIP reads it too
        (["nvidia", "amd"], {"CUDA_VISIBLE_DEVICES": "0"}, "GPU-0"),
        (["nvidia", "amd"], {"HIP_VISIBLE_DEVICES": "0"}, "GPU-1"),
        (["intel", "intel"], {"ZE_AFFINITY_MASK": "1.0"}, "GPU-1"),
        # What no card of the host listens to says nothing.
        (["nvidia", "nvidia"], {"HIP_VISIBLE_DEVICES": "1"}, "GPU-0"),
    ],
)
def test_and_so_is_what_they_write_for_other_makes(makes, env, expected):
    spec = gpu_zoo({"a": on_gpu("6GiB", env=env)}, ["a"])
    assert {expected: 6} == start_of(spec, gpu_host(spec, [24, 24], makes=makes), "a")


# GPUs of several makes


def test_a_model_is_split_over_gpus_of_one_make_only():
    spec = gpu_zoo({"a": on_gpu("40GiB")}, ["a"])
    host = gpu_host(spec, [24, 24, 24], makes=["nvidia", "amd", "amd"])
    assert {"GPU-1": 20, "GPU-2": 20} == start_of(spec, host, "a")
    assert ["hold a pending ExceedsBudget"] == acts(spec, gpu_host(spec, [24, 24], makes=["nvidia", "amd"]))


def test_where_it_is_to_have_two_it_waits_for_those_of_no_make_while_another_has_them():
    spec = gpu_zoo({"a": on_gpu("12GiB", gpus=2)}, ["a"])
    cooling = Cooldown(NODE, "vram:GPU-0", "x", NOW - 1, 12 * GIB, 0, ())
    host = gpu_host(spec, [24] * 4, cooling=[cooling], makes=["amd", "amd", "nvidia", "nvidia"])
    assert {"GPU-2": 6, "GPU-3": 6} == start_of(spec, host, "a")


@pytest.mark.parametrize(
    ("gpus", "expected"),
    [
        (2, "it is to have 2 GPUs, and this host has 1 of one make"),
        ([0, "GPU-1"], "it is to have GPUs of nvidia and amd, and a model has those of one make"),
    ],
)
def test_a_file_that_asks_for_more_of_one_make_than_there_are_is_told_so(gpus, expected):
    spec = gpu_zoo({"a": on_gpu("4GiB", gpus=gpus)}, ["a"])
    assert expected in why(spec, gpu_host(spec, [24, 24], makes=["nvidia", "amd"]), "a")


def test_each_gpu_has_the_budget_that_the_file_gives_it():
    models = {"a": on_gpu("6GiB"), "b": on_gpu("6GiB")}
    spec = gpu_zoo(models, ["a", "b"], budget={"vram": {"0": "8GiB", "GPU-1": "5GiB"}})
    host = gpu_host(spec, [24, 24])
    assert {"GPU-0": 6} == start_of(spec, host, "a")
    assert "hold b pending" in acts(spec, host)[1]


def test_a_reserve_is_left_on_each_gpu():
    spec = gpu_zoo({"a": on_gpu("10GiB", gpus=1)}, ["a"], budget={"vram_reserve": "1GiB"})
    assert ["hold a pending WaitingForMemory"] == acts(spec, gpu_host(spec, [10, 10]))
    assert {"GPU-1": 10} == start_of(spec, gpu_host(spec, [10, 11]), "a")


# guesses


def test_a_guess_takes_eight_gibibytes_of_one_gpu():
    spec = gpu_zoo({"a": a_model("auto")}, ["a"])
    assert {"GPU-1": 8} == start_of(spec, gpu_host(spec, [4, 24]), "a")


def test_a_guess_takes_no_more_than_a_gpu_has():
    spec = gpu_zoo({"a": a_model("auto")}, ["a"], budget={"vram": "5GiB"})
    assert {"GPU-0": 5} == start_of(spec, gpu_host(spec, [24]), "a")


# hosts without GPU memory of their own


def test_without_gpus_what_it_needs_of_them_is_ram():
    spec = gpu_zoo({"a": on_gpu("6GiB")}, ["a"])
    (start,) = [x for x in decide(spec, a_host(spec)).actions if isinstance(x, Start)]
    assert ({"ram": 7 * GIB}, None) == (start.need, start.gpus)


def test_a_guess_of_ram_is_not_made_greater_where_there_are_no_gpus():
    spec = gpu_zoo({"a": a_model("auto")}, ["a"])
    assert {"ram": 8 * GIB} == decide(spec, a_host(spec)).actions[0].need


def test_a_file_that_names_gpus_waits_for_them_where_there_are_none():
    spec = gpu_zoo({"a": on_gpu("6GiB", gpus=1)}, ["a"])
    assert "it is to have GPUs, and this host shows none" == why(spec, a_host(spec), "a")


# one start at a time for each GPU


def test_two_do_not_load_on_one_gpu_at_a_time():
    spec = gpu_zoo({"a": on_gpu("4GiB", gpus=[0]), "b": on_gpu("4GiB", gpus=[0])}, ["a", "b"])
    assert ["start a", "hold b pending WaitingForTurn"] == acts(spec, gpu_host(spec, [24, 24]))
    loading = placed({"GPU-0": "4GiB"}, Phase.STARTING)
    host = gpu_host(spec, [24, 24], a=loading)
    assert "another model is starting on vram:GPU-0" == why(spec, host, "b")


def test_another_gpu_is_taken_where_one_loads():
    spec = gpu_zoo({"a": on_gpu("4GiB"), "b": on_gpu("4GiB")}, ["a", "b"])
    host = gpu_host(spec, [24, 24])
    assert ({"GPU-0": 4}, {"GPU-1": 4}) == (start_of(spec, host, "a"), start_of(spec, host, "b"))


# who leaves


def test_only_those_on_the_gpu_leave_it():
    models = {"a": on_gpu("20GiB", gpus=[0]), "b": on_gpu("10GiB"), "c": on_gpu("10GiB")}
    spec = gpu_zoo(models, ["a", "b", "c"])
    host = gpu_host(spec, [14, 14], b=placed({"GPU-0": "10GiB"}), c=placed({"GPU-1": "10GiB"}))
    assert ["stop b MadeRoom", "hold a pending WaitingForEviction"] == acts(spec, host)


def test_a_switch_on_one_gpu_stops_first_and_on_two_overlaps():
    spec = gpu_zoo({"a": on_gpu("16GiB", gpus=1), "b": on_gpu("16GiB", gpus=1)}, ["b"])
    state = placed({"GPU-0": "16GiB"})
    one = gpu_host(spec, [8], a=state, switch=switched("a", "b"))
    assert ["stop a MadeRoom", "hold b pending WaitingForEviction"] == acts(spec, one)
    two = gpu_host(spec, [8, 24], a=state, switch=switched("a", "b"))
    assert ["start b"] == acts(spec, two)


# cool-down


def cooling(pool, samples=()):
    return Cooldown(NODE, pool, "x", NOW - 0.1, 4 * GIB, 4 * GIB, tuple(samples))


def test_memory_that_comes_back_on_one_gpu_keeps_nobody_from_another():
    spec = gpu_zoo({"a": on_gpu("4GiB", gpus=[1])}, ["a"])
    host = gpu_host(spec, [4, 24], cooling=[cooling("vram:GPU-0")])
    assert {"GPU-1": 4} == start_of(spec, host, "a")


def test_a_gpu_at_rest_is_preferred_to_one_whose_memory_comes_back():
    spec = gpu_zoo({"a": on_gpu("4GiB")}, ["a"])
    host = gpu_host(spec, [8, 24], cooling=[cooling("vram:GPU-0")])
    assert {"GPU-1": 4} == start_of(spec, host, "a")


def test_memory_that_comes_back_is_waited_for_rather_than_a_split():
    spec = gpu_zoo({"a": on_gpu("20GiB")}, ["a"])
    host = gpu_host(spec, [12, 12], cooling=[cooling("vram:GPU-0")])
    assert ["hold a pending CoolingDown"] == acts(spec, host)


# what can't be known


def test_a_gpu_that_can_not_be_read_is_left_for_another_and_told():
    spec = gpu_zoo({"a": on_gpu("4GiB")}, ["a"])
    host = gpu_host(spec, [None, 24])
    assert {"GPU-1": 4} == start_of(spec, host, "a")
    said = condition(spec, host, None, "GpusReadable")
    assert (False, "GPU 0 can't be read; nothing is started there") == (said.status, said.message)


def test_where_no_gpu_can_be_read_nothing_starts_or_stops():
    spec = gpu_zoo({"a": on_gpu("4GiB"), "b": on_gpu("4GiB")}, ["a", "b"])
    host = gpu_host(spec, [None], b=placed({"GPU-0": "4GiB"}))
    assert ["hold a pending MemoryUnknown"] == acts(spec, host)


def test_a_model_whose_holding_nobody_can_tell_counts_once():
    """N/A by process: 16 GiB are booked and loaded, 8 free; what loads next may have 8, whatever NVML calls free."""
    spec = gpu_zoo({"a": on_gpu("16GiB"), "b": on_gpu("8GiB"), "c": on_gpu("1GiB")}, ["a", "b"])
    a = placed({"GPU-0": "16GiB"}, holds={})
    assert {"GPU-0": 8} == start_of(spec, gpu_host(spec, [8], a=a), "b")
    assert {"GPU-0": 8} == start_of(spec, gpu_host(spec, [20], a=a), "b")
    assert start_of(spec, gpu_host(spec, [7], a=a), "b") is None
    bigger = gpu_zoo({"a": on_gpu("16GiB"), "b": on_gpu("9GiB")}, ["a", "b"])
    assert start_of(bigger, gpu_host(bigger, [20], a=a), "b") is None


def test_a_need_that_the_file_has_raised_counts_on_the_gpus_of_the_run():
    spec = gpu_zoo({"a": on_gpu("20GiB"), "b": on_gpu("10GiB", gpus=[0])}, ["a", "b"])
    state = placed({"GPU-0": "2GiB", "GPU-1": "2GiB"}, spec=on_gpu("4GiB"))
    host = gpu_host(spec, [22, 22], a=state)
    assert {"GPU-0": 10} == start_of(spec, host, "b")
    more = gpu_zoo({"a": on_gpu("30GiB"), "b": on_gpu("10GiB", gpus=[0])}, ["a", "b"])
    said = why(more, gpu_host(more, [22, 22], a=state), "b")
    assert "vram:GPU-0 is short of 1 GiB: needs 10 GiB, budget 24 GiB less a 15 GiB" == said


# an edit of where it is


def test_other_gpus_in_the_file_replace_the_process():
    before = on_gpu({"GPU-0": "7GiB"})
    spec = gpu_zoo({"a": on_gpu({"GPU-1": "7GiB"})}, ["a"])
    host = gpu_host(spec, [17, 24], a=placed({"GPU-0": "7GiB"}, spec=before))
    assert ["stop a SpecChanged"] == acts(spec, host)
    assert {"GPU-1": 7} == start_of(spec, gpu_host(spec, [24, 24]), "a")


def test_another_size_on_the_same_gpu_does_not():
    before = on_gpu({"GPU-0": "7GiB"})
    spec = gpu_zoo({"a": on_gpu({"GPU-0": "9GiB"})}, ["a"])
    assert [] == acts(spec, gpu_host(spec, [17], a=placed({"GPU-0": "7GiB"}, spec=before)))


def test_one_that_is_to_move_to_a_gpu_that_is_not_there_stays_and_says_so():
    before = on_gpu({"GPU-0": "7GiB"})
    spec = gpu_zoo({"a": on_gpu({"GPU-7": "7GiB"})}, ["a"])
    host = gpu_host(spec, [17], a=placed({"GPU-0": "7GiB"}, spec=before))
    assert [] == acts(spec, host)
    assert "GpuMissing" == condition(spec, host, "a", "Current").reason

"""DESIGN §6: sleep on hosts with GPUs, where what is given back there is held in RAM, as vLLM's first level does."""

from dataclasses import replace

import pytest

from tests.core.gpus import gpu_host, gpu_zoo, on_gpu, placed
from tests.core.zoo import GIB, NOW, a_model, acts, decide, idle, waits, why
from zoosup.core.lifecycle.transitions import apply
from zoosup.core.state.actions import FallAsleep, Wake
from zoosup.core.state.facts import FellAsleep, Measured, SleepBegun, WakeBegun
from zoosup.core.state.phases import Phase
from zoosup.core.state.runs import Sleep, SleepStage

RULES = {"sleep": "POST /sleep?level=1", "wake": "POST /wake_up"}


def sleepy(vram, holds=None, **fields):
    return on_gpu(vram, on_demand=True, park=RULES | {"holds": holds}, **fields)


def park_of(spec, host):
    return next(a for a in decide(spec, host).actions if isinstance(a, FallAsleep))


def asleep(on, ram, vram):
    """It sleeps: so many GiB of RAM, and so many on each of its GPUs."""
    rest = {"ram": ram * GIB} | {f"vram:{uuid}": vram * GIB for uuid in on}

    def state(name, spec):
        model = placed(on)(name, spec)
        sleep = Sleep(SleepStage.FALLING, model.run.reserved, rest, True, NOW - 60, model.run.measured)
        both = {pool: max(amount, rest[pool]) for pool, amount in model.run.reserved.items()}
        for fact in (
            SleepBegun(model.run.id, sleep, both, "makes room"),
            Measured(model.run.id, rest),
            FellAsleep(model.run.id, NOW - 50),
        ):
            model = apply(model, fact)
        return model

    return state


def test_what_it_holds_asleep_is_weighed_in_ram_and_on_its_gpu():
    spec = gpu_zoo({"a": sleepy("20GiB", {"ram": "12GiB", "vram": "1GiB"}), "b": sleepy("20GiB")}, [])
    host = gpu_host(spec, [4], a=placed({"GPU-0": "20GiB"}), demand={"a": idle(20), "b": waits()})
    assert ["park a", "hold b pending WaitingForEviction"] == acts(spec, host)
    assert {"ram": 12 * GIB, "vram:GPU-0": GIB} == park_of(spec, host).asleep


def test_it_is_stopped_where_ram_does_not_allow_its_sleep():
    spec = gpu_zoo(
        {"p": a_model("10GiB"), "a": sleepy("20GiB", {"ram": "12GiB"}), "b": sleepy("20GiB")}, ["p"]
    )
    pinned = placed({}, reserved={"ram": 10 * GIB}, measured={"ram": 10 * GIB}, gpus=None)
    host = gpu_host(spec, [4], p=pinned, a=placed({"GPU-0": "20GiB"}), demand={"a": idle(20), "b": waits()})
    assert ["stop a MadeRoom", "hold b pending WaitingForEviction"] == acts(spec, host)


@pytest.mark.parametrize(("vram", "action"), [("12GiB", "park a"), ("20GiB", "stop a MadeRoom")])
def test_where_nobody_knows_there_has_to_be_room_for_all_of_it_in_ram(vram, action):
    """Where vLLM's first level keeps the weights, and before anything has left its GPU."""
    spec = gpu_zoo({"a": sleepy(vram), "b": sleepy("20GiB")}, [])
    whole = int(vram.removesuffix("GiB"))
    host = gpu_host(spec, [24 - whole], a=placed({"GPU-0": vram}), demand={"a": idle(20), "b": waits()})
    assert action == acts(spec, host)[0]
    if action == "park a":
        most = {"ram": (1 + whole) * GIB, "vram:GPU-0": whole * GIB}
        assert (most, False) == ((park := park_of(spec, host)).asleep, park.known)


def test_what_it_holds_on_gpus_is_shared_equally():
    spec = gpu_zoo({"a": sleepy("40GiB", {"ram": "2GiB", "vram": "3GiB"}), "b": sleepy("20GiB")}, [])
    on_two = placed({"GPU-0": "20GiB", "GPU-1": "20GiB"})
    host = gpu_host(spec, [4, 4], a=on_two, demand={"a": idle(20), "b": waits()})
    assert {"ram": 2 * GIB, "vram:GPU-0": 3 * GIB // 2, "vram:GPU-1": 3 * GIB // 2} == park_of(
        spec, host
    ).asleep


def test_it_wakes_on_the_gpu_that_it_has():
    spec = gpu_zoo({"a": sleepy("20GiB", {"ram": "12GiB", "vram": "1GiB"})}, [])
    host = gpu_host(spec, [24, 23], a=asleep({"GPU-1": "20GiB"}, 12, 1), demand={"a": waits()})
    [wake] = [a for a in decide(spec, host).actions if isinstance(a, Wake)]
    assert {"ram": GIB, "vram:GPU-1": 20 * GIB} == wake.need
    short = gpu_host(spec, [24, 18], a=asleep({"GPU-1": "20GiB"}, 12, 1), demand={"a": waits()})
    assert ["hold a parked WaitingForMemory"] == acts(spec, short)


def test_while_it_wakes_both_what_it_held_and_what_it_will_hold_are_booked():
    model = asleep({"GPU-0": "20GiB"}, 12, 1)("a", sleepy("20GiB"))
    woken = apply(model, WakeBegun("a-1", {"ram": GIB, "vram:GPU-0": 20 * GIB}, NOW))
    assert {"ram": 12 * GIB, "vram:GPU-0": 20 * GIB} == woken.run.reserved


def test_one_whose_gpu_is_no_longer_there_is_refused():
    spec = gpu_zoo({"a": sleepy("20GiB", {"ram": "12GiB"})}, [])
    host = gpu_host(spec, [24], a=asleep({"GPU-9": "20GiB"}, 12, 0), demand={"a": waits()})
    assert ["hold a parked GpuMissing"] == acts(spec, host)


def test_gpu_memory_that_nobody_can_measure_stays_booked_unless_the_file_says_what_it_holds():
    model = asleep({"GPU-0": "20GiB"}, 12, 1)("a", sleepy("20GiB"))
    blind = replace(model, phase=Phase.ASLEEP, run=replace(
        model.run, sleep=replace(model.run.sleep, known=False), reserved={"ram": GIB, "vram:GPU-0": 20 * GIB},
    ))  # fmt: skip
    assert {"ram": 2 * GIB, "vram:GPU-0": 20 * GIB} == apply(
        blind, Measured("a-1", {"ram": 2 * GIB})
    ).run.reserved


def test_one_that_waits_for_a_look_names_the_pool_in_which_it_can_not_do_without():
    """Of RAM more has come free, and there is plenty of it."""
    spec = gpu_zoo({"a": on_gpu("10GiB", ram="8GiB"), "b": on_gpu("10GiB")}, ["a", "b"])
    host = gpu_host(
        spec, [12], a=placed({"GPU-0": "10GiB"}, measured={"ram": 8 * GIB, "vram:GPU-0": 10 * GIB})
    )
    (node,) = host.nodes
    pools = tuple(replace(p, risen=(8 if p.id == "ram" else 4) * GIB) for p in node.pools)
    host = replace(host, nodes=(replace(node, pools=pools),))
    assert "waits until it is known who has given back 4 GiB of vram:GPU-0" == why(spec, host, "b")

"""What else a need says beside its sum: where it may be put, what stays in the page cache, and who is shown no GPU."""

import pytest

from tests.core.estimation.test_need import MIB, WEIGHTS, estimated
from tests.core.zoo import GIB, a_model
from zoosup.core.estimation.derived import PROGRAM
from zoosup.core.estimation.need import need, offloads
from zoosup.core.state.usage import Learned, RunPeaks
from zoosup.core.state.weights import FileFacts, WeightFacts
from zoosup.spec.model.model import ModelSpec

BASE = "llama-server -m m.gguf -c 8192 --cache-ram 0"
TENSORS = FileFacts("safetensors", GIB, 1, GIB)


def declared(**memory):
    return need(ModelSpec.model_validate({"command": ["serve"], "memory": memory}))


def told(of):
    return [(term.name, term.amount, term.pool) for term in of.terms]


def test_what_is_declared_for_gpus_is_a_term_of_its_own():
    assert [("declared", GIB, "ram")] == told(declared(ram="1GiB"))
    both = declared(ram="1GiB", vram="7GiB")
    assert [("declared", GIB, "ram"), ("declared", 7 * GIB, "vram")] == told(both)
    assert (7 * GIB, 7 * GIB) == (both.vram, both.whole_vram)
    mapped = declared(ram="1GiB", vram={"0": "3GiB", "1": "4GiB"})
    assert ({"0": 3 * GIB, "1": 4 * GIB}, 7 * GIB) == (mapped.vram, mapped.whole_vram)
    assert told(both) == told(mapped)


@pytest.mark.parametrize(
    ("env", "shown"),
    [
        ({}, True),
        ({"CUDA_VISIBLE_DEVICES": "0"}, True),
        ({"CUDA_VISIBLE_DEVICES": ""}, False),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, False),
        ({"ROCR_VISIBLE_DEVICES": ""}, False),
        ({"ROCR_VISIBLE_DEVICES": "-1"}, True),
        ({"HIP_VISIBLE_DEVICES": ""}, True),
        ({"HIP_VISIBLE_DEVICES": "-1"}, False),
    ],
)
def test_each_make_has_its_own_way_to_hide_all_gpus(env, shown):
    assert shown is offloads(a_model("auto", command=BASE, env=env))
    assert shown is offloads(a_model("auto", command="mine", env=env))


@pytest.mark.parametrize(("options", "used"), [("-ngl 0", False), ("-ngl 1", True), ("-dev none", False)])
def test_a_server_that_offloads_nothing_uses_no_gpu(options, used):
    assert used is offloads(a_model("auto", command=f"{BASE} {options}"))


@pytest.mark.parametrize(
    ("command", "yields", "fraction"),
    [
        (BASE, True, 0.0),
        (f"{BASE} -ngl 99", False, 0.0),
        ("vllm serve s.gguf", False, 0.9),
        ("sglang serve --model-path s.gguf --mem-fraction-static 0.5", False, 0.5),
        ("mine --model s.gguf", False, 0.0),
    ],
)
def test_who_may_run_without_gpus_and_who_takes_a_share_of_one(command, yields, fraction):
    of = estimated(command, s=TENSORS).on_gpus
    assert (yields, fraction) == (of.yields, of.fraction)


def test_mapped_weights_and_those_of_a_draft_and_the_program_are_page_cache():
    assert 100 * MIB + PROGRAM == estimated(BASE).mapped
    assert PROGRAM == estimated(f"{BASE} --no-mmap").mapped
    assert 200 * MIB + PROGRAM == estimated(f"{BASE} -md d.gguf", d=WEIGHTS).mapped
    assert estimated("vllm serve s.gguf", s=TENSORS).mapped is None
    on_gpus = estimated(BASE).on_gpus
    (kept,) = (t.amount for t in on_gpus.terms if (t.name, t.pool) == ("weights", "ram"))
    assert kept + PROGRAM == on_gpus.mapped


def test_a_guess_is_one_of_gpus_too_where_it_is_shown_some():
    assert ([("default", 8 * GIB, "ram")], 8 * GIB, 0) == (
        told(guess := need(a_model("auto"))), guess.vram, need(a_model("auto", gpus="none")).vram
    )  # fmt: skip


def test_what_an_oom_has_raised_is_learned_unless_it_was_declared():
    killed = Learned("f", (RunPeaks("r", 0, None, None, 0, False, 30 * GIB),), 30 * GIB)
    facts = WeightFacts((("m.gguf", WEIGHTS),))
    for ram, source in (("auto", "learned"), ("1GiB", "declared")):
        found = need(a_model(ram, command=BASE), facts, killed)
        assert (source, 30 * GIB, "oom") == (found.source, found.amounts["ram"], found.terms[-1].name)


def test_a_guess_of_a_model_on_gpus_is_settled_once_both_pools_are_known():
    def after(*runs):
        return need(a_model("auto", command="mine"), None, Learned("f", runs))

    seen = RunPeaks("r", GIB, 0, 6 * GIB, 1, True)
    assert after(seen).certain
    for half in (
        RunPeaks("r", GIB, None, 6 * GIB, 1, True),
        RunPeaks("r", GIB, 0, None, 1, True),
        RunPeaks("r", GIB, 0, 6 * GIB, 1, False),
    ):
        assert not after(half).certain

"""What of a derived need goes to GPUs, where a host has some; and that hosts without any notice nothing of it."""

import pytest

from tests.core.estimation.test_need import MIB, WEIGHTS, estimated
from tests.core.gpus import gpu_host, gpu_zoo, shown, start_of
from tests.core.zoo import GIB, acts, resting
from zoosup.core.estimation.need import need
from zoosup.core.state.weights import FileFacts, WeightFacts
from zoosup.spec.model.model import ModelSpec

BASE = "llama-server -m m.gguf -c 8192 --cache-ram 0"


def by_pool(of, pool):
    return {t.name: t.amount for t in of.terms if t.pool == pool}


def test_all_layers_are_offloaded_unless_the_command_line_says_otherwise():
    of = estimated(BASE)
    vram, ram = by_pool(of.on_gpus, "vram"), by_pool(of.on_gpus, "ram")
    assert ["weights", "kv cache", "compute", "logits", "context", "margin"] == list(vram)
    assert (100 * MIB, 32 * MIB, 512 * MIB) == (vram["weights"], vram["kv cache"], vram["context"])
    assert {"weights": 32_000 * 512 * 2} | {n: ram[n] for n in ("program", "margin")} == ram
    assert (sum(vram.values()), sum(ram.values())) == (of.on_gpus.whole_vram, of.on_gpus.amounts["ram"])


def test_a_host_without_gpus_has_all_of_it_as_ram():
    of = estimated(BASE)
    assert {"ram": sum(t.amount for t in of.terms)} == of.amounts
    assert 0 == of.whole_vram


@pytest.mark.parametrize("options", ["-ngl 0", "--device none"])
def test_who_offloads_nothing_has_no_part_on_gpus(options):
    assert estimated(f"{BASE} {options}").on_gpus is None


def test_of_weights_that_nobody_has_read_no_part_is_known_either():
    of = need(ModelSpec.model_validate({"command": BASE}), WeightFacts())
    assert (None, False) == (of.on_gpus, of.certain)


@pytest.mark.parametrize("fields", [{"gpus": "none"}, {"env": {"CUDA_VISIBLE_DEVICES": ""}}])
def test_who_is_shown_no_gpu_has_no_part_on_gpus(fields):
    spec = ModelSpec.model_validate({"command": BASE, **fields})
    assert need(spec, WeightFacts((("m.gguf", WEIGHTS),))).on_gpus is None


@pytest.mark.parametrize("options", ["-ctk q3_9", "-ctv q3_9 --cache-ram 0", "-ctkd q3_9 -md m.gguf"])
def test_where_no_part_can_be_told_from_another_all_of_it_counts_twice(options):
    """A cache type that llama.cpp has only since yesterday ends neither the estimate nor the pass."""
    of = estimated(f"llama-server -m m.gguf -c 8192 {options}")
    assert "derived" == of.source
    whole = sum(t.amount for t in of.terms if t.name != "prompt cache")
    assert whole + 512 * MIB == of.on_gpus.whole_vram


@pytest.mark.parametrize("layers", range(1, 9))
def test_no_part_of_the_weights_and_the_cache_is_lost_between_the_pools(layers):
    of = estimated(f"{BASE} -ngl {layers}").on_gpus
    vram, ram = by_pool(of, "vram"), by_pool(of, "ram")
    embedding = 32_000 * 512 * 2  # it may be on either side
    assert min(100 * MIB, embedding + (layers - 1) * 100 * MIB // 8) == vram["weights"]
    assert vram["weights"] + ram["weights"] >= 100 * MIB
    assert 32 * MIB == vram.get("kv cache", 0) + ram["kv cache"]
    assert (layers - 1) * 4 * MIB == vram.get("kv cache", 0)
    assert "compute" in vram
    assert "compute" in ram


def test_a_cache_that_is_kept_from_the_gpu_stays_ram():
    of = estimated(f"{BASE} -nkvo").on_gpus
    assert 32 * MIB == by_pool(of, "ram")["kv cache"]
    assert "kv cache" not in by_pool(of, "vram")


@pytest.mark.parametrize(("option", "pool"), [("", "vram"), ("--no-mmproj-offload", "ram")])
def test_a_projector_is_where_it_is_offloaded_to_and_adapters_and_drafts_are_in_both(option, pool):
    files = {"p": FileFacts("gguf", 60, 1, 50), "l": FileFacts("gguf", 20, 1, 10), "d": WEIGHTS}
    command = f"{BASE} --mmproj p.gguf --lora l.gguf -md d.gguf {option}"
    of = estimated(command, **files).on_gpus
    assert [pool] == [term.pool for term in of.terms if term.name == "mmproj"]
    for name in ("lora", "draft"):
        assert {"ram", "vram"} == {term.pool for term in of.terms if term.name == name}


def test_states_go_with_their_layers():
    arch = {n.replace("llama.", "qwen3next."): v for n, v in WEIGHTS.metadata.items()}
    arch |= {
        "general.architecture": "qwen3next",
        "qwen3next.ssm.state_size": 16,
        "qwen3next.ssm.inner_size": 1024,
    }
    of = estimated(f"{BASE} -np 1 -ngl 3", m=FileFacts("gguf", 110 * MIB, 1, 100 * MIB, 32_000, arch)).on_gpus
    state = 4 * 16 * 1024  # of one of the six layers that have one
    assert (5 * state, state) == (by_pool(of, "ram")["state"], by_pool(of, "vram")["state"])


def test_a_second_gpu_takes_its_buffers_and_context_once_more_with_their_margin():
    of = estimated(BASE).on_gpus
    again = sum(by_pool(of, "vram")[name] for name in ("compute", "logits", "context"))
    assert again * 115 // 100 == of.each_gpu


@pytest.mark.parametrize("command", [f"{BASE} --cpu-moe", f"{BASE} -ot exps=CPU", "mine --model m.gguf"])
def test_what_cannot_be_told_apart_counts_in_both_pools(command):
    of = estimated(command)
    assert of.amounts == of.on_gpus.amounts
    assert of.amounts["ram"] + 512 * MIB == of.on_gpus.whole_vram


def test_vllm_takes_its_part_of_a_gpu_however_small_the_model():
    found = {"s": FileFacts("safetensors", GIB, 1, GIB)}
    spec, host = looked_at("vllm serve s --gpu-memory-utilization 0.5", [24], found)
    assert {"GPU-0": 13} == start_of(spec, host, "a")


def looked_at(command, free, found, **fields):
    spec = gpu_zoo({"a": ModelSpec.model_validate({"command": command, **fields})}, ["a"], {"ram": "200GiB"})
    facts = WeightFacts(tuple(found.items()))
    return spec, gpu_host(spec, free, total="512GiB", a=resting(weights=facts))


def test_an_offloading_model_is_booked_on_a_gpu_and_shown_it():
    spec, host = looked_at(BASE, [24, 8], {"m.gguf": WEIGHTS})
    assert ("GPU-1",) == shown(spec, host, "a")
    assert need(spec.models["a"], host.models["a"].weights).on_gpus.whole_vram == round(
        start_of(spec, host, "a")["GPU-1"] * GIB
    )


def test_a_model_that_no_gpu_is_large_enough_for_runs_on_the_cpu_where_the_layers_are_left_to_it():
    vast = {"m.gguf": FileFacts("gguf", 60 * GIB, 1, 60 * GIB, 32_000, WEIGHTS.metadata)}
    spec, host = looked_at(BASE, [24], vast)
    assert {} == start_of(spec, host, "a")
    assert () == shown(spec, host, "a")
    spec, host = looked_at(f"{BASE} -ngl 99", [24], vast)
    assert ["hold a pending ExceedsBudget"] == acts(spec, host)


def test_every_gpu_of_several_has_a_context_and_buffers_of_its_own():
    large = {"m.gguf": FileFacts("gguf", 30 * GIB, 1, 30 * GIB, 32_000, WEIGHTS.metadata)}
    spec, host = looked_at(BASE, [24, 24], large)
    both = start_of(spec, host, "a")
    whole = need(spec.models["a"], host.models["a"].weights).on_gpus.whole_vram / GIB
    assert {"GPU-0", "GPU-1"} == set(both)
    assert sum(both.values()) > whole + 0.5


def test_without_gpus_it_starts_as_it_did_before_there_were_pools_for_them():
    spec, host = looked_at(BASE, [], {"m.gguf": WEIGHTS})
    assert {} == start_of(spec, host, "a")
    assert shown(spec, host, "a") is None

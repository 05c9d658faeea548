"""Where a need is from, and that its terms are all of it."""

import pytest

from tests.core.zoo import GIB, a_model
from zoosup.core.estimation.need import UNKNOWN_RAM, need
from zoosup.core.state.weights import FileFacts, WeightFacts

MIB = 2**20
LLAMA = {
    "general.architecture": "llama", "llama.block_count": 8, "llama.context_length": 4096,
    "llama.embedding_length": 512, "llama.feed_forward_length": 1536,
    "llama.attention.head_count": 8, "llama.attention.head_count_kv": 2,
}  # fmt: skip
WEIGHTS = FileFacts("gguf", 110 * MIB, 1, 100 * MIB, 32_000, LLAMA)


def estimated(command="llama-server -m m.gguf -c 8192 --cache-ram 0", ram="auto", **files):
    found = {"m.gguf": WEIGHTS} | {f"{name}.gguf": facts for name, facts in files.items()}
    return need(a_model(ram, command=command), WeightFacts(tuple(found.items())))


def terms(of):
    assert sum(of.amounts.values()) == sum(term.amount for term in of.terms), "the terms are all of it"
    return {term.name: term.amount for term in of.terms}


def test_what_is_declared_is_final_whatever_the_weights_say():
    assert ("declared", True, {"ram": GIB}) == (
        (of := estimated(ram="1GiB")).source, of.certain, of.amounts
    )  # fmt: skip
    assert {"declared": GIB} == terms(of)


def test_of_weights_that_were_not_looked_at_it_is_a_guess():
    of = need(a_model("auto", command="llama-server -m m.gguf"))
    assert ("default", False, UNKNOWN_RAM) == (of.source, of.certain, of.amounts["ram"])
    assert "a guess: its weights have not been looked at" == of.terms[0].how


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("sleep 5", "its command names no weights"),
        (
            "llama-server -hf org/model",
            "llama-server weights hf://org/model are in no cache of this host",
        ),
        ("llama-server -m other.gguf", "llama-server weights other.gguf are not on this host"),
        ("mine --model other.gguf", "weights other.gguf are not on this host"),
    ],
)
def test_a_guess_says_why_it_is_one(command, why):
    of = estimated(command)
    assert ("default", f"a guess: {why}") == (of.source, of.terms[0].how)


def test_a_derived_need_is_certain_and_has_every_term():
    of = estimated()
    assert ("derived", True) == (of.source, of.certain)
    found = terms(of)
    assert ["weights", "kv cache", "compute", "program", "margin"] == list(found)
    assert (100 * MIB, 32 * MIB) == (found["weights"], found["kv cache"])
    assert 20 * MIB + 32_000 * (128 + 4 * 16) == found["program"]
    assert 768 * MIB + sum(v for n, v in found.items() if n != "margin") * 15 // 100 == found["margin"]


def test_the_prompt_cache_counts_as_far_as_it_may_grow_and_takes_no_margin():
    without, with_ = terms(estimated()), terms(estimated("llama-server -m m.gguf -c 8192"))
    assert {"prompt cache": 8 * GIB} | without == with_
    endless = terms(estimated("llama-server -m m.gguf -c 8192 --cache-ram -1"))
    assert 32 * MIB == endless["prompt cache"]


def test_a_projector_counts_with_what_it_works_in_and_adapters_with_their_weights():
    more = {"p": FileFacts("gguf", 60, 1, 50), "a": FileFacts("gguf", 20, 1, 10), "b": FileFacts("plain", 7)}
    command = "llama-server -m m.gguf -c 8192 --mmproj p.gguf --lora a.gguf,b.gguf,gone.gguf"
    of = estimated(command, **more)
    assert [("mmproj", GIB + 50), ("lora", 10), ("lora", 7)] == [
        (t.name, t.amount) for t in of.terms if t.name in {"mmproj", "lora"}
    ]


def test_a_draft_model_has_weights_a_cache_and_a_graph_of_its_own():
    found = terms(estimated("llama-server -m m.gguf -c 8192 -md d.gguf --cache-ram 0", d=WEIGHTS))
    assert found["weights"] + found["kv cache"] + found["compute"] == found["draft"]
    plain = terms(estimated("llama-server -m m.gguf -c 8192 -md d.gguf", d=FileFacts("plain", 4 * GIB)))
    assert 6 * GIB == plain["draft"]


def test_more_slots_a_larger_batch_and_no_flash_attention_cost_more():
    base = estimated().amounts["ram"]
    for option in ("-np 8 -kvu", "-ub 1024 -b 1024", "-fa off", "-c 16384", "-ctk f32"):
        assert estimated(f"llama-server -m m.gguf -c 8192 --cache-ram 0 {option}").amounts["ram"] > base, (
            option
        )


def test_sliding_windows_are_checkpointed():
    metadata = {n.replace("llama.", "gemma3."): v for n, v in LLAMA.items()}
    metadata |= {"general.architecture": "gemma3", "gemma3.attention.sliding_window": 512}
    gemma = FileFacts("gguf", 1, 1, 1, 0, metadata)
    found = terms(estimated("llama-server -m g.gguf -c 8192", g=gemma))
    assert 32 * 7 * 512 * 128 * 2 * 2 == found["checkpoints"]
    assert "checkpoints" not in terms(
        estimated("llama-server -m g.gguf -c 8192 --ctx-checkpoints 0", g=gemma)
    )


def test_a_header_that_cannot_be_read_leaves_the_size_and_the_reason():
    broken = FileFacts("plain", 4 * GIB, problem="not a GGUF file")
    of = estimated(m=broken)
    assert ("derived", {"weights": 4 * GIB, "margin": 2 * GIB}) == (of.source, terms(of))
    assert "size of 1 file; not a GGUF file" == of.terms[0].how
    assert 8 * GIB == terms(estimated("llama-server -m m.gguf", m=broken))["prompt cache"]


def test_metadata_of_no_use_leave_the_size_and_the_reason():
    of = estimated(m=FileFacts("gguf", 4 * GIB, 2, 3 * GIB, 5, {"general.architecture": "llama"}))
    assert 4 * GIB == terms(of)["weights"]
    assert "size of 2 files; its metadata are of no use: block_count is 0" == of.terms[0].how


def test_safetensors_have_their_own_margin():
    tensors = FileFacts("safetensors", 11 * GIB, 3, 10 * GIB)
    assert {"weights": 10 * GIB, "margin": 4 * GIB} == terms(
        estimated("mlx_lm.server --model s.gguf", s=tensors)
    )
    assert 4 * GIB == terms(estimated("vllm serve s.gguf", s=tensors))["kv cache"]


def test_an_unknown_server_is_judged_by_the_size_of_its_weights():
    assert {"weights": 110 * MIB, "margin": 110 * MIB // 4 + GIB} == terms(estimated("mine --model m.gguf"))

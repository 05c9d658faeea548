"""The terms of a derived need, each by the formula of its docstring."""

import pytest

from tests.core.estimation.test_need import LLAMA, MIB, WEIGHTS
from tests.core.zoo import GIB
from zoosup.core.estimation.derived import derive
from zoosup.core.estimation.servers.server import LLAMA_CPP_PYTHON, LLAMA_SERVER, VLLM, Server
from zoosup.core.state.weights import FileFacts, WeightFacts


def a_gguf(arch="llama", **values):
    own = {f"llama.{name.replace('__', '.')}": value for name, value in values.items()}
    metadata = {n.replace("llama.", f"{arch}."): v for n, v in (LLAMA | own).items() if v is not None}
    return FileFacts("gguf", 110 * MIB, 1, 100 * MIB, 32_000, metadata | {"general.architecture": arch})


HYBRID = a_gguf("qwen3next", ssm__conv_kernel=4, ssm__inner_size=1024, ssm__state_size=16)
STATE_BYTES = 4 * (3 * 1024 + 16 * 1024)  # of each of its six recurrent layers, for a slot


def terms(model=WEIGHTS, kind=LLAMA_SERVER, files=(), **fields):
    plain = {"model": "m", "context": 8192, "parallel": 1, "prompt_cache": 0}
    found = derive(Server(kind, **(plain | fields)), WeightFacts((("m", model), *files)))
    return {} if found is None else {term.name: term.amount for term in found}


FEED, ATTENDED = (
    4 * 1536 + 2 * 512,
    4 * 512 + 3 * 256,
)  # elements of a token: in the feed-forward net, in attention


@pytest.mark.parametrize(
    ("model", "fields", "amount"),
    [
        (WEIGHTS, {}, 512 * (4 * FEED + 2 * 8192)),
        (a_gguf(feed_forward_length=None), {}, 512 * (4 * ATTENDED + 2 * 8192)),
        (WEIGHTS, {"ubatch": 64}, 64 * (4 * FEED + 2 * 8192)),
        (WEIGHTS, {"context": 256}, 256 * (4 * FEED + 2 * 256)),  # no batch is larger than the context
        (WEIGHTS, {"flash": False}, 512 * (4 * FEED + 4 * 8192 + 6 * 8192 * 8)),  # eight heads
        (a_gguf("gemma3", attention__sliding_window=512), {}, 512 * (4 * FEED + 2 * (8192 + 1024))),
    ],
)  # fmt: skip
def test_a_graph_needs_the_activations_of_a_batch_and_a_mask_over_all_cells(model, fields, amount):
    assert amount == terms(model, **fields)["compute"]


@pytest.mark.parametrize("slots", [1, 3])
def test_the_program_keeps_the_vocabulary_and_each_slots_candidates_and_logits(slots):
    assert 20 * MIB + 32_000 * (128 + slots * (12 + 4)) == terms(parallel=slots)["program"]


def test_recurrent_states_are_a_term_of_their_own_and_kept_in_checkpoints_and_prompts():
    found = terms(HYBRID, prompt_cache=None, checkpoints=2)
    assert 6 * STATE_BYTES == found["state"]
    assert 2 * 4 * MIB == found["kv cache"]
    assert found["state"] + found["kv cache"] == found["prompt cache"]
    assert 2 * 6 * STATE_BYTES == found["checkpoints"]
    assert "checkpoints" not in terms(HYBRID, prompt_cache=0, checkpoints=2)


def test_a_draft_model_has_weights_a_cache_with_types_and_states_of_its_own_and_a_graph():
    found = terms(draft="/d/d.gguf", draft_types=("q8_0", "q8_0"), files=[("/d/d.gguf", HYBRID)])
    cache = 2 * 4 * MIB * 17 // 32 + 6 * STATE_BYTES
    assert 100 * MIB + cache + found["compute"] == found["draft"]
    plain = FileFacts("plain", 4 * GIB)
    files = WeightFacts((("m", WEIGHTS), ("/d/d.gguf", plain)))
    (draft,) = (t for t in derive(Server(LLAMA_SERVER, "m", draft="/d/d.gguf"), files) if t.name == "draft")
    assert (6 * GIB, "d.gguf: size + 25 % + 1 GiB") == (draft.amount, draft.how)


def test_each_file_beside_the_weights_counts_with_its_tensors_or_else_its_size():
    files = [
        ("/p", FileFacts("gguf", 60, 1, 50)),
        ("/q", FileFacts("plain", 7)),
        ("/a/l", FileFacts("plain", 9)),
    ]
    model = FileFacts("plain", 4 * GIB)
    found = derive(Server("other", "m", parts=("/p", "/q", "/gone"), adapters=("/a/l",), prompt_cache=0),
                   WeightFacts((("m", model), *files)))  # fmt: skip
    assert [("weights", 4 * GIB), ("part", 50), ("part", 7), ("lora", 9), ("margin", 2 * GIB)] == [
        (term.name, term.amount) for term in found
    ]
    assert ["p", "q", "l"] == [term.how for term in found if term.name in {"part", "lora"}]
    assert GIB + 7 == terms(mmproj="/q", files=files)["mmproj"]


def test_safetensors_have_a_cache_only_where_the_server_keeps_one_on_the_cpu():
    model = FileFacts("safetensors", 11 * GIB, 3, 10 * GIB)
    assert {"weights": 10 * GIB, "kv cache": GIB, "margin": 4 * GIB} == terms(model, VLLM, cpu_cache=GIB)
    assert {"weights": 10 * GIB, "margin": 4 * GIB} == terms(model, VLLM)


def told(name, model=WEIGHTS, kind=LLAMA_SERVER, **fields):
    plain = {"model": "m", "context": 8192, "parallel": 1}
    found = derive(Server(kind, **(plain | fields)), WeightFacts((("m", model),)))
    return next(term.how for term in found if term.name == name)


def test_a_prompt_cache_is_told_by_the_option_that_bounds_it():
    assert told("prompt cache").startswith("what --cache-ram allows")
    assert told("prompt cache", kind=LLAMA_CPP_PYTHON).startswith("what --cache_size allows")


def test_whether_the_weights_are_mapped_is_told():
    assert told("weights").endswith("tensors of 1 file, mapped; the pages have to stay for it to be fast")
    assert "tensors of 1 file, read into memory" == told("weights", mmap=False)


def test_a_cache_is_told_by_its_layers_cells_slots_and_types():
    assert "8 layers of 8192 cells, f16" == told("kv cache")
    assert "8 layers of 4096 cells, for each of 2 slots, q8_0/f16" == told(
        "kv cache", parallel=2, types=("q8_0", "f16")
    )
    sliding = a_gguf("gemma2", attention__sliding_window=512, attention__shared_kv_layers=2)
    assert "3 layers of 8192 cells, 3 sliding ones of 1024, f16" == told("kv cache", sliding)
    assert "2 layers of 8192 cells, f16" == told("kv cache", HYBRID)
    assert "6 recurrent layers, 1 slots" == told("state", HYBRID)

"""What each layer of an architecture keeps, by the tables of llama.cpp; the letters are one for each layer."""

import pytest

from tests.core.estimation.metadata import gemma3, meta
from zoosup.core.estimation import kv_cache
from zoosup.core.estimation.servers.server import Server

ONE = Server("llama-server", context=8192, parallel=1)
BY_ARRAY = ("dots3note", "gemma4", "granite-swa", "maple", "mimo2", "spark2-5", "step35")
"""Architectures with windows only where the file has an array of them."""

STATE = {"ssm__conv_kernel": 4, "ssm__inner_size": 1024, "ssm__state_size": 16}


def test_the_pattern_of_the_file_goes_before_that_of_the_architecture():
    pattern = (True, False) * 6
    sliding = [layer.sliding for layer in kv_cache.layers(gemma3(attention__sliding_window_pattern=pattern))]
    assert list(pattern) == sliding
    two = [layer.sliding for layer in kv_cache.layers(gemma3(attention__sliding_window_pattern=2))]
    assert [True, False] * 6 == two


def sliding(arch, **more):
    """Which of twelve layers have a window, one letter each."""
    of = meta(arch, block_count=12, attention__sliding_window=512, **more)
    return "".join("w" if layer.sliding else "F" for layer in kv_cache.layers(of))


@pytest.mark.parametrize(
    ("archs", "layers"),
    [
        ("gemma2 gpt-oss", "wFwFwFwFwFwF"),
        ("afmoe cohere2 exaone-moe exaone4 llama4 mellum olmo2", "wwwFwwwFwwwF"),
        ("gemma3n", "wwwwFwwwwFww"),
        ("gemma3", "wwwwwFwwwwwF"),
        ("plamo3", "wwwwwwwFwwww"),
        ("cohere2moe laguna smallthinker", "FwwwFwwwFwww"),  # the full layer is the first of each four
        (" ".join(BY_ARRAY), "FFFFFFFFFFFF"),
        ("llama qwen3", "FFFFFFFFFFFF"),
    ],
)
def test_an_architecture_has_windows_where_llama_cpp_honours_them(archs, layers):
    assert {layers} == {sliding(arch) for arch in archs.split()}


def test_a_file_may_say_which_layers_have_a_window_to_an_architecture_that_honours_it():
    two = (True, False, True)
    for arch in ("gemma3", "smallthinker", *BY_ARRAY):
        assert "wFwFFFFFFFFF" == sliding(arch, attention__sliding_window_pattern=two)
    assert "F" * 12 == sliding("llama", attention__sliding_window_pattern=two)
    assert "FwFwFwFwFwFw" == sliding("smallthinker", attention__sliding_window_pattern=2)
    assert "F" * 12 == sliding("gemma4", attention__sliding_window_pattern=2)


def test_layers_with_a_window_may_have_other_widths():
    of = gemma3(attention__key_length_swa=64, attention__value_length_swa=32)
    assert {(128 * 4, 128 * 4, False), (64 * 4, 32 * 4, True)} == {
        (each.keys, each.values, each.sliding) for each in kv_cache.layers(of)
    }


def test_a_head_is_as_wide_as_its_share_of_the_embedding_unless_told_otherwise():
    assert {(2 * 64, 2 * 64)} == {(each.keys, each.values) for each in kv_cache.layers(meta())}
    of = meta(attention__head_count=0, attention__head_count_kv=None)
    assert {0} == {each.keys for each in kv_cache.layers(of)}
    every = meta(attention__head_count=(8, 4) * 4, attention__head_count_kv=None)
    assert {8 * 64} == {each.keys for each in kv_cache.layers(every)}


@pytest.mark.parametrize(
    ("arch", "recurrent"),
    [
        ("qwen3next", "rrrArrrA"), ("qwen35", "rrrArrrA"), ("qwen35moe", "rrrArrrA"),  # by the architecture
        ("jamba", "rArArArA"),  # by the layers that have no heads
    ],
)  # fmt: skip
def test_which_layers_are_recurrent(arch, recurrent):
    heads = (0, 2) * 4 if arch == "jamba" else 2
    of = meta(arch, attention__head_count_kv=heads, **STATE)
    shape = kv_cache.layers(of)
    assert recurrent == "".join("r" if each.recurrent else "A" for each in shape)
    assert [letter == "A" for letter in recurrent] == [bool(each.keys) for each in shape]


def test_each_layer_of_a_falcon_has_both():
    assert {(2 * 64, True)} == {
        (each.keys, each.recurrent) for each in kv_cache.layers(meta("falcon-h1", **STATE))
    }


def test_the_file_says_better_than_the_architecture_how_often_a_layer_attends():
    of = meta("qwen3next", full_attention_interval=2, **STATE)
    assert [True, False] * 4 == [each.recurrent for each in kv_cache.layers(of)]


@pytest.mark.parametrize(
    ("values", "elements"),
    [
        (STATE, 3 * 1024 + 16 * 1024),  # mamba
        ({**STATE, "ssm__group_count": 2}, 3 * (1024 + 2 * 2 * 16) + 16 * 1024),  # mamba2
        ({**STATE, "ssm__conv_kernel": 0}, 16 * 1024),
        ({"wkv__head_size": 64}, 512 * (2 + 64)),  # rwkv6
        ({"wkv__head_size": 64, "token_shift_count": 1}, 512 * (1 + 64)),
        ({"shortconv__l_cache": 3}, 512 * 2),  # lfm2
        ({"kda__head_dim": 128, "ssm__conv_kernel": 4}, 128 * 8 * (3 * 3 + 128)),  # kimi-linear
        ({"kda__head_dim": 128}, 128 * 8 * 128),
        ({}, 0),
    ],
)  # fmt: skip
def test_a_recurrent_state_has_so_many_elements_of_four_bytes(values, elements):
    of = meta("recurrent", attention__head_count_kv=0, **values)
    room = kv_cache.cells(of, ONE)
    assert 8 * 4 * elements == kv_cache.state_bytes(of, room, kv_cache.layers(of))


ENCODERS = (
    "bert gemma-embedding jina-bert-v2 jina-bert-v3 modern-bert neo-bert nomic-bert nomic-bert-moe t5encoder"
)


@pytest.mark.parametrize("arch", ENCODERS.split())
def test_an_encoder_keeps_nothing(arch):
    assert {0} == {each.keys + each.values for each in kv_cache.layers(meta(arch))}

"""DESIGN §5.1's formula for what llama.cpp keeps of a context; the figures are those its log prints."""

import pytest
from hypothesis import given, strategies as st

from tests.core.estimation.metadata import gemma3, meta
from zoosup.core.estimation import kv_cache
from zoosup.core.estimation.kv_cache import Metadata, UnusableError
from zoosup.core.estimation.servers.server import Server

MIB = 2**20
ONE = Server("llama-server", context=8192, parallel=1)


def cache(of, server=ONE):
    return kv_cache.cache_bytes(kv_cache.cells(of, server), kv_cache.layers(of), server.types)


def served(**fields):
    return Server("llama-server", **({"context": 8192, "parallel": 1} | fields))


def test_grouped_queries_keep_only_their_keys_and_values():
    # Its log says: 32.00 MiB for 8192 cells in 8 layers, 16.00 MiB of keys and as much of values.
    assert 32 * MIB == cache(meta())


def test_without_a_context_it_is_what_the_model_was_trained_with():
    assert 16 * MIB == cache(meta(), served(context=0))
    with pytest.raises(UnusableError, match="neither -c nor context_length"):
        cache(meta(context_length=None), served(context=0))


def test_the_context_is_padded_to_256_cells():
    assert cache(meta(), served(context=1)) == cache(meta(), served(context=256))
    assert cache(meta(), served(context=257)) == cache(meta(), served(context=512))


def test_slots_share_the_context_however_many():
    assert 32 * MIB == cache(meta(), served(parallel=4)) == cache(meta(), served(parallel=-1))
    assert (4, 2048) == ((room := kv_cache.cells(meta(), served(parallel=4))).streams, room.full)
    assert (1, 8192) == ((room := kv_cache.cells(meta(), served(parallel=-1))).streams, room.full)
    assert 1 == kv_cache.cells(meta(), served(parallel=4, unified=True)).streams


def test_each_slots_share_is_padded():
    assert 3 * 512 == kv_cache.cells(meta(), served(context=1024, parallel=3)).context


def test_a_bound_for_each_slot_sizes_the_whole_where_no_context_is_said():
    assert 8192 == kv_cache.cells(meta(), Server("llama-server", per_slot=2048)).full


@pytest.mark.parametrize(
    ("type_", "share"),
    [
        ("f32", 64),
        ("f16", 32),
        ("bf16", 32),
        ("q8_0", 17),
        ("q5_1", 12),
        ("q5_0", 11),
        ("q4_1", 10),
        ("q4_0", 9),
        ("iq4_nl", 9),
    ],
)
def test_quantised_caches_take_their_share(type_, share):
    assert share * MIB == cache(meta(), served(types=(type_, type_)))


def test_an_unknown_cache_type_is_named():
    with pytest.raises(UnusableError, match="'q9' is no cache type"):
        cache(meta(), served(types=("q9", "f16")))


def test_sliding_windows_keep_no_more_than_they_see():
    # llama.cpp: 16384 cells in 2 layers 64 MiB; 2560 cells in 10 layers 50 MiB, with four slots that share.
    of, server = gemma3(), served(context=16384, parallel=-1)
    room = kv_cache.cells(of, server)
    assert (16384, 2560) == (room.full, room.window)
    assert (64 + 50) * MIB == cache(of, server)


def test_each_stream_has_a_window_of_its_own():
    room = kv_cache.cells(gemma3(), served(context=16384, parallel=4))
    assert (4096, 1024, 4) == (room.full, room.window, room.streams)


def test_a_window_is_never_larger_than_the_context_and_swa_full_makes_it_as_large():
    assert 256 == kv_cache.cells(gemma3(), served(context=256)).window
    assert 16384 == kv_cache.cells(gemma3(), served(context=16384, swa_full=True)).window


def test_a_window_of_an_architecture_that_has_none_counts_in_full():
    assert cache(meta()) == cache(meta(attention__sliding_window=128))


def test_layers_may_differ_in_their_heads():
    assert 4 * MIB * 3 == cache(meta(attention__head_count_kv=(2, 1, 0, 0, 0, 0, 0, 0)), ONE) * 2


def test_the_last_layers_may_use_the_cache_of_others():
    assert 20 * MIB == cache(meta("gemma3n", attention__shared_kv_layers=3))


def test_compressed_keys_have_no_values_beside_them():
    of = meta(
        "deepseek2", attention__head_count_kv=1, attention__key_length=576, attention__key_length_mla=192,
        attention__value_length=512, attention__value_length_mla=128,
        attention__kv_lora_rank=512, rope__dimension_count=64,
    )  # fmt: skip
    assert 8 * 8192 * 576 * 2 == cache(of)


def test_recurrent_layers_have_a_state_for_each_slot_and_no_cache():
    of = meta(
        "qwen3next", full_attention_interval=4, ssm__conv_kernel=4, ssm__inner_size=1024,
        ssm__state_size=128, ssm__group_count=16,
    )  # fmt: skip
    shape, room = kv_cache.layers(of), kv_cache.cells(of, served(parallel=2))
    assert 8 * MIB == kv_cache.cache_bytes(room, shape, ("f16", "f16"))
    one = 3 * (1024 + 2 * 16 * 128) + 128 * 1024
    assert 2 * 6 * 4 * one == kv_cache.state_bytes(of, room, shape)
    assert 6 * 4 * one == kv_cache.checkpoint_bytes(of, room, shape, ONE)


def test_a_checkpoint_keeps_the_windows_of_one_slot():
    # Its log says: checkpoint 1 of 32 created, 10.006 MiB.
    of, server = gemma3(), served(context=16384, parallel=-1)
    room, shape = kv_cache.cells(of, server), kv_cache.layers(of)
    assert 10 * MIB == kv_cache.checkpoint_bytes(of, room, shape, server)
    assert 0 == kv_cache.checkpoint_bytes(of, room, shape, served(swa_full=True))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"block_count": 0}, "block_count is 0"),
        ({"block_count": 4097}, "block_count is 4097"),
        ({"block_count": "many"}, "block_count is not a whole number"),
        ({"attention__head_count_kv": (1, 2)}, "has 2 elements for 8 layers"),
        ({"attention__key_length": -1}, "key_length is not a whole number of sensible size"),
        ({"attention__key_length": 0.5}, "key_length is not a whole number of sensible size"),
        ({"context_length": 2**31 + 1}, "context_length is not a whole number of sensible size"),
    ],
)
def test_metadata_that_cannot_be_are_named(values, said):
    with pytest.raises(UnusableError, match=said):
        cache(meta(**values), served(context=0))


def test_the_largest_metadata_that_can_be_are_read():
    assert 4096 == len(kv_cache.layers(meta(block_count=4096)))
    assert 2**31 == kv_cache.cells(meta(context_length=2**31), served(context=0)).full


@pytest.mark.parametrize("arch", [None, "", 7])
def test_without_an_architecture_nothing_is_known(arch):
    with pytest.raises(UnusableError, match=r"general\.architecture is missing"):
        Metadata({"general.architecture": arch, f"{arch}.block_count": 1})


KEYS = [
    "block_count", "context_length", "embedding_length", "attention.head_count", "attention.head_count_kv",
    "attention.key_length", "attention.sliding_window", "attention.sliding_window_pattern",
    "attention.shared_kv_layers", "attention.key_length_mla", "attention.kv_lora_rank", "full_attention_interval",
    "ssm.conv_kernel", "ssm.state_size", "wkv.head_size", "shortconv.l_cache", "kda.head_dim",
]  # fmt: skip
VALUES = st.one_of(
    st.integers(-2, 70), st.integers(), st.floats(), st.booleans(), st.text(max_size=3),
    st.lists(st.integers(0, 9), max_size=12).map(tuple),
)  # fmt: skip


@given(
    st.sampled_from(["llama", "gemma3", "qwen3next", "falcon-h1", "gemma4", "cohere2moe"]),
    st.dictionaries(st.sampled_from(KEYS), VALUES),
)
def test_any_metadata_give_a_figure_or_a_reason(arch, values):
    try:
        of = meta(arch, **{name.replace(".", "__"): value for name, value in values.items()})
        room, shape = kv_cache.cells(of, ONE), kv_cache.layers(of)
        figures = [
            cache(of),
            kv_cache.state_bytes(of, room, shape),
            kv_cache.checkpoint_bytes(of, room, shape, ONE),
        ]
    except UnusableError:
        return
    assert min(figures) >= 0

"""The header of a GGUF file, and that no file can make its reader raise anything else or read without bound."""

import io
import struct

import pytest
from hypothesis import given, strategies as st

from tests.host import weight_files
from zoosup.host.weights import gguf
from zoosup.host.weights.gguf import WeightsError


def read(data, size=None):
    return gguf.read(io.BytesIO(data), len(data) if size is None else size)


def why(data, size=None):
    with pytest.raises(WeightsError) as raised:
        read(data, size)
    return str(raised.value)


@pytest.mark.parametrize("version", [2, 3])
def test_metadata_tensor_bytes_and_vocabulary_are_read(version):
    header = read(weight_files.gguf(version=version))
    assert weight_files.LLAMA == header.metadata
    assert (64 * 300 * 2, 300) == (header.tensors, header.vocabulary)


def test_quantised_tensors_count_by_their_blocks():
    tensors = [("a", (64, 10), weight_files.Q8_0, 680), ("b", (7,), weight_files.F32, 28)]
    assert 680 + 28 == read(weight_files.gguf(tensors=tensors)).tensors


def test_arrays_of_numbers_are_kept_and_the_tokenizer_is_passed_over():
    metadata = weight_files.LLAMA | {
        "tokenizer.ggml.tokens": ("a", "bc", ""),
        "tokenizer.ggml.token_type": (1, 2, 3),
        "llama.attention.head_count_kv": (2, 0),
        "llama.attention.sliding_window_pattern": (True, False),
        "llama.rope.freq_base": 0.5,
    }
    kept = read(weight_files.gguf(metadata)).metadata
    assert (2, 0) == kept["llama.attention.head_count_kv"]
    assert (True, False) == kept["llama.attention.sliding_window_pattern"]
    assert 0.5 == kept["llama.rope.freq_base"]
    assert not [name for name in kept if name.startswith("tokenizer.")]


def test_long_strings_and_long_arrays_are_passed_over():
    metadata = weight_files.LLAMA | {"a": "x" * 5000, "b": (1,) * 5000}
    assert weight_files.LLAMA == read(weight_files.gguf(metadata)).metadata


def test_a_big_endian_file_is_refused_by_that_name():
    assert "a big-endian GGUF file; only little-endian ones are read" == why(weight_files.gguf(order=">"))


@pytest.mark.parametrize("version", [0, 1, 4])
def test_other_versions_are_refused(version):
    assert f"GGUF version {version}; 2 and 3 are known" == why(weight_files.gguf(version=version))


def test_a_file_that_ends_too_early_is_truncated_wherever_that_is():
    data = weight_files.gguf()
    for end in range(4, len(data), 7):
        assert why(data[:end]).startswith("truncated")
    assert "not a GGUF file" == why(b"GGML" + data[4:])


def test_a_file_of_zeros_behind_its_claims_costs_nothing():
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 1)
    string = head + struct.pack("<Q1sIQ", 1, b"a", 8, 2**62)
    assert why(string, 2**63) == f"its header has more than {gguf.MAX_HEADER} bytes"
    array = head + struct.pack("<Q1sIIQ", 1, b"a", 9, 10, 2**62)
    assert why(array, 2**63) == f"its header has more than {gguf.MAX_HEADER} bytes"
    assert why(head + struct.pack("<Q", 2**62), 2**63) == f"a name of {2**62} bytes"


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (struct.pack("<QQ", 0, 2**40), "it claims 1099511627776 keys and 0 tensors"),
        (struct.pack("<QQ", 2**40, 0), "it claims 0 keys and 1099511627776 tensors"),
        (struct.pack("<QQQ1sI", 0, 1, 1, b"a", 99), "a value of unknown type 99"),
        (struct.pack("<QQQ1sIIQ", 0, 1, 1, b"a", 9, 9, 1), "an array of arrays, which llama.cpp does not have"),
        (struct.pack("<QQQ1sI", 1, 0, 1, b"t", 9), "'t' has 9 dimensions"),
        (struct.pack("<QQQ1sIQIQ", 1, 0, 1, b"t", 1, 32, 77, 0), "'t' is of unknown type 77"),
        (
            struct.pack("<QQQ1sIQIQ", 1, 0, 1, b"t", 1, 33, 8, 0),
            "'t' has rows of 33, which its blocks of 32 don't divide",
        ),
        (struct.pack("<QQQ1sIQIQ", 1, 0, 1, b"t", 1, 32, 8, 3), "'t' is not aligned"),
    ],
)  # fmt: skip
def test_claims_that_cannot_be_are_named(head, said):
    assert said == why(b"GGUF" + struct.pack("<I", 3) + head)


def test_an_alignment_of_nothing_is_refused():
    assert "general.alignment is 0" == why(weight_files.gguf({"general.alignment": 0}))


class Counting(io.BytesIO):
    """Knows the most that was asked of it at once, and in all."""

    asked = most = 0

    def read(self, count=-1):
        assert count >= 0, "the whole file was asked for"
        self.most, self.asked = max(self.most, count), self.asked + count
        return super().read(count)


def judged(data, size):
    file = Counting(data)
    try:
        header = gguf.read(file, size)
    except WeightsError:
        header = None
    assert file.asked <= min(size, gguf.MAX_HEADER)
    assert file.most <= 64 * 2**10, "one value is never larger than an array that is kept"
    if header is not None:
        assert header.tensors <= size * 32  # several infos may claim one place


@given(st.binary(max_size=400), st.integers(0, 2**63))
def test_any_bytes_are_read_or_refused(data, size):
    judged(data, size)


@given(st.binary(max_size=200))
def test_any_bytes_behind_a_good_start_are_read_or_refused(data):
    judged(b"GGUF\x03\x00\x00\x00" + data, len(data) + 8)


GOOD = weight_files.gguf(weight_files.LLAMA | {"tokenizer.ggml.tokens": ("a", "b"), "x": (1, 2)})


@given(
    st.lists(st.tuples(st.integers(0, 700), st.binary(min_size=1, max_size=8)), max_size=4),
    st.integers(0, 2**40),
)
def test_a_good_file_with_some_bytes_changed_is_read_or_refused(changes, more):
    data = bytearray(GOOD)
    for at, new in changes:
        data[at : at + len(new)] = new
    judged(bytes(data), len(data) + more)


def tensors_of(kind, elements, size):
    return weight_files.gguf({}, [("t", (elements,), kind, size)])


BITS = {
    "F32": (0, 1, 32), "F16": (1, 1, 16), "Q4_0": (2, 32, 4.5), "Q4_1": (3, 32, 5), "Q5_0": (6, 32, 5.5),
    "Q5_1": (7, 32, 6), "Q8_0": (8, 32, 8.5), "Q8_1": (9, 32, 10), "Q2_K": (10, 256, 2.625),
    "Q3_K": (11, 256, 3.4375), "Q4_K": (12, 256, 4.5), "Q5_K": (13, 256, 5.5), "Q6_K": (14, 256, 6.5625),
    "Q8_K": (15, 256, 9.125), "IQ2_XXS": (16, 256, 2.0625), "IQ2_XS": (17, 256, 2.3125),
    "IQ3_XXS": (18, 256, 3.0625), "IQ1_S": (19, 256, 1.5625), "IQ4_NL": (20, 32, 4.5), "IQ3_S": (21, 256, 3.4375),
    "IQ2_S": (22, 256, 2.5625), "IQ4_XS": (23, 256, 4.25), "I8": (24, 1, 8), "I16": (25, 1, 16), "I32": (26, 1, 32),
    "I64": (27, 1, 64), "F64": (28, 1, 64), "IQ1_M": (29, 256, 1.75), "BF16": (30, 1, 16), "TQ1_0": (34, 256, 1.6875),
    "TQ2_0": (35, 256, 2.0625), "MXFP4": (39, 32, 4.25), "NVFP4": (40, 64, 4.5), "Q1_0": (41, 128, 1.125),
}  # fmt: skip


def test_every_type_has_so_many_bits_to_a_weight_in_rows_of_so_many():
    assert {kind for kind, _, _ in BITS.values()} == set(gguf.BLOCKS)
    for kind, row, bits in BITS.values():
        assert 256 * bits / 8 == read(tensors_of(kind, 256, 1024 * 2)).tensors
        if row > 1:
            assert f"its blocks of {row} don't divide" in why(tensors_of(kind, row + 1, 4096))
            assert row * bits / 8 == read(tensors_of(kind, row, 1024)).tensors


@pytest.mark.parametrize(
    ("kind", "code", "value"),
    [
        (0, "B", 200), (1, "b", -2), (2, "H", 60_000), (3, "h", -300), (4, "I", 2**31), (5, "i", -70_000),
        (6, "f", 0.5), (7, "?", True), (10, "Q", 2**63), (11, "q", -(2**40)), (12, "d", 1e300),
    ],
)  # fmt: skip
def test_every_kind_of_number_is_read(kind, code, value):
    data = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack(f"<Q1sI{code}", 1, b"a", kind, value)
    assert {"a": value} == read(data).metadata


@pytest.mark.parametrize(
    ("most", "more"),
    [
        ("x" * gguf.MAX_STRING, "x" * (gguf.MAX_STRING + 1)),
        ((1,) * gguf.MAX_ARRAY, (1,) * (gguf.MAX_ARRAY + 1)),
    ],
)
def test_the_longest_that_is_kept(most, more):
    assert {"a": most, "c": 7} == read(weight_files.gguf({"a": most, "b": more, "c": 7})).metadata


def test_the_longest_name():
    assert 1 == read(weight_files.gguf({"n" * 1024: 1})).metadata["n" * 1024]
    assert "a name of 1025 bytes" == why(weight_files.gguf({"n" * 1025: 1}))


def test_no_more_values_are_kept_than_are_of_use(monkeypatch):
    monkeypatch.setattr(gguf, "MAX_KEPT", 4)
    assert ["a", "b", "c"] == list(
        read(weight_files.gguf({"a": (1, 2), "b": 1, "c": 1, "d": 1, "e": 1})).metadata
    )


def test_as_many_keys_and_tensors_may_be_claimed(monkeypatch):
    monkeypatch.setattr(gguf, "MAX_KEYS", 1)
    monkeypatch.setattr(gguf, "MAX_TENSORS", 1)
    one = [("t", (1,), weight_files.F32, 4)]
    assert {"a": 1} == read(weight_files.gguf({"a": 1}, one)).metadata
    assert "it claims 2 keys and 1 tensors" == why(weight_files.gguf({"a": 1, "b": 1}, one))
    assert "it claims 1 keys and 2 tensors" == why(weight_files.gguf({"a": 1}, one * 2))


@pytest.mark.parametrize(
    ("alignment", "is_fine"), [(1, True), (2**20, True), (2**20 + 1, False), ("x", False)]
)
def test_an_alignment_is_of_some_use(alignment, is_fine):
    data = weight_files.gguf({"general.alignment": alignment}, [])
    if is_fine:
        assert alignment == read(data).metadata["general.alignment"]
    else:
        assert f"general.alignment is {alignment}" == why(data)


def test_tensors_begin_where_the_alignment_lets_them():
    def made(pad):
        return weight_files.gguf({"general.alignment": 4096}, [("t", (32,), weight_files.F32, 128)], pad=pad)

    whole = 4096 + 128
    assert 128 == read(made(whole - len(made(0)))).tensors
    said = f"truncated: its tensors end at byte {whole}, the file at {whole - 1}"
    assert said == why(made(whole - 1 - len(made(0))))


@pytest.mark.parametrize(
    ("name", "shape", "vocabulary"),
    [
        ("token_embd.weight", (1, 9), 9),
        ("token_embd.weight", (9,), 0),
        ("output.weight", (1, 9), 0),
        ("token_embd.weight", (1, 9, 1, 1), 9),
    ],
)
def test_the_vocabulary_is_the_second_dimension_of_the_embeddings(name, shape, vocabulary):
    assert vocabulary == read(weight_files.gguf({}, [(name, shape, weight_files.F32, 36)])).vocabulary

"""Weight files as they lie on disk: alone, in parts, in directories; read once, and never an exception."""

import json
import os
import struct

import pytest
from hypothesis import given, settings, strategies as st

from tests.host import weight_files
from zoosup.core.state.weights import WeightFacts
from zoosup.host.weights import gguf, reader as reader_module, safetensors
from zoosup.host.weights.gguf import WeightsError
from zoosup.host.weights.listing import below
from zoosup.host.weights.reader import INDEX, WeightReader, parts, shards


@pytest.fixture
def look(tmp_path):
    reader = WeightReader()
    return lambda *names: [reader.look([name], tmp_path).of(name) for name in names]


def put(folder, name, data):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def test_a_gguf_file_is_known_by_its_header(tmp_path, look):
    put(tmp_path, "m.gguf", weight_files.gguf(pad=64))
    [facts] = look("m.gguf")
    assert ("gguf", 1, 38_400, 300, "") == (
        facts.format, facts.parts, facts.tensors, facts.vocabulary, facts.problem
    )  # fmt: skip
    assert (tmp_path / "m.gguf").stat().st_size == facts.size
    assert 2 == facts.metadata["llama.block_count"]


def test_all_parts_of_a_split_file_count_and_the_first_describes_the_model(tmp_path, look):
    put(tmp_path, "m-00001-of-00003.gguf", weight_files.gguf())
    for part in (2, 3):
        put(
            tmp_path,
            f"m-0000{part}-of-00003.gguf",
            weight_files.gguf({}, [("blk.0.x", (64, 10), weight_files.F32, 2560)]),
        )
    for named in ("m-00001-of-00003.gguf", "m-00002-of-00003.gguf"):
        [facts] = look(named)
        assert (3, 38_400 + 2 * 2560) == (facts.parts, facts.tensors)
        assert "llama" == facts.metadata["general.architecture"]


def test_a_missing_part_leaves_the_size_of_the_others_and_the_reason(tmp_path, look):
    put(tmp_path, "m-00001-of-00002.gguf", weight_files.gguf())
    [facts] = look("m-00001-of-00002.gguf")
    assert ("plain", "1 of its 2 parts are missing") == (facts.format, facts.problem)
    assert facts.size == len(weight_files.gguf())


def test_a_claim_of_very_many_parts_is_not_followed(tmp_path, look):
    put(tmp_path, "m-00001-of-99999.gguf", weight_files.gguf())
    assert "it claims to be one of 99999 parts" == look("m-00001-of-99999.gguf")[0].problem


def test_what_is_no_gguf_file_has_its_size_and_the_reason(tmp_path, look):
    put(tmp_path, "m.gguf", b"version https://git-lfs.github.com/spec/v1")
    [facts] = look("m.gguf")
    assert ("plain", 42, "not a GGUF file") == (facts.format, facts.size, facts.problem)


def test_what_is_not_there_or_no_file_is_left_out(tmp_path, look):
    os.mkfifo(tmp_path / "pipe.gguf")
    (tmp_path / "empty").mkdir()
    assert [None, None, None, None] == look("none.gguf", "pipe.gguf", "empty", "a\0b")
    assert WeightFacts() == WeightReader().look([], tmp_path)


def test_a_file_is_read_again_only_when_it_has_changed(tmp_path, look, monkeypatch):
    put(tmp_path, "m.gguf", weight_files.gguf())
    [first] = look("m.gguf")
    monkeypatch.setattr(gguf, "read", lambda *_: pytest.fail("was read again"))
    assert look("m.gguf") == [first]
    monkeypatch.undo()
    put(tmp_path, "m.gguf", weight_files.gguf(tensors=[("t", (32,), weight_files.F32, 128)]))
    assert 128 == look("m.gguf")[0].tensors


def test_a_safetensors_file_counts_its_tensors(tmp_path, look):
    put(tmp_path, "m.safetensors", weight_files.safetensors([100, 60]))
    [facts] = look("m.safetensors")
    assert ("safetensors", 160) == (facts.format, facts.tensors)


def test_a_directory_counts_the_files_of_its_index_and_no_others(tmp_path, look):
    for name, size in (("a", 100), ("b", 60), ("other", 500)):
        put(tmp_path, f"m/{name}.safetensors", weight_files.safetensors([size]))
    assert (660, 3) == ((facts := look("m")[0]).tensors, facts.parts)
    index = {"weight_map": {"x": "a.safetensors", "y": "b.safetensors", "z": "a.safetensors"}}
    put(tmp_path, f"m/{INDEX}", json.dumps(index).encode())
    reader = WeightReader()
    assert (160, 2) == ((facts := reader.look(["m"], tmp_path).of("m")).tensors, facts.parts)
    (tmp_path / "m/b.safetensors").unlink()
    facts = reader.look(["m"], tmp_path).of("m")
    assert ("plain", "1 of its 2 files are missing") == (facts.format, facts.problem)


@pytest.mark.parametrize(
    "index", [b"[]", b"{", b'{"weight_map": {"x": "../../etc/passwd"}}', b'{"weight_map": 3}']
)
def test_an_index_that_is_of_no_use_is_said(tmp_path, look, index):
    put(tmp_path, "m/a.safetensors", weight_files.safetensors([100]))
    put(tmp_path, f"m/{INDEX}", index)
    [facts] = look("m")
    assert "plain" == facts.format
    assert facts.problem.startswith(INDEX)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"short",
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 4) + b"nope",
        struct.pack("<Q", 100_000) + b"[" * 100_000,
        weight_files.safetensors([100])[:-1],
    ],
    ids=["empty", "short", "endless", "a list", "no JSON", "deep", "truncated"],
)
def test_a_bad_safetensors_file_is_plain(tmp_path, look, data):
    put(tmp_path, "m.safetensors", data)
    [facts] = look("m.safetensors")
    assert ("plain", len(data)) == (facts.format, facts.size)
    assert facts.problem


@settings(max_examples=60)
@given(st.binary(max_size=120), st.booleans())
def test_whatever_is_in_a_file_is_an_answer(tmp_path_factory, data, framed):
    folder = tmp_path_factory.mktemp("w")
    text = struct.pack("<Q", len(data)) + data if framed else data
    put(folder, "m.safetensors", text)
    put(folder, "m.gguf", text)
    found = WeightReader().look(["m.safetensors", "m.gguf"], folder)
    assert [len(text), len(text)] == [found.of(name).size for name in ("m.safetensors", "m.gguf")]


def test_weights_that_were_changed_have_another_time_of_change(tmp_path, look):
    put(tmp_path, "m.gguf", weight_files.gguf())
    os.utime(tmp_path / "m.gguf", ns=(5, 7_000_000_001))
    assert [7_000_000_001] == [facts.changed for facts in look("m.gguf")]
    os.utime(tmp_path / "m.gguf", ns=(5, 8))
    assert [8] == [facts.changed for facts in look("m.gguf")]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("m-00001-of-00000.gguf", "it claims to be one of 0 parts"),
        ("m-00001-of-01024.gguf", "1023 of its 1024 parts are missing"),
        ("m-00001-of-01025.gguf", "it claims to be one of 1025 parts"),
    ],
)
def test_so_many_parts_are_believed(tmp_path, look, name, problem):
    put(tmp_path, name, weight_files.gguf())
    assert problem == look(name)[0].problem


@pytest.mark.parametrize(("more", "problem"), [(0, ""), (-1, f"{INDEX}: more than ")])
def test_an_index_may_be_as_long_as_a_header(tmp_path, look, monkeypatch, more, problem):
    put(tmp_path, "m/a.safetensors", weight_files.safetensors([100]))
    text = json.dumps({"weight_map": {"x": "a.safetensors"}, "of": "no use" * 99}).encode()
    put(tmp_path, f"m/{INDEX}", text)
    monkeypatch.setattr(safetensors, "MAX_HEADER", len(text) + more)
    found = look("m")[0].problem
    assert found.startswith(problem)
    assert bool(problem) == bool(found)
    assert (frozenset() if problem else {"a.safetensors"}) == shards(tmp_path / "m")


def test_what_was_seen_of_many_files_is_forgotten_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(reader_module, "_REMEMBERED", 2)
    reader, read = WeightReader(), []
    real = gguf.read
    monkeypatch.setattr(gguf, "read", lambda *of: read.append(1) or real(*of))
    for name in ("a", "b", "c"):
        put(tmp_path, f"{name}.gguf", weight_files.gguf())

    def reads(*names):
        read.clear()
        reader.look([f"{name}.gguf" for name in names], tmp_path)
        return len(read)

    assert [2, 0, 1, 0, 2] == [reads("a", "b"), reads("a", "b"), reads("c"), reads("c"), reads("a", "b")]


def test_a_file_that_may_not_be_read_has_its_size_and_the_reason(tmp_path, look, monkeypatch):
    put(tmp_path, "m.gguf", weight_files.gguf())

    def refused(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(gguf, "read", refused)
    [facts] = look("m.gguf")
    assert ("plain", len(weight_files.gguf()), "can't be read: Permission denied") == (
        facts.format, facts.size, facts.problem
    )  # fmt: skip


def test_the_largest_vocabulary_of_the_parts_is_the_models(tmp_path, look):
    put(tmp_path, "m-00001-of-00002.gguf", weight_files.gguf({}, [("t", (32,), weight_files.F32, 128)]))
    put(tmp_path, "m-00002-of-00002.gguf", weight_files.gguf())
    assert 300 == look("m-00001-of-00002.gguf")[0].vocabulary


def test_the_files_of_a_set_are_plain_files(tmp_path):
    put(tmp_path, "m.gguf", b"")
    os.mkfifo(tmp_path / "pipe.gguf")
    assert [(tmp_path / "m.gguf",), (), ()] == [
        parts(tmp_path / name) for name in ("m.gguf", "pipe.gguf", "none.gguf")
    ]
    assert frozenset() == shards(tmp_path)


def of_safetensors(header, body=b""):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


@pytest.mark.parametrize(
    ("header", "size", "problem"),
    [
        ({}, 0, ""),
        ({"__metadata__": {"format": "pt"}}, 0, ""),
        ({"t": {"data_offsets": [0, 0]}}, 0, ""),
        ({"t": {"data_offsets": [4, 4]}, "u": {"data_offsets": [0, 4]}}, 4, ""),
        ({"t": {"data_offsets": [3, 2]}}, 4, "'t' has no proper data_offsets"),
        ({"t": {"data_offsets": [-1, 2]}}, 4, "'t' has no proper data_offsets"),
        ({"t": {"data_offsets": [0]}}, 4, "'t' has no proper data_offsets"),
        ({"t": 3}, 4, "'t' has no proper data_offsets"),
    ],
)
def test_tensors_lie_where_the_header_says(tmp_path, look, header, size, problem):
    put(tmp_path, "m.safetensors", of_safetensors(header, bytes(size)))
    [facts] = look("m.safetensors")
    assert (problem, 0 if problem else size) == (facts.problem, facts.tensors)


@pytest.mark.parametrize("names", [{"x": ""}, {"x": 3}, {"x": "a", "y": "b", "z": "c"}])
def test_an_index_names_proper_files_and_not_too_many(monkeypatch, names):
    monkeypatch.setattr(safetensors, "MAX_SHARDS", 2)
    assert ["a", "b"] == safetensors.shards(b'{"weight_map": {"x": "a", "y": "b", "z": "a"}}')
    with pytest.raises(WeightsError, match="names no proper files"):
        safetensors.shards(json.dumps({"weight_map": names}).encode())


def test_a_folder_that_was_pointed_at_by_mistake_is_not_walked_to_its_end(tmp_path):
    for name in ("b/1", "b/2", "a/2", "a/1", "c/1"):
        put(tmp_path, name, b"")
    (tmp_path / "a" / "nowhere").symlink_to("none")
    assert ["a/1", "a/2", "b/1", "b/2"] == list(below(tmp_path, most=2))
    assert ["a/1", "a/2", "b/1", "b/2", "c/1"] == list(below(tmp_path))

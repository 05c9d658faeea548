"""Words survive the wire; older and newer releases understand each other; garbage is told and nothing else happens."""

import json
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import given, strategies as st

from tests.core.fleet.any_word import words_of
from zoosup.core.fleet import words
from zoosup.core.fleet.wire import WireError, from_json, from_wire, to_json, to_wire

WORDS = [
    words.FleetModel, words.FleetSpec, words.PoolRoom, words.ModelNeed, words.ModelReport, words.Assignment,
    words.HostReport, words.HostView, words.FleetView, words.Answer, words.Choice,
]  # fmt: skip

any_word = st.sampled_from(WORDS).flatmap(words_of)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(0, 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@given(any_word)
def test_a_word_comes_back_as_it_was(word):
    assert word == from_wire(type(word), json.loads(json.dumps(to_wire(word))))
    assert word == from_json(type(word), to_json(word))


@pytest.mark.parametrize("kind", WORDS)
@given(data=json_values)
def test_garbage_is_told_and_raises_nothing_else(kind, data):
    for read, given_ in ((from_wire, data), (from_json, json.dumps(data))):
        with suppress(WireError):
            assert isinstance(read(kind, given_), kind)


@given(st.binary(max_size=30))
def test_bytes_that_are_no_json_are_told_too(data):
    with pytest.raises(WireError):
        from_json(words.HostReport, data)


def test_where_it_is_wrong_is_said():
    with pytest.raises(WireError, match=r"no HostReport: .*\$\.pools\[0\]"):
        from_wire(words.HostReport, {"node": "a", "pools": [{"id": "ram"}]})


def test_json_that_is_nested_without_end_is_told():
    with pytest.raises(WireError):
        from_json(words.HostReport, '{"node": "a", "labels": ' + '{"a": ' * 100_000)


NAMES = {"drains", "labels", "held", "peers", "ranks", "models", "hosts", "placements", "refusals"}
"""Mappings whose keys are names, and no fields of a word."""


def added_to(data):
    """As a later release would write it: more keys everywhere."""
    if isinstance(data, dict):
        more = {key: value if key in NAMES else added_to(value) for key, value in data.items()}
        return more | {"later": [1, {"x": None}]}
    return [added_to(item) for item in data] if isinstance(data, list) else data


PLAIN = words.HostReport(
    "a",
    pools=(words.PoolRoom("ram", "RAM", 8, 9),),
    spec=words.FleetSpec("d", 3, models=(words.FleetModel("m", 0),)),
)


def test_what_a_later_release_adds_is_passed_over():
    assert PLAIN == from_wire(words.HostReport, added_to(to_wire(PLAIN)))


def test_what_an_older_release_leaves_out_has_its_default():
    assert words.HostReport("a") == from_wire(words.HostReport, {"node": "a"})
    assert words.Answer(view=words.FleetView()) == from_wire(words.Answer, {"view": {}})


@pytest.mark.parametrize("word", [words.Assignment(), words.HostReport("a"), words.FleetView()])
def test_what_no_controller_has_said_is_older_than_all_that_one_says(word):
    assert {0} == {getattr(word, each, 0) for each in ("generation", "epoch", "number")}


def test_a_word_that_gets_a_field_reads_what_had_none():
    @dataclass(frozen=True, slots=True)
    class Later(words.Choice):
        more: dict = field(default_factory=dict)

    assert "b" == from_wire(Later, to_wire(words.Choice("b"))).node

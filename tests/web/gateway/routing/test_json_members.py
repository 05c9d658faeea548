"""Where the members of a body lie: what json.loads finds, found without building anything."""

import json

import pytest
from hypothesis import given, strategies as st

from zoosup.web.gateway.errors import DeniedError
from zoosup.web.gateway.routing import json_members
from zoosup.web.gateway.routing.json_members import Member, members

_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec="utf-8"))
_VALUES = st.recursive(_LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
_BLANKS = st.sampled_from(["", " ", "\n", "\t\r\n  "])


def found(body: bytes) -> list[tuple[str, bytes]]:
    return [(each.name, body[each.value : each.end]) for each in members(body)]


@pytest.fixture(params=[2, 3, 7, 64, json_members._WINDOW])
def window(request, monkeypatch):
    """However little is looked at in one step."""
    monkeypatch.setattr(json_members, "_WINDOW", request.param)


@given(st.lists(st.tuples(st.text(), _VALUES)), st.booleans(), _BLANKS, st.sampled_from([2, 3, 7, 64, 4096]))
def test_it_finds_what_json_finds(pairs, ascii_only, blank, step):
    texts = [
        (json.dumps(k, ensure_ascii=ascii_only), json.dumps(v, ensure_ascii=ascii_only)) for k, v in pairs
    ]
    body = f"{blank},".join(f"{blank}{k}{blank}:{blank}{v}" for k, v in texts)
    whole = f"{blank}{{{blank}{body}{blank}}}{blank}".encode("utf-8", "surrogatepass")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_members, "_WINDOW", step)
        expected = [(json.loads(k), v.encode("utf-8", "surrogatepass")) for k, v in texts]
        assert [value for _, value in expected] == [value for _, value in found(whole)]
        assert [m.start for m in members(whole)] == sorted(m.start for m in members(whole))


@pytest.mark.parametrize(
    "value",
    [
        '"\\\\"', '"\\\\\\""', '["\\\\", "]"]', '{"a": "}", "b": ["]", "\\"]"]}', "[[[[[[]]]]]]", "[[],[],[]]",
        "[[[]],[[]],[[[[[]]]]]]", '[{"a":[{"b":"[["}]}]', "[{}]", "NaN", "-Infinity", '"' + "x" * 200 + '"',
        '["' + "]" * 200 + '"]', '["' + '\\"' * 99 + '",[]]', "[" * 200 + "]" * 200, "[ [ ] , [ ] ]",
    ],
)  # fmt: skip
@pytest.mark.usefixtures("window")
def test_a_value_ends_where_it_ends(value):
    body = b'{"x":' + value.encode() + b' ,"model":"m"}'
    assert [("x", value.encode()), ("model", b'"m"')] == found(body)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b'{"a"', b'{"a":', b'{"a":1', b'{"a":1,', b'{"a":1,}', b'{"a":[', b'{"a":[[]', b'{"a":"',
        b'{"a":"\\',         b'{"a":"\\"}', b'{"a":["]}', b"[]", b'{"a":1}x', b"{'a':1}", b'{"a":]}', b'{"a" 1}',
        b'{"a":1 2}',
    ],
)  # fmt: skip
@pytest.mark.usefixtures("window")
def test_what_is_no_object_is_refused(body):
    with pytest.raises(DeniedError, match="the body is not a JSON object"):
        list(members(body))


def test_there_may_be_none():
    assert list(members(b" { } ")) == []
    assert list(members(b'{"a":1}')) == [Member("a", 1, 5, 6)]

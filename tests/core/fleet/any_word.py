"""Any word of the fleet, by the types of its fields."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import NoneType
from typing import get_args, get_origin, get_type_hints

from hypothesis import strategies as st

PLAIN = {
    str: st.text(max_size=8),
    int: st.integers(-(2**62), 2**62),
    float: st.floats(0, 1e9),
    bool: st.booleans(),
    NoneType: st.none(),
}


def words_of(kind):
    """A strategy of a word, or of a kind of value that words have."""
    if kind in PLAIN:
        return PLAIN[kind]
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return st.builds(kind, **{each.name: words_of(hints[each.name]) for each in fields(kind)})
    first, *rest = get_args(kind)
    if get_origin(kind) is tuple:
        return st.lists(words_of(first), max_size=2).map(tuple)
    if get_origin(kind) is Mapping:
        return st.dictionaries(words_of(first), words_of(rest[0]), max_size=2)
    return words_of(first) | words_of(rest[0])

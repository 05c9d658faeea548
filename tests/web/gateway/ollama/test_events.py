"""Events of a stream, wherever it is cut."""

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from zoosup.web.gateway.ollama import events
from zoosup.web.gateway.ollama.events import EventError, Events

STREAM = (
    b": a comment\r\n\r\n"
    b'data: {"a": "\xc3\xb6"}\n\n'
    b"event: error\ndata:no blank\nid: 7\n\n"
    b"data: two\ndata: lines\r\n\r\n"
    b"\n\ndata\n\nretry: 5\n\n"
    b"data: [DONE]"
)
SAID = [b'{"a": "\xc3\xb6"}', b"no blank", b"two\nlines", b"", b"[DONE]"]


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_they_are_the_same_wherever_the_stream_is_cut(cuts):
    stream = Events()
    ends = [0, *sorted(cuts), len(STREAM)]
    found = [event for start, end in pairwise(ends) for event in stream.feed(STREAM[start:end])]
    assert SAID == found + stream.end()


@pytest.mark.parametrize("piece", [b"x" * 64, b"data: xx\n"])
def test_one_that_never_ends_is_given_up(monkeypatch, piece):
    monkeypatch.setattr(events, "LONGEST", 1000)
    with pytest.raises(EventError, match="longer than 1000 bytes"):
        _fed(Events(), piece)


def _fed(stream, piece):
    for _ in range(1000):
        stream.feed(piece)


def test_many_short_ones_are_no_long_one(monkeypatch):
    monkeypatch.setattr(events, "LONGEST", 100)
    stream = Events()
    assert 1000 == sum(len(stream.feed(b"data: x\n\n")) for _ in range(1000))

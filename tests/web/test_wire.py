"""Bytes and queries, without a server."""

import json
from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from zoosup.errors import UsageError
from zoosup.web import wire


def test_an_event_is_framed_in_one_line_whatever_it_says():
    framed = wire.sse(7, {"message": "two\nlines\r\nand ünïcode"})
    assert b"id: 7\ndata: " + wire.as_json({"message": "two\nlines\r\nand ünïcode"}) + b"\n" == framed
    assert 1 == framed.count(b"\n\n")
    assert framed.endswith(b"\n\n")


@given(st.recursive(st.none() | st.text() | st.integers(), st.lists, max_leaves=9))
def test_json_is_one_line_and_comes_back(value):
    written = wire.as_json(value)
    assert 1 == written.count(b"\n")
    if "\udc80" not in repr(value):
        assert value == json.loads(written)


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3), st.none() | st.text(max_size=5))
def test_a_query_is_read_or_refused_whatever_it_says(query, last_id):
    for read in (wire.log_query, wire.names_query, lambda q: wire.event_query(q, last_id, 10)):
        with suppress(UsageError):
            read(query)


def test_the_last_event_id_goes_before_since():
    assert 5 == wire.event_query({"since": "2"}, "5", newest=9).since


def test_a_last_event_id_from_before_a_restart_starts_from_the_beginning():
    assert 0 == wire.event_query({"since": "2"}, "500", newest=9).since


@pytest.mark.parametrize("given_id", ["", "abc", "-1"])
def test_a_last_event_id_that_makes_no_sense_is_ignored(given_id):
    assert 2 == wire.event_query({"since": "2"}, given_id, newest=9).since


def test_log_lines_are_bounded():
    assert wire.MAX_LINES == wire.log_query({"lines": "999999999"}).lines


def test_models_are_a_list_of_names():
    assert ("a", "org/b:8b") == wire.names_query({"models": "a,org/b:8b,"})
    assert None is wire.names_query({})

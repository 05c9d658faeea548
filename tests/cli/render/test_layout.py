"""Layout: bars that add up, text that is never cut."""

import pytest
from hypothesis import given, strategies as st

from zoosup.cli.render.layout import BarPart, bar, clean, flowed, length, line, plain, wrapped

amounts = st.lists(st.integers(0, 1 << 45) | st.floats(0, 1e15), min_size=1, max_size=30)


@given(amounts, st.integers(1, 250))
def test_a_bar_is_exactly_as_wide_as_asked(shares, width):
    drawn = bar([BarPart(share, "x") for share in shares], width)
    assert (width if any(shares) else 0) == length(drawn)


@given(amounts, st.integers(30, 250))
def test_what_is_not_nothing_is_seen(shares, width):
    parts = [BarPart(share, chr(0x100 + at)) for at, share in enumerate(shares)]
    drawn = "".join(text for text, _ in bar(parts, width))
    assert [part.fill for part in parts if part.amount > 0] == list(dict.fromkeys(drawn))


def test_a_bar_is_in_proportion():
    parts = [BarPart(1, "a"), BarPart(2, "b"), BarPart(0, "c"), BarPart(1, "d")]
    assert "aabbbbdd" == "".join(text for text, _ in bar(parts, 8))


@given(st.text(), st.integers(20, 200), st.integers(0, 10))
def test_wrapping_loses_no_word(text, width, indent):
    lines = wrapped(text, width, indent)
    assert "".join(clean(text).split()) == "".join(plain(lines).split())
    assert all(length(each) <= max(width, indent + 20) for each in lines)


def test_a_pipe_gets_one_line():
    assert 1 == len(wrapped("word " * 100, None))


def test_further_lines_stand_below_the_first_behind_its_lead():
    lines = wrapped("aaaa bbbb cccc dddd eeee", 25, 2, lead=line("why "))
    assert "  why aaaa bbbb cccc dddd\n      eeee\n" == plain(lines)


@pytest.mark.parametrize("text", ["\x1b[2J", "a\x07b", "\x9b31m", "\u202eevil", "a\r\nb"])
def test_what_others_wrote_does_not_drive_the_terminal(text):
    assert clean(text).isprintable()


@given(st.lists(st.text("abc", min_size=1, max_size=30), max_size=20), st.integers(40, 100))
def test_flowed_items_stay_whole_and_in_order(words, width):
    lines = flowed([line(word) for word in words], width)
    assert words == [word for each in lines for word in "".join(t for t, _ in each).split("   ")]
    assert all(length(each) <= width for each in lines)

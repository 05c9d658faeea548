"""Where a copy goes on: whatever the engine gives again, no byte is lost and none comes twice."""

from itertools import accumulate

from hypothesis import assume, given, strategies as st

from zoosup.host.container.engine import LogPiece
from zoosup.host.container.log_position import MARGIN, LogPosition, LogProgress

BASE = 1_700_000_000

# Mostly forward in time, now and then a little or much backward: two streams, and a clock that is set.
STEPS = st.one_of(st.floats(0, 3), st.floats(-1.5, 0), st.sampled_from([-60.0, -3600.0, 3600.0]))
PIECES = st.lists(st.tuples(STEPS, st.binary(min_size=1, max_size=4)), max_size=40)


def log_of(steps: list[tuple[float, bytes]], precision: int) -> list[LogPiece]:
    times = accumulate((step for step, _ in steps), initial=BASE + 10_000.3)
    return [
        LogPiece(float(int(at * precision)) / precision, data)
        for at, (_, data) in zip(times, steps, strict=False)
    ]


def given_by_engine(log: list[LogPiece], since: float) -> list[LogPiece]:
    return [each for each in log if since == 0 or each.at >= since]


@given(PIECES, st.lists(st.integers(0, 40), max_size=5), st.sampled_from([1, 1_000_000]))
def test_no_byte_is_lost_and_none_comes_twice(
    steps: list[tuple[float, bytes]], ends: list[int], precision: int
) -> None:
    log = log_of(steps, precision)
    copied, position, seen = b"", LogPosition(), 0
    for end in [*sorted(min(end, len(log)) for end in ends), len(log)]:
        progress = LogProgress(position)
        # an engine that is asked for what is new by its time can't tell what was printed after the clock was set back
        assume(all(each.at >= progress.ask_from for each in log[seen:]))
        seen = end
        for piece in given_by_engine(log[:end], progress.ask_from):
            new = progress.new([piece])
            copied += new
            if new:
                position = progress.position
    assert copied == b"".join(each.data for each in log)
    assert position.total == len(copied)


def test_a_position_asks_for_little_again() -> None:
    progress = LogProgress(LogPosition())
    for second in range(1000):
        progress.new([LogPiece(BASE + second + 0.5, b"line\n")])
    assert progress.position == LogPosition(BASE + 999 - MARGIN, 5 * (MARGIN + 1), 5000)
    assert LogProgress(progress.position).ask_from == BASE + 999 - MARGIN - 1


def test_a_record_of_the_other_stream_that_is_a_little_older_is_new() -> None:
    before = [LogPiece(BASE + 5.2, b"a"), LogPiece(BASE + 5.9, b"b")]
    progress = LogProgress(LogPosition())
    progress.new(before)
    again = LogProgress(progress.position)
    assert again.new([*before, LogPiece(BASE + 4.8, b"c"), LogPiece(BASE + 6.0, b"d")]) == b"cd"


def test_a_clock_set_back_makes_it_ask_for_all_until_it_has_caught_up() -> None:
    progress = LogProgress(LogPosition())
    progress.new([LogPiece(BASE + 100.0, b"old\n"), LogPiece(BASE + 10.0, b"new\n")])
    assert progress.position == LogPosition(0, 8, 8)
    progress.new([LogPiece(BASE + 101.0, b"caught up\n")])
    assert progress.position == LogPosition(BASE + 101 - MARGIN, 14, 18)


def test_a_record_that_was_written_in_part_is_completed() -> None:
    progress = LogProgress(LogPosition(0, 3, 3))
    assert progress.new([LogPiece(BASE, b"abcdef"), LogPiece(BASE, b"gh")]) == b"defgh"


def test_what_follows_a_cut_of_the_log_is_all_new() -> None:
    before = LogProgress(LogPosition())
    before.new([LogPiece(BASE + 5.5, b"gone by now\n")])
    progress = LogProgress(before.position)
    assert progress.new([LogPiece(BASE + 6.0, b"a\n"), LogPiece(BASE + 6.1, b"b\n")]) == b"a\nb\n"


def test_a_later_record_than_all_it_was_given_shows_that_it_is_behind() -> None:
    progress = LogProgress(LogPosition())
    assert progress.is_behind(BASE)
    progress.new([LogPiece(BASE + 5.5, b"a\n"), LogPiece(BASE + 5.4, b"b\n")])
    assert not progress.is_behind(BASE + 5.5)
    assert progress.is_behind(BASE + 5.500001)
    again = LogProgress(progress.position)
    assert not again.is_behind(BASE + 5.9), "of a second that was begun nobody knows"
    assert again.is_behind(BASE + 6.1)

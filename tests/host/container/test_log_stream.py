"""Log streams taken apart."""

import pytest
from hypothesis import given, strategies as st

from zoosup.host.container.engine import LogPiece
from zoosup.host.container.log_stream import FramedLog, TerminalLog

AT = 1700000000.25
STAMP = b"2023-11-14T22:13:20.250000000Z "


def frame(data: bytes, stream: int = 1) -> bytes:
    return bytes((stream, 0, 0, 0)) + len(data).to_bytes(4, "big") + data


@given(st.lists(st.binary(max_size=20), max_size=8), st.lists(st.integers(0, 400), max_size=6))
def test_frames_are_found_however_they_are_cut(contents: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(frame(STAMP + each) for each in contents)
    log, pieces = FramedLog(), []
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(stream)], strict=True):
        pieces += log.feed(stream[begin:end])
    assert pieces == [LogPiece(AT, each) for each in contents]


@given(st.lists(st.integers(0, 400), max_size=6))
def test_lines_of_a_terminal_are_found_however_they_are_cut(cuts: list[int]) -> None:
    stream = b"".join(
        STAMP + each for each in (b"a\r\n", b"\r\n", b" b 2023-11-14T22:13:20Z c\r\n", b"the end")
    )
    log, pieces = TerminalLog(), []
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(stream)], strict=True):
        pieces += log.feed(stream[begin:end])
    pieces += log.end()
    wanted = (b"a\r\n", b"\r\n", b" b 2023-11-14T22:13:20Z c\r\n", b"the end")
    assert pieces == [LogPiece(AT, each) for each in wanted]


@pytest.mark.parametrize(
    ("stamp", "at"),
    [
        (b"2023-11-14T22:13:20Z", 1700000000.0),
        (b"2023-11-14T23:13:20.5+01:00", 1700000000.5),
        (b"2023-11-14T16:43:20.000000001-05:30", 1700000000.000000001),
    ],
)
def test_times_of_every_engine_are_understood(stamp: bytes, at: float) -> None:
    assert FramedLog().feed(frame(stamp + b" x")) == [LogPiece(at, b"x")]


def test_what_is_no_frame_is_an_error() -> None:
    with pytest.raises(ValueError, match="not in frames"):
        FramedLog().feed(b"2023-11-14 some text")


@pytest.mark.parametrize("head", [b"\x04\0\0\0", b"\1\1\0\0", b"\1\0\1\0", b"\1\0\0\1"])
def test_nor_is_one_of_an_unknown_stream_or_with_more_in_its_head(head: bytes) -> None:
    with pytest.raises(ValueError, match="not in frames"):
        FramedLog().feed(head + b"\0\0\0\1x")


@pytest.mark.parametrize("stream", [0, 1, 2, 3])
def test_a_frame_is_of_one_of_four_streams(stream: int) -> None:
    assert FramedLog().feed(frame(STAMP + b"x", stream)) == [LogPiece(AT, b"x")]


def test_a_frame_that_was_cut_off_is_nothing() -> None:
    log = FramedLog()
    assert log.feed(frame(STAMP + b"x")[:-1]) == []
    assert log.end() == []
    assert log.feed(frame(STAMP + b"y")) == [LogPiece(AT, b"y")]


def test_what_has_no_time_in_front_is_of_none() -> None:
    assert FramedLog().feed(frame(b"hello")) == [LogPiece(0.0, b"hello")]
    assert FramedLog().feed(frame(b"hello " + STAMP)) == [LogPiece(0.0, b"hello " + STAMP)]


@pytest.mark.parametrize(("size", "parts"), [(4094, 1), (4095, 2), (5000, 2)])
def test_a_part_of_a_terminals_line_has_a_least_size_and_what_looks_like_one_is_text(
    size: int, parts: int
) -> None:
    pieces = TerminalLog().feed(STAMP + b"x" * size + STAMP + b"y\n")
    assert len(pieces) == parts
    assert b"".join(each.data for each in pieces).count(b"x") == size


def test_the_end_of_a_terminals_log_is_given_once() -> None:
    log = TerminalLog()
    assert log.end() == []
    log.feed(STAMP + b"x")
    assert (log.end(), log.end()) == ([LogPiece(AT, b"x")], [])


def test_a_long_line_of_a_terminal_comes_in_parts() -> None:
    log = TerminalLog()
    pieces = log.feed(STAMP + b"x" * 16384 + STAMP + b"y" * 10 + b"\r\n")
    assert pieces == [LogPiece(AT, b"x" * 16384), LogPiece(AT, b"y" * 10 + b"\r\n")]


def test_lost_ends_of_long_lines_are_put_back() -> None:
    log = FramedLog(ends_lost=True)
    whole, parts = [b"a\n"], [b"x" * 16384, b"y"]
    pieces = log.feed(b"".join(frame(STAMP + each) for each in [*whole, *parts, b"x" * 16384, b""]))
    assert [each.data for each in pieces] == [b"a\n", b"x" * 16384, b"y\n", b"x" * 16384, b"\n"]


def test_records_that_docker_gives_twice_come_once() -> None:
    log = FramedLog(repeats=True)
    stamps = [b"2023-11-14T22:13:20.%09dZ " % each for each in range(4)]
    first = [frame(stamp + b"\n") for stamp in stamps[:3]]
    pieces = log.feed(b"".join([*first, *first[1:], frame(stamps[3] + b"\n"), *first]))
    assert [each.data for each in pieces] == [b"\n"] * 4
    same_parts = frame(STAMP + b"x" * 16384) * 2
    assert len(log.feed(same_parts)) == 2
    assert len(FramedLog().feed(first[0] * 2)) == 2, "Podman's times are whole seconds"

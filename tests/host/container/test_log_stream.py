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

"""The end of a log and what comes after it, read from the files themselves."""

import pytest

from zoosup.host.storage import log_end


@pytest.fixture
def log(tmp_path):
    return tmp_path / "a.log"


def read(chunks):
    """All there is for now."""
    return b"".join(iter(lambda: next(chunks), b""))


@pytest.mark.parametrize(
    ("written", "lines", "expected"),
    [
        (b"1\n2\n3\n", 2, b"2\n3\n"),
        (b"1\n2\nhalf", 2, b"2\nhalf"),
        (b"1\r\n2\r\n", 1, b"2\r\n"),
        (b"bar 1\rbar 2\n\n", 2, b"bar 1\rbar 2\n\n"),
        (b"1\n2\n", 9, b"1\n2\n"),
        (b"1\n", 0, b""),
        (b"", 3, b""),
    ],
)
def test_the_last_lines_are_as_they_were_written(log, written, lines, expected):
    log.write_bytes(written)
    assert expected == log_end.last_lines(log, lines)


def test_a_log_that_was_cut_lately_goes_on_in_its_copy(log):
    log_end.copy_of(log).write_bytes(b"1\n2\n")
    log.write_bytes(b"3\n")
    assert b"2\n3\n" == log_end.last_lines(log, 2)


def test_each_byte_is_read_once_though_it_is_written_while_the_end_is_read(log, monkeypatch):
    log.write_bytes(b"1\n2\n")

    def last(*args):
        with log.open("ab") as file:
            file.write(b"between\n")
        return last_lines(*args)

    last_lines = log_end.last_lines
    monkeypatch.setattr(log_end, "last_lines", last)
    assert b"2\nbetween\n" == read(log_end.follow(log, 1))


def test_it_goes_on_across_a_cut_and_a_new_run_and_waits_for_one_that_is_not_there(log):
    chunks = log_end.follow(log, 5)
    assert b"" == next(chunks)
    log.write_bytes(b"first\n")
    assert b"first\n" == read(chunks)
    log.write_bytes(b"cut\n")
    assert b"cut\n" == read(chunks)
    log.rename(log.with_name("a.previous.log"))
    log.write_bytes(b"the next run\n")
    assert b"the next run\n" == read(chunks)
    chunks.close()

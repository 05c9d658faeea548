"""Ids of requests: a client's own where it is plain, else one that no other request has."""

import pytest

from zoosup.web.gateway.http1.heads.request_id import id_in, line_of, new_line


@pytest.mark.parametrize("given", [b"a", b"A-z_0.9", b"x" * 128])
def test_a_plain_one_is_kept(given):
    assert b"x-request-id: %b\r\n" % given == line_of(given)
    assert given.decode() == id_in(line_of(given))


@pytest.mark.parametrize(
    "given", [b"", b"x" * 129, b"a b", b"a, b", b"a\r", b"a\n", b"\xc3\xa4", b"a/b", b'"a"', b"a=b"]
)
def test_another_is_none(given):
    assert b"" == line_of(given)


def test_new_ones_are_plain_and_differ():
    lines = [new_line() for _ in range(1000)]
    assert 1000 == len(set(lines))
    assert lines == [line_of(id_in(line).encode()) for line in lines]

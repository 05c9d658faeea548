"""The chunks of a request, against llhttp's reading of the same bytes."""

import itertools

import httptools
import pytest
from hypothesis import given, strategies as st

from zoosup.web.gateway.http1.chunked import ChunkError, Chunks

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


class Oracle:
    def __init__(self) -> None:
        self.body = b""
        self.done = False

    def on_body(self, data: bytes) -> None:
        if not self.done:
            self.body += data

    def on_message_complete(self) -> None:
        self.done = True


def _llhttp(data: bytes) -> tuple[bytes, bool] | None:
    oracle = Oracle()
    try:
        httptools.HttpRequestParser(oracle).feed_data(HEAD + data)
    except httptools.HttpParserError:
        return (oracle.body, True) if oracle.done else None
    return oracle.body, oracle.done


def _ours(data: bytes, cuts: list[int]) -> tuple[bytes, bool] | None:
    chunks, body = Chunks(), b""
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    try:
        for begin, end in itertools.pairwise(edges):
            pieces, at = chunks.feed(data[begin:end], 0)
            body += b"".join(pieces)
            assert chunks.done or at == end - begin
            if chunks.done:
                break
    except ChunkError:
        return None
    return body, chunks.done


_piece = st.binary(min_size=1, max_size=40)
_extension = st.sampled_from([b"", b";a", b";a=b", b' ;a="b c"', b";\x00", b" "])
_framed = st.builds(
    lambda pieces, ends, last: (
        b"".join(
            b"%x%b\r\n%b\r\n" % (len(piece), end, piece) for piece, end in zip(pieces, ends, strict=False)
        )
        + last
    ),
    st.lists(_piece, max_size=4),
    st.lists(_extension, min_size=4, max_size=4),
    st.sampled_from(
        [
            b"0\r\n\r\n",
            b"0\r\nA: b\r\n\r\n",
            b"000\r\n\r\nGET / HTTP/1.1\r\n",
            b"0\n\r\n",
            b"0\r\n A: b\r\n\r\n",
            b"",
        ]
    ),
)
_noise = st.text("0123aAfF \r\n;:=x", max_size=30).map(str.encode)


@given(st.one_of(_framed, _noise), st.lists(st.integers(0, 1000), max_size=5))
def test_whatever_is_accepted_llhttp_reads_in_the_same_way(data: bytes, cuts: list[int]):
    ours = _ours(data, cuts)
    if ours is not None and ours[1]:
        assert ours == _llhttp(data)


@given(st.lists(_piece, max_size=5), st.lists(st.integers(0, 1000), max_size=8))
def test_a_body_survives_its_chunks_however_they_come(pieces: list[bytes], cuts: list[int]):
    data = b"".join(b"%X\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    assert _ours(data, cuts) == (b"".join(pieces), True)


def test_what_follows_the_body_is_left_alone():
    chunks = Chunks()
    data = b"1\r\na\r\n0\r\nX: y\r\n\r\nGET / HTTP/1.1\r\n"
    assert chunks.feed(data, 0) == ([b"a"], data.index(b"GET"))
    assert chunks.done


@pytest.mark.parametrize(
    "data",
    [
        b"1\r\nab\r\n",
        b"g\r\n",
        b"\r\n",
        b"1" * 9 + b"\r\n",
        b"1;" + b"x" * 300,
        b"0\r\n" + b"a: b\r\n" * 9000,
    ],
)
def test_what_is_no_chunk_is_said_to(data: bytes):
    with pytest.raises(ChunkError):
        Chunks().feed(data, 0)

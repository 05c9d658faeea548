"""What a head alone is refused for, whatever read it before."""

import pytest

from zoosup.web.gateway.http1.heads.request_head import Head, RejectedError


def a_head(*lines, version="1.1"):
    return Head("\r\n".join([f"POST /v1/x HTTP/{version}", "Host: box", *lines]).encode())


@pytest.mark.parametrize(
    ("lines", "version", "status", "why"),
    [
        (["Content-Length: 3", "Transfer-Encoding: chunked"], "1.1", 400, "not both"),
        (["Transfer-Encoding: gzip, chunked"], "1.1", 501, "only chunked, in HTTP/1.1"),
        (["Transfer-Encoding: chunked"], "1.0", 501, "only chunked, in HTTP/1.1"),
        (
            ["Connection: upgrade", "Upgrade: websocket", "Transfer-Encoding: chunked"],
            "1.1",
            400,
            "no chunked body",
        ),
        ([], "2.0", 505, "HTTP/2.0 is not spoken here"),
    ],
)
def test_a_body_whose_end_two_servers_could_see_in_two_places_is_refused(lines, version, status, why):
    with pytest.raises(RejectedError, match=why) as caught:
        a_head(*lines, version=version)
    assert status == caught.value.status


@pytest.mark.parametrize("length", ["", "+3", "3_0", "-1", "0x3", "3 4"])
def test_a_length_is_digits_alone(length):
    with pytest.raises(RejectedError, match="Content-Length is not a number"):
        _ = a_head(f"Content-Length: {length}").content_length
    assert (0, 30) == (a_head().content_length, a_head("Content-Length: 30").content_length)


def test_chunks_make_a_body_and_close_ends_the_connection():
    head = a_head("Transfer-Encoding: Chunked", "Connection: Close")
    assert (True, True, False) == (head.chunked, head.has_body, head.keep_alive)

"""What is noted of one request: once, plainly, and without what is nobody's business."""

import pytest

from zoosup.web.gateway.telemetry.access_log.record import Ending, Record, path_of


def a_record(ended=None, **parts):
    record = Record(
        (ended if ended is not None else []).append,
        "an-id",
        "alice",
        "10.0.0.1",
        b"POST",
        b"/v1/x?key=secret",
    )
    for name, value in parts.items():
        setattr(record, name, value)
    return record


class Wire:
    def __init__(self):
        self.got = b""

    def write(self, data):
        self.got += data


def test_bytes_pass_and_are_counted():
    record, wire = a_record(), Wire()
    sink = record.through(wire)
    sink.write(b"abc")
    sink.write(b'"usage":{"prompt_tokens":1,"completion_tokens":2}')
    record.end(Ending.ANSWERED)
    assert b'abc"usage":{"prompt_tokens":1,"completion_tokens":2}' == wire.got
    assert len(wire.got) == record.sent
    assert (1, 2) == (record.tokens().prompt, record.tokens().completion)


def test_it_ends_once():
    ended = []
    record = a_record(ended)
    record.end(Ending.CUT, "model_evicted")
    record.end(Ending.ANSWERED)
    assert [record] == ended
    assert (Ending.CUT, "model_evicted") == (record.ended, record.code)


def test_a_line_for_people():
    record = a_record(model="qwen", waited=1.5)
    record.answer("qwen", 503, "queue_full", b"12345")
    record.seconds = 2.25
    assert record.text() == (
        "10.0.0.1 alice POST /v1/x 503 model=qwen wait=1.500 seconds=2.250 bytes=5 tokens=-+- "
        "end=refused:queue_full id=an-id"
    )


def test_a_line_of_which_little_is_known():
    record = Record(lambda _: None, "an-id", "", "")
    record.end(Ending.CANCELLED)
    record.seconds = 0.0
    line = "- - - - - model=- wait=0.000 seconds=0.000 bytes=0 tokens=-+- end=cancelled id=an-id"
    assert line == record.text()


def test_a_line_for_programs():
    record = a_record()
    record.through(Wire()).write(b'{"usage":{"prompt_tokens":3}}')
    record.end(Ending.ANSWERED)
    record.seconds = 0.12345
    expected = {
        "request_id": "an-id", "key": "alice", "peer": "10.0.0.1", "method": "POST", "path": "/v1/x", "model": None,
        "status": None, "wait": 0.0, "seconds": 0.123, "bytes": 29, "prompt_tokens": 3, "completion_tokens": None,
        "end": "answered", "code": None,
    }  # fmt: skip
    assert expected == record.fields()


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/v1/models?key=secret", "/v1/models"),
        (b"/a%20b", "/a%20b"),
        (b"http://user:secret@host/v1/x?y", "/v1/x"),
        (b"http://host", "/"),
        (b"*", "*"),
        (b"", ""),
        (b"/a\nb\x1b[31m\xff c", r"/a\nb\x1b[31m\xff\x20c"),
        (b"/" + b"a" * 9999, "/" + "a" * 511),
    ],
)
def test_a_path_is_plain_and_short_and_without_its_query(target, path):
    assert path == path_of(target)

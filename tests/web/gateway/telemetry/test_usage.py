"""How many tokens an answer says it has taken, from what it begins and ends with."""

import time
from io import BytesIO

import pytest

from zoosup.web.gateway.telemetry.usage import NOTHING_SAID, Meter, Tokens

OPENAI = b'{"id":"x","choices":[],"usage":{"prompt_tokens":12,"completion_tokens":34,"total_tokens":46},"timings":{}}'
STREAM = (
    b'data: {"choices":[{"delta":{"content":"a"}}],"usage":null}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":5,"prompt_tokens_details":{"cached_tokens":1},'
    b'"completion_tokens":2}}\n\ndata: [DONE]\n\n'
)
CHUNKED = b"3a\r\n" + STREAM.replace(b"\n\n", b"\n\n\r\n1f\r\n") + b"\r\n0\r\n\r\n"
ANTHROPIC = b'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":15}}\n\n'
BEGUN = b'data: {"type":"message_start","message":{"usage":{"input_tokens":25,"output_tokens":1}}}\n\n'
EVENTS = b'data: {"type":"content_block_delta","delta":{"text":"a"}}\n\n'
QUOTED = rb'{"choices":[{"message":{"content":"\"usage\":{\"prompt_tokens\":1}"}}]}'


def tokens(answer, piece=10_000):
    meter = Meter(counts_tokens=True).through(BytesIO())
    for at in range(0, len(answer), piece):
        meter.write(answer[at : at + piece])
    return meter.tokens()


@pytest.mark.parametrize("piece", [1, 100, 10_000])
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (OPENAI, Tokens(12, 34)),
        (STREAM, Tokens(5, 2)),
        (CHUNKED, Tokens(5, 2)),
        (ANTHROPIC, Tokens(None, 15)),
        (b'{"usage" : { "input_tokens": 0, "output_tokens": 7}}', Tokens(0, 7)),
        (
            b'{"usage":{"prompt_tokens":8,"total_tokens":8},"data":[' + b"0.5," * 5000 + b"1]}",
            Tokens(8, None),
        ),
        (b'{"data":[' + b"0.5," * 5000 + b'1],"usage":{"prompt_tokens":8}}', Tokens(8, None)),
        (STREAM + b'data: {"usage":null}\n\n', Tokens(5, 2)),
        (
            b'{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2},"timings":{"predicted_n":9}}',
            Tokens(1, 2),
        ),
        (
            b'{"usage":{"completion_tokens":2,"prompt_tokens":1,"prompt_tokens_details":{"cached_tokens":9}},"timings":{}}',
            Tokens(1, 2),
        ),
        (
            b'{"usage":{"prompt_tokens":1,"prompt_tokens_details":{"a":9},"completion_tokens":2,"b":{"c":0}}}',
            Tokens(1, 2),
        ),
        (b'{"usage" : {"prompt_tokens": 1, "completion_tokens": 2}}', Tokens(1, 2)),
        (b'{"prompt_tokens":1,"completion_tokens":2}', Tokens()),
        (b'{"timings":{"cache_n":4,"prompt_n":3,"predicted_n":2}}', Tokens(7, 2)),
        (b'{"usage":null,"timings":{"prompt_n":3,"predicted_n":2}}', Tokens(3, 2)),
        (BEGUN + EVENTS + ANTHROPIC, Tokens(25, 15)),
        (BEGUN + EVENTS * 500 + ANTHROPIC, Tokens(25, 15)),
        (EVENTS * 500 + STREAM, Tokens(5, 2)),
    ],
)
def test_they_are_found_in_whatever_pieces_it_comes(answer, expected, piece):
    assert expected == tokens(answer, piece)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"{}",
        QUOTED,
        b'{"usage":null}',
        b'{"usage":',
        b'"usage"',
        b'{"usage":[1]}',
        b'{"usage":{"prompt_tokens":',
        b'{"usage":{"prompt_tokens":"1","completion_tokens":true}}',
        b'{"usage":{"prompt_tokens":-1,"completion_tokens":1.5}}',
        b'{"usage":' + b'{"a":' * 5000,
        b'{"usage":{"prompt_tokens":' + b"9" * 5000,
        b'{"usage":{"a":"' + b"\xff\x00" * 50,
        b"x" * 13_000 + OPENAI + b"x" * 15_000,
        b'{"timings":{"prompt_n":"3"}}',
    ],
)
def test_where_nothing_is_said_nothing_is_known(answer):
    assert tokens(answer) == NOTHING_SAID


def test_not_much_is_kept():
    meter = Meter(counts_tokens=True).through(BytesIO())
    for _ in range(100):
        meter.write(b"x" * 100_000)
        meter.write(b"y")
    kept = [meter._beginning, *meter._pieces]
    assert sum(map(len, kept)) <= 2048 + 4096 + 2
    assert kept[-1].endswith(b"y")
    assert 100 * 100_001 == meter.sent


def test_a_text_made_to_be_searched_for_long_is_not():
    begun = time.process_time()
    assert tokens(b'{"usage":{' * 1600 + b'"timings":{' * 100) == NOTHING_SAID
    assert time.process_time() - begun < 0.05


def test_where_tokens_are_not_counted_nothing_is_kept():
    meter = Meter(counts_tokens=False).through(BytesIO())
    meter.write(OPENAI)
    assert (NOTHING_SAID, [], len(OPENAI)) == (meter.tokens(), meter._pieces, meter.sent)

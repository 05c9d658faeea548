"""The last words of a run: what people are told of them, and how much of them is kept."""

from types import SimpleNamespace

import pytest

from zoosup.core.state.phases import Cause, ExitReason
from zoosup.core.state.runs import Exit
from zoosup.runtime.operations.exit_diagnosis import LINE, LOG_LINES, ExitDiagnosis


async def last_words(*lines):
    async def tail(_model, number):
        return lines[-number:]

    host = SimpleNamespace(
        logs=SimpleNamespace(tail=tail), gauge=SimpleNamespace(oom_kills=lambda: None), inspector=None
    )
    run = SimpleNamespace(ready_at=1.0)
    end = Exit(ExitReason.ERROR, at=1.0, code=1)
    return (await ExitDiagnosis(host, {}).explained("a", run, Cause.CRASHED, end)).log


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("Error: no CUDA", "Error: no CUDA"),
        ("load 1 %\rload 2 %\rload 3 %", "load 3 %"),
        ("load 1 %\rload 2 %\r", "load 2 %"),
        ("\r", ""),
        ("x" * LINE + "the end", "…" + "x" * (LINE - 8) + "the end"),
    ],
)
async def test_a_line_is_told_as_a_terminal_shows_it_and_of_a_long_one_its_end(line, told):
    assert ("before", told) == await last_words("before", line)


async def test_what_is_kept_of_last_words_is_bounded_whatever_a_server_prints():
    told = await last_words(*["x" * 100_000] * 100)
    assert LOG_LINES * LINE >= sum(map(len, told))

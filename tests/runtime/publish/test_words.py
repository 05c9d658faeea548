"""Whatever the code can emit has words for people, and they are in the status that page and command line read."""

import re
from enum import StrEnum
from pathlib import Path
from typing import get_args

import pytest

from zoosup.core.state.phases import Cause, ConditionType, ExitReason, Reason
from zoosup.core.state.runs import Exit
from zoosup.runtime.events.words import KINDS, EventType
from zoosup.runtime.publish import words


@pytest.mark.parametrize(
    ("kinds", "table"),
    [
        ((Reason, Cause), words.REASONS),
        ((ConditionType,), words.CONDITIONS),
        ((ExitReason,), words.ENDINGS),
    ],
)
def test_all_that_can_be_emitted_has_words_and_nothing_else_has(kinds: tuple[type[StrEnum], ...], table):
    assert {each.value for kind in kinds for each in kind} == {str(code) for code in table}
    assert [] == [code for code, said in table.items() if not said or said == code or said[0].isupper()]


@pytest.mark.parametrize("reason", sorted({*Reason, *Cause}))
def test_why_is_words_and_never_a_code(reason):
    said = words.why(reason, "needs 90 GiB", active=True)
    assert said.endswith("needs 90 GiB")
    assert str(reason) not in said


def test_a_model_that_is_simply_off_says_nothing():
    assert "" == words.why(Reason.NOT_WANTED, "", active=False)


def test_a_message_that_says_it_all_is_not_said_twice():
    assert "stopped by hand" == words.why(Reason.STOPPED_BY_HAND, "stopped by hand", active=False)


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (Exit(ExitReason.ERROR, 0.0, code=3), "ended with code 3"),
        (Exit(ExitReason.SIGNALED, 0.0, signal="SIGSEGV"), "killed by SEGV"),
        (Exit(ExitReason.COMPLETED, 0.0, code=0), "ended with code 0"),
        (Exit(ExitReason.OOM_KILLED, 0.0, signal="SIGKILL"), "killed for want of memory"),
    ],
)
def test_an_end_in_words(end, said):
    assert said == words.ending(end)


def test_a_condition_of_a_model_that_does_not_start_says_why():
    assert "does not start: can never fit" == words.of_condition(
        ConditionType.ADMITTED, Reason.EXCEEDS_BUDGET
    )
    assert "switch" == words.of_condition(ConditionType.SWITCHED, "InProgress")


def test_readme_says_of_all_that_can_be_emitted_what_to_do():
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    section = readme.partition("\n## Troubleshooting\n")[2].partition("\n## ")[0]
    codes = {
        code
        for row in re.findall(r"^\| (`[A-Z].*?) \|", section, re.MULTILINE)
        for code in re.findall(r"`(\w+)`", row)
    }
    assert {each.value for kind in (Reason, Cause, ConditionType, ExitReason) for each in kind} == codes


def test_every_kind_of_event_has_words():
    assert set(get_args(EventType)) == set(KINDS)
    assert [] == [kind for kind, said in KINDS.items() if not said or said[0].isupper()]

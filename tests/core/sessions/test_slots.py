"""What a server says of its slots, and what follows: as tools/server of llama.cpp writes it."""

import pytest

from tests.host.sessions.slot_double import METRICS
from zoosup.core.sessions.slots import Slot, prompts_of, slots_of, to_save, was_of_use

FRESH = {"id": 0, "n_ctx": 8192, "speculative": False, "is_processing": False}
USED = {
    **FRESH,
    "id": 1,
    "id_task": 7,
    "n_prompt_tokens": 1607,
    "n_prompt_tokens_processed": 0,
    "n_prompt_tokens_cache": 0,
}
BUSY = {**USED, "is_processing": True, "n_prompt_tokens_processed": 4, "n_prompt_tokens_cache": 1600}
OF_OLD = {"id": 2, "is_processing": False, "id_task": 3, "prompt": "hello"}


def test_the_answer_is_read():
    assert (
        Slot(0),
        Slot(1, used=True, tokens=1607),
        Slot(1, busy=True, used=True, tokens=1607, computed=4, reused=1600),
        Slot(2, used=True),
        Slot(0),
    ) == slots_of([FRESH, USED, BUSY, OF_OLD, {"id": "x", "id_task": -1}])


@pytest.mark.parametrize("answer", [{"error": "no"}, None, "slots"])
def test_anything_else_is_none(answer):
    with pytest.raises(ValueError, match="no list of slots"):
        slots_of(answer)


@pytest.mark.parametrize(
    ("slots", "saved"),
    [
        ([Slot(0)], []),  # never used, or restored and not used since
        ([Slot(0, used=True, tokens=511)], []),
        ([Slot(0, used=True, tokens=512)], [0]),
        ([Slot(0, used=True, tokens=600), Slot(1, used=True, tokens=9000)], [1, 0]),
        ([Slot(0, used=True), Slot(1, used=True, tokens=600)], [1, 0]),  # a server of old: it is tried
    ],
)
def test_which_are_saved(slots, saved):
    assert saved == [each.id for each in to_save(slots)]


@pytest.mark.parametrize(
    ("slot", "verdict"),
    [
        (Slot(1, busy=True, computed=3, reused=900), True),
        (Slot(1, busy=True, computed=511), None),
        (Slot(1, busy=True, computed=512), False),
        (Slot(1, computed=512), None),  # it is over, and what it says is of no request
        (Slot(2, busy=True, computed=512), None),  # not restored
    ],
)
def test_whether_what_was_restored_was_of_use(slot, verdict):
    assert verdict is was_of_use([Slot(0), slot], {1})


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        (METRICS.format(1607, 4.25), (1607, 4.25)),
        (METRICS.format("1.2e+06", "31"), (1_200_000, 31)),
        (METRICS.format("nan", "x"), (0, 0)),
        (METRICS.format("1.2.3", 1), (0, 0)),
        ("", (0, 0)),
    ],
)
def test_how_fast_it_computes_prompts_is_read(metrics, said):
    assert said == prompts_of(metrics)

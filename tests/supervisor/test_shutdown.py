"""How long answers may take that are under way where zoosup ends and its models go on."""

import pytest

from zoosup.spec.parse import parse
from zoosup.supervisor.shutdown import LAST_ANSWERS, LONGEST, longest_answer

MODEL = "{command: x, memory: {ram: 1MiB}, stop: {drain: %s, grace: %s}}"


@pytest.mark.parametrize(
    ("stops", "seconds"),
    [
        ([], LAST_ANSWERS),
        ([("10m", "30s")], 30),
        ([("5s", "30s"), ("1m", "20s")], 20),
        ([("0s", "0s")], LAST_ANSWERS),
        ([("10m", "10m")], LONGEST),
    ],
)
def test_as_long_as_where_its_models_end_with_it_and_no_longer_than_clients_can_wait(stops, seconds):
    models = ", ".join(f"m{i}: {MODEL % each}" for i, each in enumerate(stops))
    assert seconds == longest_answer(parse(f"active: []\nmodels: {{{models}}}\n", path="z", environ={}))

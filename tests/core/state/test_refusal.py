"""Codes of refusals are words that programs act on."""

import re
from pathlib import Path

from zoosup.core.state.refusal import Code


def test_readme_names_every_code_that_a_client_can_be_refused_with():
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    section = readme.partition("\n| refused with | |\n")[2].partition("\n\n")[0]
    told = set(re.findall(r"`([a-z_]+)`", section))
    looks = {"model_not_loaded"}  # only where nothing is started: beside the routes of which that is so
    assert {code.value for code in Code} - told == looks
    assert "a look: 503 `model_not_loaded`" in readme

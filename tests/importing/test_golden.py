"""Whole files, as they are written and what is said of them, to the letter.

When a change is meant: python -m tests.importing.test_golden writes the expected files anew.
"""

from pathlib import Path

import pytest

from tests.importing.imports import eternal_zoo, llama_swap, presets

HERE = Path(__file__).parent / "golden"
FILES = {
    "llama-swap": ("llama-swap.in.yaml", llama_swap),
    "presets": ("presets.in.ini", presets),
    "eternal-zoo": ("eternal-zoo.in.yaml", eternal_zoo),
}


def imported(name):
    file, read = FILES[name]
    return read((HERE / file).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", FILES)
def test_a_whole_file_becomes_this_and_this_is_said_of_it(name):
    found = imported(name)
    assert (HERE / f"{name}.out.yaml").read_text(encoding="utf-8") == found.text
    assert (HERE / f"{name}.err").read_text(encoding="utf-8").splitlines() == found.remarks


@pytest.mark.parametrize("name", FILES)
def test_a_second_import_says_the_same(name):
    assert imported(name).text == imported(name).text


if __name__ == "__main__":
    for each in FILES:
        result = imported(each)
        (HERE / f"{each}.out.yaml").write_text(result.text, encoding="utf-8")
        (HERE / f"{each}.err").write_text("\n".join(result.remarks) + "\n", encoding="utf-8")

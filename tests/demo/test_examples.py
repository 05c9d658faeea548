"""Every zoo.yaml that ships is valid, and keeps the promises of its comments."""

import re
from pathlib import Path

import pytest

from zoosup.spec.parse import parse
from zoosup.spec.syntax.units import parse_size

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = sorted(EXAMPLES.glob("*/zoo.yaml"))


def read(file):
    return parse(file.read_text(), path=str(file), environ={})


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_an_example_is_valid(file):
    assert read(file).active


def test_every_whole_file_in_the_readme_is_valid():
    blocks = re.findall(r"```yaml\n(.*?)```", (EXAMPLES.parent / "README.md").read_text(), re.DOTALL)
    whole = [text for text in blocks if text.startswith("active:")]
    assert 2 == len(whole)
    for text in whole:
        assert parse(text, path="README.md", environ={}).models


def test_there_are_examples():
    assert {"quickstart", "llama.cpp", "container"} == {file.parent.name for file in FILES}


def test_the_quick_start_s_tour_adds_up():
    zoo = read(EXAMPLES / "quickstart/zoo.yaml")
    need = {name: model.memory.ram for name, model in zoo.models.items()}
    budget = zoo.budget.ram
    assert need["small"] + need["large"] <= budget
    assert need["small"] + need["medium"] <= budget
    assert need["small"] + need["flaky"] <= budget
    assert need["medium"] + need["large"] > budget
    assert need["huge"] > budget
    assert need["small"] + need["guest"] <= budget
    assert need["small"] + need["visitor"] <= budget
    assert need["guest"] + need["visitor"] > budget
    assert all(zoo.models[name].on_demand for name in ("guest", "visitor", "huge"))


@pytest.mark.parametrize("name", ["small", "medium", "large", "guest", "visitor", "huge", "flaky"])
def test_what_a_model_of_the_quick_start_holds_is_what_it_declares_less_the_interpreter(name):
    model = read(EXAMPLES / "quickstart/zoo.yaml").models[name]
    held = parse_size(model.command[model.command.index("--ram") + 1])
    assert 30 * 2**20 <= model.memory.ram - held <= 200 * 2**20

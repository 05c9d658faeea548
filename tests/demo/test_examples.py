"""Every zoo.yaml that ships is valid, and keeps the promises of its comments."""

import re
import shlex
from pathlib import Path

import pytest

from zoosup.cli.args.tree import parser
from zoosup.core.sessions.words import keeps
from zoosup.spec.parse import parse
from zoosup.spec.syntax.units import parse_size

EXAMPLES = Path(__file__).parents[2] / "examples"
README = (EXAMPLES.parent / "README.md").read_text()
FILES = sorted(EXAMPLES.glob("*/zoo.yaml"))


HOST = {
    "NODE": "a",
    "ADDRESS": "127.0.0.2",
    "NODE_PORT": "6382",
    "OBJECTS_PORT": "6392",
    "WORKER_PORTS": "6200-6249",
}
"""What tells the hosts of one file apart."""


def read(file):
    return parse(file.read_text(), path=str(file), environ=HOST if file.parent.name == "fleet" else {})


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_an_example_is_valid(file):
    assert read(file).active


def completed(part: str) -> str:
    """A part of a zoo.yaml as a whole one: what must be there and isn't shown, and the models that it speaks of."""
    spoken_of = re.search(r"\bmodels: \[(.+?)\]", part)
    named = spoken_of[1].split(", ") if spoken_of else []
    models = "".join(f"  {name}: {{command: serve}}\n" for name in named)
    head = "" if re.search(r"^active:", part, re.MULTILINE) else "active: []\n"
    tail = (
        ""
        if re.search(r"^models:", part, re.MULTILINE)
        else f"models:\n{models}"
        if models
        else "models: {}\n"
    )
    return head + part + tail


def test_every_piece_of_yaml_in_the_readme_is_valid():
    blocks = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert len(blocks) >= 9
    for text in blocks:
        environ = {name: f"key of {name}" for name in re.findall(r"\$\{env\.(\w+)\}", text)}
        parse(completed(text), path="README.md", environ=environ)


def test_every_link_within_the_readme_leads_to_a_heading():
    headings = re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", each.lower()).strip().replace(" ", "-") for each in headings}
    assert set() == set(re.findall(r"\]\(#([^)]+)\)", README)) - anchors


def test_every_file_that_the_readme_links_to_is_there():
    named = re.findall(r"(?:\]\(|src(?:set)?=\")((?:examples|schemas|tests)/[^)\"]+)", README)
    assert [] == [each for each in named if not (EXAMPLES.parent / each).exists()]
    assert named


def test_the_readme_s_model_that_keeps_sessions_does():
    blocks = re.findall(r"```yaml\n(.*?)```", (EXAMPLES.parent / "README.md").read_text(), re.DOTALL)
    [text] = [text for text in blocks if "sessions:" in text]
    [model] = parse(f"active: []\n{text}", path="README.md", environ={}).models.values()
    assert keeps(model)


def test_what_the_readme_holds_room_with_can_be_typed():
    (block,) = re.findall(
        r"```sh\n(zoosup hold.*?)```", (EXAMPLES.parent / "README.md").read_text(), re.DOTALL
    )
    typed = [parser().parse_args(shlex.split(each, comments=True)[1:]) for each in block.splitlines()]
    assert ["./game", "python", "python", "", ""] == [" ".join(each.command[:1]) for each in typed]
    assert [True, False, False, False, False] == [each.force for each in typed]


def test_what_the_desktop_s_comments_hold_room_with_can_be_typed():
    text = (EXAMPLES / "desktop/zoo.yaml").read_text()
    lines = re.findall(r"^#     (zoosup hold .*)$", text, re.MULTILINE)
    typed = [parser().parse_args(shlex.split(each)[1:]) for each in lines]
    assert ["%command%", "torchrun", "python"] == [each.command[0] for each in typed]
    assert [True, False, False] == [each.force for each in typed]


def test_on_the_desktop_neither_model_fits_beside_the_other():
    zoo = read(EXAMPLES / "desktop/zoo.yaml")
    assert 24 * 2**30 < sum(model.memory.vram for model in zoo.models.values())
    awake, asleep = zoo.models["chat"].memory.vram, zoo.models["comfyui"].park.holds.vram
    assert awake + asleep < 24 * 2**30


def test_there_are_examples():
    assert {"quickstart", "llama.cpp", "container", "desktop", "fleet"} == {
        file.parent.name for file in FILES
    }


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

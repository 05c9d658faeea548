"""Every room of the house tells in its `__init__` what stands in it, and can be taken in at a glance."""

import re
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1] / "zoosup"
ROOMS = [
    each.parent
    for each in sorted(HOUSE.rglob("__init__.py"))
    if len(list(each.parent.glob("*.py"))) > 1 and each.parent not in {HOUSE, HOUSE / "demo"}
]
MOST = 14
FILES = [each for each in HOUSE.rglob("*.*") if each.parent.name != "__pycache__"]
FOLDERS = sorted({folder for each in FILES for folder in each.parents if folder.is_relative_to(HOUSE)})


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.relative_to(HOUSE)))
def test_a_room_names_all_that_stands_in_it(room):
    story = (room / "__init__.py").read_text()
    files = {each.stem for each in room.glob("*.py")} - {"__init__", "__main__"}
    assert set() == {each for each in files if not re.search(rf"\b{each}\b", story)}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(HOUSE)))
def test_a_folder_holds_no_more_than_a_person_takes_in(folder):
    held = {each.relative_to(folder).parts[0] for each in FILES if each.is_relative_to(folder)}
    assert len(held) <= MOST, sorted(held)

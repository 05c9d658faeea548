"""What one cache has of one repository: files by their names in the repository.

Knows no cache's layout.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from zoosup.core.estimation import hub_files
from zoosup.core.estimation.hub_files import Chosen
from zoosup.spec.model.values.weight_names import HubName

MOST_FILES = 10_000
"""Of one repository; a folder that was pointed at by mistake is not walked to its end."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Files that are there whole. `folder` is the repository as a directory; None where the cache keeps none.

    `remembered`: the model's first file and its projector, where the cache itself knows what was meant.
    """

    files: Mapping[str, Path]
    folder: Path | None = None
    remembered: tuple[str, str] = ("", "")

    def chosen(self, name: HubName) -> Chosen | None:
        """What llama.cpp would take of it; None where it has nothing that fits."""
        file, projector = self.remembered
        found = hub_files.chosen(replace(name, file=file) if file else name, self.files)
        return replace(found, mmproj=projector) if found and projector in self.files else found

    def folders(self, names: Iterable[str]) -> tuple[str, ...]:
        """Every directory that a container must see, for the files and what they are links to."""
        paths = [self.files[name] for name in names]
        found = dict.fromkeys(str(path.parent) for path in paths)
        found |= dict.fromkeys(os.path.dirname(os.path.realpath(path)) for path in paths)  # noqa: PTH120
        return tuple(found)


def below(folder: Path, most: int = MOST_FILES) -> dict[str, Path]:
    """Every file below a folder that leads to something, in order, by its name relative to it.

    No linked folder is followed, and where one may not look there is nothing.
    """
    found: dict[str, Path] = {}
    for directory, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(directory, name)
            if os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises where one may not look
                found[str(path.relative_to(folder))] = path
        if len(found) > most:
            break
    return found

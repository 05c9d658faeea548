"""The directory that zoosup was started in, in which a model without `cwd` begins.

It may be removed while zoosup runs, and is then still ours, though without a name. Refuses to know what lies in it.
"""

from pathlib import Path


def absolute(path: Path) -> Path:
    """The path from the root; as it is where our directory has been removed: below it nothing is any more."""
    try:
        return path.absolute()
    except FileNotFoundError:
        return path


def is_gone() -> bool:
    """Whether it has been removed."""
    return not absolute(Path()).is_absolute()

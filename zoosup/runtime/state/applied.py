"""Which file is in force, and why the newest one is not.

Knows its text and its circumstances; refuses to know what it says.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Applied:
    """The file in force: its text, where it is from and when it was taken over (wall time).

    `look` is the newest look at the file that is known, whatever came of it. `revision` as in `Content`.
    """

    path: str
    text: str = ""
    hash: str = ""
    generation: int = 0
    loaded_at: float | None = None
    error: str | None = None
    look: int = 0
    revision: str = ""

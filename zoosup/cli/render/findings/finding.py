"""What `zoosup doctor` has to say of one thing it looked at. Knows nothing of the thing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: `state` is ok, warn or fail; `remedy` says what to do and is "" where nothing is."""

    name: str
    state: str
    message: str
    remedy: str = ""
    pool: Mapping[str, Any] | None = None  # as in the status, to be drawn

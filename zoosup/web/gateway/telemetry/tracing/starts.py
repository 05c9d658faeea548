"""Which starts of its model a request has waited for, read off the events of that time.

Pure; times are nanoseconds of wall time. Refuses to know spans.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from zoosup.core.state.phases import Phase
from zoosup.runtime.events.journal import Event

_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Start:
    """One start, as far as it was waited for; `error`: the phase that it ended in, "" where it went well or goes on."""

    began: int
    ended: int
    error: str = ""
    attributes: Mapping[str, str | float] = field(default_factory=dict)


def starts(events: Iterable[Event], began: int, ended: int) -> Iterator[Start]:
    """Those of one model, from its events in order; nothing is longer than the wait itself.

    `zoosup.start.seconds` is how long a start took that went well, also where it had begun before the wait.
    """
    since: int | None = None
    for event in events:
        if event.type != "Phase":
            continue
        if event.data.get("to") == Phase.STARTING:
            since = max(began, int(event.at * _NS))
        elif event.data.get("from") == Phase.STARTING:
            yield _ended(event, began if since is None else since, ended)
            since = None
    if since is not None:
        yield Start(since, ended)


def _ended(event: Event, since: int, at_most: int) -> Start:
    phase, seconds = event.data.get("to"), event.data.get("seconds")
    attributes = {"zoosup.run_id": event.data.get("run_id"), "zoosup.start.seconds": seconds}
    known = {name: value for name, value in attributes.items() if value is not None}
    error = "" if phase == Phase.READY else str(phase)
    return Start(since, max(since, min(at_most, int(event.at * _NS))), error, known)

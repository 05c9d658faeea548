"""Histories of one zoosup, killed at one instant, and what must hold after the next one has taken over.

The invariants (DESIGN §9), each judged by the oracle:
1 one copy of a model at a time · 3 no room is given away while somebody holds it · 4 nobody is left of what is stopped
5 no bystander is harmed · 11 nothing starts before adoption · 16 what is wanted as it is keeps its pid
"""

import json
import math
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.crash.containers import Containers
from tests.crash.daemon import Daemon
from tests.crash.oracle import Oracle

QUIET = 0.4
"""Seconds without an instant after which a history counts as over."""


@dataclass(frozen=True, slots=True)
class History:
    """What zoosup is about to do when it dies: `first` is active before instants count, `then` is asked of it.

    `otherwise` is what the file says in the cases in which it is edited while no zoosup lives. `keeps` is the model
    that the death must not cost its process, if it has one by then and the file is not edited.
    """

    first: str | None
    then: str
    otherwise: str
    keeps: str = ""
    tight: bool = False  # no room for two
    leave: bool = False  # and then SIGTERM


HISTORIES = {
    "start": History(None, "a", otherwise="", keeps="a"),
    "replace": History("a", "b", otherwise="a", keeps="b", tight=True),
    "overlap": History("a", "b", otherwise="a", keeps="b"),
    "stop": History("a", "", otherwise="a"),
    "leave": History("a", "a", otherwise="", leave=True),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One case: `point` is where it died, empty when the history was over before; `wrong` is what was violated."""

    history: str
    deadly: int | str
    edited: bool
    point: str
    points: int
    wrong: str
    seconds: float


def run_case(
    oracle: Oracle,
    home: Path,
    history: str,
    deadly: int | str,
    *,
    edited: bool,
    after: float = math.inf,
    containers: Containers | None = None,
) -> Outcome:
    """Live through one history up to its deadly instant (0: to its end; by name: the first), take over, and judge.

    `after` has it killed from outside so many seconds after it began, wherever it may be.
    """
    told, begun = HISTORIES[history], time.monotonic()
    daemon = Daemon(home, oracle, containers=containers, tight=told.tight)
    if told.tight:
        daemon.seen.apart = ("a", "b")
    point, wrong = "", ""
    try:
        point = _live(daemon, told, deadly, after)
        _take_over(daemon, told, edited=edited)
    except AssertionError as error:
        wrong = str(error)
    finally:
        daemon.clean_up()
    wrong = "\n".join(filter(None, [wrong, *daemon.seen.wrong[:3]]))
    points = len(daemon.points.read_text().splitlines()) if daemon.points.exists() else 0
    return Outcome(history, deadly, edited, point, points, wrong, time.monotonic() - begun)


def _live(daemon: Daemon, told: History, deadly: int | str, after: float) -> str:
    """The first zoosup, to its death; the instant of it, empty when it lived to the end of its history."""
    if told.first is None:
        daemon.armed.touch()
        daemon.write(*told.then)
        daemon.start(deadly)
    else:
        daemon.write(*told.first)
        daemon.start(deadly)
        daemon.until(
            lambda: daemon.is_as(*told.first) and _has_settled(daemon, told.first), f"{told.first} to serve"
        )
        daemon.armed.touch()
        daemon.write(*told.then)
        if told.leave:
            daemon.send(signal.SIGTERM)
    end, due = "" if told.leave else told.then, time.monotonic() + after
    by_name = isinstance(deadly, str)  # such an instant comes, however late; numbers may be too high
    daemon.until(
        lambda: (
            daemon.ended() is not None
            or time.monotonic() >= due
            or (not by_name and daemon.is_as(*end) and _is_quiet(daemon))
        ),
        "the end",
    )
    if daemon.ended() is None:
        daemon.kill()
        return f"after {after:.3f} s" if time.monotonic() >= due else ""
    assert daemon.ended() in (0, -signal.SIGKILL), daemon.testimony()
    return daemon.points.read_text().splitlines()[-1] if daemon.ended() else ""  # 0 is a life to the end


def _has_settled(daemon: Daemon, models: str) -> bool:
    """Whether the records say that these models are ready and stay: till then more is to come."""
    with suppress(OSError):  # one may go while it is read
        records = [json.loads(path.read_text()) for path in daemon.records()]
        steady = [r["model"] for r in records if r["ready_at"] is not None and r["leaving"] is None]
        return len(records) == len(steady) and sorted(steady) == sorted(models)
    return False


def _is_quiet(daemon: Daemon) -> bool:
    if not daemon.points.exists() or time.time() - daemon.points.stat().st_mtime <= QUIET:
        return False
    passed = [line.split()[0] for line in daemon.points.read_text().splitlines()]
    return passed.count("before") <= passed.count("after")  # else something is being done still


def _take_over(daemon: Daemon, told: History, *, edited: bool) -> None:
    wanted = told.otherwise if edited else told.then
    if edited:
        daemon.write(*wanted)
    before = daemon.pids(told.keeps) if told.keeps and not edited else []
    daemon.start()
    daemon.until(daemon.is_up, "adoption")
    daemon.until(lambda: daemon.is_as(*wanted), f"{wanted or 'nobody'} alone to live")
    daemon.until(lambda: _has_settled(daemon, wanted), "a record of each run, and of no other")
    assert daemon.is_as(*wanted), f"as wanted, and then not; {daemon.testimony()}"
    daemon.until(lambda: daemon.engine_has(*wanted), f"the engine to have {wanted or 'nothing'} alone")
    if before:
        assert before == daemon.pids(told.keeps), f"16: {before} was not kept; {daemon.testimony()}"
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0, f"SIGTERM did not end it well; {daemon.testimony()}"
    assert daemon.living() == frozenset(), f"4: left behind; {daemon.testimony()}"
    assert daemon.engine_has(), f"4: left in the engine; {daemon.testimony()}"
    assert daemon.records() == [], f"records of nobody; {daemon.testimony()}"
    assert not daemon.harmed(), f"5: harmed {daemon.harmed()}"

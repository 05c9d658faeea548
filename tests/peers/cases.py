"""The black-box cases. Each runs a supervisor on programs of its own and reports what the operating system then says.

Knows no supervisor by name and trusts none: it is asked to do something, and believed only about having done it.
"""

import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from tests.bench import child_log
from tests.containers.engines import RealEngine
from tests.containers.images import TINY
from tests.peers import oracle
from tests.peers.supervisor import Program, Supervisor

PROGRAMS = Path(__file__).parents[1] / "host" / "misbehaving_programs.py"

LADDER = {
    "plain": "plain",
    "leader ignores TERM": "leader-deaf",
    "group child ignores TERM": "group-child-deaf",
    "setsid child": "session-child",
    "setsid child ignoring TERM": "session-child-deaf",
    "leader already crashed": "crashed",
    "double-fork daemon": "daemon",
    "child forked during TERM": "fork-on-term",
    "setsid child, cleared environment": "session-child-cleared",
}
"""The nine ways of being stopped badly, and the case of tests/host/misbehaving_programs.py that is each."""

SETTLE = 1.5
"""Seconds after a supervisor's answer before the count: what it has killed is given the time to die."""

RESTARTED = 6.0
"""Seconds in which a restarted supervisor has to have started whatever it starts."""

Rows: TypeAlias = Iterator[tuple[str, str]]
Make: TypeAlias = type[Supervisor]


def ladder(make: Make, labels: Sequence[str] = tuple(LADDER), rounds: int = 1) -> Rows:
    """In how many rounds processes were left of a program that was said to be stopped; some supervisors race."""
    left = dict.fromkeys(labels, 0)
    for _ in range(rounds):
        for label, count in _descend(make, labels):
            left[label] += count > 0
    for label, bad in left.items():
        yield f"left after “stopped”: {label}", "nothing" if not bad else f"orphans, {bad} of {rounds} times"


def _descend(make: Make, labels: Sequence[str]) -> Iterator[tuple[str, int]]:
    """How many processes are left of each program after its stop."""
    with _folder() as folder:
        programs = {label: _program(folder, LADDER[label], f"p{i}") for i, label in enumerate(labels)}
        with _running(make, folder, list(programs.values())) as supervisor:
            for program in programs.values():
                oracle.wait(lambda p=program: oracle.noted(p.cwd) is not None, f"the leader of {program}")
            time.sleep(SETTLE)
            for label, program in programs.items():
                supervisor.stop(program.name)
                time.sleep(SETTLE)
                yield label, len(oracle.living(program.cwd))


def death(make: Make) -> Rows:
    """The supervisor is killed and started again, while one program idles and another writes."""
    with _folder() as folder:
        idle, writer = _program(folder, "plain", "idle"), _program(folder, "writer", "writer")
        with _running(make, folder, [idle, writer]) as supervisor:
            before, writing = oracle.wait_leader(idle.cwd), oracle.wait_leader(writer.cwd)
            time.sleep(SETTLE)
            supervisor.kill()
            time.sleep(SETTLE)
            yield "supervisor killed: a program that writes", "lives" if oracle.lives(writing) else "dies"
            supervisor.start()
            time.sleep(RESTARTED)
            pids = [process.pid for process in oracle.living(idle.cwd)]
            yield "and restarted: processes of one program", _copies(pids, before)


def _copies(pids: Sequence[int], before: int) -> str:
    return f"{len(pids)}{' (the same)' if list(pids) == [before] else ''}"


def slip(make: Make) -> Rows:
    """A file that can't be read is saved, and the supervisor told in each way that it has."""
    effects = {}
    for way in make.ways:
        with _folder() as folder:
            program = _program(folder, "plain", "idle")
            with _running(make, folder, [program]) as supervisor:
                before, own = oracle.wait_leader(program.cwd), supervisor.pid()
                time.sleep(SETTLE)
                supervisor.spoil(way)
                time.sleep(2 * SETTLE)
                effects[way] = _effect(program, before, supervisor_lives=oracle.lives(own))
    said = set(effects.values())
    told = "; ".join(f"{way}: {effect}" for way, effect in effects.items())
    yield "a broken file: running programs", said.pop() if len(said) == 1 else told


def _effect(program: Program, before: int, *, supervisor_lives: bool) -> str:
    pids = [process.pid for process in oracle.living(program.cwd)]
    effect = "untouched" if pids == [before] else "restarted" if pids else "stopped"
    return effect if supervisor_lives else f"{effect}, supervisor ended"


def live_edit(make: Make) -> Rows:
    """Only the time to stop is edited, from 1 s to 4 s, of a program that never stops by itself."""
    with _folder() as folder:
        program = replace(_program(folder, "leader-deaf", "deaf"), grace=1)
        with _running(make, folder, [program]) as supervisor:
            before = oracle.wait_leader(program.cwd)
            time.sleep(SETTLE)
            supervisor.edit([replace(program, grace=4)])
            time.sleep(2 * SETTLE)
            now = oracle.wait_leader(program.cwd)
            began = time.monotonic()
            supervisor.stop(program.name)
            # nearer to 4 s than to 1 s, with what the command costs
            in_force = time.monotonic() - began > 3
            kept = "same pid" if now == before else "new pid"
            yield "stop time-out edited", f"{kept}, {'' if in_force else 'not '}in force"


def latency(make: Make, count: int) -> Rows:
    """SIGKILL of a program's process → the first act of the next, once and then once more."""
    with _folder() as folder:
        diaries = {f"p{i}": _place(folder, f"p{i}") / "diary" for i in range(count)}
        programs = [Program(name, child_log.command(d, 0), d.parent) for name, d in diaries.items()]
        first, second = [], []
        with _running(make, folder, programs):
            for diary in diaries.values():
                child_log.wait_note(diary, "ready")
            for diary in diaries.values():
                first.append(_respawn(diary))
                second.append(_respawn(diary))
    for which, samples in (("first crash", first), ("second crash", second)):
        yield f"{which}: until the next start, ms", f"{statistics.median(samples):.0f}"


def _respawn(diary: Path) -> float:
    """Milliseconds; a process has lived for over a second, before which supervisord calls it a failed start."""
    time.sleep(1.2 + random.random())
    alive = [note for note in child_log.read(diary) if note.event == "ready"][-1]
    before = time.monotonic_ns()
    os.kill(alive.pid, signal.SIGKILL)
    start = child_log.wait_note(diary, "start", before)
    child_log.wait_note(diary, "ready", before)
    return child_log.ms(before, start.at)


def container_that_ignores_term(make: Make, engine: RealEngine) -> Rows:
    """A program that is `docker run` is stopped, and what is in it ignores SIGTERM."""
    with _in_container(make, engine, "deaf", "sleep", "0") as (supervisor, program):
        supervisor.stop(program.name)
        time.sleep(SETTLE)
        left = len(_containers(engine))
    yield "left after “stopped”: a container that ignores TERM", "nothing" if not left else "orphans"


def container_without_client(make: Make, engine: RealEngine) -> Rows:
    """SIGKILL for the client of a container with a name of its own."""
    with _in_container(make, engine, "sleep", "0", options=("--name", "own")) as (_, program):
        before = _containers(engine)
        for client in oracle.living(program.cwd):
            client.kill()
        time.sleep(RESTARTED)
        kept, led = before == _containers(engine), _lasting(program.cwd)
    outcome = f"{'the old one' if kept else 'a new one'} {'with' if led else 'without'} a client"
    yield "client of a container killed: what runs then", outcome


def container_across_death(make: Make, engine: RealEngine) -> Rows:
    """The supervisor of a `docker run` is killed and started again."""
    with _in_container(make, engine, "sleep", "0") as (supervisor, _):
        before = _containers(engine)
        supervisor.kill()
        time.sleep(SETTLE)
        supervisor.start()
        time.sleep(RESTARTED)
        now = _containers(engine)
    same = " (the same)" if now == before else ""
    yield "and restarted: containers of one program", f"{len(now)}{same}"


@contextmanager
def _in_container(
    make: Make, engine: RealEngine, *words: str, options: Sequence[str] = ()
) -> Iterator[tuple[Supervisor, Program]]:
    client = [shutil.which("docker") or "docker", "-H", engine.address]
    command = [*client, "run", "--rm", "--network", "host", *options, TINY, *words]
    with _folder() as folder:
        program = Program("boxed", command, _place(folder, "boxed"))
        try:
            with _running(make, folder, [program]) as supervisor:
                oracle.wait(lambda: _containers(engine), "the container")
                time.sleep(SETTLE)
                yield supervisor, program
        finally:
            oracle.sweep(folder)
            engine.empty()


def _containers(engine: RealEngine) -> list[str]:
    """Those that run, by the engine's word."""
    return sorted(engine.cli("ps", "-q", "--no-trunc").split())


def _lasting(place: Path) -> bool:
    """Whether somebody lives there who is no mere attempt."""
    before = {each.pid for each in oracle.living(place)}
    time.sleep(0.5)
    return not before.isdisjoint(each.pid for each in oracle.living(place))


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder with a short path, for sockets lie in it; whoever still stands in it at the end is swept out."""
    with tempfile.TemporaryDirectory(prefix="zoosup-peers-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        try:
            yield folder
        finally:
            oracle.sweep(folder)


@contextmanager
def _running(make: Make, folder: Path, programs: Sequence[Program]) -> Iterator[Supervisor]:
    supervisor = make(folder / "home", programs)
    try:
        supervisor.start()
        yield supervisor
    finally:
        supervisor.close()


def _program(folder: Path, case: str, name: str) -> Program:
    place = _place(folder, name)
    interpreter = os.path.realpath(sys.executable)
    # A crash that is answered by a restart would tell of the restart, not of the stop.
    return Program(name, [interpreter, str(PROGRAMS), case, str(place)], place, restarts=case != "crashed")


def _place(folder: Path, name: str) -> Path:
    place = folder / "programs" / name
    place.mkdir(parents=True)
    return place

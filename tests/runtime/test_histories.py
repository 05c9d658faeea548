"""Random histories of one host: whatever people, models, strangers and the disk do, the laws hold; then there is peace.

The real reconciler, operations, ledger, adoption and memento over a host that exists only as numbers, in virtual time.
zoosup is killed between any two of its acts and begins again. HYPOTHESIS_PROFILE=thorough tries thousands.
"""

import asyncio
import json
import logging
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import currently_in_test_context, given, note, settings, strategies as st

from tests.runtime import virtual_time
from tests.runtime.reign import Reign
from tests.runtime.rough import GIB, RoughHost, Temper, mended
from tests.runtime.watchdog import Complaints, Watchdog
from zoosup.core.actions import Drain, EndCooldown, Hold, Inspect, Start, Stop
from zoosup.core.facts import (
    DrainEnded,
    Exited,
    FoundSick,
    Gone,
    ProbedReady,
    ProbedUnready,
    Recalled,
    Spawned,
    Stuck,
)
from zoosup.core.status import Exit, ExitReason, Phase, Reason
from zoosup.runtime import snapshot
from zoosup.runtime.messages import Asked, Questioned, Told
from zoosup.spec.life import Restart

NAMES = "abcd"
DAY = 86400.0
PEACE = 200.0
"""Seconds in which everything has come to rest once the faults are over: deadlines, graces and back-off are short."""


# the file


@dataclass(frozen=True)
class One:
    """A model of the file."""

    memory: str = "4GiB"
    command: str = "serve"
    port: int | None = None
    grace: str = "5s"
    drains: bool = False
    live: bool = False
    deadline: str = "20s"
    restart: str = "always"  # always | limited | never

    def data(self, name: str) -> dict[str, object]:
        back = {"initial": "1s", "max": "8s", "reset_after": "20s"}
        limited = back | {"limit": {"count": 3, "within": "60s"}}
        kinds = {"always": back, "limited": limited, "never": {"policy": "never"}}
        stop = {"grace": self.grace} | ({"before": {"http": "POST /drain"}} if self.drains else {})
        live = {"live": {"http": "/health", "period": "1s", "failures": 2}} if self.live else {}
        return {
            "command": [self.command, name, "${PORT}"],
            "memory": "auto" if self.memory == "auto" else {"ram": self.memory},
            "port": self.port or "auto",
            "stop": stop,
            "ready": {"http": "/health", "deadline": self.deadline},
            "restart": kinds[self.restart],
        } | live


@dataclass(frozen=True)
class File:
    """A whole file."""

    models: tuple[tuple[str, One], ...]
    active: tuple[str, ...]
    budget: str = "20GiB"
    strategy: str = "auto"
    rollback: bool = True
    least: str = "0s"

    def text(self) -> str:
        switch = {
            "strategy": self.strategy,
            "rollback": self.rollback,
            "cooldown": {"min": self.least, "max": "4s"},
        }
        active = [n for n in self.active if n in dict(self.models)]
        models = {name: one.data(name) for name, one in self.models}
        return json.dumps(
            {"active": active, "budget": {"ram": self.budget}, "switch": switch, "models": models}
        )


FIRST = File(tuple((name, One()) for name in NAMES), ("a",))

names = st.sampled_from(NAMES)
ones = st.builds(
    One,
    memory=st.sampled_from(["1GiB", "4GiB", "6GiB", "9GiB", "15GiB", "40GiB", "auto"]),
    command=st.sampled_from(["serve", "better"]),
    port=st.sampled_from([None, None, None, 8000]),
    grace=st.sampled_from(["1s", "5s"]),
    drains=st.booleans(),
    live=st.booleans(),
    deadline=st.sampled_from(["10s", "20s"]),
    restart=st.sampled_from(["always", "always", "limited", "never"]),
)
actives = st.lists(names, max_size=3, unique=True).map(tuple)
files = st.builds(
    File,
    models=st.dictionaries(names, ones, max_size=4).map(lambda d: tuple(d.items())),
    active=actives,
    budget=st.sampled_from(["10GiB", "16GiB", "20GiB", "64GiB"]),
    strategy=st.sampled_from(["auto", "auto", "overlap", "replace"]),
    rollback=st.booleans(),
    least=st.sampled_from(["0s", "0s", "2s"]),
)
tempers = st.builds(
    Temper,
    spawn=st.sampled_from([0.002, 0.002, 0.5, 3.0]),
    load=st.sampled_from([0.1, 1.0, 3.0, 30.0]),
    holds=st.sampled_from([0.0, 0.5, 0.9, 1.0]),
    start=st.sampled_from(["ok", "ok", "ok", "refused", "eagain", "dies", "hangs"]),
    stop=st.sampled_from([0.0, 0.2, 12.0, 1000.0]),
    stuck=st.sampled_from([False, False, False, True]),
    remains=st.booleans(),
    release=st.sampled_from([0.01, 0.3, 6.0]),
)


# what can happen


@dataclass(frozen=True)
class Rewrite:
    """The file is another one."""

    file: File


@dataclass(frozen=True)
class SetActive:
    """`zoosup use`."""

    active: tuple[str, ...]


@dataclass(frozen=True)
class EditOne:
    """One model is changed or added."""

    name: str
    one: One


@dataclass(frozen=True)
class BadFile:
    """The file is cut short, empty or nonsense; `None` says it once more as it is."""

    text: str | None


@dataclass(frozen=True)
class ByHand:
    """`zoosup start|stop|restart`."""

    verb: str
    name: str


@dataclass(frozen=True)
class Crash:
    """The model's leader ends by itself."""

    name: str


@dataclass(frozen=True)
class Become:
    """The model's next process behaves like this."""

    name: str
    temper: Temper


@dataclass(frozen=True)
class Sick:
    """Its probes fail, or no longer."""

    name: str
    sick: bool


@dataclass(frozen=True)
class Surroundings:
    """The host: what strangers hold (GiB), what can be read, whether the disk is full, who holds port 8000."""

    foreign: int = 2
    readable: bool = True
    countable: bool = True
    disk_full: bool = False
    port_taken: bool = False
    missing: str = ""


@dataclass(frozen=True)
class Messages:
    """Wake-ups get lost, facts come twice."""

    lost: bool
    doubled: bool


@dataclass(frozen=True)
class Late:
    """A fact about a run that is gone comes once more."""

    which: int
    kind: int


@dataclass(frozen=True)
class Jump:
    """The wall clock is set."""

    seconds: float


@dataclass(frozen=True)
class Ask:
    """`zoosup plan`."""


@dataclass(frozen=True)
class Leave:
    """SIGTERM to zoosup, with `grace` the second one; it is started again when it has ended."""

    grace: float | None
    keep: bool


@dataclass(frozen=True)
class Kill:
    """kill -9 of zoosup before its `acts`-th next act; it is started again after `away` seconds.

    `damage`: its records are from another version, or lost.
    """

    acts: int
    away: float
    damage: str = ""


happenings = st.one_of(
    st.builds(Rewrite, files),
    st.builds(SetActive, actives),
    st.builds(SetActive, actives),
    st.builds(EditOne, names, ones),
    st.builds(
        BadFile, st.sampled_from([None, "", "active: [a\n", "active: z\nmodels: {}\n", "models: {a: {}}\n"])
    ),
    st.builds(ByHand, st.sampled_from(["start", "stop", "restart"]), names),
    st.builds(Crash, names),
    st.builds(Become, names, tempers),
    st.builds(Become, names, tempers),
    st.builds(Sick, names, st.booleans()),
    st.builds(
        Surroundings,
        foreign=st.sampled_from([2, 2, 8, 16, 27, 33]),
        readable=st.sampled_from([True, True, False]),
        countable=st.sampled_from([True, True, False]),
        disk_full=st.sampled_from([False, False, True]),
        port_taken=st.booleans(),
        missing=st.sampled_from(["", "", "a", "b"]),
    ),
    st.builds(Messages, st.booleans(), st.booleans()),
    st.builds(Late, st.integers(0, 5), st.integers(0, 8)),
    st.builds(Jump, st.sampled_from([-DAY, -30.0, 30.0, DAY])),
    st.builds(Ask),
    st.builds(Leave, st.sampled_from([None, 2.0]), st.booleans()),
    st.builds(
        Kill,
        st.integers(0, 12),
        st.sampled_from([0.0, 0.5, 10.0]),
        st.sampled_from(["", "", "", "version", "lost"]),
    ),
)
pauses = st.sampled_from([0.0, 0.001, 0.0015, 0.004, 0.02, 0.3, 1.0, 3.0, 3.0, 8.0, 25.0])


def likely_trouble(name: str, other: str) -> list[list[tuple[object, float]]]:
    """Turns of fate that chance alone seldom brings about, each a few steps long."""
    dies, hangs = Temper(start="dies", load=0.2), Temper(start="hangs", load=0.2)
    undying, slow = Temper(stuck=True, stop=1000.0), Temper(spawn=3.0, load=3.0)
    crowd = File(tuple((n, One("9GiB")) for n in NAMES), tuple(NAMES), "64GiB")
    fickle = One(restart="limited")
    return [
        [(SetActive((other,)), 8.0), (Become(name, dies), 0.0), (SetActive((name,)), 25.0)],
        [(SetActive((other,)), 8.0), (Become(name, hangs), 0.0), (SetActive((name,)), 8.0)],
        [(EditOne(name, fickle), 0.0), (Become(name, dies), 0.0), (ByHand("start", name), 25.0)],
        [(Become(name, dies), 0.0), (ByHand("restart", name), 3.0), (Kill(0, 0.5), 1.0)],
        [(Become(name, undying), 0.0), (ByHand("restart", name), 3.0), (ByHand("stop", name), 25.0)],
        [(Become(name, slow), 0.0), (ByHand("restart", name), 1.0), (ByHand("stop", name), 3.0)],
        [(ByHand("start", name), 8.0), (ByHand("restart", name), 3.0), (Late(0, 4), 0.0), (Late(0, 1), 0.0)],
        [(Become(name, Temper(load=30.0, holds=1.0)), 0.0), (Rewrite(crowd), 8.0)],
        [(SetActive((name,)), 8.0), (EditOne(name, One(command="better")), 0.0), (Kill(3, 0.5), 3.0)],
    ]


troubles = st.tuples(names, names).flatmap(lambda both: st.sampled_from(likely_trouble(*both)))
histories = st.lists(
    st.one_of(*[st.tuples(happenings, pauses).map(lambda step: [step])] * 3, troubles), max_size=20
).map(lambda parts: [step for part in parts for step in part])


# one history


class Marked(asyncio.Future):
    """Knows how much had been carried out when it was answered, and whether it was the last in the mailbox."""

    def __init__(self, reign: Reign) -> None:
        super().__init__()
        self._reign, self.acts, self.turn, self.last = reign, 0, 0, True

    def set_result(self, result: object) -> None:
        self.acts, self.turn = len(self._reign.acts), len(self._reign.turns)
        self.last = not self._reign.reconciler._inbox
        super().set_result(result)


@dataclass
class History:
    """One host and the zoosups that follow each other on it."""

    file: File = FIRST
    old_runs: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.host = RoughHost(self._need)
        self.watchdog = Watchdog(self.host)
        self.host.on_change = self.watchdog.look
        self.away = 0.0
        self.damage = ""
        self.valid = self.file.text()
        self.host.save(self.valid)

    def _need(self, name: str) -> int:
        run = self.reign.zoo.models[name].run if name in self.reign.zoo.models else None
        return run.reserved["ram"] if run is not None else GIB

    async def start(self) -> None:
        self.watchdog.forget_unsaved()
        self.reign = Reign(self.host, self.hear)
        self.watchdog.succeed(self.reign)
        self.reign.begin()
        await asyncio.sleep(0)

    def hear(self, reign: Reign, event: object) -> None:
        run_id = event.data.get("run_id") if event.type == "Phase" else None
        if run_id is not None and (event.model, run_id) not in self.old_runs:
            self.old_runs.append((event.model, run_id))
        self.watchdog.hear(reign, event)

    async def pass_time(self, seconds: float) -> None:
        """Let time pass; whoever is killed or ends meanwhile is followed by another."""
        until = self.host.now() + seconds
        while True:
            try:
                async with asyncio.timeout_at(until):
                    await self._end_of_reign()
            except TimeoutError:
                break
            await self._follow()
        self.inspect()

    async def _end_of_reign(self) -> None:
        dead = asyncio.ensure_future(self.reign.dead.wait())
        try:
            await asyncio.wait({dead, self.reign._main}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            dead.cancel()

    async def _follow(self) -> None:
        self._complain_of_the_end()
        await self.reign.bury()
        await asyncio.sleep(self.away)
        if self.damage == "lost":
            self.host.records.clear()
        elif self.damage == "version":
            for record in self.host.records.values():
                record["format"] = 99
        self.away, self.damage = 0.0, ""
        await self.start()

    def _complain_of_the_end(self) -> None:
        error = self.reign.error()
        self.watchdog.check(error is None, f"zoosup has ended by {error!r}")

    def inspect(self) -> None:
        self.watchdog.look()
        self.host.processes = [
            p
            for p in self.host.processes
            if p.gone is None or self.host.now() - p.gone < p.temper.release + 60
        ]
        broken = [*self.watchdog.broken, *self.host.broken]
        assert not broken, "\n".join(broken[:5])

    # what can happen

    async def happen(self, what: object) -> None:
        await getattr(self, f"_{type(what).__name__.lower()}")(what)

    def _save(self, file: File) -> None:
        self.file, self.valid = file, file.text()
        self.host.save(self.valid)

    async def _rewrite(self, what: Rewrite) -> None:
        self._save(what.file)

    async def _setactive(self, what: SetActive) -> None:
        self._save(replace(self.file, active=what.active))

    async def _editone(self, what: EditOne) -> None:
        self._save(replace(self.file, models=tuple((dict(self.file.models) | {what.name: what.one}).items())))

    async def _badfile(self, what: BadFile) -> None:
        self.host.save(self.host.text if what.text is None else what.text)

    async def _byhand(self, what: ByHand) -> None:
        if self.reign.up:
            answer = asyncio.get_running_loop().create_future()
            self.reign.reconciler.post(Asked(what.verb, what.name, answer))

    async def _crash(self, what: Crash) -> None:
        self.host.crash(what.name)

    async def _become(self, what: Become) -> None:
        self.host.tempers[what.name] = what.temper

    async def _sick(self, what: Sick) -> None:
        for process in self.host.alive(what.name):
            process.sick = what.sick
            process.tell()

    async def _surroundings(self, what: Surroundings) -> None:
        host = self.host
        host.foreign = what.foreign * GIB
        host.readable, host.countable, host.disk_full = what.readable, what.countable, what.disk_full
        host.strangers_ports = {8000} if what.port_taken else set()
        host.missing = {what.missing} - {""}

    async def _messages(self, what: Messages) -> None:
        if self.reign.up:
            self.reign.hint.lost, self.reign.doubled = what.lost, what.doubled

    async def _late(self, what: Late) -> None:
        """13: it changes nothing."""
        live = {run.id for _, run in self.reign.zoo.live()}
        old = [(n, r) for n, r in self.old_runs if r not in live and n in self.reign.zoo.models]
        if not self.reign.up or not old:
            return
        name, run_id = old[-1 - what.which % len(old)]
        before = dict(self.reign.zoo.models)
        self.reign.reconciler._hearing.take(Told(name, self._fact(run_id, what.kind)))
        assert before == self.reign.zoo.models, "13: a fact about an old run has changed a model"

    def _fact(self, run_id: str, kind: int) -> object:
        now = self.host.now()
        end = Exit(ExitReason.ERROR, self.host.wall(), code=1)
        return (
            ProbedReady(run_id, now),
            ProbedUnready(run_id, "503", now),
            FoundSick(run_id, "hangs"),
            Exited(run_id, end, now),
            Gone(run_id, end, now, Restart(), 0.0),
            Stuck(run_id, "pid 1", now),
            Spawned(run_id, 1),
            DrainEnded(run_id),
            Recalled(run_id),
        )[kind]

    async def _jump(self, what: Jump) -> None:
        self.host.wall_offset += what.seconds

    async def _ask(self, _: Ask) -> None:
        """14: what is foretold is what the same turn does."""
        reign = self.reign
        if not reign.up:
            return
        answer = Marked(reign)
        reign.reconciler.post(Questioned(None, "zoo.yaml", answer))
        await asyncio.wait({answer, reign._main}, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done() or len(reign.turns) == answer.turn or not answer.last:
            return  # what the same turn heard after the question was not part of it
        told = [(a["action"], a["model"]) for a in snapshot.foretold(answer.result())["actions"]]
        done = [(VERBS[type(a)], a.model) for a in reign.acts[answer.acts : reign.turns[answer.turn]]]
        assert told == done[: len(told)], f"14: {told} was foretold, done was {done}"
        assert told or not done, f"14: {done} was done though nothing was foretold"

    async def _leave(self, what: Leave) -> None:
        if self.reign.up:
            self.reign.leave(what.grace, keep=what.keep)

    async def _kill(self, what: Kill) -> None:
        self.away, self.damage = what.away, what.damage
        if what.acts == 0:
            self.reign.kill()
        else:
            self.reign.steps_left = what.acts

    # peace

    async def make_peace(self) -> None:
        await self._surroundings(Surroundings())
        if not self.reign.dead.is_set():
            self.reign.steps_left = None
            if self.reign.adopted:
                self.reign.doubled = False  # 15: hints go on being lost
        for name in NAMES:
            self.host.tempers[name] = mended(self.host.temper(name))
        for process in self.host.processes:
            process.sick = False
            process.tell()
            if not process.ready and process.temper.start == "ok":
                process.ready = True
        self.host.unstick()
        self.host.save(self.valid)
        await self.pass_time(PEACE)
        self.at_rest()

    def at_rest(self) -> None:
        """9: everyone is ready, stopped, failed or pending, and there is a reason."""
        zoo = self.reign.zoo
        assert self.reign.up
        self.states = [f"{m.name} {m.phase} {m.reason}" for m in zoo.models.values()]
        for model in zoo.models.values():
            state = f"{model.name} is {model.phase} ({model.reason}: {model.message})"
            if model.phase is Phase.FAILED:
                allowed = {Reason.CRASH_LOOP, Reason.EXITED, Reason.ROLLED_BACK}
                assert model.reason in allowed, state
            elif model.phase is Phase.PENDING:
                assert model.reason in {Reason.EXCEEDS_BUDGET, Reason.MEMORY, Reason.PORT}, state
            elif model.phase is Phase.STOPPED:
                by_hand = model.name in self.watchdog.stopped_by_hand
                assert by_hand or model.name not in zoo.spec.active, f"{state} for ever"
            else:
                assert model.phase is Phase.READY, f"{state} for ever"
        for name in self.watchdog.stopped_by_hand:
            assert not self.host.alive(name), f"12: {name} runs, and was stopped by hand"

    async def nothing_more_happens(self, why: str) -> None:
        before = self._deeds()
        await self.pass_time(40)
        assert before == self._deeds(), f"{why}: {self.states} -> {self.host.history[-5:]}"

    def _deeds(self) -> tuple[list[int], int]:
        return [p.pid for p in self.host.alive()], len(self.host.history)

    async def leave(self) -> None:
        """When zoosup ends in a hurry nothing is left: no process, no reservation, no task, no record."""
        for process in self.host.alive():
            process.stuck = False  # it may have been on its way when peace was made
            process.temper = replace(process.temper, stop=1000.0)
        self.reign.leave()
        await asyncio.sleep(0.1)
        self.reign.leave(0.5)
        await asyncio.wait({self.reign._main}, timeout=2)
        assert self.reign.over, "zoosup does not end in time"
        assert not self.host.alive()
        assert {} == self.host.records
        self._complain_of_the_end()
        await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"20: left running: {left}"
        self.inspect()


VERBS = {
    Start: "start",
    Drain: "drain",
    Stop: "stop",
    Hold: "hold",
    Inspect: "inspect",
    EndCooldown: "end-cooldown",
}


def say(what: str) -> None:
    if currently_in_test_context():
        note(what)


async def live_through(happening: list[tuple[object, float]]) -> None:
    history = History()
    complaints = Complaints(history.watchdog)
    logging.getLogger("zoosup").addHandler(complaints)
    try:
        await history.start()
        await history.pass_time(3.0)
        for what, pause in happening:
            await history.happen(what)
            await history.pass_time(pause)
        await history.make_peace()
        await history.nothing_more_happens("9: it does not come to rest")
        history.host.save(history.valid)
        await history.nothing_more_happens("7: the same file again has done something")
        history.host.save("models: [\n")
        await history.nothing_more_happens("6: a bad file has done something")
        await history.happen(Jump(DAY))
        await history.nothing_more_happens("17: another wall clock has done something")
        history.host.save(history.valid)
        await history.happen(Kill(0, 0.5))
        await history.nothing_more_happens("16: a new zoosup has done something")
        await history.leave()
    finally:
        logging.getLogger("zoosup").removeHandler(complaints)
        say("\n".join(f"{at:.3f} {who} {did}" for at, who, did in history.host.history))
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()


@pytest.fixture(autouse=True)
def _quiet(caplog):
    caplog.set_level(logging.CRITICAL + 1, "zoosup")
    logging.getLogger("zoosup").setLevel(logging.ERROR)


@pytest.mark.timeout(3600)  # a failing history is made as short as can be before it is shown
@settings(max_examples=2 * settings().max_examples)
@given(histories)
def test_the_laws_hold_and_in_the_end_there_is_peace(happening):
    virtual_time.run(live_through(happening))
